//! The thread that owns the log's file, and the handle with which many callers append to it.
//!
//! A round: take all that waits, write it as one batch, sync once, run the callbacks in the order
//! of the appends. What arrives meanwhile is the next round, which starts as soon as the sync
//! returned: the group grows with the load and no timer is involved.
//!
//! The lock guards memory only: the thread lets go of it before it writes or syncs, and a reader
//! before it reads a file. What was appended is readable when `append` returns; it is durable when
//! its callback says so.

mod round;
mod state;

use std::fmt;
use std::ops::Range;
use std::sync::mpsc;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle, ThreadId};

use bytes::Bytes;

use crate::disk::Disk;
use crate::error::LogError;
use crate::log::Log;
use crate::record::Record;
use round::Rounds;
use state::Shared;

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
    thread_id: ThreadId,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl LogWriter {
    pub fn start<D: Disk>(log: Log<D>) -> Self {
        let (chain, catalog, failure) = log.into_parts();
        let shared = Arc::new(Shared::new(&chain, catalog, failure));
        let rounds = Rounds::new(chain, Arc::clone(&shared));
        let thread = thread::spawn(move || rounds.run());
        let thread_id = thread.thread().id();
        LogWriter { owner: Arc::new(Owner { shared, thread_id, thread: Mutex::new(Some(thread)) }) }
    }

    /// Takes the records in and returns; `done` runs on the log's thread once they are durable,
    /// after those of earlier appends. Records that are refused are not taken in, and `done` runs
    /// at once on this thread. Without records `done` tells when everything before is durable.
    ///
    /// It waits in two cases, never on the log's own thread: while more waits than
    /// `PENDING_BYTES_MAX`, until the thread takes it; and while the records need a segment that
    /// the thread is asked to make (P18).
    pub fn append(&self, records: Vec<Record>, done: Done) {
        let may_wait = !self.is_own_thread();
        if let Err((error, done)) = self.shared().append(records, done, may_wait) {
            done(Err(error));
        }
    }

    /// Appends and waits until the records are durable. Not for callbacks: they run on the thread
    /// that would have to answer.
    pub fn append_blocking(&self, records: Vec<Record>) -> Result<(), LogError> {
        assert!(!self.is_own_thread(), "a callback cannot wait for a later one");
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

    /// Takes nothing more, makes durable what was taken in, and waits for the thread to end. On the
    /// log's own thread it does not wait.
    pub fn shutdown(&self) {
        self.owner.stop();
    }

    fn shared(&self) -> &Shared {
        &self.owner.shared
    }

    fn is_own_thread(&self) -> bool {
        thread::current().id() == self.owner.thread_id
    }
}

impl Owner {
    fn stop(&self) {
        self.shared.stop();
        if thread::current().id() == self.thread_id {
            return;
        }
        // Held over the join, so that every caller returns only when the thread has ended.
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(thread) = thread.take()
            && thread.join().is_err()
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
