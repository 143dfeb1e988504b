//! Crashes: at every single change that a run makes, during recovery too, and at random over long
//! runs.
//!
//! What is checked: everything that was synced is there, nothing after a hole, nothing that was
//! never appended, and what an open showed survives the next loss of power (P28, D12; crash points
//! 33 to 35 and 51).

use handfast_log::disk::{Cause, Crash, Disk, DiskFile, Fault, SimulatedDisk, SplitMix64, Survival};
use handfast_log::{Log, LogError, LogOptions, OpenError};

use crate::model::{History, Model};
use crate::workload::{SMALL, Workload};

/// Long enough to change segments, purge, truncate and recycle.
const STEPS: usize = 40;

fn survivals(disk: &SimulatedDisk) -> Vec<Crash> {
    let pending = disk.pending_changes();
    let mut crashes =
        vec![Crash::ProcessKill, Crash::PowerLoss(Survival::Nothing), Crash::PowerLoss(Survival::Everything)];
    crashes.extend((0..pending).map(|changes| Crash::PowerLoss(Survival::Prefix { changes })));
    crashes.extend((0..pending).map(|changes| Crash::PowerLoss(Survival::Torn { changes, bytes: 100 })));
    crashes.extend((0..4).map(|seed| Crash::PowerLoss(Survival::Sectors { seed })));
    crashes
}

fn check(history: &History, crash: Crash, found: &Model) {
    match crash {
        Crash::ProcessKill => history.check_after_kill(found),
        Crash::PowerLoss(_) => history.check_after_power_loss(found),
    }
}

/// Runs the workload of this seed until it ends or the machine stands still; answers the history
/// and whether it stood still.
fn run(disk: &SimulatedDisk, seed: u64) -> (History, bool) {
    let mut history = History::starting_at(Model::default());
    let mut log = match Log::open(disk.clone(), SMALL) {
        Ok(log) => log,
        Err(OpenError::Disk(error)) if error.cause == Cause::Crashed => return (history, true),
        Err(error) => panic!("an empty disk opens: {error}"),
    };
    let mut workload = Workload::new(seed);
    for _ in 0..STEPS {
        match workload.step(&mut log, &mut history) {
            Ok(()) => {}
            Err(LogError::Disk(error)) if error.cause == Cause::Crashed => return (history, true),
            Err(error) => panic!("the disk does not fail: {error}"),
        }
    }
    (history, false)
}

#[test]
fn a_crash_at_every_change_keeps_what_was_synced() {
    let seed = 5;
    let mut crashes = 0;
    for after in 0.. {
        let disk = SimulatedDisk::new();
        disk.plan(Fault::Halt { after });
        let (history, halted) = run(&disk, seed);
        for crash in survivals(&disk) {
            let mut disk = disk.fork();
            disk.crash(crash);
            let log =
                Log::open(disk.clone(), SMALL).unwrap_or_else(|error| panic!("change {after}, {crash:?}: {error}"));
            let found = Model::of(&log);
            check(&history, crash, &found);
            // P28: what an open shows is durable (crash point 51).
            drop(log);
            disk.crash(Crash::PowerLoss(Survival::Nothing));
            let log =
                Log::open(disk, SMALL).unwrap_or_else(|error| panic!("change {after}, {crash:?}, again: {error}"));
            assert_eq!(Model::of(&log), found, "change {after}, {crash:?}");
            crashes += 1;
        }
        if !halted {
            break;
        }
    }
    assert!(crashes > 1000, "the run must be long enough to mean something: {crashes}");
}

#[test]
fn a_crash_at_every_change_of_a_recovery_keeps_what_was_synced() {
    let disk = SimulatedDisk::new();
    let (history, _) = run(&disk, 11);
    for first in survivals(&disk) {
        let mut crashed = disk.fork();
        crashed.crash(first);
        let alone = Model::of(&Log::open(crashed.fork(), SMALL).expect("a crash leaves a log that opens"));
        for after in 0.. {
            let halting = crashed.fork();
            halting.plan(Fault::Halt { after });
            let opened = Log::open(halting.clone(), SMALL).is_ok();
            for second in survivals(&halting) {
                let mut disk = halting.fork();
                disk.crash(second);
                let log = Log::open(disk, SMALL)
                    .unwrap_or_else(|error| panic!("{first:?}, change {after}, {second:?}: {error}"));
                let found = Model::of(&log);
                // A recovery that was cut short loses only what was never known to be durable.
                if first == Crash::ProcessKill && second != Crash::ProcessKill && !opened {
                    history.check_after_power_loss(&found);
                } else {
                    assert_eq!(found, alone, "{first:?}, change {after}, {second:?}");
                }
            }
            if opened {
                break;
            }
        }
    }
}

/// A spare is removed, a new one is made, and it gets a segment's name: whichever of these changes
/// a crash keeps, the old file is not taken for the new segment.
#[test]
fn a_spare_of_an_earlier_start_never_becomes_a_segment() {
    let before = SimulatedDisk::new();
    let spare = before.create("0000000000000000.spare").unwrap();
    spare.write_at(0, &[1; 4096]).unwrap();
    spare.sync_data().unwrap();
    before.sync_directory().unwrap();
    for after in 0..10 {
        let halted = before.fork();
        halted.plan(Fault::Halt { after });
        // Whether this start gets through does not matter.
        drop(Log::open(halted.clone(), SMALL));
        for seed in 0..64 {
            let mut disk = halted.fork();
            disk.crash(Crash::PowerLoss(Survival::Sectors { seed }));
            let log = Log::open(disk, SMALL).unwrap_or_else(|error| panic!("change {after}, seed {seed}: {error}"));
            assert_eq!(Model::of(&log), Model::default());
        }
    }
}

/// One life after another, each with its own options, ended by a random crash at a random change.
fn live_and_die(seed: u64, lives: usize) {
    let mut workload = Workload::new(seed);
    let mut disk = SimulatedDisk::new();
    let mut history = History::starting_at(Model::default());
    for life in 0..lives {
        let options = LogOptions {
            segment_bytes: 4096 << workload.generator.below(3),
            cache_bytes: 600,
            salt: workload.generator.below(2),
        };
        disk.plan(Fault::Halt { after: workload.generator.below(120) });
        if workload.generator.below(4) == 0 {
            disk.plan(Fault::SyncError { nth: workload.generator.below(20) });
        }
        let full = workload.generator.below(4) == 0;
        disk.set_capacity(full.then(|| 8192 + workload.generator.below(4) * 8192));
        if let Ok(mut log) = Log::open(disk.clone(), options) {
            history = History::starting_at(Model::of(&log));
            while workload.step(&mut log, &mut history).is_ok() {}
        }
        let crash = random_crash(&mut workload.generator, &disk);
        disk.crash(crash);
        let mut copy = disk.fork();
        copy.set_capacity(None);
        let log = Log::open(copy.clone(), CHECKING)
            .unwrap_or_else(|error| panic!("seed {seed}, life {life}, {crash:?}: {error}"));
        let found = Model::of(&log);
        check(&history, crash, &found);
        copy.crash(Crash::PowerLoss(Survival::Nothing));
        let again = Log::open(copy, CHECKING)
            .unwrap_or_else(|error| panic!("seed {seed}, life {life}, {crash:?}, again: {error}"));
        assert_eq!(Model::of(&again), found, "seed {seed}, life {life}, {crash:?}");
        // What a loss of power left is durable; a kill makes nothing more so.
        if crash != Crash::ProcessKill {
            history = History::starting_at(found);
        }
    }
}

/// Other options than any life had: they may change with each start.
const CHECKING: LogOptions = LogOptions { segment_bytes: 8192, cache_bytes: 0, salt: 99 };

fn random_crash(generator: &mut SplitMix64, disk: &SimulatedDisk) -> Crash {
    let pending = disk.pending_changes() as u64 + 1;
    let survival = match generator.below(6) {
        0 => return Crash::ProcessKill,
        1 => Survival::Nothing,
        2 => Survival::Everything,
        3 => Survival::Prefix { changes: generator.below(pending) as usize },
        4 => Survival::Torn { changes: generator.below(pending) as usize, bytes: generator.below(2000) as usize },
        _ => Survival::Sectors { seed: generator.next_u64() },
    };
    Crash::PowerLoss(survival)
}

#[test]
fn many_lives_keep_what_was_synced() {
    for seed in 0..200 {
        live_and_die(seed, 12);
    }
}
