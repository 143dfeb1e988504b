//! Why a message was dead-lettered, by MSMQ's names (design D10, G5).

use std::fmt;
use std::str::FromStr;

use crate::{QueueName, Timestamp};

/// The cause of a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DeadLetterReason {
    /// Its time-to-be-received ran out in the queue.
    ReceiveTimeout,
    /// Its consumers' own attempts failed as often as its queue allows (P22).
    MaxAttempts,
    /// Its consumers vanished while holding it as often as its queue allows (P22).
    MaxAbandoned,
    /// Its queue was deleted with the message in it.
    QueueDeleted,
    /// Its queue was purged to the dead-letter queue (P27).
    Purged,
    /// A consumer rejected it for good.
    Rejected,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a dead-letter reason")]
pub struct UnknownReason(pub String);

impl DeadLetterReason {
    pub const ALL: [DeadLetterReason; 6] = [
        DeadLetterReason::ReceiveTimeout,
        DeadLetterReason::MaxAttempts,
        DeadLetterReason::MaxAbandoned,
        DeadLetterReason::QueueDeleted,
        DeadLetterReason::Purged,
        DeadLetterReason::Rejected,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            DeadLetterReason::ReceiveTimeout => "ReceiveTimeout",
            DeadLetterReason::MaxAttempts => "MaxAttempts",
            DeadLetterReason::MaxAbandoned => "MaxAbandoned",
            DeadLetterReason::QueueDeleted => "QueueDeleted",
            DeadLetterReason::Purged => "Purged",
            DeadLetterReason::Rejected => "Rejected",
        }
    }
}

impl fmt::Display for DeadLetterReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for DeadLetterReason {
    type Err = UnknownReason;

    fn from_str(text: &str) -> Result<DeadLetterReason, UnknownReason> {
        let found = DeadLetterReason::ALL.into_iter().find(|reason| reason.as_str() == text);
        found.ok_or_else(|| UnknownReason(text.to_owned()))
    }
}

/// What a dead letter carries beside the message itself (G5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// The queue it was taken from, where `return` sends it back to.
    pub queue: QueueName,
    pub reason: DeadLetterReason,
    /// The text of the last error its consumers reported; empty when there was none.
    pub error: String,
    pub dead_at: Timestamp,
}
