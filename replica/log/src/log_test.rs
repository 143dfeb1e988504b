//! What needs a look between planning a read and carrying it out.

use super::*;
use crate::disk::SimulatedDisk;

fn entry(index: u64) -> Record {
    Record::Entry { index, payload: Bytes::from(vec![index as u8; 900]) }
}

/// The segment under a planned read is purged, and enough is appended to use every spare again.
#[test]
fn a_read_that_was_planned_before_a_purge_still_finds_its_entries() {
    let options = LogOptions { segment_bytes: 4096, cache_bytes: 0, salt: 0 };
    let mut log = Log::open(SimulatedDisk::new(), options).unwrap();
    (1..=10).for_each(|index| assert!(log.append(&[entry(index)]).is_ok()));
    log.sync().unwrap();
    let plan = log.catalog.plan_read(1..11, usize::MAX);
    log.append(&[Record::Purge { index: 10, payload: Bytes::new() }]).unwrap();
    log.sync().unwrap();
    for index in 11..40 {
        log.append(&[entry(index)]).unwrap();
        log.sync().unwrap();
    }
    let expected: Vec<_> = (1..=10).map(|index| (index, Bytes::from(vec![index as u8; 900]))).collect();
    assert_eq!(plan.fetch().unwrap(), expected);
}
