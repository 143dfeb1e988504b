//! Whose turn it is to do a round: the log's thread, or a caller that finds it with nothing to do.

use std::cell::Cell;
use std::sync::{Arc, Mutex, PoisonError, TryLockError};

use super::by_hand::ByHand;
use super::round::close;
use super::state::{Shared, Wake};
use crate::disk::Disk;

thread_local! {
    /// This thread does a round, and may be in a callback of it.
    static IN_ROUND: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread does a round: then it can wait for none.
pub(super) fn is_in_round() -> bool {
    IN_ROUND.get()
}

/// A round on the caller's thread.
pub(super) trait Turns: Send + Sync {
    /// Does a round if nobody does one; false if somebody does, or nothing waits.
    fn try_turn(&self) -> bool;
}

/// The rounds of a log with a thread, for one at a time.
#[derive(Debug)]
pub(super) struct Taken<D: Disk> {
    rounds: Mutex<ByHand<D>>,
    shared: Arc<Shared>,
}

/// A round that ends in a panic is the last, and whoever waits is told.
struct InRound<'s>(&'s Shared);

impl<'s> InRound<'s> {
    fn enter(shared: &'s Shared) -> Self {
        IN_ROUND.set(true);
        InRound(shared)
    }
}

impl Drop for InRound<'_> {
    fn drop(&mut self) {
        IN_ROUND.set(false);
        if std::thread::panicking() {
            close(self.0);
        }
    }
}

impl<D: Disk> Taken<D> {
    pub(super) fn new(rounds: ByHand<D>, shared: Arc<Shared>) -> Self {
        Taken { rounds: Mutex::new(rounds), shared }
    }

    /// The log's thread: it does every round that nobody else does, and rests when nothing is appended for a while.
    pub(super) fn run(&self) {
        loop {
            // Asked for first: a round that comes between the two is not missed.
            let rounds_of_others = self.shared.rounds_of_others();
            let idle = self.rounds.lock().unwrap_or_else(PoisonError::into_inner).idle_after();
            let wake = self.shared.wait(idle, rounds_of_others);
            let mut rounds = self.rounds.lock().unwrap_or_else(PoisonError::into_inner);
            let _round = InRound::enter(&self.shared);
            match wake {
                Wake::AtHand => rounds.turn(),
                Wake::Idle => rounds.rest(),
                Wake::Overtaken => continue,
                Wake::Ended => return,
            };
            if rounds.has_ended() {
                return close(&self.shared);
            }
        }
    }
}

impl<D: Disk> Turns for Taken<D> {
    fn try_turn(&self) -> bool {
        let mut rounds = match self.rounds.try_lock() {
            Ok(rounds) => rounds,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return false,
        };
        let _round = InRound::enter(&self.shared);
        rounds.turn()
    }
}
