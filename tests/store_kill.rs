//! G2, D1: after a real SIGKILL the store is what it was after some batch, and at least what it was at the last flush. Flushes
//! run on another thread while the owner writes.

#![allow(clippy::unwrap_used, reason = "in a test")]

use std::io::{BufRead, BufReader, Write as _};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use bytes::Bytes;
use handfast::store::RocksStore;
use handfast_store::{Family, Store, WriteBatch};

/// Set in the process that is killed: the store's directory.
const DIR: &str = "HANDFAST_TEST_STORE_DIR";
const VALUE_BYTES: usize = 2_000;
const COUNTER: &[u8] = b"batches";

/// Batch n: the count in State, an entry in Messages and one in Bodies, and the entry of two batches ago gone.
fn batch(number: u64) -> WriteBatch {
    let mut batch = WriteBatch::default();
    batch.put(Family::State, COUNTER, number.to_be_bytes().to_vec());
    for family in [Family::Messages, Family::Bodies] {
        batch.put(family, number.to_be_bytes().to_vec(), vec![number as u8; VALUE_BYTES]);
        batch.delete(family, number.saturating_sub(2).to_be_bytes().to_vec());
    }
    batch
}

#[test]
fn a_killed_process_leaves_a_prefix_that_holds_all_that_was_flushed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    for round in 1..=3 {
        let flushed = kill_after_flushes(&path, round * 2);
        let count = assert_whole(&path);
        assert!(count >= flushed, "{count} batches are left of {flushed} that were flushed");
    }
}

/// Runs [`writes_until_killed`] until it has reported so many flushes; what the last of them covers.
fn kill_after_flushes(path: &Path, flushes: usize) -> u64 {
    let mut writer = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "writes_until_killed", "--ignored", "--nocapture"])
        .env(DIR, path)
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap();
    let lines = BufReader::new(writer.stdout.take().unwrap()).lines();
    let mut reports = lines.filter_map(|line| line.unwrap().strip_prefix("flushed ")?.parse().ok());
    let last = reports.by_ref().take(flushes).last();
    writer.kill().unwrap();
    writer.wait().unwrap();
    last.expect("the writer reports its flushes")
}

/// The store is what it was after the batch that it counts; that count.
fn assert_whole(path: &Path) -> u64 {
    let store = RocksStore::open(path).unwrap();
    let count = count(&store);
    for family in [Family::Messages, Family::Bodies] {
        let mut found = Vec::new();
        store
            .scan(family, b"", b"", &mut |key, value| {
                assert!(value.len() == VALUE_BYTES && value.iter().all(|byte| *byte == key[7]));
                found.push(u64::from_be_bytes(key.try_into().unwrap()));
                ControlFlow::Continue(())
            })
            .unwrap();
        assert_eq!(found, [count - 1, count], "{family:?} after {count} batches");
    }
    count
}

fn count(store: &RocksStore) -> u64 {
    let found = store.get(Family::State, COUNTER).unwrap();
    found.map_or(0, |count: Bytes| u64::from_be_bytes(count[..].try_into().unwrap()))
}

#[test]
#[ignore = "run by a_killed_process_leaves_a_prefix_that_holds_all_that_was_flushed, in a process of its own"]
fn writes_until_killed() {
    let path = PathBuf::from(std::env::var_os(DIR).unwrap());
    let mut store = RocksStore::open(&path).unwrap();
    let written = AtomicU64::new(count(&store));
    let flusher = store.flusher();
    thread::scope(|scope| {
        scope.spawn(|| {
            loop {
                let before = written.load(Ordering::Acquire);
                flusher.flush().unwrap();
                println!("flushed {before}");
                std::io::stdout().flush().unwrap();
            }
        });
        loop {
            let number = written.load(Ordering::Acquire) + 1;
            store.write(batch(number)).unwrap();
            written.store(number, Ordering::Release);
        }
    });
}
