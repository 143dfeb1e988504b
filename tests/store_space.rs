//! P18: what is deleted gives its space back while the store is open, once the deletions are flushed.

#![allow(clippy::unwrap_used, reason = "in a test")]

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use handfast::store::RocksStore;
use handfast_store::{Family, Store, WriteBatch};

const BODIES: u64 = 320;
const BODY_BYTES: usize = 256 << 10;
const PATIENCE: Duration = Duration::from_secs(60);

/// Bytes that do not compress.
fn body(number: u64) -> Vec<u8> {
    let mut generator = fastrand::Rng::with_seed(number);
    std::iter::repeat_with(|| generator.u8(..)).take(BODY_BYTES).collect()
}

fn bytes_of(directory: &Path) -> u64 {
    let files = fs::read_dir(directory).unwrap().map(Result::unwrap);
    // A file that a compaction has just removed takes nothing.
    files.map(|file| file.metadata().map_or(0, |metadata| metadata.len())).sum()
}

#[test]
fn p18_space_of_deleted_bodies_comes_back() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let mut store = RocksStore::open(&path).unwrap();
    for number in 0..BODIES {
        let mut batch = WriteBatch::default();
        batch.put(Family::Bodies, number.to_be_bytes().to_vec(), body(number));
        store.write(batch).unwrap();
    }
    store.flush().unwrap();
    let full = bytes_of(&path);
    assert!(full > BODIES * BODY_BYTES as u64, "{full}");
    for number in 0..BODIES {
        let mut batch = WriteBatch::default();
        batch.delete(Family::Bodies, number.to_be_bytes().to_vec());
        store.write(batch).unwrap();
    }
    store.flush().unwrap();
    let since = Instant::now();
    while bytes_of(&path) > full / 10 {
        assert!(since.elapsed() < PATIENCE, "{} of {full} bytes are still there", bytes_of(&path));
        std::thread::sleep(Duration::from_millis(50));
    }
    println!("{} of {full} bytes after {:?}", bytes_of(&path), since.elapsed());
}
