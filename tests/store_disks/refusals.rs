//! Files that refuse a change: the store says so, and no flush that it has answered is lost (D12).

use std::path::Path;

use handfast::store::{OpenError, RocksStore};
use handfast_fault_env::{Failing, FaultEnv, Left, Unsynced};
use handfast_store::Store;
use handfast_test_disks::{memory_directory, say};

use crate::batches::{assert_whole, batch};

/// Enough for a compaction among the flushes.
const FLUSHES: u64 = 6;

/// A compaction is late at times, and so are its changes: it takes some runs without any to know that there are no more.
const MISSED: u32 = 8;

/// What came of one run.
#[derive(Debug, Default)]
struct Run {
    written: u64,
    flushed: u64,
    /// The change that was named came before the last flush.
    struck: bool,
    /// The last flush failed, or the start did.
    failed: bool,
}

#[test]
fn every_change_that_fails_is_told_and_costs_no_flush_that_was_answered() {
    let dir = memory_directory();
    let faults = FaultEnv::new(Unsynced::Volatile);
    for failing in [Failing::Once, Failing::On] {
        let (mut told, mut nth, mut missed) = (0, 0, 0);
        while missed < MISSED {
            let path = dir.path().join(format!("{failing:?}-{nth}"));
            drop(RocksStore::open_in(faults.env(), &path).unwrap());
            faults.forget();
            faults.strike(nth, failing);
            let run = run(&faults, &path);
            // One refusal of what is only tidied away is nobody's concern.
            assert!(!(run.struck && failing == Failing::On) || run.failed, "change {nth} failed and nobody heard");
            told += u32::from(run.failed);
            faults.cut();
            faults.restore(Left::Nothing);
            faults.lose_unsynced_names();
            check(&faults, &path, &run, &format!("change {nth} failed, {failing:?}"));
            faults.forget();
            std::fs::remove_dir_all(&path).unwrap();
            missed = if run.struck { 0 } else { missed + 1 };
            nth += 1;
        }
        say(&format!("the store on files that refuse, {failing:?}: {nth} changes, {told} runs were told"));
        assert!(nth > 60 && told > 40, "{nth} changes, {told} told");
    }
}

/// Writes and flushes, on after a failure too: whoever does not stop at an error must still not be lied to.
fn run(faults: &FaultEnv, path: &Path) -> Run {
    let mut run = Run::default();
    let mut store = match RocksStore::open_in(faults.env(), path) {
        Ok(store) => store,
        Err(OpenError::Failed { .. } | OpenError::Damaged { .. }) => return Run { struck: true, failed: true, ..run },
        Err(other) => panic!("{other}"),
    };
    for _ in 0..FLUSHES {
        if store.write(batch(run.written + 1)).is_ok() {
            run.written += 1;
        }
        run.struck = faults.has_struck();
        run.failed = store.flush().is_err();
        if !run.failed {
            run.flushed = run.written;
        }
    }
    // Nothing more is written when it is closed.
    faults.cut();
    run
}

fn check(faults: &FaultEnv, path: &Path, run: &Run, what: &str) {
    let store = RocksStore::open_in(faults.env(), path).unwrap_or_else(|error| panic!("{what}: {error}"));
    let count = assert_whole(&store);
    assert!((run.flushed..=run.written).contains(&count), "{what}: {count} batches are left, {run:?}");
    faults.cut();
}
