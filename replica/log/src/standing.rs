//! What stands at one point of the log: the next index, the purge point, the latest state.
//!
//! The chain keeps one for the end of what is written, and opens every segment with it, so that the
//! segments before can go. The catalog keeps one for the end of what was taken in.

use bytes::Bytes;

use crate::error::LogError;
use crate::frame::{Kind, RecordView};
use crate::record::Record;

/// Invariant: the purge point is below `next_index`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) next_index: u64,
    pub(crate) purged: Option<(u64, Bytes)>,
    pub(crate) state: Option<Bytes>,
}

impl Standing {
    /// An empty log, or one whose earlier segments are gone.
    pub(crate) fn new(next_index: u64) -> Self {
        Standing { next_index, purged: None, state: None }
    }

    /// 0 while nothing was ever purged, as no entry has that index.
    pub(crate) fn purged_index(&self) -> u64 {
        self.purged.as_ref().map_or(0, |(index, _)| *index)
    }

    /// Whether the records follow from here, each from the one before.
    pub(crate) fn check(&self, records: &[Record]) -> Result<(), LogError> {
        let mut next = self.next_index;
        let mut purged = self.purged_index();
        for record in records {
            (next, purged) = follow(next, purged, Kind::of(record), record.index())?;
        }
        Ok(())
    }

    pub(crate) fn check_stored(&self, record: &RecordView<'_>) -> Result<(), LogError> {
        follow(self.next_index, self.purged_index(), record.kind, record.index).map(|_| ())
    }

    pub(crate) fn apply(&mut self, record: &Record) {
        match record {
            Record::Entry { index, .. } => self.entry(*index),
            Record::State { payload } => self.state = Some(payload.clone()),
            Record::TruncateAfter { index } => self.truncate_after(*index),
            Record::Purge { index, payload } => self.purge(*index, payload.clone()),
        }
    }

    pub(crate) fn entry(&mut self, index: u64) {
        assert_eq!(index, self.next_index, "an entry was checked to follow");
        self.next_index = index + 1;
    }

    pub(crate) fn truncate_after(&mut self, index: u64) {
        assert!(index >= self.purged_index(), "a truncation was checked against the purge point");
        self.next_index = self.next_index.min(index + 1);
    }

    pub(crate) fn purge(&mut self, index: u64, payload: Bytes) {
        assert!(index >= self.purged_index(), "a purge was checked to go on");
        self.next_index = self.next_index.max(index + 1);
        self.purged = Some((index, payload));
    }

    /// The records that bring an empty log to here, but for its entries.
    pub(crate) fn opening(&self) -> Vec<Record> {
        let purge = self.purged.clone().map(|(index, payload)| Record::Purge { index, payload });
        let state = self.state.clone().map(|payload| Record::State { payload });
        purge.into_iter().chain(state).collect()
    }
}

/// The next index and the purge point after one more record.
fn follow(next: u64, purged: u64, kind: Kind, index: u64) -> Result<(u64, u64), LogError> {
    match kind {
        Kind::Entry if index != next || index == u64::MAX => Err(LogError::OutOfOrder { expected: next, found: index }),
        Kind::Entry => Ok((index + 1, purged)),
        Kind::State => Ok((next, purged)),
        Kind::TruncateAfter | Kind::Purge if index < purged => Err(LogError::BelowPurge { index, purged }),
        Kind::TruncateAfter | Kind::Purge if index == u64::MAX => {
            Err(LogError::OutOfOrder { expected: next, found: index })
        }
        Kind::TruncateAfter => Ok((next.min(index + 1), purged)),
        Kind::Purge => Ok((next.max(index + 1), index)),
    }
}

#[cfg(test)]
#[path = "standing_test.rs"]
mod tests;
