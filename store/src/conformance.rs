//! The suite that every [`Store`] must pass: [`check`] for each property by itself, [`follow_model`] for all of them together
//! over a script of bytes and crashes. It panics with what it found.
//!
//! Not checked: what several threads see, and what a disk that lies about its flush loses.

mod model;
mod properties;

use crate::{MemStore, Store};

pub use model::follow_model;

/// A [`Store`] that a test can take through a crash.
pub trait Reopen: Store + Sized {
    /// The store as the next process finds it after this one was killed, or lost its power, without a flush. Where several
    /// states are possible, `chance` chooses one.
    #[must_use]
    fn reopen(self, chance: u8) -> Self;
}

/// Any prefix of what was not flushed may have survived.
impl Reopen for MemStore {
    fn reopen(self, chance: u8) -> Self {
        self.crashed(usize::from(chance) % (self.unflushed() + 1))
    }
}

/// Every property by itself, each on a store of its own that `fresh` makes, empty.
pub fn check<S: Reopen>(mut fresh: impl FnMut() -> S) {
    properties::a_value_is_read_back_whole(fresh());
    properties::a_big_value_is_read_back_whole(fresh());
    properties::a_later_write_of_a_batch_wins(fresh());
    properties::families_are_apart(fresh());
    properties::a_scan_is_ordered_by_bytes(fresh());
    properties::a_scan_keeps_its_bounds(fresh());
    properties::a_scan_ends_when_the_visitor_breaks(fresh());
    properties::a_deleted_range_keeps_its_bounds(fresh());
    properties::what_was_flushed_survives_a_crash(fresh());
}
