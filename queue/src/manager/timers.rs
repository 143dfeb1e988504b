//! What the manager wants to be woken for.

use std::collections::BTreeSet;

use handfast_protocol::Timestamp;

use super::ConnectionId;
use super::branch::BranchId;
use super::waiting::WaitId;
use crate::QueueId;

/// Whose time comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// An active branch reaches its timeout (D6).
    Branch(BranchId),
    /// A waiting receive has waited long enough.
    Receive(WaitId),
    /// A waiting exclusive reader has waited long enough.
    Opener(QueueId, WaitId),
    /// A connection was silent for too long (P23).
    Lease(ConnectionId),
    /// A delayed message becomes receivable, or a search goes on.
    Queue(QueueId),
}

/// The timers that are set. Whoever sets one cancels it, so that no dead ones pile up.
#[derive(Debug, Default)]
pub(super) struct Timers {
    due: BTreeSet<(Timestamp, Timer)>,
}

impl Timers {
    pub fn set(&mut self, at: Timestamp, timer: Timer) {
        self.due.insert((at, timer));
    }

    pub fn cancel(&mut self, at: Timestamp, timer: Timer) {
        self.due.remove(&(at, timer));
    }

    pub fn next(&self) -> Option<Timestamp> {
        self.due.first().map(|(at, _)| *at)
    }

    pub fn pop_due(&mut self, now: Timestamp) -> Option<Timer> {
        self.due.first().filter(|(at, _)| *at <= now)?;
        self.due.pop_first().map(|(_, timer)| timer)
    }
}
