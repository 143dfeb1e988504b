//! The conformance suite on the store on disk. A crash is a copy of its directory, taken while it is open: what `kill -9` leaves,
//! since nothing that was written lies anywhere but in memory and in those files.

#![allow(clippy::unwrap_used, reason = "in a test")]

use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use handfast::store::RocksStore;
use handfast_store::conformance::{self, Reopen};
use handfast_store::{Family, Store, StoreError, Visit, WriteBatch};
use proptest::collection::vec;
use proptest::prelude::*;
use tempfile::TempDir;

struct OnDisk {
    // Closed before its directory goes.
    store: RocksStore,
    dir: TempDir,
}

impl OnDisk {
    fn fresh() -> OnDisk {
        let dir = tempfile::tempdir().unwrap();
        OnDisk { store: RocksStore::open(&dir.path().join("store")).unwrap(), dir }
    }
}

impl Reopen for OnDisk {
    fn reopen(self, _chance: u8) -> Self {
        let dir = tempfile::tempdir().unwrap();
        copy_of_a_moment(&self.dir.path().join("store"), &dir.path().join("store"));
        drop(self.store);
        let store = RocksStore::open(&dir.path().join("store")).unwrap();
        OnDisk { store, dir }
    }
}

impl Store for OnDisk {
    fn get(&self, family: Family, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        self.store.get(family, key)
    }

    fn scan(&self, family: Family, start: &[u8], end: &[u8], visit: &mut Visit<'_>) -> Result<(), StoreError> {
        self.store.scan(family, start, end, visit)
    }

    fn write(&mut self, batch: WriteBatch) -> Result<(), StoreError> {
        self.store.write(batch)
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        self.store.flush()
    }
}

/// A compaction may add and remove files meanwhile: a copy counts if the directory was the same before and after.
fn copy_of_a_moment(from: &Path, to: &Path) {
    loop {
        let before = files(from);
        fs::create_dir(to).unwrap();
        let copied = before.iter().all(|(file, _)| fs::copy(file, to.join(file.file_name().unwrap())).is_ok());
        if copied && files(from) == before {
            return;
        }
        fs::remove_dir_all(to).unwrap();
    }
}

fn files(dir: &Path) -> Vec<(PathBuf, u64)> {
    let mut files: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .filter_map(|file| {
            let path = file.unwrap().path();
            // A file that goes away between the two calls makes the listings differ.
            let length = fs::metadata(&path).ok()?.len();
            Some((path, length))
        })
        .collect();
    files.sort();
    files
}

#[test]
fn every_property_holds() {
    conformance::check(OnDisk::fresh);
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 24,
        failure_persistence: None,
        max_shrink_iters: 200,
        ..ProptestConfig::default()
    })]

    #[test]
    fn it_follows_the_model_over_crashes(script in vec(any::<u8>(), 0..1_200)) {
        conformance::follow_model(OnDisk::fresh(), &script);
    }
}
