//! Messages and their properties, by MSMQ's names.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use bytes::Bytes;
use uuid::Uuid;

use crate::limits::{BODY_BYTES_MAX, CORRELATION_BYTES_MAX, EXTENSION_BYTES_MAX, LABEL_CHARS_MAX};
use crate::{DeadLetter, QueueName, Timestamp};

/// The identity of a message, unique for ever: the queue manager that accepted it, and an ordinal that queue manager never
/// gives twice. Known to the sender as soon as the send is accepted, before its transaction commits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId {
    pub manager: Uuid,
    pub ordinal: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a message id of the form MANAGER-ORDINAL")]
pub struct MessageIdError(pub String);

/// 32 hexadecimal digits, a dash, the ordinal: `0198c5f2a6b77c10b3f1a2b3c4d5e6f7-1099511627777`.
impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.manager.simple(), self.ordinal)
    }
}

impl FromStr for MessageId {
    type Err = MessageIdError;

    fn from_str(text: &str) -> Result<MessageId, MessageIdError> {
        let parse = || {
            let (manager, ordinal) = text.split_once('-')?;
            Some(MessageId { manager: Uuid::try_parse(manager).ok()?, ordinal: ordinal.parse().ok()? })
        };
        parse().filter(|id| id.to_string() == text).ok_or_else(|| MessageIdError(text.to_owned()))
    }
}

/// 0 (lowest) to 7 (highest), 3 by default as in MSMQ. Order is kept within one priority (P25).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Priority(u8);

impl Priority {
    pub const HIGHEST: Priority = Priority(7);

    pub fn new(value: u8) -> Option<Priority> {
        (value <= Self::HIGHEST.0).then_some(Priority(value))
    }

    pub fn get(self) -> u8 {
        self.0
    }
}

impl Default for Priority {
    fn default() -> Priority {
        Priority(3)
    }
}

/// Where a message is sent. Only queues of the same queue manager today; store and forward adds remote ones.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Destination {
    Local(QueueName),
}

/// What the sender says about a message beside its body.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Properties {
    /// Free text for people, up to 249 characters.
    pub label: String,
    /// Opaque to us; by custom the id of the message this one answers. At most 64 bytes.
    pub correlation_id: Bytes,
    /// Where the receiver should answer.
    pub response_queue: Option<QueueName>,
    pub priority: Priority,
    /// How long after it was sent the message may be received; then it is dead-lettered, or dropped if `drop_expired`.
    pub time_to_be_received: Option<Duration>,
    /// Expiry drops the message in place of moving it to the dead-letter queue.
    pub drop_expired: bool,
    /// Named headers in the sender's order; names may repeat. At most 32 KiB together.
    pub extension: Vec<(String, Bytes)>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MessageInvalid {
    #[error("the label has {chars} characters; at most {LABEL_CHARS_MAX} are allowed")]
    LabelTooLong { chars: usize },
    #[error("the correlation id has {bytes} bytes; at most {CORRELATION_BYTES_MAX} are allowed")]
    CorrelationTooLong { bytes: usize },
    #[error("the extension headers have {bytes} bytes; at most {EXTENSION_BYTES_MAX} are allowed")]
    ExtensionTooLong { bytes: usize },
    #[error("the body has {bytes} bytes; at most {BODY_BYTES_MAX} are allowed")]
    BodyTooLong { bytes: usize },
}

impl Properties {
    /// Checks the limits; a message that passes is accepted by every queue manager.
    pub fn check(&self) -> Result<(), MessageInvalid> {
        let chars = self.label.chars().count();
        if chars > LABEL_CHARS_MAX {
            return Err(MessageInvalid::LabelTooLong { chars });
        }
        if self.correlation_id.len() > CORRELATION_BYTES_MAX {
            return Err(MessageInvalid::CorrelationTooLong { bytes: self.correlation_id.len() });
        }
        let bytes = self.extension.iter().map(|(name, value)| name.len() + value.len()).sum();
        if bytes > EXTENSION_BYTES_MAX {
            return Err(MessageInvalid::ExtensionTooLong { bytes });
        }
        Ok(())
    }
}

/// A message as a reader sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub id: MessageId,
    /// Its place within its queue and priority: grows in commit order, never reused (MSMQ's LookupId).
    pub lookup_id: u64,
    pub properties: Properties,
    pub body: Bytes,
    /// How often its consumers failed on it (P22).
    pub attempts: u32,
    /// How often its consumers vanished while holding it (P22).
    pub abandoned: u32,
    /// When the queue manager accepted the send.
    pub sent_at: Timestamp,
    /// When it became part of the queue: its transaction's commit.
    pub arrived_at: Timestamp,
    /// Present on messages of the dead-letter queue.
    pub dead_letter: Option<DeadLetter>,
}
