//! A real SIGKILL, while flushes run on another thread than the owner's writes.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use handfast::store::RocksStore;
use handfast_store::Store;
use handfast_test_disks::Writer;

use crate::batches::{assert_whole, batch, count};

/// Set in the process that is killed: the store's directory.
const DIR: &str = "HANDFAST_TEST_STORE_DIR";

#[test]
fn a_killed_process_leaves_a_prefix_that_holds_all_that_was_flushed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    for round in 1..=3 {
        let flushed = kill_after_flushes(&path, round * 2);
        let count = assert_whole(&RocksStore::open(&path).unwrap());
        assert!(count >= flushed, "{count} batches are left of {flushed} that were flushed");
    }
}

/// Runs [`writes_until_killed`] until it has reported so many flushes; what the last of them covers.
fn kill_after_flushes(path: &Path, flushes: usize) -> u64 {
    let mut writer = start_writer(path);
    let mut reports = writer.by_ref().filter_map(|line| line.strip_prefix("flushed ")?.parse().ok());
    let last = reports.by_ref().take(flushes).last();
    writer.kill();
    last.expect("the writer reports its flushes")
}

/// Reports `flushed n` once the first n batches are flushed, and before it `written m` for what is written by then.
pub fn start_writer(path: &Path) -> Writer {
    Writer::start("kill::writes_until_killed", [(DIR, path.as_os_str())])
}

#[test]
#[ignore = "run by the tests that kill it, in a process of its own"]
fn writes_until_killed() {
    let path = PathBuf::from(std::env::var_os(DIR).unwrap());
    let mut store = match RocksStore::open(&path) {
        Ok(store) => store,
        Err(error) => return println!("did not start: {error}"),
    };
    let written = AtomicU64::new(count(&store));
    let flusher = store.flusher();
    thread::scope(|scope| {
        scope.spawn(|| {
            loop {
                let before = written.load(Ordering::Acquire);
                let flushed = flusher.flush();
                println!("written {}", written.load(Ordering::Acquire));
                if flushed.is_err() {
                    // The disk is gone. Whoever took it ends this process.
                    loop {
                        thread::park();
                    }
                }
                println!("flushed {before}");
            }
        });
        loop {
            let number = written.load(Ordering::Acquire) + 1;
            if store.write(batch(number)).is_err() {
                loop {
                    thread::park();
                }
            }
            written.store(number, Ordering::Release);
        }
    });
}
