//! Receives that wait for a message: one line per queue, first come, first served.

use std::collections::{BTreeMap, BTreeSet};

use handfast_protocol::Timestamp;

use super::branch::BranchId;
use super::limits::{WAITING_MAX, WAITING_PER_QUEUE_MAX};
use super::{ConnectionId, RequestId};
use crate::QueueId;

/// A place in a line: later ones are higher.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct WaitId(pub u64);

/// One receive that is not answered yet.
#[derive(Debug)]
pub(super) struct Waiter {
    pub id: WaitId,
    pub request: RequestId,
    pub connection: ConnectionId,
    /// `None`: it receives for good, in a transaction of its own.
    pub branch: Option<BranchId>,
    pub queue: QueueId,
    pub deadline: Timestamp,
}

#[derive(Debug, Default)]
pub(super) struct Waiting {
    waiters: BTreeMap<WaitId, Waiter>,
    /// Only queues that somebody waits on.
    lines: BTreeMap<QueueId, BTreeSet<WaitId>>,
    next: u64,
}

impl Waiting {
    pub fn next_id(&mut self) -> WaitId {
        self.next += 1;
        WaitId(self.next)
    }

    /// The limit that one more wait on `queue` would break.
    pub fn limit_reached(&self, queue: QueueId) -> Option<usize> {
        if self.count(queue) >= WAITING_PER_QUEUE_MAX {
            return Some(WAITING_PER_QUEUE_MAX);
        }
        (self.waiters.len() >= WAITING_MAX).then_some(WAITING_MAX)
    }

    /// Puts a waiter in its place: at the end, or where it was before its turn came to nothing.
    pub fn insert(&mut self, waiter: Waiter) {
        self.lines.entry(waiter.queue).or_default().insert(waiter.id);
        self.waiters.insert(waiter.id, waiter);
    }

    pub fn remove(&mut self, id: WaitId) -> Option<Waiter> {
        let waiter = self.waiters.remove(&id)?;
        let line = self.lines.get_mut(&waiter.queue).expect("a waiter stands in a line");
        line.remove(&id);
        if line.is_empty() {
            self.lines.remove(&waiter.queue);
        }
        Some(waiter)
    }

    pub fn get(&self, id: WaitId) -> Option<&Waiter> {
        self.waiters.get(&id)
    }

    /// The line of a queue, first come first.
    pub fn line(&self, queue: QueueId) -> impl Iterator<Item = &Waiter> {
        self.lines.get(&queue).into_iter().flatten().map(|id| &self.waiters[id])
    }

    pub fn count(&self, queue: QueueId) -> usize {
        self.lines.get(&queue).map_or(0, BTreeSet::len)
    }

    pub fn len(&self) -> usize {
        self.waiters.len()
    }

    /// Queues that somebody waits on.
    pub fn queues(&self) -> usize {
        self.lines.len()
    }

    pub fn is_empty(&self) -> bool {
        self.waiters.is_empty()
    }

    pub fn drain(&mut self) -> impl Iterator<Item = Waiter> {
        self.lines.clear();
        std::mem::take(&mut self.waiters).into_values()
    }
}
