//! The ordered key-value store that the cores keep their durable state in: the trait, an in-memory store for tests and the
//! simulator, and the conformance suite that every store must pass. It knows keys and bytes, nothing of queues.
//!
//! A store is an index over the log (design D1): writes are atomic at once and durable at the next [`Store::flush`]. What
//! was written after the last flush may be lost in a crash, but only as a whole suffix of the writes: the log above it is
//! replayed.

#![cfg_attr(not(test), deny(clippy::disallowed_types, clippy::disallowed_methods, clippy::disallowed_macros))]

pub mod conformance;
mod error;
mod mem_store;
mod overlay;
mod write_batch;

use std::ops::ControlFlow;

use bytes::Bytes;

pub use error::StoreError;
pub use mem_store::MemStore;
pub use overlay::Overlay;
pub use write_batch::{Write, WriteBatch};

/// The keyspaces of a store. Each has its own order; a batch spans them all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// Everything small: positions, queues, branches, transactions, outcomes, producers, indexes.
    State,
    /// Messages in their queues, with small bodies inline: written once, read in order, deleted soon.
    Messages,
    /// Bodies that rest apart from their message: large ones, and those of branches not yet committed.
    Bodies,
}

impl Family {
    pub const ALL: [Family; 3] = [Family::State, Family::Messages, Family::Bodies];
}

/// What a scan calls with each key and value.
pub type Visit<'a> = dyn FnMut(&[u8], &[u8]) -> ControlFlow<()> + 'a;

/// An ordered map of byte keys to byte values in each [`Family`].
pub trait Store: Send {
    /// The value of `key`, if there is one. An error is fatal: a bad block is never a missing key (P29).
    fn get(&self, family: Family, key: &[u8]) -> Result<Option<Bytes>, StoreError>;

    /// Visits the entries with `start <= key < end` in ascending order until the visitor breaks. An empty `end` is unbounded.
    fn scan(&self, family: Family, start: &[u8], end: &[u8], visit: &mut Visit<'_>) -> Result<(), StoreError>;

    /// Applies the whole batch or, on an error, nothing; later reads see it. Not durable before the next flush.
    fn write(&mut self, batch: WriteBatch) -> Result<(), StoreError>;

    /// Makes every write so far durable. An error is fatal (D12).
    fn flush(&mut self) -> Result<(), StoreError>;
}
