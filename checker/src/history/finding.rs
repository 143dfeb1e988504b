//! What was found at a run's end, when all was well again.

use serde::{Deserialize, Serialize};

use super::{Message, Outcome, Row};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Finding {
    /// A queue, in its order. `held`: messages that are locked or in doubt.
    Queue {
        queue: String,
        messages: Vec<Message>,
        held: u64,
    },
    DeadLetters {
        letters: Vec<DeadLetter>,
    },
    /// The table of a database, in the order in which rows came.
    Rows {
        resource: String,
        rows: Vec<Row>,
    },
    /// Branches that are still prepared at the process, and branches that still hold something there.
    Branches {
        prepared: Vec<String>,
        holding: Vec<String>,
    },
    /// What the process's coordinator has not ended, and what it reports to have ended in more than one way.
    Transactions {
        open: Vec<String>,
        heuristic: Vec<String>,
    },
    /// What the process's coordinator answers to whoever asks for the transaction.
    Outcome {
        transaction: String,
        outcome: Known,
    },
    /// The process's counters of a queue, and what a scan of it counts.
    Counted {
        queue: String,
        counted: Size,
        recounted: Size,
    },
    /// The process's log: its entries from the first ever to the last, and the digests of its state and of the state that
    /// the entries give when they are applied to an empty one.
    Log {
        first: u64,
        last: u64,
        entries: u64,
        digest: u64,
        replayed: u64,
    },
    /// A directory that another version wrote, read by the process: the digest of what it holds, and what it held.
    Upgraded {
        from: String,
        digest: u64,
        written: u64,
    },
    /// An invariant of the process's own state does not hold.
    Broken {
        what: String,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeadLetter {
    pub message: Message,
    /// Where it died.
    pub queue: String,
    pub reason: String,
    /// By the queue manager's clock, in milliseconds: when it died, and when it was to expire, if ever.
    pub died_at: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Size {
    pub messages: u64,
    pub bytes: u64,
}

/// A coordinator's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Known {
    Ended(Outcome),
    Heuristic,
    /// Not ended, or not to be learned; the answer in words.
    Open(String),
    /// Too long ago (P20).
    Forgotten,
}
