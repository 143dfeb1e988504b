//! What the log's thread does: round after round, and what it does when there is nothing to append.

use std::sync::Arc;
use std::time::Duration;

use handfast_crash_points::{CrashPoint, reach};

use super::state::{Pending, Round, Shared, Work};
use crate::catalog::Place;
use crate::chain::Chain;
use crate::disk::{Disk, DiskError};
use crate::error::LogError;
use crate::log::{Log, debug_assert_invariants, keep_spare};
use crate::segment::Sequence;

/// Owns the file side of the log. Dropping it closes the log for everybody.
#[derive(Debug)]
pub(super) struct Rounds<D: Disk> {
    chain: Chain<D>,
    shared: Arc<Shared>,
    /// Kept for its memory only.
    places: Vec<Place>,
}

/// The end of the log, and the appends that it struck.
#[derive(Debug)]
struct Failure {
    cause: DiskError,
    appends: Vec<Pending>,
}

impl<D: Disk> Rounds<D> {
    pub(super) fn new(log: Log<D>) -> Self {
        let (chain, catalog, failure) = log.into_parts();
        let shared = Arc::new(Shared::new(&chain, catalog, failure));
        Rounds { chain, shared, places: Vec::new() }
    }

    pub(super) fn shared(&self) -> Arc<Shared> {
        Arc::clone(&self.shared)
    }

    /// After how long without an append there is something else to do.
    pub(super) fn idle_after(&self) -> Option<Duration> {
        Work::when_idle(&self.chain).map(|(idle, _)| idle)
    }

    pub(super) fn has_failed(&self) -> bool {
        self.shared.lock().failure.is_some()
    }

    /// What is to be done without waiting for anything.
    pub(super) fn work_at_hand(&self) -> Option<Work> {
        self.shared.work_at_hand(&self.chain)
    }

    /// What is to be done after a long idle time.
    pub(super) fn idle_work(&self) -> Option<Work> {
        self.shared.idle_work(&self.chain)
    }

    /// Whether there is more to come: not after the end, nor after a failure.
    pub(super) fn carry_out(&mut self, work: Work) -> bool {
        let (outcome, goes_on) = match work {
            Work::Round(round) => (self.round(round), true),
            Work::AddSpare => (self.add_spare().map_err(Failure::between_rounds), true),
            Work::Mark => (self.mark().map_err(Failure::between_rounds), true),
            Work::End => (self.chain.mark_synced().map_err(Failure::between_rounds), false),
        };
        match outcome {
            Ok(()) => goes_on,
            Err(failure) => {
                self.fail(failure);
                false
            }
        }
    }

    fn round(&mut self, round: Round) -> Result<(), Failure> {
        if let Err(cause) = self.write_and_sync(&round) {
            return Err(Failure { cause, appends: round.appends });
        }
        for append in round.appends {
            (append.done)(Ok(()));
        }
        self.after_round(round.lowest_live).map_err(Failure::between_rounds)
    }

    fn write_and_sync(&mut self, round: &Round) -> Result<(), DiskError> {
        reach(CrashPoint::LogWriting);
        self.places.clear();
        let records = round.appends.iter().flat_map(|append| &append.records);
        self.chain.append(records, &mut self.places)?;
        {
            let mut state = self.shared.lock();
            for segment in self.chain.take_begun() {
                state.catalog.attach(segment);
            }
            state.catalog.place(round.first_serial, &self.places);
            debug_assert_invariants(&state.catalog);
        }
        self.shared.set_room(self.chain.room());
        reach(CrashPoint::LogWritten);
        self.chain.sync()?;
        reach(CrashPoint::LogSynced);
        Ok(())
    }

    /// What the callers need not wait for: segments that the round made free, and a spare ahead.
    fn after_round(&mut self, lowest_live: Sequence) -> Result<(), DiskError> {
        let releases = self.chain.has_older_than(lowest_live);
        if releases {
            self.shared.lock().catalog.detach_below(lowest_live);
            self.chain.release_below(lowest_live)?;
        }
        let lacked = self.chain.lacks_spare();
        keep_spare(&mut self.chain)?;
        if releases || lacked {
            self.shared.set_room(self.chain.room());
        }
        Ok(())
    }

    fn add_spare(&mut self) -> Result<(), DiskError> {
        let added = self.chain.add_spare()?;
        self.shared.spare_tried(added, self.chain.room());
        Ok(())
    }

    fn mark(&mut self) -> Result<(), DiskError> {
        self.chain.mark_synced()?;
        self.shared.set_room(self.chain.room());
        Ok(())
    }

    /// From here on every call is refused with the first cause (D12).
    fn fail(&self, failure: Failure) {
        let Failure { cause, appends } = failure;
        tracing::error!(%cause, "the log failed and takes nothing more");
        let waiting = self.shared.end(Some(cause.clone()));
        answer(appends, &LogError::Disk(cause.clone()));
        answer(waiting, &LogError::Poisoned { cause });
    }
}

impl Failure {
    fn between_rounds(cause: DiskError) -> Self {
        Failure { cause, appends: Vec::new() }
    }
}

impl<D: Disk> Drop for Rounds<D> {
    fn drop(&mut self) {
        close(&self.shared);
    }
}

/// Nobody would do another round.
pub(super) fn close(shared: &Shared) {
    answer(shared.end(None), &LogError::Closed);
}

fn answer(waiting: Vec<Pending>, error: &LogError) {
    for append in waiting {
        (append.done)(Err(error.clone()));
    }
}
