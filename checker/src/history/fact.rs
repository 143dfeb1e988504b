//! What was seen while a run lasted.

use serde::{Deserialize, Serialize};

use super::Terms;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Fact {
    /// What the run is and what is expected of it: the first line.
    Run(Terms),
    /// The process ended, in this way, and whatever it held in memory with it.
    Crashed { how: String },
    /// The process cannot be reached: it is down, stands still, or is cut off.
    Away,
    /// It can be reached again.
    Back,
    /// A server has started and found this in its log.
    Recovered { in_doubt: u64, replayed: u64 },
    /// Durable at the process: a step of a transaction's way, judged in this epoch.
    State { transaction: String, state: State, epoch: u64 },
    /// The digest of the process's state after it applied the log's entry with this index.
    Applied { index: u64, digest: u64 },
    /// Bytes of the process's log below what it knows to be synced were changed on its disk.
    Rotted,
    /// They are again what they were.
    Mended,
    /// This message can only die, or, if `may`, it may: its dead letter must have this reason, or another that was told of it.
    Doomed { message: String, reason: String, may: bool },
    /// Somebody ended a branch of the transaction at this process by hand.
    Forced { transaction: String, outcome: Outcome },
    /// The client was told that the transaction ended in more than one way.
    ToldHeuristic { transaction: String },
    /// The coordinator gave the transaction up for its timeout.
    TimedOut { transaction: String },
}

/// A step of a transaction at one process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// A participant can commit and can roll back.
    Prepared,
    /// A participant had nothing to commit, and is out of it.
    ReadOnly,
    /// A coordinator has left the decision to its last resource (P11).
    Delegated {
        to: String,
    },
    /// A coordinator has decided; all of these have voted for it.
    Decided {
        outcome: Outcome,
        participants: Vec<String>,
    },
    Committed,
    RolledBack,
    /// A coordinator has nothing left to do for it.
    Ended,
}

/// How a transaction or a branch ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Committed,
    RolledBack,
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Outcome::Committed => "committed",
            Outcome::RolledBack => "rolled back",
        })
    }
}
