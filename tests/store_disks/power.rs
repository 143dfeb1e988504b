//! The store on a real file system whose power is cut while a process writes and flushes.

use std::time::Instant;

use fastrand::Rng;
use handfast::store::RocksStore;
use handfast_test_disks::{FileSystem, LoopDisk, say, skipped};

use crate::batches::{assert_whole, latest};
use crate::kill::start_writer;

/// Power cuts of each file system.
const CUTS: u32 = 50;

#[test]
fn a_power_cut_keeps_what_was_flushed() {
    for kind in FileSystem::ALL {
        match LoopDisk::new(kind) {
            Ok(disk) => cut_again_and_again(kind, disk),
            Err(reason) => skipped(&format!("a_power_cut_keeps_what_was_flushed on {kind:?}"), &reason),
        }
    }
}

fn cut_again_and_again(kind: FileSystem, mut disk: LoopDisk) {
    let (begun, mut rng) = (Instant::now(), Rng::with_seed(kind as u64));
    let (mut shown, mut lost) = (0, 0);
    let path = disk.mount_point().join("store");
    for cut in 0..CUTS {
        let mut writer = start_writer(&path);
        let wanted = rng.usize(0..8);
        let mut reports: Vec<String> = Vec::new();
        while reports.iter().filter(|report| report.starts_with("flushed")).count() < wanted {
            reports.push(writer.next().expect("the writer goes on until the power does"));
        }
        disk.cut();
        writer.kill();
        // What answers from the cut on that it is durable proves nothing.
        reports.extend(writer.by_ref().filter(|report| !report.starts_with("flushed")));
        drop(writer);
        disk.restart();
        let store = RocksStore::open(&path).unwrap_or_else(|error| panic!("{kind:?}, cut {cut}: {error}"));
        let (count, flushed, written) =
            (assert_whole(&store), latest(&reports, "flushed"), latest(&reports, "written"));
        assert!(count >= flushed, "{kind:?}, cut {cut}: {count} batches are left of {flushed} that were flushed");
        assert!(count >= shown, "{kind:?}, cut {cut}: {count} batches are left of {shown} that a start has shown");
        shown = count;
        lost += u32::from(count < written);
    }
    let seconds = begun.elapsed().as_secs_f64();
    say(&format!(
        "the store on {kind:?}: {CUTS} power cuts in {seconds:.1} s, {lost} of them lost what was not flushed"
    ));
    assert!(lost > 0, "a cut that costs nothing is none");
}
