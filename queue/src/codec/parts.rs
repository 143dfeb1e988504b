//! Record types that several records share.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use handfast_protocol::limits::BODY_BYTES_MAX;
use handfast_protocol::{Bqual, DeadLetterReason, Gtrid, MessageId, Priority, Properties, QueueName, Timestamp, Xid};
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

use super::Unreadable;
use crate::command::Fate;
use crate::{Body, BodyId, MessageKey, OutgoingMessage, QueueId, QueueSettings, StageId, Work};

/// Bytes that are borrowed on reading, and written in one piece.
#[derive(Debug, Clone, Copy)]
pub(super) struct Octets<'a>(pub &'a [u8]);

impl Octets<'_> {
    /// The same bytes as a slice of `source`, which they were read from.
    pub(super) fn of(self, source: &Bytes) -> Bytes {
        source.slice_ref(self.0)
    }
}

impl Serialize for Octets<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Octets<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Octets<'a>, D::Error> {
        struct Borrow;
        impl<'de> Visitor<'de> for Borrow {
            type Value = Octets<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bytes")
            }

            fn visit_borrowed_bytes<E: Error>(self, bytes: &'de [u8]) -> Result<Octets<'de>, E> {
                Ok(Octets(bytes))
            }
        }
        deserializer.deserialize_bytes(Borrow)
    }
}

/// Queue, band, sequence.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct KeyRecord(u32, u8, u64);

impl From<&MessageKey> for KeyRecord {
    fn from(key: &MessageKey) -> KeyRecord {
        KeyRecord(key.queue.0, key.band, key.sequence)
    }
}

impl From<KeyRecord> for MessageKey {
    fn from(KeyRecord(queue, band, sequence): KeyRecord) -> MessageKey {
        MessageKey { queue: QueueId(queue), band, sequence }
    }
}

pub(super) fn key_records(keys: &[MessageKey]) -> Vec<KeyRecord> {
    keys.iter().map(KeyRecord::from).collect()
}

pub(super) fn message_keys(records: Vec<KeyRecord>) -> Vec<MessageKey> {
    records.into_iter().map(MessageKey::from).collect()
}

/// Format id, gtrid, bqual.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct XidRecord<'a>(u32, #[serde(borrow)] Octets<'a>, #[serde(borrow)] Octets<'a>);

impl<'a> From<&'a Xid> for XidRecord<'a> {
    fn from(xid: &'a Xid) -> XidRecord<'a> {
        XidRecord(xid.format_id, Octets(xid.gtrid.as_bytes()), Octets(xid.bqual.as_bytes()))
    }
}

impl XidRecord<'_> {
    /// Copies its two small parts: an xid outlives the log entry that it came in.
    pub(super) fn into_xid(self) -> Result<Xid, Unreadable> {
        let gtrid = Gtrid::new(Bytes::copy_from_slice(self.1.0)).map_err(Unreadable::malformed)?;
        let bqual = Bqual::new(Bytes::copy_from_slice(self.2.0)).map_err(Unreadable::malformed)?;
        Ok(Xid { format_id: self.0, gtrid, bqual })
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct PropertiesRecord<'a> {
    label: &'a str,
    #[serde(borrow)]
    correlation_id: Octets<'a>,
    #[serde(borrow)]
    response_queue: Option<&'a str>,
    priority: u8,
    time_to_be_received: Option<Duration>,
    drop_expired: bool,
    #[serde(borrow)]
    extension: Vec<(&'a str, Octets<'a>)>,
}

impl<'a> From<&'a Properties> for PropertiesRecord<'a> {
    fn from(properties: &'a Properties) -> PropertiesRecord<'a> {
        PropertiesRecord {
            label: &properties.label,
            correlation_id: Octets(&properties.correlation_id),
            response_queue: properties.response_queue.as_ref().map(QueueName::as_str),
            priority: properties.priority.get(),
            time_to_be_received: properties.time_to_be_received,
            drop_expired: properties.drop_expired,
            extension: properties.extension.iter().map(|(name, value)| (name.as_str(), Octets(value))).collect(),
        }
    }
}

impl PropertiesRecord<'_> {
    pub(super) fn into_properties(self, source: &Bytes) -> Result<Properties, Unreadable> {
        let priority = Priority::new(self.priority)
            .ok_or_else(|| Unreadable::malformed(format_args!("{} is not a priority", self.priority)))?;
        Ok(Properties {
            label: self.label.to_owned(),
            correlation_id: self.correlation_id.of(source),
            response_queue: self.response_queue.map(queue_name).transpose()?,
            priority,
            time_to_be_received: self.time_to_be_received,
            drop_expired: self.drop_expired,
            extension: self.extension.into_iter().map(|(name, value)| (name.to_owned(), value.of(source))).collect(),
        })
    }
}

pub(super) fn queue_name(name: &str) -> Result<QueueName, Unreadable> {
    QueueName::new(name).map_err(Unreadable::malformed)
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) enum BodyRecord<'a> {
    Inline(#[serde(borrow)] Octets<'a>),
    Apart { body: u64, length: u64 },
}

impl<'a> From<&'a Body> for BodyRecord<'a> {
    fn from(body: &'a Body) -> BodyRecord<'a> {
        match body {
            Body::Inline(bytes) => BodyRecord::Inline(Octets(bytes)),
            Body::Apart { body, length } => BodyRecord::Apart { body: body.0, length: *length },
        }
    }
}

impl BodyRecord<'_> {
    /// For what the store gives back: no length is believed that could not have been written.
    pub(super) fn check(&self) -> Result<(), Unreadable> {
        match self {
            BodyRecord::Inline(_) => Ok(()),
            BodyRecord::Apart { length, .. } => check_length(*length),
        }
    }

    pub(super) fn into_body(self, source: &Bytes) -> Body {
        match self {
            BodyRecord::Inline(octets) => Body::Inline(octets.of(source)),
            BodyRecord::Apart { body, length } => Body::Apart { body: BodyId(body), length },
        }
    }
}

pub(super) fn check_length(length: u64) -> Result<(), Unreadable> {
    if length <= BODY_BYTES_MAX as u64 {
        Ok(())
    } else {
        Err(Unreadable::malformed(format_args!("a body of {length} bytes is longer than any")))
    }
}

/// Manager, ordinal.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct IdRecord([u8; 16], u64);

impl From<MessageId> for IdRecord {
    fn from(id: MessageId) -> IdRecord {
        IdRecord(id.manager.into_bytes(), id.ordinal)
    }
}

impl From<IdRecord> for MessageId {
    fn from(IdRecord(manager, ordinal): IdRecord) -> MessageId {
        MessageId { manager: Uuid::from_bytes(manager), ordinal }
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct OutgoingRecord<'a> {
    queue: u32,
    id: IdRecord,
    #[serde(borrow)]
    properties: PropertiesRecord<'a>,
    #[serde(borrow)]
    body: BodyRecord<'a>,
    sent_at: u64,
}

pub(super) fn outgoing_records<'a>(messages: &'a [OutgoingMessage]) -> Vec<OutgoingRecord<'a>> {
    let record = |message: &'a OutgoingMessage| {
        let OutgoingMessage { queue, id, properties, body, sent_at } = message;
        let (properties, body) = (properties.into(), body.into());
        OutgoingRecord { queue: queue.0, id: (*id).into(), properties, body, sent_at: sent_at.0 }
    };
    messages.iter().map(record).collect()
}

pub(super) fn outgoing_messages(
    records: Vec<OutgoingRecord<'_>>,
    source: &Bytes,
) -> Result<Vec<OutgoingMessage>, Unreadable> {
    let message = |record: OutgoingRecord<'_>| {
        Ok(OutgoingMessage {
            queue: QueueId(record.queue),
            id: record.id.into(),
            properties: record.properties.into_properties(source)?,
            body: record.body.into_body(source),
            sent_at: Timestamp(record.sent_at),
        })
    };
    records.into_iter().map(message).collect()
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct WorkRecord<'a> {
    #[serde(borrow)]
    sends: Vec<OutgoingRecord<'a>>,
    receives: Vec<KeyRecord>,
    stage: Option<u64>,
}

impl<'a> From<&'a Work> for WorkRecord<'a> {
    fn from(work: &'a Work) -> WorkRecord<'a> {
        WorkRecord {
            sends: outgoing_records(&work.sends),
            receives: key_records(&work.receives),
            stage: work.stage.map(|stage| stage.0),
        }
    }
}

impl WorkRecord<'_> {
    pub(super) fn check(&self) -> Result<(), Unreadable> {
        self.sends.iter().try_for_each(|send| send.body.check())
    }

    pub(super) fn into_work(self, source: &Bytes) -> Result<Work, Unreadable> {
        Ok(Work {
            sends: outgoing_messages(self.sends, source)?,
            receives: message_keys(self.receives),
            stage: self.stage.map(StageId),
        })
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SettingsRecord {
    max_attempts: u32,
    max_abandoned: u32,
}

impl From<&QueueSettings> for SettingsRecord {
    fn from(settings: &QueueSettings) -> SettingsRecord {
        SettingsRecord { max_attempts: settings.max_attempts, max_abandoned: settings.max_abandoned }
    }
}

impl From<SettingsRecord> for QueueSettings {
    fn from(record: SettingsRecord) -> QueueSettings {
        QueueSettings { max_attempts: record.max_attempts, max_abandoned: record.max_abandoned }
    }
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) enum FateRecord {
    Discard,
    DeadLetter(ReasonRecord),
}

impl From<Fate> for FateRecord {
    fn from(fate: Fate) -> FateRecord {
        match fate {
            Fate::Discard => FateRecord::Discard,
            Fate::DeadLetter(reason) => FateRecord::DeadLetter(reason.into()),
        }
    }
}

impl From<FateRecord> for Fate {
    fn from(record: FateRecord) -> Fate {
        match record {
            FateRecord::Discard => Fate::Discard,
            FateRecord::DeadLetter(reason) => Fate::DeadLetter(reason.into()),
        }
    }
}

/// Stored by its place here, which is never changed.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) enum ReasonRecord {
    ReceiveTimeout,
    MaxAttempts,
    MaxAbandoned,
    QueueDeleted,
    Purged,
    Rejected,
}

impl From<DeadLetterReason> for ReasonRecord {
    fn from(reason: DeadLetterReason) -> ReasonRecord {
        match reason {
            DeadLetterReason::ReceiveTimeout => ReasonRecord::ReceiveTimeout,
            DeadLetterReason::MaxAttempts => ReasonRecord::MaxAttempts,
            DeadLetterReason::MaxAbandoned => ReasonRecord::MaxAbandoned,
            DeadLetterReason::QueueDeleted => ReasonRecord::QueueDeleted,
            DeadLetterReason::Purged => ReasonRecord::Purged,
            DeadLetterReason::Rejected => ReasonRecord::Rejected,
        }
    }
}

impl From<ReasonRecord> for DeadLetterReason {
    fn from(record: ReasonRecord) -> DeadLetterReason {
        match record {
            ReasonRecord::ReceiveTimeout => DeadLetterReason::ReceiveTimeout,
            ReasonRecord::MaxAttempts => DeadLetterReason::MaxAttempts,
            ReasonRecord::MaxAbandoned => DeadLetterReason::MaxAbandoned,
            ReasonRecord::QueueDeleted => DeadLetterReason::QueueDeleted,
            ReasonRecord::Purged => DeadLetterReason::Purged,
            ReasonRecord::Rejected => DeadLetterReason::Rejected,
        }
    }
}
