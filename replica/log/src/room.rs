//! How much can be appended before the disk must be asked for more (P18).
//!
//! The estimate is never too good: each record is charged as if it were a batch of its own, and a record
//! that does not fit the rest of a segment wastes that rest. So whatever passes here fits when it is
//! written, however the writer groups it.

use crate::frame::{BATCH_HEADER_BYTES, framed_record_bytes};
use crate::record::Record;

/// The rest of the active segment, and the spares behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Room {
    pub(crate) remaining: u64,
    pub(crate) spares: usize,
    /// What each spare holds.
    pub(crate) usable: u64,
}

impl Room {
    pub(crate) fn headroom(&self) -> u64 {
        self.remaining + self.spares as u64 * self.usable
    }

    /// Takes the records' room away, or answers false and takes nothing.
    pub(crate) fn charge<'a>(&mut self, records: impl IntoIterator<Item = &'a Record>) -> bool {
        let mut left = *self;
        for record in records {
            let cost = Room::cost(record);
            while left.remaining < cost {
                if left.spares == 0 {
                    return false;
                }
                left.spares -= 1;
                left.remaining = left.usable;
            }
        }
        *self = left;
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

    fn entry(bytes: usize) -> Record {
        Record::Entry { index: 1, payload: Bytes::from(vec![0; bytes]) }
    }

    #[test]
    fn a_record_that_does_not_fit_wastes_the_rest_of_its_segment() {
        // Each of these records costs 40 + 24 + 96 = 160 bytes.
        let mut room = Room { remaining: 200, spares: 2, usable: 330 };
        let records = [entry(96), entry(90), entry(96), entry(96)];
        assert!(room.charge(&records));
        assert_eq!(room, Room { remaining: 170, spares: 0, usable: 330 });
    }

    #[test]
    fn what_does_not_fit_takes_nothing() {
        let mut room = Room { remaining: 200, spares: 1, usable: 330 };
        let before = room;
        assert!(!room.charge(&[entry(96), entry(96), entry(96), entry(96)]));
        assert_eq!(room, before);
        assert_eq!(room.headroom(), 530);
    }
}
