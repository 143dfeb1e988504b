//! Reading a segment from front to back, and looking past the place where it stops making sense.

use crate::disk::{DiskError, DiskFile};
use crate::error::Damage;
use crate::frame::{BATCH_HEADER_BYTES, BatchHeader, Kind, RecordError, RecordView, Salt, decode_record};
use crate::limits::READ_WINDOW_BYTES;

/// A reader of one file, with a window that spares it a call to the disk per batch.
#[derive(Debug)]
pub(crate) struct Scanner<'f, F> {
    file: &'f F,
    length: u64,
    window: Vec<u8>,
    window_start: u64,
}

/// What is at an offset.
#[derive(Debug)]
pub(crate) enum Found<'w> {
    Batch(Batch<'w>),
    Bad { offset: u64, damage: Damage },
    Newer { version: u8 },
}

/// A whole batch, every checksum verified.
#[derive(Debug)]
pub(crate) struct Batch<'w> {
    pub(crate) synced: u64,
    pub(crate) end: u64,
    pub(crate) records: Vec<StoredRecord<'w>>,
}

/// A record and where it begins.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StoredRecord<'w> {
    pub(crate) offset: u64,
    pub(crate) view: RecordView<'w>,
}

impl<'f, F: DiskFile> Scanner<'f, F> {
    pub(crate) fn new(file: &'f F) -> Result<Self, DiskError> {
        Ok(Scanner { file, length: file.length()?, window: Vec::new(), window_start: 0 })
    }

    /// The batch at `offset`, which must be the one with this number of the segment with this salt.
    pub(crate) fn batch(&mut self, offset: u64, salt: Salt, number: u64) -> Result<Found<'_>, DiskError> {
        let bad_header = Found::Bad { offset, damage: Damage::BatchHeader };
        let header = match self.bytes(offset, BATCH_HEADER_BYTES)? {
            Some(bytes) => BatchHeader::decode(bytes, salt),
            None => None,
        };
        let Some(header) = header.filter(|header| header.number == number && header.synced <= offset) else {
            return Ok(bad_header);
        };
        let body_offset = offset + BATCH_HEADER_BYTES;
        match self.bytes(body_offset, u64::from(header.body_bytes))? {
            Some(body) => Ok(records(body, body_offset, salt, &header)),
            None => Ok(bad_header),
        }
    }

    /// The highest synced offset that any batch header of this segment names from `offset` on,
    /// wherever it lies. Batches behind bad bytes count: they were written later, so what they name
    /// was durable.
    pub(crate) fn highest_synced_from(&mut self, offset: u64, salt: Salt) -> Result<u64, DiskError> {
        let mut highest = 0;
        let mut position = offset;
        while position + BATCH_HEADER_BYTES <= self.length {
            let count = (self.length - position).min(READ_WINDOW_BYTES as u64);
            let bytes = self.bytes(position, count)?.expect("the bytes are within the file");
            let last = (bytes.len() as u64 - BATCH_HEADER_BYTES) / 8 * 8;
            for at in (0..=last).step_by(8) {
                if let Some(header) = BatchHeader::decode(&bytes[at as usize..], salt)
                    && header.synced <= position + at
                {
                    highest = highest.max(header.synced);
                }
            }
            position += last + 8;
        }
        Ok(highest)
    }

    /// The bytes from `offset` on, or None if the file ends before.
    fn bytes(&mut self, offset: u64, count: u64) -> Result<Option<&[u8]>, DiskError> {
        let Some(end) = offset.checked_add(count).filter(|end| *end <= self.length) else {
            return Ok(None);
        };
        if offset < self.window_start || end > self.window_start + self.window.len() as u64 {
            let fetched = count.max(READ_WINDOW_BYTES as u64).min(self.length - offset);
            self.window.resize(fetched as usize, 0);
            self.window_start = offset;
            self.file.read_at(offset, &mut self.window)?;
        }
        let start = (offset - self.window_start) as usize;
        Ok(Some(&self.window[start..start + count as usize]))
    }
}

/// The records of a batch, if they are exactly its body.
fn records<'w>(body: &'w [u8], body_offset: u64, salt: Salt, header: &BatchHeader) -> Found<'w> {
    let mut records = Vec::new();
    let mut taken = 0;
    for _ in 0..header.records {
        let offset = body_offset + taken as u64;
        match decode_record(&body[taken..], salt) {
            // A segment opens with what stands, and no entry does: the next start leaves the opening behind.
            Ok((view, _)) if header.number == 0 && matches!(view.kind, Kind::Entry | Kind::TruncateAfter) => {
                return Found::Bad { offset, damage: Damage::Sequence };
            }
            Ok((view, framed)) => {
                records.push(StoredRecord { offset, view });
                taken += framed;
            }
            Err(RecordError::Damaged) => {
                return Found::Bad { offset, damage: Damage::Record };
            }
            Err(RecordError::Newer { version }) => return Found::Newer { version },
        }
    }
    if taken != body.len() {
        return Found::Bad { offset: body_offset + taken as u64, damage: Damage::Record };
    }
    Found::Batch(Batch { synced: header.synced, end: body_offset + taken as u64, records })
}
