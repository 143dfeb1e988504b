//! What the log drives: the state machine of the shell, seen from here as two questions.

use std::future::Future;

use bytes::Bytes;

use crate::error::StateMachineError;

/// One committed entry, in log order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    /// Place in the log: 1 for the first, no gaps, never reused once committed. Entries of Raft's
    /// own (a new leader's blank one, membership) take an index too, so the indexes of payloads
    /// have gaps.
    pub index: u64,

    /// Where the log stands after this entry, in this crate's own versioned form (P31). Opaque to
    /// the state machine, which keeps it in the same atomic write as the entry's effects; of several
    /// entries in one write only the last one's position counts.
    pub position: Bytes,

    /// What was proposed; `None` for an entry of Raft's own. A slice of the bytes that the log
    /// holds, not a copy.
    pub payload: Option<Bytes>,
}

/// A deterministic state machine with a store of its own.
///
/// Both calls come from one task, one after the other. An error ends the replica: there is no
/// retry, because nobody knows what of a failed batch took effect (D12).
pub trait StateMachine: Send + 'static {
    /// The position kept with the last applied entry; `None` in a new store. Asked once, at start.
    fn position(&mut self) -> impl Future<Output = Result<Option<Bytes>, StateMachineError>> + Send;

    /// Applies entries, in order, never empty. When it returns, `position` must be that of the last
    /// one; it need not be durable, because the log still has the entries (D1).
    fn apply(&mut self, entries: Vec<Committed>) -> impl Future<Output = Result<(), StateMachineError>> + Send;
}
