//! How batches and records lie in a segment: fixed-width little-endian fields, all aligned to 8 bytes.
//!
//! ```text
//! batch   0 crc32c of bytes 4..40   4 magic    8 salt of the segment   16 number in it
//!        24 synced offset (P28)    32 bytes of the records that follow    36 how many records
//! record  0 crc32c of the salt and bytes 4..end   4 length of the payload   8 index
//!        16 kind   17 version   18 zeros   24 payload, zeros up to the next multiple of 8
//! ```
//!
//! The salt in both keeps what an earlier use of a recycled segment left behind from passing for what
//! this use wrote. A batch without records only names the synced position.

use crate::record::Record;

pub(crate) const BATCH_HEADER_BYTES: u64 = 40;
pub(crate) const RECORD_HEADER_BYTES: u64 = 24;

/// The version that is written today; a record says its own.
pub(crate) const RECORD_VERSION: u8 = 1;

const BATCH_MAGIC: u32 = 0x4846_4254;
const PADDING: [u8; 8] = [0; 8];

/// Stored, so the numbers are never given to another meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Entry = 1,
    State = 2,
    TruncateAfter = 3,
    Purge = 4,
}

/// What a segment's own batches carry, and the start of each of its record checksums.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Salt {
    value: u64,
    seed: u32,
}

/// The head of a batch. Invariant on disk: `synced` is at most the offset of the batch itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BatchHeader {
    pub(crate) number: u64,
    /// What was durable in this segment when the batch was written.
    pub(crate) synced: u64,
    pub(crate) body_bytes: u32,
    pub(crate) records: u32,
}

/// One record as it lies in the bytes it was read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RecordView<'a> {
    pub(crate) kind: Kind,
    pub(crate) index: u64,
    pub(crate) payload: &'a [u8],
}

/// Why bytes are not a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RecordError {
    /// Not what was written.
    Damaged,
    /// Written so, by a program that knows more.
    Newer { version: u8 },
}

impl Salt {
    pub(crate) fn new(value: u64) -> Self {
        Salt { value, seed: crc32c::crc32c(&value.to_le_bytes()) }
    }

    pub(crate) fn value(self) -> u64 {
        self.value
    }
}

impl Kind {
    pub(crate) fn of(record: &Record) -> Self {
        match record {
            Record::Entry { .. } => Kind::Entry,
            Record::State { .. } => Kind::State,
            Record::TruncateAfter { .. } => Kind::TruncateAfter,
            Record::Purge { .. } => Kind::Purge,
        }
    }

    fn from_stored(stored: u8) -> Option<Self> {
        [Kind::Entry, Kind::State, Kind::TruncateAfter, Kind::Purge].into_iter().find(|kind| *kind as u8 == stored)
    }
}

/// Bytes that a record with this payload takes in a segment.
pub(crate) const fn framed_bytes(payload_bytes: u64) -> u64 {
    RECORD_HEADER_BYTES + payload_bytes.next_multiple_of(8)
}

pub(crate) fn framed_record_bytes(record: &Record) -> u64 {
    framed_bytes(record.payload().len() as u64)
}

/// Appends the record to the buffer. The caller has checked the payload against the segment, so its
/// length fits.
pub(crate) fn encode_record(buffer: &mut Vec<u8>, salt: Salt, record: &Record) {
    encode_parts(buffer, salt, RecordView { kind: Kind::of(record), index: record.index(), payload: record.payload() });
}

pub(crate) fn encode_parts(buffer: &mut Vec<u8>, salt: Salt, record: RecordView<'_>) {
    let start = buffer.len();
    let payload_bytes = u32::try_from(record.payload.len()).expect("a payload is smaller than a segment");
    let mut header = [0; RECORD_HEADER_BYTES as usize];
    header[4..8].copy_from_slice(&payload_bytes.to_le_bytes());
    header[8..16].copy_from_slice(&record.index.to_le_bytes());
    header[16] = record.kind as u8;
    header[17] = RECORD_VERSION;
    buffer.extend_from_slice(&header);
    buffer.extend_from_slice(record.payload);
    buffer.extend_from_slice(&PADDING[..record.payload.len().next_multiple_of(8) - record.payload.len()]);
    let crc = crc32c::crc32c_append(salt.seed, &buffer[start + 4..]);
    buffer[start..start + 4].copy_from_slice(&crc.to_le_bytes());
}

/// The record at the start of the bytes, and how many of them it takes.
pub(crate) fn decode_record(bytes: &[u8], salt: Salt) -> Result<(RecordView<'_>, usize), RecordError> {
    let header = bytes.first_chunk::<{ RECORD_HEADER_BYTES as usize }>().ok_or(RecordError::Damaged)?;
    let payload_bytes = u32_at(header, 4);
    let framed = framed_bytes(u64::from(payload_bytes));
    let framed = usize::try_from(framed).map_err(|_| RecordError::Damaged)?;
    let record = bytes.get(..framed).ok_or(RecordError::Damaged)?;
    if crc32c::crc32c_append(salt.seed, &record[4..]) != u32_at(header, 0) {
        return Err(RecordError::Damaged);
    }
    let (stored_kind, version) = (header[16], header[17]);
    let kind = match Kind::from_stored(stored_kind) {
        Some(kind) if version == RECORD_VERSION => kind,
        Some(_) | None => return Err(RecordError::Newer { version }),
    };
    let payload = &record[RECORD_HEADER_BYTES as usize..][..payload_bytes as usize];
    Ok((RecordView { kind, index: u64_at(header, 8), payload }, framed))
}

impl BatchHeader {
    pub(crate) fn encode(&self, salt: Salt) -> [u8; BATCH_HEADER_BYTES as usize] {
        let mut bytes = [0; BATCH_HEADER_BYTES as usize];
        bytes[4..8].copy_from_slice(&BATCH_MAGIC.to_le_bytes());
        bytes[8..16].copy_from_slice(&salt.value.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.number.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.synced.to_le_bytes());
        bytes[32..36].copy_from_slice(&self.body_bytes.to_le_bytes());
        bytes[36..40].copy_from_slice(&self.records.to_le_bytes());
        let crc = crc32c::crc32c(&bytes[4..]);
        bytes[..4].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// The header at the start of the bytes, if there is a whole one of this segment.
    pub(crate) fn decode(bytes: &[u8], salt: Salt) -> Option<Self> {
        let header = bytes.first_chunk::<{ BATCH_HEADER_BYTES as usize }>()?;
        // The cheap tests come first: a search for headers asks this at every eighth byte.
        let ours = u32_at(header, 4) == BATCH_MAGIC && u64_at(header, 8) == salt.value;
        if !ours || crc32c::crc32c(&header[4..]) != u32_at(header, 0) {
            return None;
        }
        Some(BatchHeader {
            number: u64_at(header, 16),
            synced: u64_at(header, 24),
            body_bytes: u32_at(header, 32),
            records: u32_at(header, 36),
        })
    }
}

pub(crate) fn u32_at(bytes: &[u8], offset: usize) -> u32 {
    u32::from_le_bytes(*bytes[offset..].first_chunk().expect("the header is longer than its fields"))
}

pub(crate) fn u64_at(bytes: &[u8], offset: usize) -> u64 {
    u64::from_le_bytes(*bytes[offset..].first_chunk().expect("the header is longer than its fields"))
}

#[cfg(test)]
#[path = "frame_test.rs"]
mod tests;
