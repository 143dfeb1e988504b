//! How much can be appended before the disk must be asked for more (P18).
//!
//! The estimate is never too good: each record is charged as if it were a batch of its own, and a
//! record that does not fit the rest of a segment wastes that rest. So whatever passes here fits
//! when it is written, however the writer groups it.
//!
//! Entries leave a reserve for what is not an entry: on a full disk the purge that frees a segment
//! must still find room, and so must a vote.

use crate::frame::{BATCH_HEADER_BYTES, framed_record_bytes};
use crate::record::Record;

/// The rest of the active segment, and the spares behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Room {
    pub(crate) remaining: u64,
    pub(crate) spares: usize,
    /// What each spare holds.
    pub(crate) usable: u64,
    /// What entries leave of the last segment.
    pub(crate) reserve: u64,
}

impl Room {
    /// What entries may take.
    pub(crate) fn headroom(&self) -> u64 {
        (self.remaining + self.spares as u64 * self.usable).saturating_sub(self.reserve)
    }

    /// Takes the room of new records away, or answers false and takes nothing.
    pub(crate) fn admit(&mut self, records: &[Record]) -> bool {
        let mut left = *self;
        if !left.charge(records) {
            return false;
        }
        let has_entries = records.iter().any(|record| matches!(record, Record::Entry { .. }));
        if has_entries && left.spares == 0 && left.remaining < left.reserve {
            return false;
        }
        *self = left;
        true
    }

    /// Takes the room of records that were admitted away; false if that cannot be.
    pub(crate) fn charge<'r>(&mut self, records: impl IntoIterator<Item = &'r Record>) -> bool {
        for record in records {
            let cost = Room::cost(record);
            while self.remaining < cost {
                if self.spares == 0 {
                    return false;
                }
                self.spares -= 1;
                self.remaining = self.usable;
            }
            self.remaining -= cost;
        }
        true
    }

    pub(crate) fn cost(record: &Record) -> u64 {
        BATCH_HEADER_BYTES + framed_record_bytes(record)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    const ROOM: Room = Room { remaining: 200, spares: 2, usable: 330, reserve: 100 };

    /// Costs 40 + 24 + 96 = 160 bytes.
    fn entry() -> Record {
        Record::Entry { index: 1, payload: Bytes::from(vec![0; 90]) }
    }

    #[test]
    fn a_record_that_does_not_fit_wastes_the_rest_of_its_segment() {
        let mut room = ROOM;
        assert!(room.admit(&[entry(), entry(), entry(), entry()]));
        assert_eq!(room, Room { remaining: 170, spares: 0, ..ROOM });
        assert_eq!(room.headroom(), 70);
    }

    #[test]
    fn what_does_not_fit_takes_nothing() {
        let mut room = Room { spares: 1, ..ROOM };
        let before = room;
        assert!(!room.admit(&[entry(), entry(), entry(), entry()]));
        assert_eq!(room, before);
    }

    #[test]
    fn p18_entries_leave_the_reserve_to_the_others() {
        let mut room = Room { remaining: 250, spares: 0, ..ROOM };
        let before = room;
        assert!(!room.admit(&[entry()]));
        assert_eq!(room, before);
        assert!(room.admit(&[Record::Purge { index: 1, payload: Bytes::from(vec![0; 90]) }]));
        assert_eq!(room, Room { remaining: 90, ..before });
        assert_eq!(room.headroom(), 0);
    }
}
