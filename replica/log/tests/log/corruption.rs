//! Flipped bits: below the synced position they stop the start with file and offset, above it they
//! are the tail (P28, D12).

use std::ops::Range;

use bytes::Bytes;
use handfast_log::disk::{Cause, Crash, Disk, DiskFile, Fault, Operation, SimulatedDisk, Survival};
use handfast_log::{Damage, Log, LogError, LogOptions, OpenError, Record};

use crate::model::Model;
use crate::workload::SMALL;

const FIRST: &str = "0000000000000001.log";
const SECOND: &str = "0000000000000002.log";

fn entry(index: u64, bytes: usize) -> Record {
    Record::Entry { index, payload: Bytes::from(vec![index as u8; bytes]) }
}

/// Two segments: the first one full, the second one with synced batches, a marker, and one batch
/// that nobody names. Answers where that one lies in the second segment.
fn two_segments() -> (SimulatedDisk, Model, Model, Range<u64>) {
    let mut disk = SimulatedDisk::new();
    let mut log = Log::open(disk.clone(), SMALL).unwrap();
    let mut index = 1;
    log.append(&[Record::State { payload: Bytes::from_static(b"voted") }]).unwrap();
    while log.append(&[entry(index, 300)]).unwrap().segment == 1 {
        index += 1;
    }
    log.append(&[entry(index + 1, 20), Record::Purge { index: 2, payload: Bytes::from_static(b"two") }]).unwrap();
    log.append(&[Record::TruncateAfter { index: index - 1 }, entry(index, 30)]).unwrap();
    log.sync().unwrap();
    let named = log.mark_synced().unwrap().offset;
    let without_tail = Model::of(&log);
    log.append(&[entry(index + 1, 40)]).unwrap();
    let end = log.append(&[]).unwrap().offset;
    let with_tail = Model::of(&log);
    disk.crash(Crash::PowerLoss(Survival::Everything));
    (disk, without_tail, with_tail, named..end)
}

/// Opens a fork of the disk with one bit flipped.
fn open_flipped(disk: &SimulatedDisk, file: &str, offset: u64) -> Result<Model, OpenError> {
    let disk = disk.fork();
    disk.flip(file, offset, (offset % 8) as u8).unwrap();
    Log::open(disk, SMALL).map(|log| Model::of(&log))
}

#[test]
fn p28_every_flip_below_the_synced_position_stops_the_start_and_names_the_place() {
    let (disk, _, _, tail) = two_segments();
    let first_end = segment_end(&disk);
    for (file, end) in [(FIRST, first_end), (SECOND, tail.start)] {
        let mut last_offset = 0;
        for flipped in 0..end {
            match open_flipped(&disk, file, flipped) {
                Err(OpenError::Corrupt { file: named, offset, damage, .. }) => {
                    assert_eq!(named, file);
                    assert!(offset <= flipped, "byte {flipped} of {file} was reported at {offset}");
                    assert!(offset >= last_offset, "places go up with the byte that was flipped");
                    assert_eq!(damage == Damage::SegmentHeader, flipped < 64, "byte {flipped} of {file}");
                    last_offset = offset;
                }
                other => panic!("byte {flipped} of {file} was flipped and gave {other:?}"),
            }
        }
    }
}

/// The second segment says where the first one ends.
fn segment_end(disk: &SimulatedDisk) -> u64 {
    let mut field = [0; 8];
    disk.open(SECOND).unwrap().read_at(40, &mut field).unwrap();
    u64::from_le_bytes(field)
}

#[test]
fn p28_a_flip_above_the_synced_position_cuts_the_tail() {
    let (disk, without_tail, with_tail, tail) = two_segments();
    for flipped in tail.clone() {
        let found = open_flipped(&disk, SECOND, flipped).unwrap();
        assert_eq!(found, without_tail, "byte {flipped}");
    }
    for flipped in [tail.end, tail.end + 100, SMALL.segment_bytes - 1] {
        assert_eq!(open_flipped(&disk, SECOND, flipped).unwrap(), with_tail, "byte {flipped}");
    }
}

/// An unsynced batch may reach the disk without the one before it.
#[test]
fn p28_a_valid_batch_behind_a_hole_is_cut_and_stays_cut() {
    let disk = SimulatedDisk::new();
    let mut log = Log::open(disk.clone(), SMALL).unwrap();
    log.append(&[entry(1, 10)]).unwrap();
    log.sync().unwrap();
    let hole = log.append(&[Record::State { payload: Bytes::from_static(b"lost") }]).unwrap();
    log.append(&[Record::State { payload: Bytes::from_static(b"behind the hole") }]).unwrap();
    let mut disk = disk.fork();
    disk.crash(Crash::PowerLoss(Survival::Everything));
    disk.flip(FIRST, hole.offset - 1, 0).unwrap();

    let mut log = Log::open(disk.clone(), SMALL).unwrap();
    assert_eq!(log.state(), None);
    // The very bytes that were lost are written again: what lay behind them does not come back.
    log.append(&[Record::State { payload: Bytes::from_static(b"lost") }]).unwrap();
    disk.crash(Crash::ProcessKill);
    assert_eq!(Log::open(disk, SMALL).unwrap().state(), Some(Bytes::from_static(b"lost")));
}

/// The synced position counts wherever it is named, also behind the bad bytes.
#[test]
fn p28_a_synced_position_named_behind_bad_bytes_makes_them_damage() {
    let disk = SimulatedDisk::new();
    let mut log = Log::open(disk.clone(), SMALL).unwrap();
    let first = log.append(&[entry(1, 10)]).unwrap();
    log.sync().unwrap();
    log.append(&[entry(2, 10)]).unwrap();
    let mut disk = disk.fork();
    disk.crash(Crash::PowerLoss(Survival::Everything));
    disk.flip(FIRST, first.offset - 1, 0).unwrap();
    let refused = Log::open(disk, SMALL).unwrap_err();
    assert!(
        matches!(&refused, OpenError::Corrupt { file, synced, .. } if file == FIRST && *synced == first.offset),
        "{refused}"
    );
}

/// A copy of a batch where the next one would be has every checksum right, and is none.
#[test]
fn a_batch_at_the_place_of_another_is_cut() {
    let mut disk = SimulatedDisk::new();
    let mut log = Log::open(disk.clone(), SMALL).unwrap();
    let start = log.append(&[]).unwrap().offset;
    let state = |text: &'static str| Record::State { payload: Bytes::from_static(text.as_bytes()) };
    let first = log.append(&[state("former")]).unwrap().offset;
    let end = log.append(&[state("latter")]).unwrap().offset;
    log.sync().unwrap();
    let file = disk.open(FIRST).unwrap();
    let mut batch = vec![0; (first - start) as usize];
    file.read_at(start, &mut batch).unwrap();
    file.write_at(end, &batch).unwrap();
    disk.crash(Crash::ProcessKill);
    assert_eq!(Log::open(disk, SMALL).unwrap().state(), Some(Bytes::from_static(b"latter")));
}

/// A header that is whole and says something else than the segment before it ends with.
#[test]
fn a_segment_that_does_not_follow_stops_the_start() {
    let (disk, ..) = two_segments();
    let file = disk.open(SECOND).unwrap();
    let mut header = [0; 64];
    file.read_at(0, &mut header).unwrap();
    header[48] += 1;
    let crc = crc32c::crc32c(&header[12..]);
    header[8..12].copy_from_slice(&crc.to_le_bytes());
    file.write_at(0, &header).unwrap();
    let refused = OpenError::Corrupt { file: SECOND.to_owned(), offset: 0, synced: 64, damage: Damage::Sequence };
    assert_eq!(Log::open(disk, SMALL).unwrap_err(), refused);
}

#[test]
fn a_missing_segment_is_named() {
    let mut disk = SimulatedDisk::new();
    let mut log = Log::open(disk.clone(), SMALL).unwrap();
    let mut index = 1;
    while log.append(&[entry(index, 300)]).unwrap().segment < 3 {
        index += 1;
    }
    log.sync().unwrap();
    disk.crash(Crash::PowerLoss(Survival::Everything));
    for (gone, first_needed) in [(FIRST, 1), (SECOND, 1)] {
        let disk = disk.fork();
        disk.remove(gone).unwrap();
        let before = disk.list().unwrap();
        let refused = Log::open(disk.clone(), SMALL).unwrap_err();
        assert_eq!(refused, OpenError::MissingSegment { file: gone.to_owned(), first_needed });
        let segments = |names: Vec<String>| names.into_iter().filter(|name| name.ends_with(".log")).collect::<Vec<_>>();
        assert_eq!(segments(disk.list().unwrap()), segments(before), "a refused start touches no segment");
    }
}

#[test]
fn a_flip_under_a_running_log_fails_the_read_and_names_the_entry() {
    let disk = SimulatedDisk::new();
    let mut log = Log::open(disk.clone(), LogOptions { cache_bytes: 0, ..SMALL }).unwrap();
    let end = log.append(&[entry(1, 16), entry(2, 16)]).unwrap();
    log.sync().unwrap();
    disk.flip(FIRST, end.offset - 1, 3).unwrap();
    assert_eq!(log.read(1..2, 100).unwrap().len(), 1);
    let damaged = LogError::Corrupt { file: FIRST.to_owned(), offset: end.offset - 40, index: 2 };
    assert_eq!(log.read(1..3, 100), Err(damaged.clone()));
    assert_eq!(log.read(2..3, 100), Err(damaged));
}

#[test]
fn a_newer_format_is_told_from_damage() {
    let disk = SimulatedDisk::new();
    drop(Log::open(disk.clone(), SMALL).unwrap());
    let file = disk.open(FIRST).unwrap();
    let mut header = [0; 64];
    file.read_at(0, &mut header).unwrap();
    header[12] = 2;
    let crc = crc32c::crc32c(&header[12..]);
    header[8..12].copy_from_slice(&crc.to_le_bytes());
    file.write_at(0, &header).unwrap();
    let refused = Log::open(disk, SMALL).unwrap_err();
    assert_eq!(refused, OpenError::NewerFormat { file: FIRST.to_owned(), found: 2, supported: 1 });
}

#[test]
fn a_disk_that_cannot_be_read_is_no_damage() {
    let (disk, _, with_tail, _) = two_segments();
    for nth in 0.. {
        let disk = disk.fork();
        disk.plan(Fault::ReadError { nth });
        match Log::open(disk, SMALL) {
            Err(OpenError::Disk(error)) => {
                assert_eq!((error.operation, error.cause), (Operation::Read, Cause::System(5)))
            }
            Err(other) => panic!("read {nth} failed and gave {other}"),
            Ok(log) => {
                // Every read of the recovery was tried; the fault strikes the first one after it.
                assert!(nth > 3);
                assert!(log.read(0..u64::MAX, usize::MAX).is_err());
                assert_eq!(Model::of(&log), with_tail);
                break;
            }
        }
    }
}
