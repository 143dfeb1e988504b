//! A segment: one file of the log, its name, and the header that says how it hangs together with
//! the others.
//!
//! A file bears a segment's name only once its header, its opening batch and whatever was copied
//! into it are durable. So a segment whose header is bad is always damage and never an unfinished
//! start. A segment is appended to only by the process that began it, so its salt marks one use of
//! the file.

use std::fmt;
use std::num::NonZeroU64;

use crate::frame::{BATCH_HEADER_BYTES, Salt, framed_bytes, u32_at, u64_at};
use crate::limits::{OPAQUE_BYTES_MAX, OPAQUE_SEGMENT_SHARE};

pub(crate) const SEGMENT_HEADER_BYTES: u64 = 64;
pub(crate) const FORMAT_VERSION: u32 = 1;

const SEGMENT_MAGIC: &[u8; 8] = b"HFLOGSEG";
const SEGMENT_SUFFIX: &str = ".log";
const SPARE_SUFFIX: &str = ".spare";
const DIGITS: usize = 16;

/// The number of a segment. Grows with each segment that is begun and is never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Sequence(NonZeroU64);

/// Where a segment takes over: all of the segments before, up to here, is live and was durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) sequence: Sequence,
    pub(crate) end: u64,
}

/// The first bytes of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub(crate) sequence: Sequence,
    pub(crate) salt: Salt,
    /// None for the first segment of a log.
    pub(crate) previous: Option<Link>,
    /// The index that the next entry would have had when the segment began.
    pub(crate) next_index: u64,
    /// Everything below this offset was durable before the file got its name (P28).
    pub(crate) synced: u64,
}

/// Why bytes are not a segment's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HeaderError {
    Damaged,
    Newer { version: u32 },
}

/// What the name of a file says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileName {
    Segment(Sequence),
    /// A file to become a segment. What it holds means nothing.
    Spare(u64),
}

impl Sequence {
    pub(crate) const FIRST: Sequence = Sequence(NonZeroU64::MIN);

    pub(crate) fn new(number: u64) -> Option<Self> {
        NonZeroU64::new(number).map(Sequence)
    }

    pub(crate) fn get(self) -> u64 {
        self.0.get()
    }

    pub(crate) fn next(self) -> Self {
        Sequence(self.0.checked_add(1).expect("a log cannot begin 2^64 segments"))
    }

    pub(crate) fn file_name(self) -> String {
        FileName::Segment(self).to_string()
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FileName::Segment(sequence) => {
                write!(formatter, "{:016x}{SEGMENT_SUFFIX}", sequence.get())
            }
            FileName::Spare(number) => write!(formatter, "{number:016x}{SPARE_SUFFIX}"),
        }
    }
}

impl FileName {
    /// None for a file that is none of ours.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        let number = |digits: &str| {
            let plain = digits.len() == DIGITS && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
            if plain { u64::from_str_radix(digits, 16).ok() } else { None }
        };
        if let Some(digits) = name.strip_suffix(SEGMENT_SUFFIX) {
            return number(digits).and_then(Sequence::new).map(FileName::Segment);
        }
        name.strip_suffix(SPARE_SUFFIX).and_then(number).map(FileName::Spare)
    }
}

impl SegmentHeader {
    pub(crate) fn encode(&self) -> [u8; SEGMENT_HEADER_BYTES as usize] {
        let mut bytes = [0; SEGMENT_HEADER_BYTES as usize];
        let (previous, previous_end) = self.previous.map_or((0, 0), |link| (link.sequence.get(), link.end));
        bytes[..8].copy_from_slice(SEGMENT_MAGIC);
        bytes[12..16].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.sequence.get().to_le_bytes());
        bytes[24..32].copy_from_slice(&self.salt.value().to_le_bytes());
        bytes[32..40].copy_from_slice(&previous.to_le_bytes());
        bytes[40..48].copy_from_slice(&previous_end.to_le_bytes());
        bytes[48..56].copy_from_slice(&self.next_index.to_le_bytes());
        bytes[56..64].copy_from_slice(&self.synced.to_le_bytes());
        let crc = crc32c::crc32c(&bytes[12..]);
        bytes[8..12].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// The place of the checksum holds for every version, so that a newer file is told from a
    /// damaged one.
    pub(crate) fn decode(bytes: &[u8; SEGMENT_HEADER_BYTES as usize]) -> Result<Self, HeaderError> {
        if &bytes[..8] != SEGMENT_MAGIC || crc32c::crc32c(&bytes[12..]) != u32_at(bytes, 8) {
            return Err(HeaderError::Damaged);
        }
        let version = u32_at(bytes, 12);
        if version != FORMAT_VERSION {
            return Err(HeaderError::Newer { version });
        }
        let (end, next_index) = (u64_at(bytes, 40), u64_at(bytes, 48));
        let previous = Sequence::new(u64_at(bytes, 32)).map(|sequence| Link { sequence, end });
        // The first entry of a log has index 1.
        if next_index == 0 || (previous.is_none() && next_index > 1) {
            return Err(HeaderError::Damaged);
        }
        Ok(SegmentHeader {
            sequence: Sequence::new(u64_at(bytes, 16)).ok_or(HeaderError::Damaged)?,
            salt: Salt::new(u64_at(bytes, 24)),
            previous,
            next_index,
            synced: u64_at(bytes, 56),
        })
    }
}

/// The largest `State` or `Purge` payload in a log of such segments.
pub(crate) fn opaque_bytes_max(segment_bytes: u64) -> u64 {
    OPAQUE_BYTES_MAX.min(segment_bytes / OPAQUE_SEGMENT_SHARE)
}

/// What a fresh segment has left for batches, however large the state and purge point it opens
/// with.
pub(crate) fn usable_bytes(segment_bytes: u64) -> u64 {
    let opening = BATCH_HEADER_BYTES + 2 * framed_bytes(opaque_bytes_max(segment_bytes));
    segment_bytes - SEGMENT_HEADER_BYTES - opening
}

/// What entries leave to one state and one purge, each a batch of its own.
pub(crate) fn reserve_bytes(segment_bytes: u64) -> u64 {
    2 * (BATCH_HEADER_BYTES + framed_bytes(opaque_bytes_max(segment_bytes)))
}

/// The largest entry in a log of such segments: one that fills a fresh segment.
pub(crate) fn entry_bytes_max(segment_bytes: u64) -> u64 {
    usable_bytes(segment_bytes) - BATCH_HEADER_BYTES - framed_bytes(0) - 7
}

#[cfg(test)]
#[path = "segment_test.rs"]
mod tests;
