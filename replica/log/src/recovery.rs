//! Opening a log: find the segments, verify them, replay them, and bring what is not known to be durable into a fresh segment.
//!
//! 1. The newest segment names the one before it, and so on down. Files outside this chain are left over
//!    from a change that a crash cut short, and mean nothing.
//! 2. All but the newest were durable up to where the next one takes over: anything bad there is damage.
//! 3. In the newest, the batches are followed to the first bad one. If a synced position beyond it is
//!    named anywhere, that is damage; else it is the end, whatever lies behind it (P28).
//! 4. What is kept above the synced position may be in the page cache only, even after a sync that failed.
//!    It is written anew into a fresh segment and made durable before anybody acts on it (P28, D12). No
//!    segment is ever appended to again, so nothing that was cut can come back behind a new batch.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;

use crate::catalog::{Catalog, Place, ReadableSegment};
use crate::chain::{Chain, Nursery, Older, salt_of};
use crate::disk::{Disk, DiskError, DiskFile};
use crate::draft::{Draft, place};
use crate::error::{Damage, OpenError};
use crate::frame::{BATCH_HEADER_BYTES, Kind, RecordView, framed_bytes, framed_record_bytes};
use crate::limits::{COPY_WHOLE_SHARE, OPAQUE_SEGMENT_SHARE, SEGMENT_BYTES_MAX};
use crate::options::LogOptions;
use crate::scan::{Batch, Found, Scanner};
use crate::segment::{
    FORMAT_VERSION, FileName, HeaderError, Link, SEGMENT_HEADER_BYTES, SegmentHeader, Sequence,
    opaque_bytes_max,
};
use crate::standing::Standing;

/// A segment found on the disk.
#[derive(Debug)]
struct Stored<F> {
    header: SegmentHeader,
    file: F,
}

/// What the directory holds.
#[derive(Debug, Default)]
struct Inventory {
    segments: BTreeSet<Sequence>,
    spares: BTreeSet<u64>,
}

/// What is to be copied into the fresh segment: the batches of the newest one from `from` to `end`.
#[derive(Debug, Clone, Copy)]
struct Tail {
    from: u64,
    end: u64,
    /// The number of the batch at `from`.
    number: u64,
    /// What the fresh segment follows.
    previous: Option<Link>,
}

/// The newest segment, followed to where it ends.
#[derive(Debug, Clone, Copy)]
struct Survey {
    /// Where the opening batch ends.
    opening_end: u64,
    synced: u64,
    synced_number: u64,
    end: u64,
}

pub(crate) fn open<D: Disk>(
    disk: D,
    options: LogOptions,
) -> Result<(Chain<D>, Catalog), OpenError> {
    let options = options.validate()?;
    let inventory = Inventory::take(&disk)?;
    let mut stored = follow_links(&disk, &inventory)?;
    let mut catalog = replay_older(&stored, options.cache_bytes)?;
    let newest = stored.pop();
    let tail = match &newest {
        Some(newest) => Some(replay_newest(newest, &mut catalog, options.segment_bytes)?),
        None => None,
    };

    let following = tail.and_then(|tail| tail.previous);
    let newest_stays = following.is_some_and(|link| {
        newest
            .as_ref()
            .is_some_and(|newest| newest.header.sequence == link.sequence)
    });
    let sequence = newest
        .as_ref()
        .map_or(Sequence::FIRST, |newest| newest.header.sequence.next());

    // From here on the disk is changed, but no segment is touched before the log is known to be whole.
    inventory.remove_spares(&disk)?;
    let mut nursery = Nursery {
        disk: &disk,
        next_spare: inventory.spares.last().map_or(0, |last| last + 1),
    };
    let (name, file) = fresh_file(&mut nursery, &catalog, tail, options.segment_bytes)?;
    let next_spare = nursery.next_spare;
    let salt = salt_of(options.salt, sequence);
    let mut draft = Draft::begin(file, name, sequence, salt, following, catalog.standing())?;
    if let (Some(newest), Some(tail)) = (&newest, tail) {
        copy_tail(newest, tail, &mut draft, &mut catalog)?;
    }
    check_complete(stored.first().or(newest.as_ref()), &catalog)?;
    check_opaque(catalog.standing(), options.segment_bytes)?;
    let active = draft.finish(&disk)?;

    if newest_stays {
        stored.extend(newest);
    }
    inventory.remove_segments_but(&disk, &stored)?;
    catalog.attach(active.readable());
    let mut older = BTreeMap::new();
    for Stored { header, file } in stored {
        let capacity = file.length()?;
        let file = Arc::new(file);
        catalog.attach(ReadableSegment {
            sequence: header.sequence,
            salt: header.salt,
            file: file.clone(),
        });
        older.insert(header.sequence, Older { file, capacity });
    }
    let standing = catalog.standing().clone();
    Ok((
        Chain::new(
            disk,
            options.segment_bytes,
            options.salt,
            active,
            older,
            next_spare,
            standing,
        ),
        catalog,
    ))
}

impl Inventory {
    fn take<D: Disk>(disk: &D) -> Result<Self, DiskError> {
        let mut inventory = Inventory::default();
        for name in disk.list()? {
            match FileName::parse(&name) {
                Some(FileName::Segment(sequence)) => {
                    inventory.segments.insert(sequence);
                }
                Some(FileName::Spare(number)) => {
                    inventory.spares.insert(number);
                }
                None => {}
            }
        }
        Ok(inventory)
    }

    /// Spares of an earlier process are not used again: one of them may be a draft with the very
    /// sequence, and so the very salt, of the next segment. They go first, as a full disk may need their
    /// room.
    fn remove_spares<D: Disk>(&self, disk: &D) -> Result<(), DiskError> {
        self.spares
            .iter()
            .try_for_each(|number| disk.remove(&FileName::Spare(*number).to_string()))
    }

    /// A crash may bring a removed segment back; it is then left over again.
    fn remove_segments_but<D: Disk>(
        &self,
        disk: &D,
        kept: &[Stored<D::File>],
    ) -> Result<(), DiskError> {
        let kept: BTreeSet<Sequence> = kept.iter().map(|stored| stored.header.sequence).collect();
        self.segments
            .difference(&kept)
            .try_for_each(|sequence| disk.remove(&sequence.file_name()))
    }
}

/// The newest segment and those it rests on, oldest first.
fn follow_links<D: Disk>(
    disk: &D,
    inventory: &Inventory,
) -> Result<Vec<Stored<D::File>>, OpenError> {
    let mut stored = Vec::new();
    let mut next = inventory.segments.last().copied();
    while let Some(sequence) = next.filter(|sequence| inventory.segments.contains(sequence)) {
        let segment = open_stored(disk, sequence)?;
        next = segment.header.previous.map(|link| link.sequence);
        stored.push(segment);
    }
    stored.reverse();
    Ok(stored)
}

fn open_stored<D: Disk>(disk: &D, sequence: Sequence) -> Result<Stored<D::File>, OpenError> {
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
            if header.sequence == sequence
                && header.previous.is_none_or(|link| link.sequence < sequence) =>
        {
            Ok(Stored { header, file })
        }
        Ok(_) | Err(HeaderError::Damaged) => Err(OpenError::Corrupt {
            file: name,
            offset: 0,
            synced: SEGMENT_HEADER_BYTES,
            damage: Damage::SegmentHeader,
        }),
        Err(HeaderError::Newer { version }) => Err(OpenError::NewerFormat {
            file: name,
            found: version,
            supported: FORMAT_VERSION,
        }),
    }
}

/// Replays all segments but the newest, each up to where the next one takes over.
fn replay_older<F: DiskFile>(
    stored: &[Stored<F>],
    cache_bytes: usize,
) -> Result<Catalog, OpenError> {
    let mut catalog = Catalog::new(
        stored.first().map_or(1, |oldest| oldest.header.next_index),
        cache_bytes,
    );
    for (segment, next) in stored.iter().zip(stored.iter().skip(1)) {
        let end = next.header.previous.map_or(0, |link| link.end);
        segment.replay(0, SEGMENT_HEADER_BYTES, end, &mut catalog)?;
    }
    Ok(catalog)
}

/// Replays of the newest segment what stays where it is, and answers what must be copied.
fn replay_newest<F: DiskFile>(
    newest: &Stored<F>,
    catalog: &mut Catalog,
    segment_bytes: u64,
) -> Result<Tail, OpenError> {
    let survey = newest.survey()?;
    let link = Link {
        sequence: newest.header.sequence,
        end: survey.synced,
    };
    let small = survey.end <= segment_bytes / COPY_WHOLE_SHARE;
    // Only a batch behind the draft proves that the file's name was made durable: a sync of the directory
    // may have failed, and then the name is in memory only.
    let name_is_durable = survey.end > newest.header.synced;
    let tail = if small || !name_is_durable {
        Tail {
            from: survey.opening_end,
            end: survey.end,
            number: 1,
            previous: newest.header.previous,
        }
    } else {
        Tail {
            from: survey.synced,
            end: survey.end,
            number: survey.synced_number,
            previous: Some(link),
        }
    };
    newest.replay(0, SEGMENT_HEADER_BYTES, tail.from, catalog)?;
    Ok(tail)
}

/// A file that holds the opening batch and the tail, and is as long as a segment if that is longer.
fn fresh_file<D: Disk>(
    nursery: &mut Nursery<'_, D>,
    catalog: &Catalog,
    tail: Option<Tail>,
    segment_bytes: u64,
) -> Result<(FileName, D::File), OpenError> {
    let opening = catalog.standing().opening();
    let opening_bytes = BATCH_HEADER_BYTES + opening.iter().map(framed_record_bytes).sum::<u64>();
    let copied = tail.map_or(0, |tail| tail.end - tail.from);
    let needed = segment_bytes.max(SEGMENT_HEADER_BYTES + opening_bytes + copied);
    nursery.make(needed)?.ok_or(OpenError::NoSpace { needed })
}

fn copy_tail<F: DiskFile>(
    newest: &Stored<F>,
    tail: Tail,
    draft: &mut Draft<F>,
    catalog: &mut Catalog,
) -> Result<(), OpenError> {
    newest.each_batch(tail.number, tail.from, tail.end, |batch| {
        if batch.records.is_empty() {
            return Ok(());
        }
        let mut places = draft
            .copy(batch.records.iter().map(|record| record.view))?
            .into_iter();
        for record in &batch.records {
            newest.check(&record.view, record.offset, catalog)?;
            let place = if record.view.kind == Kind::Entry {
                places.next()
            } else {
                None
            };
            replay_record(&record.view, place, catalog);
        }
        Ok(())
    })
}

/// Every segment opens with the state and the purge point: they must be small beside it.
fn check_opaque(standing: &Standing, segment_bytes: u64) -> Result<(), OpenError> {
    let largest = standing
        .opening()
        .iter()
        .map(|record| record.payload().len() as u64)
        .max()
        .unwrap_or(0);
    if largest > opaque_bytes_max(segment_bytes) {
        let min = largest.next_multiple_of(8) * OPAQUE_SEGMENT_SHARE;
        return Err(OpenError::SegmentBytes {
            segment_bytes,
            min,
            max: SEGMENT_BYTES_MAX,
        });
    }
    Ok(())
}

/// Between the purge point and the oldest entry there must be nothing.
fn check_complete<F>(oldest: Option<&Stored<F>>, catalog: &Catalog) -> Result<(), OpenError> {
    let first_needed = catalog.standing().purged_index() + 1;
    match oldest.and_then(|oldest| oldest.header.previous) {
        Some(link) if catalog.first_index() > first_needed => Err(OpenError::MissingSegment {
            file: link.sequence.file_name(),
            first_needed,
        }),
        Some(_) | None => Ok(()),
    }
}

fn replay_record(view: &RecordView<'_>, place: Option<Place>, catalog: &mut Catalog) {
    let payload = || Bytes::copy_from_slice(view.payload);
    match view.kind {
        Kind::Entry => catalog.replay_entry(view.index, place.expect("an entry is somewhere")),
        Kind::State => catalog.replay_state(payload()),
        Kind::TruncateAfter => catalog.replay_truncate_after(view.index),
        Kind::Purge => catalog.replay_purge(view.index, payload()),
    }
}

impl<F: DiskFile> Stored<F> {
    /// Follows the batches to the first bad one, and decides what that is (P28).
    fn survey(&self) -> Result<Survey, OpenError> {
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
        if end < synced {
            return Err(self.corrupt(offset, synced, damage));
        }
        let boundary = ends
            .binary_search(&synced)
            .map_err(|_| self.corrupt(synced, synced, Damage::Sequence))?;
        let opening_end = ends.get(1).copied().unwrap_or(SEGMENT_HEADER_BYTES);
        Ok(Survey {
            opening_end,
            synced,
            synced_number: boundary as u64,
            end,
        })
    }

    /// Replays the batches from `from`, the one with this number, to `end`. All of them were durable.
    fn replay(
        &self,
        number: u64,
        from: u64,
        end: u64,
        catalog: &mut Catalog,
    ) -> Result<(), OpenError> {
        self.each_batch(number, from, end, |batch| {
            for record in &batch.records {
                self.check(&record.view, record.offset, catalog)?;
                let payload_bytes = record.view.payload.len();
                let place = place(self.header.sequence, record.offset, payload_bytes);
                replay_record(&record.view, Some(place), catalog);
            }
            Ok(())
        })
    }

    fn each_batch(
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

    fn check(
        &self,
        view: &RecordView<'_>,
        offset: u64,
        catalog: &Catalog,
    ) -> Result<(), OpenError> {
        let checked = catalog.standing().check_stored(view);
        checked.map_err(|_| {
            self.corrupt(
                offset,
                offset + framed_bytes(view.payload.len() as u64),
                Damage::Sequence,
            )
        })
    }

    fn corrupt(&self, offset: u64, synced: u64, damage: Damage) -> OpenError {
        OpenError::Corrupt {
            file: self.header.sequence.file_name(),
            offset,
            synced,
            damage,
        }
    }

    fn newer(&self, version: u8) -> OpenError {
        OpenError::NewerFormat {
            file: self.header.sequence.file_name(),
            found: u32::from(version),
            supported: FORMAT_VERSION,
        }
    }
}
