//! What the state keeps, as the rest of the crate sees it. The stored forms are private to the codec.

use bytes::Bytes;
use handfast_protocol::{DeadLetter, MessageId, Properties, QueueName, Timestamp};

use crate::command::Fate;
use crate::{Body, OutgoingMessage, QueueId};

/// What a queue's creator chose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueSettings {
    /// Failed attempts after which a message is a dead letter (P22).
    pub max_attempts: u32,
    /// Vanished consumers after which a message is a dead letter (P22).
    pub max_abandoned: u32,
}

impl Default for QueueSettings {
    fn default() -> QueueSettings {
        QueueSettings { max_attempts: 5, max_abandoned: 20 }
    }
}

/// One queue with its counters; the counters count every message in it, locked ones included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueRecord {
    pub id: QueueId,
    pub name: QueueName,
    pub settings: QueueSettings,
    pub created_at: Timestamp,
    /// Who created it; today always the empty principal.
    pub owner: String,
    /// The next sequence of each priority band.
    pub next_sequence: [u64; 8],
    /// Nothing lies below these, per band: scans start here and not in deleted ground.
    pub head: [u64; 8],
    pub messages: u64,
    /// Bodies and properties of all its messages.
    pub bytes: u64,
    /// A delete is under way: invisible to senders and receivers. Where its messages go.
    pub deleting: Option<Fate>,
}

/// What failed receives left on a message; absent while there is nothing to say.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Status {
    pub attempts: u32,
    pub abandoned: u32,
    /// Not received before this time: the growing delay between attempts (P22).
    pub not_before: Timestamp,
    /// The last error its consumers reported.
    pub error: String,
    /// A purge found it locked; it goes when its lock is rolled back (P17). `Some(true)`: to the dead-letter queue.
    pub purge: Option<bool>,
}

/// A message as it rests in a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredMessage {
    pub id: MessageId,
    pub properties: Properties,
    pub body: Body,
    pub sent_at: Timestamp,
    pub arrived_at: Timestamp,
    pub dead_letter: Option<DeadLetter>,
    /// Attempts at the time it was dead-lettered; living messages carry theirs in [`Status`].
    pub dead_attempts: u32,
    pub dead_abandoned: u32,
}

impl StoredMessage {
    /// What it counts for in its queue's `bytes`.
    pub fn size(&self) -> u64 {
        size_of(&self.properties, &self.body)
    }

    /// The moment from which on it may no longer be received.
    pub fn expires_at(&self) -> Option<Timestamp> {
        self.properties.time_to_be_received.map(|span| self.sent_at.after(span))
    }
}

impl OutgoingMessage {
    /// What it will count for in its queue's `bytes`.
    pub fn size(&self) -> u64 {
        size_of(&self.properties, &self.body)
    }
}

fn size_of(properties: &Properties, body: &Body) -> u64 {
    let extension: usize = properties.extension.iter().map(|(name, value)| name.len() + value.len()).sum();
    let words = properties.label.len() + properties.correlation_id.len() + extension;
    words as u64 + body.len()
}

impl Body {
    pub fn len(&self) -> u64 {
        match self {
            Body::Inline(bytes) => bytes.len() as u64,
            Body::Apart { length, .. } => *length,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Body {
        Body::Inline(bytes)
    }
}
