//! The log on a real file system whose power is cut while a process appends.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Write;
use std::time::Instant;

use handfast_log::LogOptions;
use handfast_log::disk::SplitMix64;
use handfast_test_disks::{Ending, FileSystem, LoopDisk, Writer, say, skipped};

use crate::model::Model;
use crate::script::{self, DIRECTORY, Step, script};

/// Power cuts of each file system.
const CUTS: u64 = 200;

/// More than a writer gets done before the power goes.
const STEPS: usize = 1_000;

/// The power goes once this many syncs, or fewer, were reported.
const SYNCS_MAX: u64 = 30;

/// Set in the writer's process: the seed of its script.
const SEED: &str = "HANDFAST_TEST_LOG_SEED";

/// Small segments, so that many cuts fall into a change; large ones for writers that only append, as each change syncs.
fn options(seed: u64) -> LogOptions {
    let segment_bytes = if appends_only(seed) { 1024 * 1024 } else { 16 * 1024 };
    LogOptions { segment_bytes, cache_bytes: 4096, salt: 7 }
}

/// Every second writer stops to sync after some steps, and only appends until the power goes: what it then loses is certain.
fn appends_only(seed: u64) -> bool {
    seed.is_multiple_of(2)
}

#[test]
fn a_power_cut_keeps_what_was_synced() {
    for kind in FileSystem::ALL {
        match LoopDisk::new(kind) {
            Ok(disk) => cut_again_and_again(kind, disk),
            Err(reason) => skipped(&format!("a_power_cut_keeps_what_was_synced on {kind:?}"), &reason),
        }
    }
}

fn cut_again_and_again(kind: FileSystem, mut disk: LoopDisk) {
    let (begun, mut generator, mut lost) = (Instant::now(), SplitMix64::new(kind as u64), 0);
    let directory = disk.mount_point().join("log");
    let mut found = Model::default();
    for cut in 0..CUTS {
        let seed = cut.to_string();
        let steps = steps(cut, &found);
        let variables = [(DIRECTORY, directory.as_os_str()), (SEED, OsStr::new(&seed))];
        let mut writer = Writer::start("power::writes_until_the_power_goes", variables);
        let syncs = steps.iter().filter(|step| step.is_synced).count().min(generator.below(SYNCS_MAX) as usize);
        let mut reports = Vec::new();
        while reports.iter().filter(|report: &&String| report.starts_with("synced")).count() < syncs {
            reports.push(writer.next().expect("the writer goes on until the power does"));
        }
        disk.cut();
        // What answers from the cut on that it is durable proves nothing.
        reports.extend(writer.by_ref().filter(|report| !report.starts_with("synced")));
        assert_eq!(writer.end(), Ending::Returned, "{kind:?}, cut {cut}: {:?}", reports.last());
        disk.restart();
        let history = script::history(found, &steps, reports);
        let log = script::open(&directory, options(cut));
        let log = log.unwrap_or_else(|error| panic!("{kind:?}, cut {cut}: {error}"));
        found = Model::of(&log);
        history.check_after_power_loss(&found);
        lost += u64::from(!history.is_all(&found));
    }
    let seconds = begun.elapsed().as_secs_f64();
    say(&format!("the log on {kind:?}: {CUTS} power cuts in {seconds:.1} s, {lost} of them lost what was not synced"));
    assert!(lost > CUTS / 10, "a cut that costs nothing is none");
}

fn steps(seed: u64, from: &Model) -> Vec<Step> {
    let mut steps = script(seed, from, STEPS);
    if appends_only(seed) {
        for step in steps.iter_mut().skip((seed % SYNCS_MAX) as usize) {
            (step.is_synced, step.is_marked) = (false, false);
        }
    }
    steps
}

#[test]
#[ignore = "run by a_power_cut_keeps_what_was_synced, in a process of its own"]
fn writes_until_the_power_goes() {
    let seed: u64 = std::env::var(SEED).unwrap().parse().unwrap();
    let mut log = match script::open(&script::directory(), options(seed)) {
        Ok(log) => log,
        Err(error) => return println!("did not start: {error}"),
    };
    let from = match Model::read(&log) {
        Ok(from) => from,
        Err(error) => return println!("did not start: {error}"),
    };
    let steps = steps(seed, &from);
    match script::carry_out(&mut log, &steps, 0) {
        Ok(()) => println!("done"),
        Err(error) => println!("ended: {error}"),
    }
}

/// The control: the cut takes what was not synced, and nothing else.
#[test]
fn a_power_cut_takes_what_was_not_synced() {
    for kind in FileSystem::ALL {
        let mut disk = match LoopDisk::new(kind) {
            Ok(disk) => disk,
            Err(reason) => {
                skipped(&format!("a_power_cut_takes_what_was_not_synced on {kind:?}"), &reason);
                continue;
            }
        };
        let path = disk.mount_point().join("file");
        let mut file = File::create_new(&path).unwrap();
        file.write_all(&[1; 10_000]).unwrap();
        file.sync_all().unwrap();
        file.write_all(&[2; 10_000]).unwrap();
        disk.cut();
        file.write_all(&[3; 10_000]).unwrap_err();
        drop(file);
        disk.restart();
        assert!(std::fs::read(&path).unwrap() == [1; 10_000], "{kind:?}");
    }
}
