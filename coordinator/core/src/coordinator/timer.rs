//! What the coordinator waits for by the clock.

use std::collections::BTreeSet;
use std::time::Duration;

use handfast_protocol::{GlobalId, ResourceName, Timestamp};

use crate::RequestId;
use crate::limits::BACKOFF;

/// A timer that turns out to be late does nothing: who sets one need not take it back.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// An active transaction has had its time (D6).
    Deadline(GlobalId),
    /// The client of a delegated transaction has been silent for too long.
    Silence(GlobalId),
    /// The last resource is asked again.
    Fence(GlobalId),
    /// A branch is told the outcome again.
    Tell(GlobalId, ResourceName),
    /// The answer to a commit waits no longer for services (P19).
    PhaseTwo(GlobalId),
    /// A question for an outcome waits no longer.
    Watch(GlobalId, RequestId),
    Attach(ResourceName),
    Scan(ResourceName),
    Markers(ResourceName),
    Forgetting,
}

#[derive(Debug, Default)]
pub(super) struct Timers {
    set: BTreeSet<(Timestamp, Timer)>,
}

impl Timers {
    pub fn set(&mut self, at: Timestamp, timer: Timer) {
        self.set.insert((at, timer));
    }

    /// For timers that are set for nearly every transaction and hardly ever needed.
    pub fn cancel(&mut self, at: Timestamp, timer: Timer) {
        self.set.remove(&(at, timer));
    }

    pub fn next(&self) -> Option<Timestamp> {
        self.set.first().map(|(at, _)| *at)
    }

    pub fn pop_due(&mut self, now: Timestamp) -> Option<Timer> {
        let due = self.next().is_some_and(|at| at <= now);
        if due { self.set.pop_first().map(|(_, timer)| timer) } else { None }
    }
}

/// The wait after the `failures`th failure in a row.
pub(super) fn backoff(failures: u32) -> Duration {
    let step = usize::try_from(failures.saturating_sub(1)).unwrap_or(usize::MAX);
    BACKOFF[step.min(BACKOFF.len() - 1)]
}
