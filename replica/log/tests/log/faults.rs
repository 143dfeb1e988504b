//! A disk that refuses: failed writes and syncs poison the log (D12), a full disk does not (P18).

use bytes::Bytes;
use handfast_log::disk::{Cause, Crash, Disk, DiskError, Fault, Operation, SimulatedDisk, Survival};
use handfast_log::{Log, LogError, OpenError, Position, Record};

use crate::model::{History, Model};
use crate::workload::{SMALL, Workload};

const EIO: Cause = Cause::System(5);

fn entry(index: u64, bytes: usize) -> Record {
    Record::Entry { index, payload: Bytes::from(vec![index as u8; bytes]) }
}

/// Every call but the simple questions.
fn every_call(log: &mut Log<SimulatedDisk>) -> [Result<(), LogError>; 4] {
    let next = log.last_index() + 1;
    [
        log.append(&[entry(next, 1)]).map(|_: Position| ()),
        log.sync().map(|_: Position| ()),
        log.mark_synced().map(|_: Position| ()),
        log.read(1..2, 1).map(|_| ()),
    ]
}

#[test]
fn d12_the_nth_failed_write_or_sync_poisons_and_nothing_durable_is_lost() {
    let kinds: [fn(u64) -> Fault; 3] =
        [|nth| Fault::WriteError { nth }, |nth| Fault::ShortWrite { nth, bytes: 50 }, |nth| Fault::SyncError { nth }];
    for fault in kinds {
        let mut struck = 0;
        for nth in 0..60 {
            struck += u32::from(strike(fault(nth)));
        }
        assert!(struck > 40, "the faults must fall within the run");
    }
}

/// Whether the fault fell within the run.
fn strike(fault: Fault) -> bool {
    let disk = SimulatedDisk::new();
    let mut log = Log::open(disk.clone(), SMALL).unwrap();
    let mut history = History::starting_at(Model::default());
    let mut workload = Workload::new(3);
    disk.plan(fault);
    for _ in 0..40 {
        let Err(first) = workload.step(&mut log, &mut history) else {
            continue;
        };
        let LogError::Disk(cause) = first else { panic!("{fault:?} gave {first}") };
        assert_eq!(cause.cause, EIO);
        let poisoned = || Err(LogError::Poisoned { cause: cause.clone() });
        let writes_before = disk.writes();
        assert_eq!(every_call(&mut log), [poisoned(), poisoned(), poisoned(), poisoned()]);
        assert_eq!(disk.writes(), writes_before, "nothing is tried again");

        for crash in [Crash::ProcessKill, Crash::PowerLoss(Survival::Everything), Crash::PowerLoss(Survival::Nothing)] {
            let mut disk = disk.fork();
            disk.crash(crash);
            history.check_after_power_loss(&Model::of(&Log::open(disk, SMALL).unwrap()));
        }
        return true;
    }
    false
}

#[test]
fn p18_a_full_disk_refuses_before_anything_is_written_and_the_log_goes_on() {
    let disk = SimulatedDisk::new();
    // The active segment and one spare fit, nothing more.
    disk.set_capacity(Some(2 * SMALL.segment_bytes));
    let mut log = Log::open(disk.clone(), SMALL).unwrap();
    let mut index = 1;
    let refused = loop {
        let before = (log.headroom(), disk.writes(), Model::of(&log));
        let record = entry(index, 500);
        match log.append(std::slice::from_ref(&record)) {
            Ok(_) => {
                log.sync().unwrap();
                index += 1;
            }
            Err(refused) => {
                assert_eq!((log.headroom(), disk.writes(), Model::of(&log)), before, "nothing was written");
                assert!(log.headroom() < 2 * Log::<SimulatedDisk>::record_cost(&record), "what was left was used");
                break refused;
            }
        }
    };
    assert_eq!(refused, LogError::NoSpace { needed: 40 + 24 + 504, headroom: log.headroom() });
    // Smaller records still fit, and so does the purge that makes room again.
    log.append(&[Record::Purge { index: index - 1, payload: Bytes::new() }]).unwrap();
    log.sync().unwrap();
    assert!(log.headroom() > SMALL.segment_bytes / 2);
    log.append(&[entry(index, 500)]).unwrap();
    log.sync().unwrap();
}

#[test]
fn p18_what_headroom_promises_can_be_appended() {
    for seed in 0..50 {
        let disk = SimulatedDisk::new();
        let mut log = Log::open(disk.clone(), SMALL).unwrap();
        disk.set_capacity(Some(0));
        let mut workload = Workload::new(seed);
        loop {
            let payload = workload.payload();
            let record = Record::Entry { index: log.last_index() + 1, payload };
            // At the end of each segment up to one record's cost is wasted.
            let promised = log.headroom() >= 2 * Log::<SimulatedDisk>::record_cost(&record);
            match log.append(&[record]) {
                Ok(_) => {}
                Err(LogError::NoSpace { .. }) => {
                    assert!(!promised);
                    break;
                }
                Err(other) => panic!("{other}"),
            }
        }
    }
}

#[test]
fn p18_a_full_disk_opens_with_the_room_of_its_spare() {
    let mut disk = SimulatedDisk::new();
    disk.set_capacity(Some(2 * SMALL.segment_bytes));
    let mut log = Log::open(disk.clone(), SMALL).unwrap();
    log.append(&[entry(1, 100)]).unwrap();
    let model = Model::of(&log);
    disk.crash(Crash::ProcessKill);
    assert_eq!(Model::of(&Log::open(disk.clone(), SMALL).unwrap()), model);

    disk.crash(Crash::ProcessKill);
    disk.set_capacity(Some(SMALL.segment_bytes));
    assert_eq!(Log::open(disk.clone(), SMALL).unwrap_err(), OpenError::NoSpace { needed: SMALL.segment_bytes });
    disk.crash(Crash::ProcessKill);
    disk.set_capacity(None);
    assert_eq!(Model::of(&Log::open(disk, SMALL).unwrap()), model);
}

#[test]
fn records_that_do_not_follow_or_fit_are_refused_and_nothing_is_written() {
    let disk = SimulatedDisk::new();
    let mut log = Log::open(disk.clone(), SMALL).unwrap();
    log.append(&[entry(1, 1), entry(2, 1), Record::Purge { index: 1, payload: Bytes::new() }]).unwrap();
    let largest = 4096 - 64 - (40 + 2 * (24 + 512)) - 40 - 24 - 7;
    let purge = |index| Record::Purge { index, payload: Bytes::new() };
    let cases = [
        (vec![entry(2, 1)], LogError::OutOfOrder { expected: 3, found: 2 }),
        (vec![entry(4, 1)], LogError::OutOfOrder { expected: 3, found: 4 }),
        (vec![entry(3, 1), entry(5, 1)], LogError::OutOfOrder { expected: 4, found: 5 }),
        (vec![purge(0)], LogError::BelowPurge { index: 0, purged: 1 }),
        (vec![purge(2), Record::TruncateAfter { index: 1 }], LogError::BelowPurge { index: 1, purged: 2 }),
        (vec![purge(u64::MAX)], LogError::OutOfOrder { expected: 3, found: u64::MAX }),
        (vec![entry(3, largest + 1)], LogError::TooLarge { bytes: largest as u64 + 1, limit: largest as u64 }),
        (vec![Record::State { payload: Bytes::from(vec![0; 513]) }], LogError::TooLarge { bytes: 513, limit: 512 }),
    ];
    let before = (disk.changes(), Model::of(&log));
    for (records, error) in cases {
        assert_eq!(log.append(&records), Err(error), "{records:?}");
        assert_eq!((disk.changes(), Model::of(&log)), before);
    }
    // The largest entry fits, however full the active segment is.
    for index in 3..6 {
        log.append(&[entry(index, largest)]).unwrap();
        log.append(&[Record::State { payload: Bytes::from(vec![0; 512]) }]).unwrap();
    }
    assert_eq!(log.read(5..6, 1).unwrap(), [(5, Bytes::from(vec![5; largest]))]);
}

#[test]
fn the_first_entry_of_a_log_has_index_1() {
    let mut log = Log::open(SimulatedDisk::new(), SMALL).unwrap();
    assert_eq!((log.first_index(), log.last_index()), (1, 0));
    assert_eq!(log.append(&[entry(0, 1)]), Err(LogError::OutOfOrder { expected: 1, found: 0 }));
    log.append(&[entry(1, 1)]).unwrap();
    assert_eq!((log.first_index(), log.last_index()), (1, 1));
}

#[test]
fn impossible_segments_are_refused() {
    for segment_bytes in [0, 4088, 4100, 2 << 30] {
        let refused = Log::open(SimulatedDisk::new(), handfast_log::LogOptions { segment_bytes, ..SMALL }).unwrap_err();
        assert_eq!(refused, OpenError::SegmentBytes { segment_bytes, min: 4096, max: 1 << 30 });
    }
    // Nor may they be too small for the state that is there.
    let disk = SimulatedDisk::new();
    let mut log = Log::open(disk.clone(), handfast_log::LogOptions { segment_bytes: 65536, ..SMALL }).unwrap();
    log.append(&[Record::State { payload: Bytes::from(vec![0; 1000]) }]).unwrap();
    let refused = Log::open(disk, SMALL).unwrap_err();
    assert_eq!(refused, OpenError::SegmentBytes { segment_bytes: 4096, min: 8000, max: 1 << 30 });
}

#[test]
fn what_a_user_sees_names_the_thing_the_reason_and_the_remedy() {
    let full = LogError::NoSpace { needed: 10, headroom: 5 };
    assert_eq!(
        full.to_string(),
        "the log has room for 5 bytes, the records need 10, and the disk gives no more: free some space"
    );
    let cause = DiskError { operation: Operation::Sync, file: "0000000000000001.log".to_owned(), cause: EIO };
    assert_eq!(
        LogError::Poisoned { cause }.to_string(),
        "the log takes nothing since it failed earlier: cannot sync 0000000000000001.log: Input/output error (os error 5)"
    );
    let disk = SimulatedDisk::new();
    assert_eq!(disk.open("x").unwrap_err().to_string(), "cannot open x: it does not exist");
}
