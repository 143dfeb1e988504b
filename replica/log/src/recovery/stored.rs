//! A segment found on the disk: opened, followed to its end, replayed.

use handfast_mutants::{Mutant, is};

use crate::catalog::Catalog;
use crate::disk::{Disk, DiskFile};
use crate::draft::place;
use crate::error::{Damage, OpenError};
use crate::frame::{RecordView, framed_bytes};
use crate::scan::{Batch, Found, Scanner};
use crate::segment::{FORMAT_VERSION, HeaderError, SEGMENT_HEADER_BYTES, SegmentHeader, Sequence};

use super::replay_record;

#[derive(Debug)]
pub(super) struct Stored<F> {
    pub(super) header: SegmentHeader,
    pub(super) file: F,
}

/// The newest segment, followed to where it ends.
#[derive(Debug, Clone, Copy)]
pub(super) struct Survey {
    /// Where the opening batch ends.
    pub(super) opening_end: u64,
    pub(super) synced: u64,
    pub(super) synced_number: u64,
    pub(super) end: u64,
    /// Behind the end there is the beginning of a batch.
    pub(super) is_torn: bool,
}

impl<F: DiskFile> Stored<F> {
    pub(super) fn open<D: Disk<File = F>>(disk: &D, sequence: Sequence) -> Result<Self, OpenError> {
        let name = sequence.file_name();
        let file = disk.open(&name)?;
        let mut bytes = [0; SEGMENT_HEADER_BYTES as usize];
        let whole = file.length()? >= SEGMENT_HEADER_BYTES;
        if whole {
            file.read_at(0, &mut bytes)?;
        }
        // The link goes down, which also keeps this from going round for ever.
        match SegmentHeader::decode(&bytes) {
            Ok(header)
                if header.sequence == sequence && header.previous.is_none_or(|link| link.sequence < sequence) =>
            {
                Ok(Stored { header, file })
            }
            Ok(_) | Err(HeaderError::Damaged) => Err(OpenError::Corrupt {
                file: name,
                offset: 0,
                synced: SEGMENT_HEADER_BYTES,
                damage: Damage::SegmentHeader,
            }),
            Err(HeaderError::Newer { version }) => {
                Err(OpenError::NewerFormat { file: name, found: version, supported: FORMAT_VERSION })
            }
        }
    }

    /// Follows the batches to the first bad one, and decides what that is (P28).
    pub(super) fn survey(&self) -> Result<Survey, OpenError> {
        let mut scanner = Scanner::new(&self.file)?;
        let mut ends = vec![SEGMENT_HEADER_BYTES];
        let mut synced = self.header.synced;
        let bad = loop {
            let end = *ends.last().expect("it began with one");
            match scanner.batch(end, self.header.salt, ends.len() as u64 - 1)? {
                Found::Batch(batch) => {
                    synced = synced.max(batch.synced);
                    ends.push(batch.end);
                }
                Found::Bad { offset, damage } => break (offset, damage),
                Found::Newer { version } => return Err(self.newer(version)),
            }
        };
        let end = *ends.last().expect("it began with one");
        synced = synced.max(scanner.highest_synced_from(end, self.header.salt)?);
        let (offset, damage) = bad;
        if is(Mutant::TakesDamageForTheEnd) {
            synced = synced.min(end);
        }
        if end < synced {
            return Err(self.corrupt(offset, synced, damage));
        }
        let boundary = ends.binary_search(&synced).map_err(|_| self.corrupt(synced, synced, Damage::Sequence))?;
        let opening_end = ends.get(1).copied().unwrap_or(SEGMENT_HEADER_BYTES);
        let is_torn = matches!(damage, Damage::Record);
        Ok(Survey { opening_end, synced, synced_number: boundary as u64, end, is_torn })
    }

    /// Replays the batches up to `end`. All of them were durable, and so was all of the segment before.
    pub(super) fn replay_to(&self, end: u64, catalog: &mut Catalog) -> Result<(), OpenError> {
        if self.header.next_index != catalog.standing().next_index {
            return Err(self.corrupt(0, SEGMENT_HEADER_BYTES, Damage::Sequence));
        }
        self.each_batch(0, SEGMENT_HEADER_BYTES, end, |batch| {
            for record in &batch.records {
                self.check(&record.view, record.offset, catalog)?;
                let payload_bytes = record.view.payload.len();
                let place = place(self.header.sequence, record.offset, payload_bytes);
                replay_record(&record.view, Some(place), catalog);
            }
            Ok(())
        })
    }

    pub(super) fn each_batch(
        &self,
        number: u64,
        from: u64,
        end: u64,
        mut visit: impl FnMut(&Batch<'_>) -> Result<(), OpenError>,
    ) -> Result<(), OpenError> {
        let mut scanner = Scanner::new(&self.file)?;
        let mut offset = from;
        let mut number = number;
        while offset < end {
            match scanner.batch(offset, self.header.salt, number)? {
                Found::Batch(batch) if batch.end <= end => {
                    visit(&batch)?;
                    offset = batch.end;
                    number += 1;
                }
                Found::Batch(_) => return Err(self.corrupt(offset, end, Damage::Sequence)),
                Found::Bad { offset, damage } => return Err(self.corrupt(offset, end, damage)),
                Found::Newer { version } => return Err(self.newer(version)),
            }
        }
        Ok(())
    }

    pub(super) fn check(&self, view: &RecordView<'_>, offset: u64, catalog: &Catalog) -> Result<(), OpenError> {
        let checked = catalog.standing().check_stored(view);
        checked.map_err(|_| self.corrupt(offset, offset + framed_bytes(view.payload.len() as u64), Damage::Sequence))
    }

    fn corrupt(&self, offset: u64, synced: u64, damage: Damage) -> OpenError {
        OpenError::Corrupt { file: self.header.sequence.file_name(), offset, synced, damage }
    }

    fn newer(&self, version: u8) -> OpenError {
        OpenError::NewerFormat {
            file: self.header.sequence.file_name(),
            found: u32::from(version),
            supported: FORMAT_VERSION,
        }
    }
}
