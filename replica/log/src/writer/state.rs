//! What callers and the log's thread share, and how each waits for the other.

use std::fmt;
use std::mem;
use std::ops::Range;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::Done;
use crate::catalog::Catalog;
use crate::chain::Chain;
use crate::disk::{Disk, DiskError};
use crate::error::LogError;
use crate::frame::BATCH_HEADER_BYTES;
use crate::limits::{IDLE_MARK, PENDING_BYTES_MAX, SPARE_RETRY};
use crate::log::{check, debug_assert_invariants};
use crate::read::ReadPlan;
use crate::record::Record;
use crate::room::Room;
use crate::segment::Sequence;

/// Who waits on what: the thread on `work`, callers that need room on `room`.
#[derive(Debug)]
pub(super) struct Shared {
    state: Mutex<State>,
    work: Condvar,
    room: Condvar,
    segment_bytes: u64,
}

/// Invariants: `catalog` holds what was taken in, written or not; `room` is what is left once all
/// of it is written.
#[derive(Debug)]
pub(super) struct State {
    pub(super) catalog: Catalog,
    pub(super) room: Room,
    pub(super) pending: Vec<Pending>,
    pending_bytes: u64,
    /// Callers that wait for room: where there is none, a notification would be a system call for nothing.
    waiting: usize,
    /// A caller waits for one more segment.
    spare_wanted: bool,
    /// Counts the rounds that the thread did not do.
    rounds_of_others: u64,
    /// The thread sleeps until it is woken, however long that takes.
    is_asleep: bool,
    /// Counts the requests that the disk had no room for, so that each caller sees an answer later
    /// than its question.
    spares_refused: u64,
    pub(super) failure: Option<DiskError>,
    stopping: bool,
    /// The thread is gone: nobody would take or answer anything.
    ended: bool,
}

/// One append that is not yet written.
pub(super) struct Pending {
    pub(super) records: Vec<Record>,
    first_serial: u64,
    pub(super) done: Done,
}

/// Why the thread goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wake {
    /// There is something to do.
    AtHand,
    /// Nobody has appended for as long as it was to wait.
    Idle,
    /// Somebody else has done a round: what an idle log asks for may be something else now.
    Overtaken,
    Ended,
}

/// What is done next.
#[derive(Debug)]
pub(super) enum Work {
    Round(Round),
    AddSpare,
    Mark,
    End,
}

/// All that waited.
#[derive(Debug)]
pub(super) struct Round {
    pub(super) appends: Vec<Pending>,
    pub(super) first_serial: u64,
    /// The oldest segment with a live entry once the round is durable: every purge that the catalog
    /// knows is in the round or before it.
    pub(super) lowest_live: Sequence,
}

impl fmt::Debug for Pending {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Pending")
            .field("records", &self.records.len())
            .field("first_serial", &self.first_serial)
            .finish()
    }
}

impl Work {
    /// What a log asks for once nobody has appended to it for that long.
    pub(super) fn when_idle<D: Disk>(chain: &Chain<D>) -> Option<(Duration, Work)> {
        match (chain.needs_mark(), chain.lacks_spare()) {
            (true, _) => Some((IDLE_MARK, Work::Mark)),
            (false, true) => Some((SPARE_RETRY, Work::AddSpare)),
            (false, false) => None,
        }
    }
}

impl Shared {
    pub(super) fn new<D: Disk>(chain: &Chain<D>, catalog: Catalog, failure: Option<DiskError>) -> Self {
        let state = State {
            catalog,
            room: chain.room(),
            pending: Vec::new(),
            pending_bytes: 0,
            waiting: 0,
            spare_wanted: false,
            rounds_of_others: 0,
            is_asleep: false,
            spares_refused: 0,
            failure,
            stopping: false,
            ended: false,
        };
        Shared {
            state: Mutex::new(state),
            work: Condvar::new(),
            room: Condvar::new(),
            segment_bytes: chain.segment_bytes(),
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn plan_read(&self, range: Range<u64>, max_bytes: usize) -> Result<ReadPlan, LogError> {
        let state = self.lock();
        state.check_failure()?;
        Ok(state.catalog.plan_read(range, max_bytes))
    }

    /// Takes the records in, or hands the callback back with the reason. True if nothing waited before: the thread must be
    /// woken, or the caller does the round itself.
    pub(super) fn append(&self, records: Vec<Record>, done: Done, may_wait: bool) -> Result<bool, (LogError, Done)> {
        let mut state = match self.wait_for_room(&records, may_wait) {
            Ok(state) => state,
            Err(error) => return Err((error, done)),
        };
        let first_serial = state.catalog.admit(&records);
        debug_assert_invariants(&state.catalog);
        state.pending_bytes += cost(&records);
        let was_idle = state.pending.is_empty();
        state.pending.push(Pending { records, first_serial, done });
        Ok(was_idle)
    }

    /// Wakes the thread.
    pub(super) fn wake(&self) {
        self.work.notify_one();
    }

    /// Somebody else did a round. A thread that was to sleep for good has to think again.
    pub(super) fn overtaken(&self) {
        let mut state = self.lock();
        state.rounds_of_others += 1;
        let is_asleep = state.is_asleep;
        drop(state);
        if is_asleep {
            self.work.notify_one();
        }
    }

    pub(super) fn rounds_of_others(&self) -> u64 {
        self.lock().rounds_of_others
    }

    pub(super) fn stop(&self) {
        self.lock().stopping = true;
        self.work.notify_one();
        self.room.notify_all();
    }

    /// Sleeps until there is something to do for the thread, which has something else to do after `idle`, as things stood
    /// after so many rounds of others.
    pub(super) fn wait(&self, idle: Option<Duration>, rounds_of_others: u64) -> Wake {
        let mut state = self.lock();
        loop {
            if state.ended {
                return Wake::Ended;
            }
            if !state.is_quiet() {
                return Wake::AtHand;
            }
            if state.rounds_of_others != rounds_of_others {
                return Wake::Overtaken;
            }
            let Some(idle) = idle else {
                state.is_asleep = true;
                state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
                state.is_asleep = false;
                continue;
            };
            let (woken, timeout) = self.work.wait_timeout(state, idle).unwrap_or_else(PoisonError::into_inner);
            state = woken;
            let is_idle = state.is_quiet() && !state.ended && state.rounds_of_others == rounds_of_others;
            if timeout.timed_out() && is_idle {
                return Wake::Idle;
            }
        }
    }

    pub(super) fn work_at_hand<D: Disk>(&self, chain: &Chain<D>) -> Option<Work> {
        self.take_at_hand(self.lock(), chain).ok()
    }

    pub(super) fn idle_work<D: Disk>(&self, chain: &Chain<D>) -> Option<Work> {
        let mut state = self.lock();
        let (_, work) = Work::when_idle(chain).filter(|_| state.is_quiet())?;
        state.charge_idle(&work);
        Some(work)
    }

    /// Gives the lock back where there is nothing to do.
    fn take_at_hand<'a, D: Disk>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        chain: &Chain<D>,
    ) -> Result<Work, MutexGuard<'a, State>> {
        if !state.pending.is_empty() {
            let round = state.take_round(chain.active_sequence());
            self.tell_waiting(state);
            return Ok(Work::Round(round));
        }
        if state.spare_wanted {
            return Ok(Work::AddSpare);
        }
        if state.stopping {
            return Ok(Work::End);
        }
        Err(state)
    }

    /// Tells callers what room there is now.
    pub(super) fn set_room(&self, room: Room) {
        let mut state = self.lock();
        state.charge_pending(room);
        self.tell_waiting(state);
    }

    /// Answers those who asked for one more segment.
    pub(super) fn spare_tried(&self, added: bool, room: Room) {
        let mut state = self.lock();
        state.spare_wanted = false;
        state.spares_refused += u64::from(!added);
        state.charge_pending(room);
        self.tell_waiting(state);
    }

    fn tell_waiting(&self, state: MutexGuard<'_, State>) {
        let is_anyone_waiting = state.waiting > 0;
        drop(state);
        if is_anyone_waiting {
            self.room.notify_all();
        }
    }

    /// Ends everything: later calls get `failure`, or `Closed` without one. Answers what waited.
    pub(super) fn end(&self, failure: Option<DiskError>) -> Vec<Pending> {
        let mut state = self.lock();
        state.ended = true;
        if state.failure.is_none() {
            state.failure = failure;
        }
        let waiting = mem::take(&mut state.pending);
        drop(state);
        self.work.notify_one();
        self.room.notify_all();
        waiting
    }

    /// Waits until the records may be taken in, and charges their room.
    fn wait_for_room(&self, records: &[Record], may_wait: bool) -> Result<MutexGuard<'_, State>, LogError> {
        let needed = cost(records);
        let mut state = self.lock();
        let mut refused_before = None;
        loop {
            state.check_open()?;
            check(&state.catalog, records, self.segment_bytes)?;
            let overfull = !state.pending.is_empty() && state.pending_bytes + needed > PENDING_BYTES_MAX;
            if !(overfull && may_wait) {
                if state.room.admit(records) {
                    return Ok(state);
                }
                let refused = *refused_before.get_or_insert(state.spares_refused) < state.spares_refused;
                if refused || !may_wait {
                    return Err(LogError::NoSpace { needed, headroom: state.room.headroom() });
                }
                state.spare_wanted = true;
                self.work.notify_one();
            }
            state.waiting += 1;
            state = self.room.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.waiting -= 1;
        }
    }
}

impl State {
    fn check_failure(&self) -> Result<(), LogError> {
        match &self.failure {
            Some(cause) => Err(LogError::Poisoned { cause: cause.clone() }),
            None => Ok(()),
        }
    }

    fn check_open(&self) -> Result<(), LogError> {
        self.check_failure()?;
        if self.stopping || self.ended { Err(LogError::Closed) } else { Ok(()) }
    }

    fn take_round(&mut self, active: Sequence) -> Round {
        let appends = mem::take(&mut self.pending);
        let first_serial = appends.first().expect("a round has appends").first_serial;
        self.pending_bytes = 0;
        Round { appends, first_serial, lowest_live: self.catalog.lowest_live(active) }
    }

    fn is_quiet(&self) -> bool {
        self.pending.is_empty() && !self.spare_wanted && !self.stopping
    }

    /// Callers must not count on what the marker takes.
    fn charge_idle(&mut self, work: &Work) {
        if matches!(work, Work::Mark) {
            self.room.remaining = self.room.remaining.saturating_sub(BATCH_HEADER_BYTES);
        }
    }

    /// `room` is what the chain has; what waits was promised its part.
    fn charge_pending(&mut self, mut room: Room) {
        let fits = room.charge(self.pending.iter().flat_map(|pending| &pending.records));
        assert!(fits, "what was taken in was charged before");
        self.room = room;
    }
}

fn cost(records: &[Record]) -> u64 {
    records.iter().map(Room::cost).sum()
}
