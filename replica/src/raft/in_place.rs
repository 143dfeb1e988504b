//! Whether an append is written and synced by the thread of the replica itself, in place of the log's.
//!
//! An append that comes alone is durable sooner so: two threads less are woken for it. While others come behind it the thread
//! has better things to do, and on a slow disk nothing else of the server may wait for that.

use std::time::Duration;

use handfast_log::Record;

use crate::limits::{IN_PLACE_BYTES_MAX, IN_PLACE_SLOW, IN_PLACE_SLOW_APPENDS};

#[derive(Debug, Default)]
pub(super) struct InPlace {
    /// The disk was slow; it is not tried for so many appends.
    slow_for: u32,
}

impl InPlace {
    /// Much at once is from many, and more of them are coming.
    pub(super) fn suits(&mut self, records: &[Record]) -> bool {
        if records.iter().map(|record| record.payload().len()).sum::<usize>() > IN_PLACE_BYTES_MAX {
            return false;
        }
        let is_slow = self.slow_for > 0;
        self.slow_for = self.slow_for.saturating_sub(1);
        !is_slow
    }

    pub(super) fn took(&mut self, time: Duration) {
        if time > IN_PLACE_SLOW {
            self.slow_for = IN_PLACE_SLOW_APPENDS;
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn entry(bytes: usize) -> Vec<Record> {
        vec![Record::Entry { index: 1, payload: Bytes::from(vec![0; bytes]) }]
    }

    #[test]
    fn much_at_once_does_not_suit() {
        let mut in_place = InPlace::default();
        assert!(in_place.suits(&entry(IN_PLACE_BYTES_MAX)));
        assert!(!in_place.suits(&entry(IN_PLACE_BYTES_MAX + 1)));
    }

    #[test]
    fn a_slow_disk_is_left_to_the_thread_for_a_while() {
        let mut in_place = InPlace::default();
        in_place.took(IN_PLACE_SLOW);
        assert!(in_place.suits(&entry(1)));
        in_place.took(IN_PLACE_SLOW + Duration::from_nanos(1));
        assert!((0..IN_PLACE_SLOW_APPENDS).all(|_| !in_place.suits(&entry(1))));
        assert!(in_place.suits(&entry(1)));
    }
}
