//! The change of segments, and what becomes of those that are purged.

use bytes::Bytes;
use handfast_log::disk::{Crash, Disk, SimulatedDisk, Survival};
use handfast_log::{Log, LogOptions, OpenError, Record};

use crate::model::Model;
use crate::workload::SMALL;

fn entry(index: u64, bytes: usize) -> Record {
    Record::Entry { index, payload: Bytes::from(vec![index as u8; bytes]) }
}

fn names(disk: &SimulatedDisk, suffix: &str) -> Vec<String> {
    disk.list().unwrap().into_iter().filter(|name| name.ends_with(suffix)).collect()
}

/// Fills `segments` segments with synced entries from `index` on; answers the last index.
fn fill(log: &mut Log<SimulatedDisk>, index: u64, segments: u64) -> u64 {
    let mut index = index;
    let until = log.append(&[]).unwrap().segment + segments;
    while log.append(&[entry(index, 700)]).unwrap().segment < until {
        log.sync().unwrap();
        index += 1;
    }
    log.sync().unwrap();
    index
}

#[test]
fn the_state_survives_the_purge_of_its_segment() {
    let mut disk = SimulatedDisk::new();
    let mut log = Log::open(disk.clone(), SMALL).unwrap();
    log.append(&[Record::State { payload: Bytes::from_static(b"first") }]).unwrap();
    log.append(&[Record::State { payload: Bytes::from_static(b"vote and committed") }]).unwrap();
    let last = fill(&mut log, 1, 3);
    log.append(&[Record::Purge { index: last, payload: Bytes::from_static(b"purge point") }]).unwrap();
    log.sync().unwrap();
    assert_eq!(names(&disk, ".log"), ["0000000000000004.log"]);
    for _ in 0..2 {
        disk.crash(Crash::PowerLoss(Survival::Nothing));
        let log = Log::open(disk.clone(), SMALL).unwrap();
        assert_eq!(log.state(), Some(Bytes::from_static(b"vote and committed")));
        assert_eq!(log.purged(), Some((last, Bytes::from_static(b"purge point"))));
        assert_eq!((log.first_index(), log.last_index()), (last + 1, last));
    }
}

#[test]
fn a_purge_frees_no_segment_before_it_is_durable() {
    let disk = SimulatedDisk::new();
    let mut log = Log::open(disk.clone(), SMALL).unwrap();
    let last = fill(&mut log, 1, 2);
    let before = names(&disk, ".log");
    log.append(&[Record::Purge { index: last - 1, payload: Bytes::new() }]).unwrap();
    assert_eq!(names(&disk, ".log"), before);
    log.sync().unwrap();
    assert_eq!(names(&disk, ".log"), ["0000000000000003.log"]);
}

#[test]
fn a_segment_with_one_live_entry_stays() {
    let mut disk = SimulatedDisk::new();
    let mut log = Log::open(disk.clone(), SMALL).unwrap();
    let last = fill(&mut log, 1, 2);
    // Entry `last` opened the third segment, so `last - 1` is the second one's last.
    log.append(&[Record::Purge { index: last - 2, payload: Bytes::new() }]).unwrap();
    log.sync().unwrap();
    assert_eq!(names(&disk, ".log"), ["0000000000000002.log", "0000000000000003.log"]);
    let model = Model::of(&log);
    assert_eq!(model.entries.len(), 2);
    disk.crash(Crash::PowerLoss(Survival::Nothing));
    assert_eq!(Model::of(&Log::open(disk, SMALL).unwrap()), model);
}

/// Segments are used again and again; every reuse ends in a crash that shows whatever lies in the
/// file.
#[test]
fn what_an_earlier_use_left_in_a_recycled_segment_never_comes_back() {
    let disk = SimulatedDisk::new();
    let mut log = Log::open(disk.clone(), SMALL).unwrap();
    let mut reused = 0;
    for index in 1..=40 {
        // Entries of one size: batches of different uses begin at the same offsets.
        log.append(&[entry(index, 488)]).unwrap();
        log.sync().unwrap();
        if index > 8 {
            log.append(&[Record::Purge { index: index - 8, payload: Bytes::from(vec![0; 488]) }]).unwrap();
            log.sync().unwrap();
        }
        reused += usize::from(names(&disk, ".spare").len() > 1);
        let model = Model::of(&log);
        let mut crashed = disk.fork();
        crashed.crash(Crash::PowerLoss(Survival::Nothing));
        assert_eq!(Model::of(&Log::open(crashed, SMALL).unwrap()), model);
    }
    assert!(reused > 5, "segments must be recycled for this to mean something");
}

#[test]
fn a_purged_log_keeps_to_few_files() {
    let disk = SimulatedDisk::new();
    let mut log = Log::open(disk.clone(), SMALL).unwrap();
    let mut last = 1;
    for _ in 0..30 {
        last = fill(&mut log, last, 1) + 1;
        log.append(&[Record::Purge { index: last - 2, payload: Bytes::new() }]).unwrap();
        log.sync().unwrap();
        assert!(disk.list().unwrap().len() <= 5, "{:?}", disk.list());
    }
}

#[test]
fn opening_twice_is_opening_once() {
    let disk = SimulatedDisk::new();
    let mut log = Log::open(disk.clone(), SMALL).unwrap();
    let last = fill(&mut log, 1, 2);
    log.append(&[Record::TruncateAfter { index: last - 3 }, Record::State { payload: Bytes::from_static(b"s") }])
        .unwrap();
    let model = Model::of(&log);
    drop(log);
    for _ in 0..3 {
        assert_eq!(Model::of(&Log::open(disk.clone(), SMALL).unwrap()), model);
    }
}

#[test]
fn a_batch_larger_than_the_rest_of_a_segment_goes_on_in_the_next() {
    let mut disk = SimulatedDisk::new();
    let mut log = Log::open(disk.clone(), SMALL).unwrap();
    let records: Vec<Record> = (1..=40).map(|index| entry(index, 400)).collect();
    let end = log.append(&records).unwrap();
    assert!(end.segment >= 5, "{end}");
    assert_eq!(log.sync().unwrap(), end);
    let model = Model::of(&log);
    assert_eq!(model.entries.len(), 40);
    disk.crash(Crash::PowerLoss(Survival::Nothing));
    assert_eq!(Model::of(&Log::open(disk, SMALL).unwrap()), model);
}

#[test]
fn entries_of_4_mib_fit_default_segments() {
    let disk = SimulatedDisk::new();
    let mut log = Log::open(disk.clone(), LogOptions::default()).unwrap();
    let payload = Bytes::from(vec![9; 4 << 20]);
    for index in 1..=20 {
        log.append(&[Record::Entry { index, payload: payload.clone() }]).unwrap();
    }
    log.sync().unwrap();
    let log = Log::open(disk, LogOptions::default()).unwrap();
    for index in [1, 15, 16, 20] {
        assert_eq!(log.read(index..index + 1, 0).unwrap(), [(index, payload.clone())]);
    }
}

#[test]
fn a_read_is_the_present_part_of_its_range_within_its_bytes() {
    let disk = SimulatedDisk::new();
    // No cache: everything comes from the segments.
    for cache_bytes in [0, 1 << 20] {
        let mut log = Log::open(disk.fork(), LogOptions { cache_bytes, ..SMALL }).unwrap();
        let records: Vec<Record> = (1..=20).map(|index| entry(index, 300)).collect();
        log.append(&records).unwrap();
        log.append(&[Record::Purge { index: 5, payload: Bytes::new() }]).unwrap();
        let read = |range, max| log.read(range, max).unwrap().into_iter().map(|(index, _)| index).collect::<Vec<u64>>();
        assert_eq!(read(0..8, usize::MAX), [6, 7]);
        assert_eq!(read(19..40, usize::MAX), [19, 20]);
        assert_eq!(read(21..40, usize::MAX), []);
        assert_eq!(read(0..6, usize::MAX), []);
        assert_eq!(read(9..9, usize::MAX), []);
        assert_eq!(read(7..20, 0), [7], "the first entry comes in any case");
        assert_eq!(read(7..20, 900), [7, 8, 9]);
        assert_eq!(read(7..20, 899), [7, 8]);
        assert_eq!(log.bytes_since(20), 0);
        assert_eq!(log.bytes_since(18), 2 * (24 + 304));
        assert_eq!(log.bytes_since(0), 15 * (24 + 304));
        assert_eq!(log.bytes_since(u64::MAX), 0);
    }
}

/// An idle log names its synced position once.
#[test]
fn p28_a_marker_follows_when_idle_and_only_then() {
    let mut disk = SimulatedDisk::new();
    let mut log = Log::open(disk.clone(), SMALL).unwrap();
    let at_start = log.append(&[]).unwrap();
    assert_eq!(log.mark_synced().unwrap(), at_start, "what the open wrote is named already");
    log.append(&[entry(1, 10)]).unwrap();
    let end = log.sync().unwrap();
    let marked = log.mark_synced().unwrap();
    assert_eq!(marked.offset, end.offset + 40);
    assert_eq!(log.mark_synced().unwrap(), marked);
    // The marker is durable, so a flip in what it names is damage and no tail.
    disk.crash(Crash::PowerLoss(Survival::Nothing));
    disk.flip("0000000000000001.log", end.offset - 1, 0).unwrap();
    assert!(matches!(Log::open(disk, SMALL), Err(OpenError::Corrupt { .. })));
}
