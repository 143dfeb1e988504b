//! P29: below the purge point the store is the only copy. What is damaged or missing is an error that names the file: never a
//! missing key, never an empty store, never a repair.

#![allow(clippy::unwrap_used, reason = "in a test")]

use std::fs;
use std::ops::ControlFlow;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use handfast::store::{OpenError, RocksStore};
use handfast_store::{Family, Store, StoreError, WriteBatch};
use tempfile::TempDir;

const ENTRIES: u32 = 200;

/// A closed store whose messages lie in one file.
fn store_with_one_file() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    let mut store = RocksStore::open(&path).unwrap();
    let mut batch = WriteBatch::default();
    for at in 0..ENTRIES {
        batch.put(Family::Messages, key(at), value(at));
    }
    store.write(batch).unwrap();
    store.flush().unwrap();
    drop(store);
    (dir, path)
}

fn key(at: u32) -> Bytes {
    Bytes::copy_from_slice(&at.to_be_bytes())
}

/// Bytes that compress little, so that the file has many data blocks.
fn value(at: u32) -> Bytes {
    (0..100_u32).map(|byte| ((at * 7_919 + byte * 104_729).wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

fn only_file(dir: &Path, extension: &str) -> PathBuf {
    let matching = |path: &PathBuf| path.extension().is_some_and(|found| found.to_str() == Some(extension));
    let mut files: Vec<PathBuf> =
        fs::read_dir(dir).unwrap().map(|file| file.unwrap().path()).filter(matching).collect();
    assert_eq!(files.len(), 1, "{files:?}");
    files.remove(0)
}

/// Every value by a scan, or its error.
fn scan_all(store: &RocksStore) -> Result<Vec<Bytes>, StoreError> {
    let mut scanned = Vec::new();
    store.scan(Family::Messages, b"", b"", &mut |_, value| {
        scanned.push(Bytes::copy_from_slice(value));
        ControlFlow::Continue(())
    })?;
    Ok(scanned)
}

/// Every value by its key, or the error of the last one that is not read.
fn get_all(store: &RocksStore) -> Result<Vec<Bytes>, StoreError> {
    let mut values = Ok(Vec::new());
    for at in 0..ENTRIES {
        match store.get(Family::Messages, &key(at)) {
            Ok(Some(found)) => {
                assert_eq!(found, value(at));
                values = values.map(|values| [values, vec![found]].concat());
            }
            Ok(None) => panic!("entry {at} reads as missing"),
            Err(error) => values = Err(error),
        }
    }
    values
}

#[test]
fn a_flipped_byte_is_an_error_that_names_the_file() {
    let (_dir, path) = store_with_one_file();
    let file = only_file(&path, "sst");
    let whole = fs::read(&file).unwrap();
    let expected: Vec<Bytes> = (0..ENTRIES).map(value).collect();
    let name = file.file_name().unwrap().to_str().unwrap();
    let (mut at_open, mut at_read) = (0, 0);
    for at in (0..whole.len()).step_by(97) {
        let mut flipped = whole.clone();
        flipped[at] ^= 0x10;
        fs::write(&file, &flipped).unwrap();
        let store = match RocksStore::open(&path) {
            Ok(store) => store,
            // RocksDB names its list of files here where it is a table's properties that do not make sense.
            Err(OpenError::Damaged { .. }) => {
                at_open += 1;
                continue;
            }
            Err(other) => panic!("byte {at}: {other:?}"),
        };
        // Each way to read by itself: neither may hide behind the other.
        for read in [scan_all(&store), get_all(&store)] {
            match read {
                Ok(values) => assert!(values == expected, "byte {at}: entries are lost"),
                Err(error) => {
                    assert!(error.to_string().contains(name), "byte {at}: {error}");
                    at_read += 1;
                }
            }
        }
    }
    assert!(at_read > 160, "{at_read} flips found by a read, {at_open} by opening, of {}", whole.len());
}

#[test]
fn a_cut_or_missing_file_stops_the_start() {
    let (_dir, path) = store_with_one_file();
    let file = only_file(&path, "sst");
    let whole = fs::read(&file).unwrap();
    fs::write(&file, &whole[..whole.len() / 2]).unwrap();
    assert_damaged(&path, &file);
    fs::remove_file(&file).unwrap();
    assert_damaged(&path, &file);
    fs::write(&file, &whole).unwrap();
    let store = RocksStore::open(&path).unwrap();
    assert_eq!(scan_all(&store).unwrap().len(), ENTRIES as usize, "no start touched the rest");
}

fn assert_damaged(path: &Path, file: &Path) {
    let error = RocksStore::open(path).err().unwrap();
    assert!(matches!(error, OpenError::Damaged { .. }), "{error:?}");
    let text = error.to_string();
    for part in [path.to_str().unwrap(), file.file_name().unwrap().to_str().unwrap(), "bring the directory back"] {
        assert!(text.contains(part), "{part} is not in: {text}");
    }
}

/// RocksDB alone would begin an empty store here.
#[test]
fn a_store_without_its_list_of_files_is_damaged_and_not_new() {
    let (_dir, path) = store_with_one_file();
    fs::remove_file(path.join("CURRENT")).unwrap();
    let error = RocksStore::open(&path).err().unwrap();
    assert!(matches!(error, OpenError::Damaged { .. }), "{error:?}");
    assert!(error.to_string().contains("CURRENT"), "{error}");
    assert!(only_file(&path, "sst").exists());
}

#[test]
fn a_store_has_one_process_at_a_time_and_is_closed_to_others() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    let store = RocksStore::open(&path).unwrap();
    assert!(matches!(RocksStore::open(&path), Err(OpenError::Locked { .. })));
    drop(store);
    RocksStore::open(&path).unwrap();
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}

#[test]
fn what_a_dead_beginner_left_is_begun_again() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("store.new")).unwrap();
    fs::write(dir.path().join("store.new/CURRENT"), "garbage").unwrap();
    fs::create_dir(dir.path().join("store")).unwrap();
    RocksStore::open(&dir.path().join("store")).unwrap();
    assert!(!dir.path().join("store.new").exists());
}

#[test]
fn a_directory_that_cannot_be_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("no such parent/store");
    let error = RocksStore::open(&path).err().unwrap();
    let OpenError::Directory { dir: named, action, .. } = &error else { panic!("{error:?}") };
    assert_eq!((named.as_path(), *action), (dir.path().join("no such parent/store.new").as_path(), "create"));
}

#[test]
fn a_family_of_a_later_version_is_not_opened_around() {
    let (_dir, path) = store_with_one_file();
    let families = ["default", "state", "messages", "bodies"];
    let mut database = rocksdb::DB::open_cf(&rocksdb::Options::default(), &path, families).unwrap();
    database.create_cf("directory", &rocksdb::Options::default()).unwrap();
    drop(database);
    match RocksStore::open(&path) {
        Err(OpenError::Newer { family, .. }) => assert_eq!(family, "directory"),
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("it opened"),
    }
}
