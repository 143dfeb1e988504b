//! The thread that owns the log's file, and the handle with which many callers append to it.
//!
//! A round: take all that waits, write it as one batch, sync once, run the callbacks in the order
//! of the appends. What arrives meanwhile is the next round, which starts as soon as the sync
//! returned: the group grows with the load and no timer is involved.
//!
//! The lock guards memory only: the thread lets go of it before it writes or syncs, and a reader
//! before it reads a file. What was appended is readable when `append` returns; it is durable when
//! its callback says so.
//!
//! A simulation has no use for a thread: it takes [`ByHand`] instead and does the rounds when its own clock says so.

mod by_hand;
mod round;
mod state;
mod turns;

use std::fmt;
use std::ops::Range;
use std::sync::mpsc;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use bytes::Bytes;

use crate::disk::Disk;
use crate::error::LogError;
use crate::log::Log;
use crate::record::Record;
pub use by_hand::ByHand;
use round::Rounds;
use state::Shared;
use turns::{Taken, Turns, is_in_round};

/// Told once whether the records are durable.
pub(crate) type Done = Box<dyn FnOnce(Result<(), LogError>) + Send>;

/// A handle to the log; clones share it. The thread ends with `shutdown`, or when the last handle
/// goes.
#[derive(Clone)]
pub struct LogWriter {
    owner: Arc<Owner>,
}

/// Ends the thread when the last handle goes.
struct Owner {
    shared: Arc<Shared>,
    /// `None`: the rounds are done by hand.
    thread: Option<LogThread>,
}

struct LogThread {
    turns: Arc<dyn Turns>,
    handle: Mutex<Option<JoinHandle<()>>>,
}

impl LogWriter {
    pub fn start<D: Disk>(log: Log<D>) -> Self {
        let rounds = Rounds::new(log);
        let shared = rounds.shared();
        let turns = Arc::new(Taken::new(ByHand::new(rounds), Arc::clone(&shared)));
        let of_thread = Arc::clone(&turns);
        let handle = thread::spawn(move || of_thread.run());
        let thread = LogThread { turns, handle: Mutex::new(Some(handle)) };
        LogWriter { owner: Arc::new(Owner { shared, thread: Some(thread) }) }
    }

    /// A log without a thread: what the thread would do is done by whoever holds the other half, when it likes.
    /// Nobody can be waited for, so that `append` refuses where it would wait, and `append_blocking` is not for
    /// this.
    pub fn by_hand<D: Disk>(log: Log<D>) -> (Self, ByHand<D>) {
        let rounds = Rounds::new(log);
        let owner = Owner { shared: rounds.shared(), thread: None };
        (LogWriter { owner: Arc::new(owner) }, ByHand::new(rounds))
    }

    /// Takes the records in and returns; `done` runs on the log's thread once they are durable,
    /// after those of earlier appends. Records that are refused are not taken in, and `done` runs
    /// at once on this thread. Without records `done` tells when everything before is durable.
    ///
    /// It waits in two cases, never in a callback: while more waits than `PENDING_BYTES_MAX`, until
    /// the thread takes it; and while the records need a segment that the thread is asked to make
    /// (P18).
    pub fn append(&self, records: Vec<Record>, done: Done) {
        match self.shared().append(records, done, self.may_wait()) {
            Ok(true) => self.shared().wake(),
            Ok(false) => {}
            Err((error, done)) => done(Err(error)),
        }
    }

    /// As `append`, for a caller that has nothing to do before its records are durable: unless a
    /// round is under way, it does the next one itself, with callbacks, before this returns. Two
    /// threads less have to be woken for it.
    pub fn append_in_place(&self, records: Vec<Record>, done: Done) {
        match self.shared().append(records, done, self.may_wait()) {
            Ok(true) => match &self.owner.thread {
                Some(thread) if thread.turns.try_turn() => self.shared().overtaken(),
                Some(_) => self.shared().wake(),
                None => {}
            },
            Ok(false) => {}
            Err((error, done)) => done(Err(error)),
        }
    }

    /// In a round, and where rounds are done by hand, nobody would end the wait.
    fn may_wait(&self) -> bool {
        self.owner.thread.is_some() && !is_in_round()
    }

    /// Appends and waits until the records are durable. Not for callbacks: they run on the thread
    /// that would have to answer.
    pub fn append_blocking(&self, records: Vec<Record>) -> Result<(), LogError> {
        assert!(self.may_wait(), "a callback cannot wait for a later one, nor anybody for rounds done by hand");
        let (answer, answered) = mpsc::sync_channel(1);
        self.append(
            records,
            Box::new(move |result| {
                answer.send(result).expect("the caller waits for its answer");
            }),
        );
        // The thread ends without answering only if it panicked.
        answered.recv().unwrap_or(Err(LogError::Closed))
    }

    /// The part of the range that is present, in order: the first entry in any case, more while the
    /// payloads stay within `max_bytes`. Entries that are not yet durable are among them.
    pub fn read(&self, range: Range<u64>, max_bytes: usize) -> Result<Vec<(u64, Bytes)>, LogError> {
        self.shared().plan_read(range, max_bytes)?.fetch()
    }

    /// The lowest index present, or the next one if there is none.
    pub fn first_index(&self) -> u64 {
        self.shared().lock().catalog.first_index()
    }

    /// The highest index present; in an empty log the purge point, 0 if nothing was ever purged.
    pub fn last_index(&self) -> u64 {
        self.shared().lock().catalog.last_index()
    }

    pub fn state(&self) -> Option<Bytes> {
        self.shared().lock().catalog.standing().state.clone()
    }

    /// The purge point and its payload.
    pub fn purged(&self) -> Option<(u64, Bytes)> {
        self.shared().lock().catalog.standing().purged.clone()
    }

    /// Bytes in the log that the entries above `index` take.
    pub fn bytes_since(&self, index: u64) -> u64 {
        self.shared().lock().catalog.bytes_since(index)
    }

    /// Bytes that can be appended without asking the disk for more, as `Log::headroom`, less what
    /// waits.
    pub fn headroom(&self) -> u64 {
        self.shared().lock().room.headroom()
    }

    /// Takes nothing more, makes durable what was taken in, and waits for the thread to end; in a
    /// callback it does not wait.
    pub fn shutdown(&self) {
        self.owner.stop();
    }

    fn shared(&self) -> &Shared {
        &self.owner.shared
    }
}

impl Owner {
    fn stop(&self) {
        self.shared.stop();
        if let Some(thread) = self.thread.as_ref().filter(|_| !is_in_round()) {
            thread.join();
        }
    }
}

impl LogThread {
    fn join(&self) {
        // Held over the join, so that every caller returns only when the thread has ended.
        let mut handle = self.handle.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(handle) = handle.take()
            && handle.join().is_err()
        {
            tracing::error!("the log's thread ended in a panic");
        }
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.stop();
    }
}

impl fmt::Debug for LogWriter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("LogWriter")
            .field("first_index", &self.first_index())
            .field("last_index", &self.last_index())
            .finish()
    }
}
