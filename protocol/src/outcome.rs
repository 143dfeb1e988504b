//! Votes, outcomes and heuristic outcomes (XA+ 2.3.3; style: one word, one meaning).

use std::fmt;

/// A participant's answer to prepare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PrepareVote {
    /// Durable, and can be committed or rolled back whatever happens.
    Commit,
    /// Nothing changed; the branch is over and takes no part in phase two (XA_RDONLY).
    ReadOnly,
    /// Cannot commit; the branch is rolled back already.
    Rollback,
}

/// How a transaction ended, for all its branches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    Committed,
    RolledBack,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Outcome::Committed => "committed",
            Outcome::RolledBack => "rolled back",
        })
    }
}

/// A branch that ended one-sidedly, not as decided, or nobody knows how (XA_HEURCOM, HEURRB, HEURMIX, HEURHAZ). Kept until
/// the operator says `forget` (G6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Heuristic {
    Commit,
    Rollback,
    Mixed,
    Hazard,
}

impl fmt::Display for Heuristic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Heuristic::Commit => "heuristic commit",
            Heuristic::Rollback => "heuristic rollback",
            Heuristic::Mixed => "heuristic mixed",
            Heuristic::Hazard => "heuristic hazard",
        })
    }
}

/// Why a transaction was rolled back; told to the client with `RolledBack`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RollbackReason {
    /// The application asked for it, or dropped the transaction.
    Requested,
    /// It stayed active longer than its timeout (D6).
    TimedOut,
    /// A participant voted to roll back, with its own words.
    Refused { participant: String, reason: String },
    /// The connection that led the transaction was lost before it was decided.
    Disconnected,
    /// Another leadership or a restart began before it was decided (P2).
    EpochEnded,
    /// The log or the store has no room (P18).
    NoSpace,
    /// A queue it sends to was deleted, or a message it received is gone (P17).
    Conflict,
    /// Recovery wrote the opposite marker row before the database's commit (P12).
    Fenced,
    /// An operator decided it (P16).
    Operator,
}

impl fmt::Display for RollbackReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RollbackReason::Requested => f.write_str("the application rolled it back"),
            RollbackReason::TimedOut => f.write_str("it was active longer than its timeout"),
            RollbackReason::Refused { participant, reason } => write!(f, "{participant} refused: {reason}"),
            RollbackReason::Disconnected => f.write_str("its connection was lost before commit was asked"),
            RollbackReason::EpochEnded => f.write_str("the server restarted before it was decided"),
            RollbackReason::NoSpace => f.write_str("the server is out of disk space; free some and try again"),
            RollbackReason::Conflict => f.write_str("a queue or message it used is gone"),
            RollbackReason::Fenced => f.write_str("recovery ended it before the database had committed"),
            RollbackReason::Operator => f.write_str("an operator rolled it back"),
        }
    }
}
