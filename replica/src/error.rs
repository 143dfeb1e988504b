//! What can go wrong, an enum per operation; each says the fact and what to do about it.

use std::error::Error;
use std::sync::Arc;

use handfast_log::LogError;

use crate::limits::{PAYLOAD_BYTES_MAX, UNFLUSHED_BYTES_MAX};

/// The state machine's own failure, handed through unchanged: its cause is the shell's type.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the state machine failed: {source}")]
pub struct StateMachineError {
    source: Arc<dyn Error + Send + Sync>,
}

impl StateMachineError {
    pub fn new(source: impl Error + Send + Sync + 'static) -> Self {
        StateMachineError { source: Arc::new(source) }
    }
}

/// Stored bytes that are not a record of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    #[error("a {record} record is empty")]
    Empty { record: &'static str },

    #[error("a {record} record has format version {found}, this program knows up to {known}; use the newer program")]
    Version { record: &'static str, found: u8, known: u8 },

    #[error("a {record} record of {bytes} bytes is malformed")]
    Malformed { record: &'static str, bytes: usize },

    #[error("a {record} record is followed by {bytes} bytes that do not belong to it")]
    TrailingBytes { record: &'static str, bytes: usize },

    #[error("the entry at log index {at} says that it belongs at {says}")]
    Misplaced { at: u64, says: u64 },
}

/// Why a replica does nothing any more. The first cause wins; later ones only follow from it.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum StopReason {
    #[error("the replica was shut down")]
    Shutdown,

    #[error("the log failed: {0}; the process must end, and recovery at the next start decides what is kept")]
    Log(#[source] LogError),

    #[error("the log holds a record that cannot be read: {0}")]
    Record(#[from] DecodeError),

    #[error("the log lacks index {index}, which Raft knows to be there")]
    Hole { index: u64 },

    #[error("{0}; the process must end, and the log is applied again at the next start")]
    StateMachine(#[from] StateMachineError),

    #[error("the state machine panicked; the process must end, and the log is applied again at the next start")]
    StateMachinePanicked,

    /// Raft's own report, when none of the causes above explains it: a defect of ours.
    #[error("the Raft core stopped: {report}")]
    Raft { report: String },
}

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    #[error(transparent)]
    StateMachine(#[from] StateMachineError),

    #[error("the position kept by the store cannot be read: {0}")]
    Position(#[source] DecodeError),

    #[error("the log holds a record that cannot be read: {0}")]
    LogRecord(#[source] DecodeError),

    #[error("the log could not be read: {0}")]
    Log(#[source] LogError),

    /// P29: below the purge point the store is the only copy.
    #[error(
        "the store stands at log index {position}, but the log begins after {purged}: the store is older than the log's purge point; put back the store that belongs to this log"
    )]
    StoreBehindLog { position: u64, purged: u64 },

    #[error(
        "the store stands at log index {position}, but the log ends at {last}: the log was lost or replaced; put back the log that belongs to this store"
    )]
    LogBehindStore { position: u64, last: u64 },

    #[error(
        "store and log disagree about the entry at log index {index} (store: term {store_term}, log: term {log_term}): they do not belong together"
    )]
    Diverged { index: u64, store_term: u64, log_term: u64 },

    #[error(
        "node {node_id} is not the only voter of this log (voters: {voters:?}): members cannot be added in this version"
    )]
    Members { node_id: u64, voters: Vec<u64> },

    #[error("stopped while starting: {0}")]
    Stopped(#[source] StopReason),
}

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProposeError {
    #[error("this node does not lead{}", leader.map(|id| format!(", node {id} does")).unwrap_or_default())]
    NotLeader { leader: Option<u64> },

    #[error("a payload of {bytes} bytes is over the limit of {PAYLOAD_BYTES_MAX} bytes")]
    TooLarge { bytes: usize },

    #[error(
        "{bytes} bytes of log are not flushed to the store (limit {UNFLUSHED_BYTES_MAX}): flush the store, then propose again"
    )]
    Unflushed { bytes: u64 },

    #[error(transparent)]
    Stopped(StopReason),
}

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FlushError {
    #[error("the flushed position cannot be read: {0}")]
    Position(#[source] DecodeError),

    #[error("the flushed position is at log index {position}, but the log ends at {last}: it is not of this log")]
    AheadOfLog { position: u64, last: u64 },

    #[error(transparent)]
    Stopped(StopReason),
}

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BarrierError {
    #[error("this node does not lead{}", leader.map(|id| format!(", node {id} does")).unwrap_or_default())]
    NotLeader { leader: Option<u64> },

    #[error("no quorum confirmed the leadership of this node")]
    NoQuorum,

    #[error(transparent)]
    Stopped(StopReason),
}
