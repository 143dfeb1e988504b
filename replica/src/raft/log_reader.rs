//! openraft's reading side of our log: entries in bounded bites, and the vote.
//!
//! A read is served from the log's cache as a rule. Else it is one bounded read of a segment on the
//! calling task: during replay, or when a state machine has fallen far behind.

use std::fmt::Debug;
use std::io;
use std::ops::{Bound, Range, RangeBounds};
use std::vec;

use bytes::Bytes;
use futures_util::{Stream, stream};
use handfast_log::LogWriter;
use openraft::{OptionalSend, RaftLogReader};
use tokio::sync::watch;

use super::failure::FirstFailure;
use super::record::{entry_from_log, log_index};
use super::type_config::{Entry, TypeConfig, Vote};
use crate::error::StopReason;
use crate::limits::READ_BYTES_MAX;

#[derive(Clone)]
pub(crate) struct LogReader {
    pub(super) log: LogWriter,
    pub(super) vote: watch::Receiver<Option<Vote>>,
    pub(super) failure: FirstFailure,
}

impl LogReader {
    /// The part of `range` that the log has, in the log's indexes. Only its ends may lack (purged
    /// below, not yet appended above), never something between.
    fn present(&self, range: impl RangeBounds<u64>) -> Range<u64> {
        let first = match range.start_bound() {
            Bound::Included(&index) => log_index(index),
            Bound::Excluded(&index) => log_index(index).saturating_add(1),
            Bound::Unbounded => 0,
        };
        let end = match range.end_bound() {
            Bound::Included(&index) => log_index(index).saturating_add(1),
            Bound::Excluded(&index) => index.saturating_add(1),
            Bound::Unbounded => u64::MAX,
        };
        let first = first.max(self.log.first_index());
        let end = end.min(self.log.last_index() + 1);
        first..end.max(first)
    }

    fn entries(&self, range: impl RangeBounds<u64>) -> Entries {
        let Range { start: next, end } = self.present(range);
        Entries { reader: self.clone(), next, end, bite: Vec::new().into_iter() }
    }
}

/// Consecutive entries, read in bites of at most [`READ_BYTES_MAX`] and decoded one by one. After
/// an error it ends.
struct Entries {
    reader: LogReader,
    /// The log index that comes next; what is in `bite` begins there.
    next: u64,
    end: u64,
    bite: vec::IntoIter<(u64, Bytes)>,
}

impl Entries {
    fn read_next(&mut self) -> Result<Entry, StopReason> {
        if self.bite.len() == 0 {
            let bite = self.reader.log.read(self.next..self.end, READ_BYTES_MAX);
            self.bite = bite.map_err(StopReason::Log)?.into_iter();
        }
        match self.bite.next() {
            Some((index, stored)) if index == self.next => {
                self.next += 1;
                Ok(entry_from_log(index, &stored)?)
            }
            _ => Err(StopReason::Hole { index: self.next }),
        }
    }
}

impl Iterator for Entries {
    type Item = Result<Entry, io::Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.next == self.end {
            return None;
        }
        let entry = self.read_next();
        Some(entry.map_err(|reason| {
            self.next = self.end;
            self.reader.failure.record(reason)
        }))
    }
}

impl RaftLogReader<TypeConfig> for LogReader {
    async fn try_get_log_entries<R>(&mut self, range: R) -> Result<Vec<Entry>, io::Error>
    where
        R: RangeBounds<u64> + Clone + Debug + OptionalSend,
    {
        self.entries(range).collect()
    }

    async fn entries_stream<R>(&mut self, range: R) -> impl Stream<Item = Result<Entry, io::Error>> + OptionalSend
    where
        R: RangeBounds<u64> + Clone + Debug + OptionalSend,
    {
        stream::iter(self.entries(range))
    }

    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> Result<Vec<Entry>, io::Error> {
        let mut entries = self.entries(start..end);
        let first = entries.next();
        let bite = entries.bite.len();
        first.into_iter().chain(entries.take(bite)).collect()
    }

    async fn read_vote(&mut self) -> Result<Option<Vote>, io::Error> {
        Ok(*self.vote.borrow())
    }
}
