//! The rounds of a log, done by whoever holds this: its thread, a caller in its place, or a simulation, in which nothing may
//! happen by itself.

use std::time::Duration;

use super::round::Rounds;
use super::state::Work;
use crate::disk::Disk;

/// Does rounds when its owner says so and on the owner's thread, callbacks included. Dropping it closes the log.
#[derive(Debug)]
pub struct ByHand<D: Disk> {
    rounds: Rounds<D>,
    /// Nothing is done any more: the log has failed (D12), or was shut down.
    ended: bool,
}

impl<D: Disk> ByHand<D> {
    pub(super) fn new(rounds: Rounds<D>) -> Self {
        let ended = rounds.has_failed();
        ByHand { rounds, ended }
    }

    /// One round: all that waits is written, synced once, and answered. False if nothing waited.
    pub fn turn(&mut self) -> bool {
        self.carry_out(Rounds::work_at_hand)
    }

    /// What the thread does when nobody has appended for a while, if there is need of it.
    pub fn rest(&mut self) -> bool {
        self.carry_out(Rounds::idle_work)
    }

    pub(super) fn idle_after(&self) -> Option<Duration> {
        self.rounds.idle_after()
    }

    pub(super) fn has_ended(&self) -> bool {
        self.ended
    }

    fn carry_out(&mut self, work: impl FnOnce(&Rounds<D>) -> Option<Work>) -> bool {
        if self.ended {
            return false;
        }
        let work = work(&self.rounds);
        let done = work.is_some();
        if let Some(work) = work {
            self.ended = !self.rounds.carry_out(work);
        }
        done
    }
}
