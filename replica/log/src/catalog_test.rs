//! Entries that are not yet written, or were truncated while they were.

use super::*;
use crate::disk::{Disk, SimulatedDisk};

fn entry(index: u64, byte: u8, bytes: usize) -> Record {
    Record::Entry { index, payload: Bytes::from(vec![byte; bytes]) }
}

fn place(offset: u32, payload_bytes: u32) -> Place {
    Place { segment: Sequence::FIRST, offset, payload_bytes }
}

fn catalog(cache_bytes: usize) -> Catalog {
    let mut catalog = Catalog::new(1, cache_bytes);
    let file = Arc::new(SimulatedDisk::new().create("f").unwrap());
    catalog.attach(ReadableSegment { sequence: Sequence::FIRST, salt: Salt::new(1), file });
    catalog
}

#[test]
fn entries_without_a_place_stay_readable_whatever_the_cache_holds() {
    let mut catalog = catalog(0);
    let serial = catalog.admit(&[entry(1, 1, 50), entry(2, 2, 50), entry(3, 3, 50)]);
    let read = catalog.plan_read(0..9, usize::MAX).fetch().unwrap();
    assert_eq!(read.len(), 3);
    assert_eq!(catalog.cached_bytes, 150);
    // Two of them are written: they go, the third stays.
    catalog.place(serial, &[place(64, 50), place(200, 50)]);
    assert_eq!(catalog.cached_bytes, 50);
    assert_eq!(catalog.plan_read(3..4, 0).fetch().unwrap(), [(3, Bytes::from(vec![3; 50]))]);
    catalog.check_invariants();
}

/// The entry was truncated and its index taken again while the thread wrote the old one.
#[test]
fn a_place_goes_to_the_entry_that_was_written_not_to_its_index() {
    let mut catalog = catalog(0);
    let old = catalog.admit(&[entry(1, 1, 8), entry(2, 2, 8), entry(3, 3, 8)]);
    let new = catalog.admit(&[Record::TruncateAfter { index: 1 }, entry(2, 22, 8)]);
    catalog.place(old, &[place(64, 8), place(96, 8), place(128, 8)]);
    assert_eq!(catalog.slots.iter().map(|slot| slot.place).collect::<Vec<_>>(), [Some(place(64, 8)), None]);
    assert_eq!(catalog.plan_read(2..3, 0).fetch().unwrap(), [(2, Bytes::from(vec![22; 8]))]);
    catalog.place(new, &[place(200, 8)]);
    assert_eq!(
        catalog.slots.iter().map(|slot| slot.place).collect::<Vec<_>>(),
        [Some(place(64, 8)), Some(place(200, 8))]
    );
    catalog.check_invariants();
}

#[test]
fn places_of_entries_that_were_purged_meanwhile_are_passed_over() {
    let mut catalog = catalog(1000);
    let serial = catalog.admit(&[entry(1, 1, 8), entry(2, 2, 8), Record::Purge { index: 1, payload: Bytes::new() }]);
    catalog.place(serial, &[place(64, 8), place(96, 8)]);
    assert_eq!(catalog.slots.iter().map(|slot| slot.place).collect::<Vec<_>>(), [Some(place(96, 8))]);
    assert_eq!(catalog.lowest_live(Sequence::FIRST.next()), Sequence::FIRST);
    catalog.admit(&[Record::Purge { index: 2, payload: Bytes::new() }]);
    assert_eq!(catalog.lowest_live(Sequence::FIRST.next()), Sequence::FIRST.next());
    catalog.check_invariants();
}

#[test]
fn the_cache_keeps_the_latest_within_its_bytes() {
    let mut catalog = catalog(100);
    for index in 1..=10 {
        let serial = catalog.admit(&[entry(index, index as u8, 30)]);
        catalog.place(serial, &[place(64 * index as u32, 30)]);
        catalog.check_invariants();
    }
    assert_eq!(catalog.cache.len(), 3);
    assert_eq!(catalog.plan_read(8..11, usize::MAX).fetch().unwrap().len(), 3);
}
