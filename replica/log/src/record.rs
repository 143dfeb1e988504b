//! What the log stores. Payloads are opaque bytes: the log never looks inside one.

use bytes::Bytes;

/// One record of the log, in the order in which it takes effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// The entry at `index`, which follows the last one without a gap. The first entry of a log has
    /// index 1.
    Entry { index: u64, payload: Bytes },
    /// Replaces the state kept beside the entries; the latest one wins.
    State { payload: Bytes },
    /// The entries above `index` are gone.
    TruncateAfter { index: u64 },
    /// The entries up to and including `index` are gone, and entries go on after it even if there
    /// were fewer. The payload names the purge point to the caller.
    Purge { index: u64, payload: Bytes },
}

impl Record {
    /// What it carries; nothing in a truncation.
    pub fn payload(&self) -> &[u8] {
        match self {
            Record::Entry { payload, .. } | Record::State { payload } | Record::Purge { payload, .. } => payload,
            Record::TruncateAfter { .. } => &[],
        }
    }

    /// The index the record is about; a state has none and is stored with 0.
    pub(crate) fn index(&self) -> u64 {
        match self {
            Record::Entry { index, .. } | Record::TruncateAfter { index } | Record::Purge { index, .. } => *index,
            Record::State { .. } => 0,
        }
    }
}
