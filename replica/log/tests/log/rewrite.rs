//! The kept tail (P28, D12): what a restart shows is durable before it is shown.

use bytes::Bytes;
use handfast_log::disk::{Crash, Disk, Fault, SimulatedDisk, Survival};
use handfast_log::{Log, LogOptions, Record};

use crate::model::Model;
use crate::workload::SMALL;

fn entry(index: u64) -> Record {
    Record::Entry { index, payload: Bytes::from(format!("entry {index}")) }
}

/// A log of entries 1 and 2, synced, and 3, only appended.
fn log_with_a_tail(disk: &SimulatedDisk, options: LogOptions) -> (Log<SimulatedDisk>, Model) {
    let mut log = Log::open(disk.clone(), options).unwrap();
    log.append(&[entry(1), entry(2)]).unwrap();
    log.sync().unwrap();
    log.append(&[entry(3)]).unwrap();
    let model = Model::of(&log);
    (log, model)
}

/// Crash point 51: the record is in the page cache only, the restart acts on it, then the power
/// goes.
#[test]
fn a_tail_that_a_kill_left_survives_a_later_power_loss() {
    let mut disk = SimulatedDisk::new();
    let (_, appended) = log_with_a_tail(&disk, SMALL);
    disk.crash(Crash::ProcessKill);
    let shown = Model::of(&Log::open(disk.clone(), SMALL).unwrap());
    assert_eq!(shown, appended);
    disk.crash(Crash::PowerLoss(Survival::Nothing));
    assert_eq!(Model::of(&Log::open(disk, SMALL).unwrap()), appended);
}

/// Crash point 52: after a failed sync the page cache shows the record, the disk does not have it,
/// and the next sync of that file says all is well.
#[test]
fn a_tail_whose_sync_failed_survives_a_later_power_loss() {
    let mut disk = SimulatedDisk::new();
    let (mut log, appended) = log_with_a_tail(&disk, SMALL);
    disk.plan(Fault::SyncError { nth: 0 });
    assert!(log.sync().is_err());
    let mut lost = disk.fork();
    lost.crash(Crash::PowerLoss(Survival::Everything));
    assert_eq!(Log::open(lost, SMALL).unwrap().last_index(), 2, "the disk does not have entry 3");

    disk.crash(Crash::ProcessKill);
    assert_eq!(Model::of(&Log::open(disk.clone(), SMALL).unwrap()), appended);
    disk.crash(Crash::PowerLoss(Survival::Nothing));
    assert_eq!(Model::of(&Log::open(disk, SMALL).unwrap()), appended);
}

/// The same where the last segment is too large to be copied whole.
#[test]
fn the_tail_of_a_large_segment_is_copied_alone() {
    let mut disk = SimulatedDisk::new();
    let mut log = Log::open(disk.clone(), SMALL).unwrap();
    for index in 1..=10 {
        log.append(&[Record::Entry { index, payload: Bytes::from(vec![index as u8; 200]) }]).unwrap();
        log.sync().unwrap();
    }
    log.append(&[entry(11)]).unwrap();
    let appended = Model::of(&log);
    disk.plan(Fault::SyncError { nth: 0 });
    assert!(log.sync().is_err());
    disk.crash(Crash::ProcessKill);
    let segments = |disk: &SimulatedDisk| {
        disk.list().unwrap().into_iter().filter(|name| name.ends_with(".log")).collect::<Vec<_>>()
    };
    assert_eq!(segments(&disk), ["0000000000000001.log"]);
    assert_eq!(Model::of(&Log::open(disk.clone(), SMALL).unwrap()), appended);
    assert_eq!(segments(&disk), ["0000000000000001.log", "0000000000000002.log"]);
    disk.crash(Crash::PowerLoss(Survival::Nothing));
    assert_eq!(Model::of(&Log::open(disk, SMALL).unwrap()), appended);
}

/// A sync of the directory failed, so the newest segment's name is in memory only.
#[test]
fn a_segment_whose_name_is_not_durable_is_copied_whole() {
    let mut disk = SimulatedDisk::new();
    let mut log = Log::open(disk.clone(), SMALL).unwrap();
    for index in 1..=10 {
        log.append(&[Record::Entry { index, payload: Bytes::from(vec![index as u8; 200]) }]).unwrap();
    }
    let appended = Model::of(&log);
    disk.crash(Crash::ProcessKill);
    // The copy is synced, the name it gets is not: the sync after that of the spare and that of the
    // draft.
    disk.plan(Fault::SyncError { nth: 2 });
    assert!(Log::open(disk.clone(), SMALL).is_err());
    disk.crash(Crash::ProcessKill);
    assert_eq!(Model::of(&Log::open(disk.clone(), SMALL).unwrap()), appended);
    disk.crash(Crash::PowerLoss(Survival::Nothing));
    assert_eq!(Model::of(&Log::open(disk, SMALL).unwrap()), appended);
}

#[test]
fn restarts_without_appends_do_not_take_more_and_more_space() {
    let mut disk = SimulatedDisk::new();
    let (log, appended) = log_with_a_tail(&disk, SMALL);
    drop(log);
    for _ in 0..10 {
        disk.crash(Crash::ProcessKill);
        assert_eq!(Model::of(&Log::open(disk.clone(), SMALL).unwrap()), appended);
        let segments = disk.list().unwrap().into_iter().filter(|name| name.ends_with(".log")).count();
        assert_eq!(segments, 1);
    }
}
