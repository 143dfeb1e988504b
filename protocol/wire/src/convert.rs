//! Between the wire's messages and the words of `handfast-protocol`. What a stranger sent is checked here and nowhere else.

use std::time::Duration;

use bytes::Bytes;
use handfast_protocol::{Bqual, Gtrid};
use handfast_protocol::{
    DeadLetter, GlobalId, GlobalIdError, Heuristic, IdTooLong, Message, MessageId, MessageIdError, MessageInvalid,
    PrepareVote, Priority, ProducerName, ProducerNameError, ProducerSequence, Properties, QueueName, QueueNameError,
    ResourceNameError, Timestamp, UnknownReason, Xid,
};

use crate::v1;

/// A message that does not say what it should.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Malformed {
    #[error("field {0} is missing")]
    Missing(&'static str),
    #[error("priority {0} is not 0 to 7")]
    Priority(u32),
    #[error("{0} is not a prepare vote")]
    Vote(i32),
    #[error("{0} is not a resource kind")]
    ResourceKind(String),
    #[error("a receive is in a transaction or begins one, not both")]
    BeginInTransaction,
    #[error("more ids than the {count} messages of a send")]
    TooManyIds { count: usize },
    #[error("a resource id has 16 bytes, not {0}")]
    ResourceId(usize),
    #[error(transparent)]
    QueueName(#[from] QueueNameError),
    #[error(transparent)]
    ResourceName(#[from] ResourceNameError),
    #[error(transparent)]
    ProducerName(#[from] ProducerNameError),
    #[error(transparent)]
    GlobalId(#[from] GlobalIdError),
    #[error(transparent)]
    MessageId(#[from] MessageIdError),
    #[error(transparent)]
    IdTooLong(#[from] IdTooLong),
    #[error(transparent)]
    Message(#[from] MessageInvalid),
    #[error(transparent)]
    Reason(#[from] UnknownReason),
}

impl From<&Xid> for v1::Xid {
    fn from(xid: &Xid) -> v1::Xid {
        v1::Xid {
            format_id: xid.format_id,
            gtrid: xid.gtrid.as_bytes().to_vec().into(),
            bqual: xid.bqual.as_bytes().to_vec().into(),
        }
    }
}

impl TryFrom<v1::Xid> for Xid {
    type Error = Malformed;

    fn try_from(xid: v1::Xid) -> Result<Xid, Malformed> {
        // Copied: a branch outlives the message that it came in, whose room these would keep.
        let own = |part: &Bytes| Bytes::copy_from_slice(part);
        Ok(Xid { format_id: xid.format_id, gtrid: Gtrid::new(own(&xid.gtrid))?, bqual: Bqual::new(own(&xid.bqual))? })
    }
}

impl TryFrom<v1::Properties> for Properties {
    type Error = Malformed;

    fn try_from(wire: v1::Properties) -> Result<Properties, Malformed> {
        let priority = match wire.priority {
            None => Priority::default(),
            Some(value) => u8::try_from(value).ok().and_then(Priority::new).ok_or(Malformed::Priority(value))?,
        };
        let response_queue = match wire.response_queue {
            name if name.is_empty() => None,
            name => Some(QueueName::new(name)?),
        };
        let properties = Properties {
            label: wire.label,
            correlation_id: wire.correlation_id,
            response_queue,
            priority,
            time_to_be_received: wire.time_to_be_received_ms.map(Duration::from_millis),
            drop_expired: wire.drop_expired,
            extension: wire.extension.into_iter().map(|header| (header.name, header.value)).collect(),
        };
        properties.check()?;
        Ok(properties)
    }
}

impl From<Properties> for v1::Properties {
    fn from(properties: Properties) -> v1::Properties {
        let header = |(name, value)| v1::Header { name, value };
        v1::Properties {
            label: properties.label,
            correlation_id: properties.correlation_id,
            response_queue: properties.response_queue.map(|name| name.as_str().to_owned()).unwrap_or_default(),
            priority: Some(u32::from(properties.priority.get())),
            time_to_be_received_ms: properties
                .time_to_be_received
                .map(|span| u64::try_from(span.as_millis()).unwrap_or(u64::MAX)),
            drop_expired: properties.drop_expired,
            extension: properties.extension.into_iter().map(header).collect(),
        }
    }
}

impl TryFrom<v1::ProducerSequence> for ProducerSequence {
    type Error = Malformed;

    fn try_from(wire: v1::ProducerSequence) -> Result<ProducerSequence, Malformed> {
        let producer = ProducerName::new(wire.producer)?;
        Ok(ProducerSequence { producer, epoch: wire.epoch, sequence: wire.sequence, mark: wire.mark })
    }
}

impl From<DeadLetter> for v1::DeadLetter {
    fn from(dead: DeadLetter) -> v1::DeadLetter {
        v1::DeadLetter {
            queue: dead.queue.as_str().to_owned(),
            reason: dead.reason.as_str().to_owned(),
            error: dead.error,
            dead_at_ms: dead.dead_at.0,
        }
    }
}

impl TryFrom<v1::DeadLetter> for DeadLetter {
    type Error = Malformed;

    fn try_from(wire: v1::DeadLetter) -> Result<DeadLetter, Malformed> {
        Ok(DeadLetter {
            queue: QueueName::new(wire.queue)?,
            reason: wire.reason.parse()?,
            error: wire.error,
            dead_at: Timestamp(wire.dead_at_ms),
        })
    }
}

/// A received message as the client's users see it; `body` is empty when it rests apart.
impl TryFrom<v1::Received> for Message {
    type Error = Malformed;

    fn try_from(wire: v1::Received) -> Result<Message, Malformed> {
        let key = wire.key.ok_or(Malformed::Missing("key"))?;
        Ok(Message {
            id: wire.id.parse::<MessageId>()?,
            lookup_id: key.sequence,
            properties: wire.properties.unwrap_or_default().try_into()?,
            body: wire.body,
            attempts: wire.attempts,
            abandoned: wire.abandoned,
            sent_at: Timestamp(wire.sent_at_ms),
            arrived_at: Timestamp(wire.arrived_at_ms),
            dead_letter: wire.dead_letter.map(DeadLetter::try_from).transpose()?,
        })
    }
}

impl From<PrepareVote> for v1::PrepareVote {
    fn from(vote: PrepareVote) -> v1::PrepareVote {
        match vote {
            PrepareVote::Commit => v1::PrepareVote::Commit,
            PrepareVote::ReadOnly => v1::PrepareVote::ReadOnly,
            PrepareVote::Rollback => v1::PrepareVote::Rollback,
        }
    }
}

impl TryFrom<v1::PrepareVote> for PrepareVote {
    type Error = Malformed;

    fn try_from(vote: v1::PrepareVote) -> Result<PrepareVote, Malformed> {
        match vote {
            v1::PrepareVote::Commit => Ok(PrepareVote::Commit),
            v1::PrepareVote::ReadOnly => Ok(PrepareVote::ReadOnly),
            v1::PrepareVote::Rollback => Ok(PrepareVote::Rollback),
            v1::PrepareVote::Unspecified => Err(Malformed::Vote(0)),
        }
    }
}

impl From<Option<Heuristic>> for v1::Heuristic {
    fn from(heuristic: Option<Heuristic>) -> v1::Heuristic {
        match heuristic {
            None => v1::Heuristic::None,
            Some(Heuristic::Commit) => v1::Heuristic::Commit,
            Some(Heuristic::Rollback) => v1::Heuristic::Rollback,
            Some(Heuristic::Mixed) => v1::Heuristic::Mixed,
            Some(Heuristic::Hazard) => v1::Heuristic::Hazard,
        }
    }
}

impl From<v1::Heuristic> for Option<Heuristic> {
    fn from(heuristic: v1::Heuristic) -> Option<Heuristic> {
        match heuristic {
            v1::Heuristic::None => None,
            v1::Heuristic::Commit => Some(Heuristic::Commit),
            v1::Heuristic::Rollback => Some(Heuristic::Rollback),
            v1::Heuristic::Mixed => Some(Heuristic::Mixed),
            v1::Heuristic::Hazard => Some(Heuristic::Hazard),
        }
    }
}

impl From<GlobalId> for v1::Transaction {
    fn from(id: GlobalId) -> v1::Transaction {
        v1::Transaction { name: Some(v1::transaction::Name::Gtrid(id.to_string())) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_xid_keeps_nothing_of_the_message_that_it_came_in() {
        let message = Bytes::from(vec![7; 1 << 20]);
        let wire = v1::Xid { format_id: 1, gtrid: message.slice(..16), bqual: message.slice(16..20) };
        let xid = Xid::try_from(wire).unwrap();
        assert_eq!((xid.gtrid.as_bytes(), xid.bqual.as_bytes()), (&[7; 16][..], &[7; 4][..]));
        assert!(message.is_unique());
    }
}
