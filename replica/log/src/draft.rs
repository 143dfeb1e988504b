//! A segment in the making.
//!
//! Lifecycle: `begin` on a spare file writes the opening batch, `copy` adds what recovery brings
//! over, and `finish` writes the header, makes all of it durable, and only then gives the file its
//! segment's name. A crash before the name is durable leaves a spare, which means nothing.

use std::sync::Arc;

use handfast_mutants::{Mutant, is};

use crate::catalog::{Place, ReadableSegment};
use crate::disk::{Disk, DiskError, DiskFile};
use crate::frame::{BATCH_HEADER_BYTES, BatchHeader, Kind, RecordView, Salt, encode_parts, encode_record};
use crate::segment::{FileName, Link, SEGMENT_HEADER_BYTES, SegmentHeader, Sequence};
use crate::standing::Standing;

/// Batches go after one another from `SEGMENT_HEADER_BYTES` on; the header goes in last.
#[derive(Debug)]
pub(crate) struct Draft<F> {
    spare: FileName,
    file: F,
    sequence: Sequence,
    salt: Salt,
    previous: Option<Link>,
    next_index: u64,
    end: u64,
    next_number: u64,
    buffer: Vec<u8>,
}

/// The segment that is appended to. Invariant: `named <= synced <= end <= capacity`.
#[derive(Debug)]
pub(crate) struct Active<F> {
    pub(crate) sequence: Sequence,
    pub(crate) salt: Salt,
    pub(crate) file: Arc<F>,
    pub(crate) capacity: u64,
    pub(crate) end: u64,
    /// All below is durable.
    pub(crate) synced: u64,
    /// The synced offset that the latest header names (P28).
    pub(crate) named: u64,
    /// Where the latest batch with records ends: what a marker is for.
    pub(crate) data_end: u64,
    pub(crate) next_number: u64,
}

impl<F: DiskFile> Draft<F> {
    pub(crate) fn begin(
        file: F,
        spare: FileName,
        sequence: Sequence,
        salt: Salt,
        previous: Option<Link>,
        standing: &Standing,
    ) -> Result<Self, DiskError> {
        let mut draft = Draft {
            spare,
            file,
            sequence,
            salt,
            previous,
            next_index: standing.next_index,
            end: SEGMENT_HEADER_BYTES,
            next_number: 0,
            buffer: vec![0; BATCH_HEADER_BYTES as usize],
        };
        let opening = standing.opening();
        for record in &opening {
            encode_record(&mut draft.buffer, salt, record);
        }
        draft.write_batch(opening.len())?;
        Ok(draft)
    }

    /// Adds one batch of records from another segment, and answers the places of its entries.
    pub(crate) fn copy<'r>(
        &mut self,
        records: impl IntoIterator<Item = RecordView<'r>>,
    ) -> Result<Vec<Place>, DiskError> {
        let mut places = Vec::new();
        let mut count = 0;
        self.buffer.resize(BATCH_HEADER_BYTES as usize, 0);
        for record in records {
            if record.kind == Kind::Entry {
                places.push(place(self.sequence, self.end + self.buffer.len() as u64, record.payload.len()));
            }
            encode_parts(&mut self.buffer, self.salt, record);
            count += 1;
        }
        self.write_batch(count)?;
        Ok(places)
    }

    pub(crate) fn finish<D: Disk<File = F>>(self, disk: &D) -> Result<Active<F>, DiskError> {
        let capacity = self.file.length()?;
        assert!(self.end <= capacity, "a draft is made of a file that is large enough");
        let header = SegmentHeader {
            sequence: self.sequence,
            salt: self.salt,
            previous: self.previous,
            next_index: self.next_index,
            synced: self.end,
        };
        self.file.write_at(0, &header.encode())?;
        if !is(Mutant::TrustsTail) {
            self.file.sync_data()?;
        }
        let name = self.sequence.file_name();
        disk.rename(&self.spare.to_string(), &name)?;
        if !is(Mutant::SkipsDirectorySync) {
            disk.sync_directory()?;
        }
        Ok(Active {
            sequence: self.sequence,
            salt: self.salt,
            file: Arc::new(disk.open(&name)?),
            capacity,
            end: self.end,
            synced: self.end,
            named: self.end,
            data_end: self.end,
            next_number: self.next_number,
        })
    }

    /// Writes what is in the buffer behind the room for a batch header, as one batch.
    fn write_batch(&mut self, records: usize) -> Result<(), DiskError> {
        fill_header(&mut self.buffer, self.salt, self.next_number, 0, records);
        self.file.write_at(self.end, &self.buffer)?;
        self.end += self.buffer.len() as u64;
        self.next_number += 1;
        self.buffer.clear();
        Ok(())
    }
}

impl<F: DiskFile> Active<F> {
    pub(crate) fn readable(&self) -> ReadableSegment {
        ReadableSegment { sequence: self.sequence, salt: self.salt, file: self.file.clone() }
    }

    /// Writes the buffer, which begins with room for a batch header, as one batch. Not durable.
    pub(crate) fn write_batch(&mut self, buffer: &mut [u8], records: usize) -> Result<(), DiskError> {
        assert!(self.end + buffer.len() as u64 <= self.capacity, "a batch is put together to fit");
        fill_header(buffer, self.salt, self.next_number, self.synced, records);
        self.file.write_at(self.end, buffer)?;
        self.end += buffer.len() as u64;
        self.named = self.synced;
        self.next_number += 1;
        if records > 0 {
            self.data_end = self.end;
        }
        Ok(())
    }

    pub(crate) fn sync(&mut self) -> Result<(), DiskError> {
        if self.synced < self.end {
            self.file.sync_data()?;
            self.synced = self.end;
        }
        Ok(())
    }
}

pub(crate) fn place(segment: Sequence, offset: u64, payload_bytes: usize) -> Place {
    Place {
        segment,
        offset: u32::try_from(offset).expect("a segment is smaller than 2^32 bytes"),
        payload_bytes: u32::try_from(payload_bytes).expect("a payload is smaller than a segment"),
    }
}

fn fill_header(buffer: &mut [u8], salt: Salt, number: u64, synced: u64, records: usize) {
    let (header, body) = buffer.split_at_mut(BATCH_HEADER_BYTES as usize);
    let fields = BatchHeader {
        number,
        synced,
        body_bytes: u32::try_from(body.len()).expect("a batch is smaller than a segment"),
        records: u32::try_from(records).expect("a batch has fewer records than bytes"),
    };
    header.copy_from_slice(&fields.encode(salt));
}
