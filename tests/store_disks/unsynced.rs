//! Power cuts, on the file system that RocksDB tests itself with: what was not synced is gone, in whole or in part.

use std::path::Path;
use std::time::Instant;

use fastrand::Rng;
use handfast::store::RocksStore;
use handfast_fault_env::{Failing, FaultEnv, Left, Unsynced};
use handfast_store::Store;
use handfast_test_disks::{memory_directory, say};

use crate::batches::{assert_whole, batch};

/// Cuts that may take something away.
const CYCLES: u32 = 2_000;
const SEED: u64 = 20_261_122;

/// A flush makes about so many changes to files: a cut within so many falls into one more often than not.
const CHANGES_OF_A_FLUSH: u64 = 30;

/// What the store was told before the cut.
#[derive(Debug, Clone, Copy)]
struct Told {
    written: u64,
    flushed: u64,
}

/// What the cycles came to, for the report at the end.
#[derive(Debug, Default)]
struct Tally {
    /// Less was found than was written.
    lost: u32,
    /// More was found than was flushed.
    kept: u32,
    flushes: u32,
    flushes_cut: u32,
    opens_cut: u32,
}

#[test]
fn a_power_cut_leaves_a_prefix_that_holds_all_that_was_flushed() {
    let dir = memory_directory();
    let path = dir.path().join("store");
    let faults = FaultEnv::new(Unsynced::Volatile);
    drop(RocksStore::open_in(faults.env(), &path).unwrap());
    faults.forget();
    let (mut rng, mut tally) = (Rng::with_seed(SEED), Tally::default());
    let (begun, mut count) = (Instant::now(), 0);
    let (mut cycle, mut dropping) = (0, 0);
    while dropping < CYCLES {
        cycle += 1;
        let told = live(&faults, &path, count, &mut rng, &mut tally);
        dropping += u32::from(lose(&faults, &mut rng));
        cut_while_opening(&faults, &path, &mut rng, &mut tally);
        let store = RocksStore::open_in(faults.env(), &path).unwrap_or_else(|error| panic!("cycle {cycle}: {error}"));
        count = assert_whole(&store);
        assert!((told.flushed..=told.written).contains(&count), "cycle {cycle}: {count} batches are left, {told:?}");
        tally.lost += u32::from(count < told.written);
        tally.kept += u32::from(count > told.flushed);
        faults.cut();
        drop(store);
        faults.forget();
    }
    let seconds = begun.elapsed().as_secs_f64();
    let rate = f64::from(cycle) / seconds;
    say(&format!(
        "the store on a disk that loses: {cycle} power cuts, {CYCLES} of which drop what was not synced, in {seconds:.1} s, \
         {rate:.1} a second: {tally:?}"
    ));
    assert!(tally.lost > CYCLES / 10 && tally.flushes > CYCLES / 10, "the cuts must cost something: {tally:?}");
    assert!(
        tally.flushes_cut > CYCLES / 10 && tally.opens_cut > 0,
        "cuts fall into flushes and into starts: {tally:?}"
    );
}

/// Opens the store, which must hold what it last showed, writes and flushes, and cuts the power.
fn live(faults: &FaultEnv, path: &Path, shown: u64, rng: &mut Rng, tally: &mut Tally) -> Told {
    let mut store = RocksStore::open_in(faults.env(), path).unwrap();
    assert_eq!(assert_whole(&store), shown, "what a start has shown is durable");
    let mut told = Told { written: shown, flushed: shown };
    for _ in 0..rng.u32(1..4) {
        for _ in 0..rng.u32(1..4) {
            store.write(batch(told.written + 1)).unwrap();
            told.written += 1;
        }
        match rng.u32(0..4) {
            0 => {
                store.flush().unwrap();
                told.flushed = told.written;
                tally.flushes += 1;
            }
            1 => {
                faults.strike(rng.u64(0..CHANGES_OF_A_FLUSH), Failing::On);
                match store.flush() {
                    Ok(()) => told.flushed = told.written,
                    Err(_) => tally.flushes_cut += 1,
                }
                break;
            }
            _ => {}
        }
    }
    faults.cut();
    told
}

/// What the cut leaves is drawn; the store is closed by now. Whether it may take something away.
fn lose(faults: &FaultEnv, rng: &mut Rng) -> bool {
    let left = match rng.u32(0..8) {
        0 => Left::Everything,
        1..4 => Left::Nothing,
        _ => Left::Some(rng.u32(1..)),
    };
    faults.restore(left);
    if rng.bool() {
        faults.lose_unsynced_names();
    }
    !matches!(left, Left::Everything)
}

/// Sometimes the next power cut comes before the store is open again.
fn cut_while_opening(faults: &FaultEnv, path: &Path, rng: &mut Rng, tally: &mut Tally) {
    if rng.u32(0..8) > 0 {
        return;
    }
    faults.strike(rng.u64(0..CHANGES_OF_A_FLUSH), Failing::On);
    match RocksStore::open_in(faults.env(), path) {
        Ok(_) => {}
        Err(_) => tally.opens_cut += 1,
    }
    faults.forget();
}

/// The control: this file system takes what a cut takes, or every test here is green whatever the store does.
#[test]
fn what_is_not_synced_is_lost_and_what_is_synced_is_not() {
    let found = |unsynced, sync, left| {
        let dir = memory_directory();
        let faults = FaultEnv::new(unsynced);
        let mut options = rocksdb::Options::default();
        options.create_if_missing(true);
        options.set_env(faults.env());
        let database = rocksdb::DB::open(&options, dir.path()).unwrap();
        let mut write = rocksdb::WriteOptions::default();
        write.set_sync(sync);
        for key in 0..100_u32 {
            database.put_opt(key.to_be_bytes(), [7; 100], &write).unwrap();
        }
        faults.cut();
        drop(database);
        faults.restore(left);
        let database = rocksdb::DB::open(&options, dir.path()).unwrap();
        (0..100_u32).filter(|key| database.get(key.to_be_bytes()).unwrap().is_some()).count()
    };
    assert_eq!(found(Unsynced::Volatile, true, Left::Nothing), 100);
    assert_eq!(found(Unsynced::Volatile, false, Left::Nothing), 0);
    assert_eq!(found(Unsynced::Volatile, false, Left::Everything), 100);
    let some = found(Unsynced::Volatile, false, Left::Some(1));
    assert!((1..100).contains(&some), "{some} are left of a part");
    assert_eq!(found(Unsynced::Written, false, Left::Nothing), 100, "unasked, it loses nothing");
}
