//! The segments on the disk, from the writer's side: the active one, those before it that are still
//! needed, and the spares. It decides when a segment changes and when one may go; it keeps no
//! entries.
//!
//! A failed call leaves it in an unknown state: whoever owns it must not call it again (D12).

use std::collections::{BTreeMap, VecDeque};
use std::mem;
use std::sync::Arc;

use crate::catalog::{Place, ReadableSegment};
use crate::disk::{Cause, Disk, DiskError, DiskFile};
use crate::draft::{Active, Draft, place};
use crate::frame::{BATCH_HEADER_BYTES, Salt, encode_record, framed_record_bytes};
use crate::limits::{BATCH_BYTES_MAX, SPARES_MAX};
use crate::options::LogOptions;
use crate::position::Position;
use crate::record::Record;
use crate::room::Room;
use crate::segment::{FileName, Link, Sequence, reserve_bytes, usable_bytes};
use crate::standing::Standing;

/// Invariant: everything before the active segment is durable.
#[derive(Debug)]
pub(crate) struct Chain<D: Disk> {
    disk: D,
    segment_bytes: u64,
    salt: u64,
    active: Active<D::File>,
    /// The segments before the active one, oldest first.
    older: BTreeMap<Sequence, Older<D::File>>,
    spares: VecDeque<FileName>,
    next_spare: u64,
    /// At the end of what is written.
    standing: Standing,
    /// Segments begun since `take_begun`.
    begun: Vec<ReadableSegment>,
    buffer: Vec<u8>,
    buffered_records: usize,
}

/// A segment that is only read.
#[derive(Debug)]
pub(crate) struct Older<F> {
    pub(crate) file: Arc<F>,
    pub(crate) capacity: u64,
}

/// The files that are no segments yet, and the numbers for their names.
#[derive(Debug)]
pub(crate) struct Nursery<'d, D> {
    pub(crate) disk: &'d D,
    pub(crate) next_spare: u64,
}

impl<D: Disk> Nursery<'_, D> {
    /// A new file of this length with its blocks reserved, or None if the disk has no room for it.
    pub(crate) fn make(&mut self, length: u64) -> Result<Option<(FileName, D::File)>, DiskError> {
        let name = FileName::Spare(self.next_spare);
        self.next_spare += 1;
        let file = match self.disk.create(&name.to_string()) {
            Err(error) if error.cause == Cause::NoSpace => return Ok(None),
            created => created?,
        };
        match file.allocate(length).and_then(|()| file.sync_data()) {
            Err(error) if error.cause == Cause::NoSpace => {
                self.disk.remove(&name.to_string())?;
                Ok(None)
            }
            allocated => allocated.map(|()| Some((name, file))),
        }
    }
}

/// What marks the batches of one segment. The sequence makes it different from that of any other
/// use of the file.
pub(crate) fn salt_of(salt: u64, sequence: Sequence) -> Salt {
    let spread = sequence.get().wrapping_mul(0x9E37_79B9_7F4A_7C15);
    Salt::new(salt ^ spread ^ (spread >> 32))
}

impl<D: Disk> Chain<D> {
    pub(crate) fn new(
        disk: D,
        options: LogOptions,
        active: Active<D::File>,
        older: BTreeMap<Sequence, Older<D::File>>,
        next_spare: u64,
        standing: Standing,
    ) -> Self {
        Chain {
            disk,
            segment_bytes: options.segment_bytes,
            salt: options.salt,
            active,
            older,
            spares: VecDeque::new(),
            next_spare,
            standing,
            begun: Vec::new(),
            buffer: Vec::new(),
            buffered_records: 0,
        }
    }

    pub(crate) fn segment_bytes(&self) -> u64 {
        self.segment_bytes
    }

    pub(crate) fn active_sequence(&self) -> Sequence {
        self.active.sequence
    }

    /// The end of what is written.
    pub(crate) fn position(&self) -> Position {
        Position { segment: self.active.sequence.get(), offset: self.active.end }
    }

    pub(crate) fn room(&self) -> Room {
        Room {
            remaining: self.active.capacity - self.active.end,
            spares: self.spares.len(),
            usable: usable_bytes(self.segment_bytes),
            reserve: reserve_bytes(self.segment_bytes),
        }
    }

    /// Writes the records as one batch, or as few as segment and buffer allow, and adds the places
    /// of the entries. Their room was charged before (P18).
    pub(crate) fn append<'r>(
        &mut self,
        records: impl IntoIterator<Item = &'r Record>,
        places: &mut Vec<Place>,
    ) -> Result<(), DiskError> {
        for record in records {
            let framed = framed_record_bytes(record);
            if self.active.end + self.buffered_bytes() + framed > self.active.capacity {
                self.write_buffer()?;
                self.change_segment()?;
            } else if self.buffered_bytes() + framed > BATCH_BYTES_MAX as u64 {
                self.write_buffer()?;
            }
            if self.buffer.is_empty() {
                self.buffer.resize(BATCH_HEADER_BYTES as usize, 0);
            }
            if let Record::Entry { payload, .. } = record {
                let offset = self.active.end + self.buffer.len() as u64;
                places.push(place(self.active.sequence, offset, payload.len()));
            }
            encode_record(&mut self.buffer, self.active.salt, record);
            self.buffered_records += 1;
            self.standing.apply(record);
        }
        self.write_buffer()
    }

    /// Makes everything written durable.
    pub(crate) fn sync(&mut self) -> Result<(), DiskError> {
        self.active.sync()
    }

    /// Whether the latest durable batch is still without a header behind it that says so (P28).
    pub(crate) fn needs_mark(&self) -> bool {
        let room = self.active.capacity - self.active.end >= BATCH_HEADER_BYTES;
        room && self.active.named < self.active.data_end
    }

    /// Names the synced position by a batch without records. The marker is synced too: it is for
    /// the power loss that comes while nothing is appended.
    pub(crate) fn mark_synced(&mut self) -> Result<(), DiskError> {
        self.active.sync()?;
        if self.needs_mark() {
            self.active.write_batch(&mut [0; BATCH_HEADER_BYTES as usize], 0)?;
            self.active.sync()?;
        }
        Ok(())
    }

    pub(crate) fn lacks_spare(&self) -> bool {
        self.spares.is_empty()
    }

    /// Makes one more spare; false if the disk has no room for it (P18).
    pub(crate) fn add_spare(&mut self) -> Result<bool, DiskError> {
        let mut nursery = Nursery { disk: &self.disk, next_spare: self.next_spare };
        let made = nursery.make(self.segment_bytes)?;
        self.next_spare = nursery.next_spare;
        match made {
            Some((name, _)) => {
                self.spares.push_back(name);
                Ok(true)
            }
            None => Ok(false),
        }
    }

    /// The segments begun since the last call; readers must know them before they know the places
    /// in them.
    pub(crate) fn take_begun(&mut self) -> Vec<ReadableSegment> {
        mem::take(&mut self.begun)
    }

    pub(crate) fn has_older_than(&self, lowest: Sequence) -> bool {
        self.older.first_key_value().is_some_and(|(sequence, _)| *sequence < lowest)
    }

    /// Lets the segments below `lowest` go: none holds a live entry, and the purge or truncation
    /// that says so is durable. A segment that nobody reads any more becomes a spare, the rest goes
    /// back to the file system.
    pub(crate) fn release_below(&mut self, lowest: Sequence) -> Result<(), DiskError> {
        if !self.has_older_than(lowest) {
            return Ok(());
        }
        let kept = self.older.split_off(&lowest);
        let mut recycled = Vec::new();
        for (sequence, older) in mem::replace(&mut self.older, kept) {
            let wanted = self.spares.len() + recycled.len() < SPARES_MAX && older.capacity == self.segment_bytes;
            let unread = Arc::into_inner(older.file).is_some();
            if wanted && unread {
                let spare = FileName::Spare(self.next_spare);
                self.next_spare += 1;
                self.disk.rename(&sequence.file_name(), &spare.to_string())?;
                recycled.push(spare);
            } else {
                self.disk.remove(&sequence.file_name())?;
            }
        }
        // Only once its old name is gone for good may a file be written to again: under the old
        // name its new bytes would be damage.
        self.disk.sync_directory()?;
        self.spares.extend(recycled);
        Ok(())
    }

    fn buffered_bytes(&self) -> u64 {
        (self.buffer.len() as u64).max(BATCH_HEADER_BYTES)
    }

    fn write_buffer(&mut self) -> Result<(), DiskError> {
        if self.buffered_records > 0 {
            self.active.write_batch(&mut self.buffer, self.buffered_records)?;
            self.buffered_records = 0;
        }
        self.buffer.clear();
        // One record may be larger than a batch; what it needed is not kept for ever.
        self.buffer.shrink_to(BATCH_BYTES_MAX);
        Ok(())
    }

    /// Ends the active segment and begins the next one in a spare.
    fn change_segment(&mut self) -> Result<(), DiskError> {
        self.active.sync()?;
        let spare = self.spares.pop_front().expect("the room for the records was charged before");
        let file = self.disk.open(&spare.to_string())?;
        let sequence = self.active.sequence.next();
        let previous = Some(Link { sequence: self.active.sequence, end: self.active.end });
        let salt = salt_of(self.salt, sequence);
        let next = Draft::begin(file, spare, sequence, salt, previous, &self.standing)?.finish(&self.disk)?;
        self.begun.push(next.readable());
        let ended = mem::replace(&mut self.active, next);
        self.older.insert(ended.sequence, Older { file: ended.file, capacity: ended.capacity });
        Ok(())
    }
}
