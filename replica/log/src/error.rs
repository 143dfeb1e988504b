//! What the log answers when it cannot do what it was asked: one enum for opening, one for
//! everything after.

use std::fmt;

use thiserror::Error;

use crate::disk::DiskError;

/// Why a log does not open. Nothing was changed on the disk by a start that ends in `Corrupt`,
/// `MissingSegment` or `NewerFormat`.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Bytes that were durable are not what was written (P28, D12). A torn tail is never reported
    /// as this: it lies above the synced position.
    #[error(
        "{file} is damaged at offset {offset} ({damage}), below what was durable up to offset {synced}: restore the directory from a copy"
    )]
    Corrupt { file: String, offset: u64, synced: u64, damage: Damage },
    #[error(
        "{file} is missing and holds entries from {first_needed} on, which are not purged: restore the directory from a copy"
    )]
    MissingSegment { file: String, first_needed: u64 },
    #[error(
        "{file} has a format of version {found} and this program reads up to {supported}: start a newer version of the program"
    )]
    NewerFormat { file: String, found: u32, supported: u32 },
    #[error("opening the log needs {needed} bytes and the disk has no room for them: free some space and start again")]
    NoSpace { needed: u64 },
    #[error("segments of {segment_bytes} bytes are not possible: choose a multiple of 8 from {min} to {max}")]
    SegmentBytes { segment_bytes: u64, min: u64, max: u64 },
    #[error(transparent)]
    Disk(#[from] DiskError),
}

/// Why the log refuses a call.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum LogError {
    /// A write or a sync failed. The log is poisoned from here on (D12).
    #[error("the log failed: {0}")]
    Disk(DiskError),
    /// An earlier write or sync failed; this call did nothing.
    #[error("the log takes nothing since it failed earlier: {cause}")]
    Poisoned { cause: DiskError },
    /// Nothing was written and the log goes on (P18).
    #[error(
        "the log has room for {headroom} bytes, the records need {needed}, and the disk gives no more: free some space"
    )]
    NoSpace { needed: u64, headroom: u64 },
    #[error("a record of {bytes} bytes is over the limit of {limit}")]
    TooLarge { bytes: u64, limit: u64 },
    #[error("entry {found} does not follow: the next index is {expected}")]
    OutOfOrder { expected: u64, found: u64 },
    #[error("index {index} is below the purge point {purged}")]
    BelowPurge { index: u64, purged: u64 },
    /// Stored bytes of an entry are not what was written (D12): never answered with a shorter
    /// result.
    #[error("{file} is damaged at offset {offset}, where entry {index} is stored: restore the directory from a copy")]
    Corrupt { file: String, offset: u64, index: u64 },
    /// A read that the disk refused. It does not poison: nothing that was promised is touched by
    /// it.
    #[error("the log cannot be read: {0}")]
    Read(DiskError),
    #[error("the log is closed")]
    Closed,
}

/// What is wrong with the bytes at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Damage {
    SegmentHeader,
    BatchHeader,
    Record,
    /// The checksums are right and the contents contradict what comes before them.
    Sequence,
}

impl fmt::Display for Damage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Damage::SegmentHeader => "segment header",
            Damage::BatchHeader => "batch header",
            Damage::Record => "record",
            Damage::Sequence => "sequence",
        })
    }
}
