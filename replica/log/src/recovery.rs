//! Opening a log: find the segments, verify them, replay them, and bring what is not known to be
//! durable into a fresh segment.
//!
//! 1. The newest segment names the one before it, and so on down. Files outside this chain are left
//!    over from a change that a crash cut short, and mean nothing.
//! 2. All but the newest were durable up to where the next one takes over: anything bad there is
//!    damage.
//! 3. In the newest, the batches are followed to the first bad one. If a synced position beyond it
//!    is named anywhere, that is damage; else it is the end, whatever lies behind it (P28).
//! 4. What is kept above the synced position may be in the page cache only, even after a sync that
//!    failed. It is written anew into a fresh segment and made durable before anybody acts on it
//!    (P28, D12). No segment is ever appended to again, so nothing that was cut can come back
//!    behind a new batch.

mod inventory;
mod stored;

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use crate::catalog::{Catalog, Place, ReadableSegment};
use crate::chain::{Chain, Nursery, Older, salt_of};
use crate::disk::{Disk, DiskFile};
use crate::draft::{Active, Draft};
use crate::error::OpenError;
use crate::frame::{BATCH_HEADER_BYTES, Kind, RecordView, framed_record_bytes};
use crate::limits::{COPY_WHOLE_SHARE, OPAQUE_SEGMENT_SHARE, SEGMENT_BYTES_MAX};
use crate::options::LogOptions;
use crate::segment::{FileName, Link, SEGMENT_HEADER_BYTES, Sequence, opaque_bytes_max};
use crate::standing::Standing;
use inventory::Inventory;
use stored::Stored;

/// The segments of a log, verified. The catalog knows what is in them but for the tail.
#[derive(Debug)]
struct Replayed<F> {
    /// Oldest first.
    older: Vec<Stored<F>>,
    /// None if the log is new.
    newest: Option<(Stored<F>, Tail)>,
    catalog: Catalog,
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
    /// It ends where a batch begins that is not whole.
    is_torn: bool,
}

/// A log that is open, and whether a torn batch was cut from its end.
pub(crate) type Opened<D> = (Chain<D>, Catalog, bool);

pub(crate) fn open<D: Disk>(disk: D, options: LogOptions) -> Result<Opened<D>, OpenError> {
    let options = options.validate()?;
    let inventory = Inventory::take(&disk)?;
    let mut replayed = Replayed::replay(&disk, &inventory, options)?;

    // From here on the disk is changed, but no segment is touched before the log is known to be
    // whole.
    inventory.remove_spares(&disk)?;
    let mut nursery = Nursery { disk: &disk, next_spare: inventory.next_spare() };
    let active = replayed.begin_fresh(&mut nursery, options)?;
    let was_torn = replayed.newest.as_ref().is_some_and(|(_, tail)| tail.is_torn);
    let next_spare = nursery.next_spare;

    let (stored, mut catalog) = replayed.into_staying();
    inventory.remove_segments_but(&disk, &stored)?;
    catalog.attach(active.readable());
    let mut older = BTreeMap::new();
    for Stored { header, file } in stored {
        let capacity = file.length()?;
        let file = Arc::new(file);
        catalog.attach(ReadableSegment { sequence: header.sequence, salt: header.salt, file: file.clone() });
        older.insert(header.sequence, Older { file, capacity });
    }
    let standing = catalog.standing().clone();
    let chain = Chain::new(disk, options, active, older, next_spare, standing);
    Ok((chain, catalog, was_torn))
}

impl<F: DiskFile> Replayed<F> {
    fn replay<D: Disk<File = F>>(disk: &D, inventory: &Inventory, options: LogOptions) -> Result<Self, OpenError> {
        let mut older = follow_links(disk, inventory)?;
        let mut catalog = replay_older(&older, options.cache_bytes)?;
        let newest = match older.pop() {
            Some(newest) => {
                let tail = replay_newest(&newest, &mut catalog, options.segment_bytes)?;
                Some((newest, tail))
            }
            None => None,
        };
        Ok(Replayed { older, newest, catalog })
    }

    /// Begins a fresh segment with the tail in it. All that the catalog then knows is durable.
    fn begin_fresh<D: Disk<File = F>>(
        &mut self,
        nursery: &mut Nursery<'_, D>,
        options: LogOptions,
    ) -> Result<Active<F>, OpenError> {
        let catalog = &mut self.catalog;
        let tail = self.newest.as_ref().map(|(_, tail)| *tail);
        let sequence = self.newest.as_ref().map_or(Sequence::FIRST, |(newest, _)| newest.header.sequence.next());
        let previous = tail.and_then(|tail| tail.previous);
        let salt = salt_of(options.salt, sequence);
        let (name, file) = fresh_file(nursery, catalog.standing(), tail, options.segment_bytes)?;
        let mut draft = Draft::begin(file, name, sequence, salt, previous, catalog.standing())?;
        if let Some((newest, tail)) = &self.newest {
            copy_tail(newest, *tail, &mut draft, catalog)?;
        }
        let oldest = self.older.first().or(self.newest.as_ref().map(|(newest, _)| newest));
        check_complete(oldest, catalog)?;
        check_opaque(catalog.standing(), options.segment_bytes)?;
        Ok(draft.finish(nursery.disk)?)
    }

    /// The segments that the fresh one rests on.
    fn into_staying(self) -> (Vec<Stored<F>>, Catalog) {
        let mut staying = self.older;
        if let Some((newest, tail)) = self.newest
            && tail.previous.is_some_and(|link| link.sequence == newest.header.sequence)
        {
            staying.push(newest);
        }
        (staying, self.catalog)
    }
}

/// The newest segment and those it rests on, oldest first.
fn follow_links<D: Disk>(disk: &D, inventory: &Inventory) -> Result<Vec<Stored<D::File>>, OpenError> {
    let mut stored = Vec::new();
    let mut next = inventory.segments.last().copied();
    while let Some(sequence) = next.filter(|sequence| inventory.segments.contains(sequence)) {
        let segment = Stored::open(disk, sequence)?;
        next = segment.header.previous.map(|link| link.sequence);
        stored.push(segment);
    }
    stored.reverse();
    Ok(stored)
}

/// Replays all segments but the newest, each up to where the next one takes over.
fn replay_older<F: DiskFile>(stored: &[Stored<F>], cache_bytes: usize) -> Result<Catalog, OpenError> {
    let mut catalog = Catalog::new(stored.first().map_or(1, |oldest| oldest.header.next_index), cache_bytes);
    for (segment, next) in stored.iter().zip(stored.iter().skip(1)) {
        let end = next.header.previous.map_or(0, |link| link.end);
        segment.replay_to(end, &mut catalog)?;
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
    let link = Link { sequence: newest.header.sequence, end: survey.synced };
    let small = survey.end <= segment_bytes / COPY_WHOLE_SHARE;
    // Only a batch behind the draft proves that the file's name was made durable: a sync of the
    // directory may have failed, and then the name is in memory only.
    let name_is_durable = survey.end > newest.header.synced;
    let is_torn = survey.is_torn;
    let tail = if small || !name_is_durable {
        Tail { from: survey.opening_end, end: survey.end, number: 1, previous: newest.header.previous, is_torn }
    } else {
        Tail { from: survey.synced, end: survey.end, number: survey.synced_number, previous: Some(link), is_torn }
    };
    newest.replay_to(tail.from, catalog)?;
    Ok(tail)
}

/// A file that holds the opening batch and the tail, and is as long as a segment if that is longer.
fn fresh_file<D: Disk>(
    nursery: &mut Nursery<'_, D>,
    standing: &Standing,
    tail: Option<Tail>,
    segment_bytes: u64,
) -> Result<(FileName, D::File), OpenError> {
    let opening = standing.opening();
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
        let mut places = draft.copy(batch.records.iter().map(|record| record.view))?.into_iter();
        for record in &batch.records {
            newest.check(&record.view, record.offset, catalog)?;
            let place = if record.view.kind == Kind::Entry { places.next() } else { None };
            replay_record(&record.view, place, catalog);
        }
        Ok(())
    })
}

/// Every segment opens with the state and the purge point: they must be small beside it.
fn check_opaque(standing: &Standing, segment_bytes: u64) -> Result<(), OpenError> {
    let largest = standing.opening().iter().map(|record| record.payload().len() as u64).max().unwrap_or(0);
    if largest > opaque_bytes_max(segment_bytes) {
        let min = largest.next_multiple_of(8) * OPAQUE_SEGMENT_SHARE;
        return Err(OpenError::SegmentBytes { segment_bytes, min, max: SEGMENT_BYTES_MAX });
    }
    Ok(())
}

/// Between the purge point and the oldest entry there must be nothing.
fn check_complete<F>(oldest: Option<&Stored<F>>, catalog: &Catalog) -> Result<(), OpenError> {
    let first_needed = catalog.standing().purged_index() + 1;
    match oldest.and_then(|oldest| oldest.header.previous) {
        Some(link) if catalog.first_index() > first_needed => {
            Err(OpenError::MissingSegment { file: link.sequence.file_name(), first_needed })
        }
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
