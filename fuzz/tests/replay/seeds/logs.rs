//! Logs as the log itself leaves them behind.

use bytes::Bytes;
use handfast_fuzz::log_recovery::{REPAIRED, UNCACHED, input_of};
use handfast_log::disk::SimulatedDisk;
use handfast_log::limits::SEGMENT_BYTES_MIN;
use handfast_log::{Log, LogOptions, Record};

use super::{Seed, seed};

const OPTIONS: LogOptions = LogOptions { segment_bytes: SEGMENT_BYTES_MIN, cache_bytes: 0, salt: 7 };

pub fn seeds() -> Vec<Seed> {
    let entries = |range: std::ops::Range<u64>, bytes: usize| range.map(move |index| entry(index, bytes)).collect();
    let state = Record::State { payload: Bytes::from_static(b"a vote") };
    let purge = |index| Record::Purge { index, payload: Bytes::from_static(b"up to here") };
    let few = disk(&[entries(1..4, 5), vec![state.clone()], entries(4..5, 30)], Tail::Synced);
    let cut = disk(&[entries(1..6, 9), vec![Record::TruncateAfter { index: 3 }], entries(4..6, 3)], Tail::Unsynced);
    let purged = disk(&[entries(1..6, 9), vec![state, purge(4)], entries(6..8, 3)], Tail::Synced);
    let skipped = disk(&[entries(1..3, 9), vec![purge(40)], entries(41..43, 3)], Tail::Marked);
    let many = disk(&[entries(1..5, 900), entries(5..9, 900)], Tail::Marked);
    let restarted = disk(&[entries(1..5, 700)], Tail::Synced);
    let mut log = Log::open(restarted.clone(), LogOptions { salt: 8, ..OPTIONS }).unwrap();
    log.append(&[entry(5, 9)]).unwrap();
    drop(log);
    let disks = [
        ("few", few),
        ("cut", cut),
        ("purged", purged),
        ("skipped", skipped),
        ("many", many),
        ("restarted", restarted),
    ];
    let each = |(name, disk): (&str, SimulatedDisk)| {
        let is = |flags: u8, what: &str| seed("log_recovery", &format!("{name}_{what}"), input_of(&disk, flags));
        [is(0, "as_it_is"), is(REPAIRED | UNCACHED, "repaired")]
    };
    disks.into_iter().flat_map(each).collect()
}

fn entry(index: u64, bytes: usize) -> Record {
    Record::Entry { index, payload: Bytes::from(vec![b'a' + (index % 26) as u8; bytes]) }
}

#[derive(Clone, Copy)]
enum Tail {
    Synced,
    Unsynced,
    Marked,
}

fn disk(batches: &[Vec<Record>], tail: Tail) -> SimulatedDisk {
    let disk = SimulatedDisk::new();
    let mut log = Log::open(disk.clone(), OPTIONS).unwrap();
    for batch in batches {
        log.append(batch).unwrap();
        if !matches!(tail, Tail::Unsynced) {
            log.sync().unwrap();
        }
    }
    if matches!(tail, Tail::Marked) {
        log.mark_synced().unwrap();
    }
    disk
}
