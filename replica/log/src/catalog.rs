//! Where every entry is: in memory while it is not written or recent, in a segment else. No I/O
//! happens here, so that a lock around it is never held over any.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use crate::disk::DiskFile;
use crate::error::LogError;
use crate::frame::{Salt, framed_bytes};
use crate::read::{ReadPlan, StoredEntry};
use crate::record::Record;
use crate::segment::Sequence;
use crate::standing::Standing;

/// Where an entry's record begins, and how long its payload is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) segment: Sequence,
    pub(crate) offset: u32,
    pub(crate) payload_bytes: u32,
}

/// A segment that can be read.
#[derive(Debug, Clone)]
pub(crate) struct ReadableSegment {
    pub(crate) sequence: Sequence,
    pub(crate) salt: Salt,
    pub(crate) file: Arc<dyn DiskFile>,
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    /// Counts entries ever taken in: an index may be taken again after a truncation, a serial never
    /// is.
    serial: u64,
    /// Framed bytes of the entries before this one.
    bytes_before: u64,
    place: Option<Place>,
}

/// Invariants: `slots` are the entries from `first` to before `standing.next_index`, serials grow;
/// `cache` holds the payloads of the last of them, and of every one that has no place.
#[derive(Debug)]
pub(crate) struct Catalog {
    standing: Standing,
    first: u64,
    slots: VecDeque<Slot>,
    cache: VecDeque<Bytes>,
    cached_bytes: usize,
    cache_bytes_max: usize,
    /// Framed bytes of the entries up to the last.
    bytes_end: u64,
    next_serial: u64,
    segments: BTreeMap<Sequence, ReadableSegment>,
}

impl Catalog {
    /// A log whose oldest segment begins at `next_index`.
    pub(crate) fn new(next_index: u64, cache_bytes_max: usize) -> Self {
        Catalog {
            standing: Standing::new(next_index),
            first: next_index,
            slots: VecDeque::new(),
            cache: VecDeque::new(),
            cached_bytes: 0,
            cache_bytes_max,
            bytes_end: 0,
            next_serial: 0,
            segments: BTreeMap::new(),
        }
    }

    pub(crate) fn standing(&self) -> &Standing {
        &self.standing
    }

    pub(crate) fn first_index(&self) -> u64 {
        self.first
    }

    pub(crate) fn last_index(&self) -> u64 {
        self.standing.next_index - 1
    }

    /// Framed bytes of the entries above `index`.
    pub(crate) fn bytes_since(&self, index: u64) -> u64 {
        let after = (index.saturating_add(1)).saturating_sub(self.first);
        let from = usize::try_from(after).ok().and_then(|after| self.slots.get(after));
        from.map_or(0, |slot| self.bytes_end - slot.bytes_before)
    }

    /// Takes the records in; they were checked to follow. Their entries are readable from now on.
    /// Answers the serial of the first entry.
    pub(crate) fn admit(&mut self, records: &[Record]) -> u64 {
        let first_serial = self.next_serial;
        for record in records {
            match record {
                Record::Entry { index, payload } => {
                    self.push(*index, payload.len(), None);
                    self.cached_bytes += payload.len();
                    self.cache.push_back(payload.clone());
                }
                Record::State { payload } => self.replay_state(payload.clone()),
                Record::TruncateAfter { index } => self.replay_truncate_after(*index),
                Record::Purge { index, payload } => self.replay_purge(*index, payload.clone()),
            }
        }
        first_serial
    }

    /// Entries from `first_serial` on were written, at these places. Those truncated or purged
    /// meanwhile are passed over.
    pub(crate) fn place(&mut self, first_serial: u64, places: &[Place]) {
        let start = self.slots.partition_point(|slot| slot.serial < first_serial);
        for slot in self.slots.range_mut(start..) {
            match places.get((slot.serial - first_serial) as usize) {
                Some(place) => slot.place = Some(*place),
                None => break,
            }
        }
        self.evict();
    }

    pub(crate) fn attach(&mut self, segment: ReadableSegment) {
        self.segments.insert(segment.sequence, segment);
    }

    /// The oldest segment that holds a live entry; `active` if none that is written does.
    pub(crate) fn lowest_live(&self, active: Sequence) -> Sequence {
        self.slots.front().and_then(|slot| slot.place).map_or(active, |place| place.segment)
    }

    /// Lets go of the segments below; a read that was planned before keeps its own hold.
    pub(crate) fn detach_below(&mut self, lowest: Sequence) {
        self.segments = self.segments.split_off(&lowest);
    }

    /// What to fetch for the part of the range that is present: the first entry in any case, more
    /// while the payloads stay within `max_bytes`.
    pub(crate) fn plan_read(&self, range: Range<u64>, max_bytes: usize) -> ReadPlan {
        let start = range.start.max(self.first);
        let end = range.end.min(self.standing.next_index);
        let mut plan = ReadPlan::default();
        let mut bytes = 0;
        for index in start..end {
            let position = (index - self.first) as usize;
            let payload_bytes = self.payload_bytes(position);
            if !plan.is_empty() && bytes + payload_bytes > max_bytes {
                break;
            }
            bytes += payload_bytes;
            self.plan_entry(&mut plan, index, position);
        }
        plan
    }

    pub(crate) fn replay_entry(&mut self, index: u64, place: Place) {
        assert!(self.cache.is_empty(), "a log is replayed before anything is appended");
        self.push(index, place.payload_bytes as usize, Some(place));
    }

    pub(crate) fn replay_state(&mut self, payload: Bytes) {
        self.standing.state = Some(payload);
    }

    pub(crate) fn replay_truncate_after(&mut self, index: u64) {
        self.standing.truncate_after(index);
        // Below the oldest segment nothing is known of the entries but that they go on from here.
        self.first = self.first.min(self.standing.next_index);
        let kept = (self.standing.next_index - self.first) as usize;
        while self.slots.len() > kept {
            let slot = self.slots.pop_back().expect("there are more than are kept");
            self.bytes_end = slot.bytes_before;
            if let Some(payload) = self.cache.pop_back() {
                self.cached_bytes -= payload.len();
            }
        }
    }

    pub(crate) fn replay_purge(&mut self, index: u64, payload: Bytes) {
        self.standing.purge(index, payload);
        let gone = ((index + 1).saturating_sub(self.first) as usize).min(self.slots.len());
        self.slots.drain(..gone);
        while self.cache.len() > self.slots.len() {
            let payload = self.cache.pop_front().expect("there are more than there are entries");
            self.cached_bytes -= payload.len();
        }
        self.first = self.first.max(index + 1);
    }

    /// What must hold at any time.
    pub(crate) fn check_invariants(&self) {
        assert_eq!(self.slots.len() as u64, self.standing.next_index - self.first);
        assert!(self.standing.purged_index() < self.standing.next_index);
        assert!(self.cache.len() <= self.slots.len());
        assert_eq!(self.cached_bytes, self.cache.iter().map(Bytes::len).sum::<usize>());
        let uncached = self.slots.len() - self.cache.len();
        assert!(
            self.slots.iter().take(uncached).all(|slot| slot.place.is_some()),
            "an entry without a place is in the cache"
        );
        assert!(self.slots.iter().zip(self.slots.iter().skip(1)).all(|(one, next)| one.serial < next.serial));
    }

    fn push(&mut self, index: u64, payload_bytes: usize, place: Option<Place>) {
        self.standing.entry(index);
        self.slots.push_back(Slot { serial: self.next_serial, bytes_before: self.bytes_end, place });
        self.next_serial += 1;
        self.bytes_end += framed_bytes(payload_bytes as u64);
    }

    fn evict(&mut self) {
        while self.cached_bytes > self.cache_bytes_max {
            let oldest = self.slots.len() - self.cache.len();
            if self.slots.get(oldest).is_none_or(|slot| slot.place.is_none()) {
                return;
            }
            let payload = self.cache.pop_front().expect("bytes are cached");
            self.cached_bytes -= payload.len();
        }
    }

    fn cached(&self, position: usize) -> Option<&Bytes> {
        let uncached = self.slots.len() - self.cache.len();
        position.checked_sub(uncached).and_then(|position| self.cache.get(position))
    }

    fn payload_bytes(&self, position: usize) -> usize {
        match self.cached(position) {
            Some(payload) => payload.len(),
            None => self.placed(position).payload_bytes as usize,
        }
    }

    fn placed(&self, position: usize) -> Place {
        self.slots[position].place.expect("an entry that is not cached has a place")
    }

    fn plan_entry(&self, plan: &mut ReadPlan, index: u64, position: usize) {
        match self.cached(position) {
            Some(payload) => plan.push_cached(index, payload.clone()),
            None => {
                let place = self.placed(position);
                let segment = self.segments.get(&place.segment).expect("a live entry's segment is attached");
                plan.push_stored(
                    segment,
                    StoredEntry {
                        index,
                        offset: u64::from(place.offset),
                        payload_bytes: u64::from(place.payload_bytes),
                    },
                );
            }
        }
    }
}

/// Whether each record is small enough for segments of this size.
pub(crate) fn check_sizes(records: &[Record], entry_bytes_max: u64, opaque_bytes_max: u64) -> Result<(), LogError> {
    for record in records {
        let bytes = record.payload().len() as u64;
        let limit = match record {
            Record::Entry { .. } => entry_bytes_max,
            Record::State { .. } | Record::Purge { .. } | Record::TruncateAfter { .. } => opaque_bytes_max,
        };
        if bytes > limit {
            return Err(LogError::TooLarge { bytes, limit });
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "catalog_test.rs"]
mod tests;
