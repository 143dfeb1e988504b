//! The store that a queue manager keeps its state in: reads and writes. How it is opened is next door, in `open`.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use handfast_store::{Family, Store, StoreError, Visit, Write, WriteBatch};
use rocksdb::{ColumnFamily, DB, Env, Error, Options, ReadOptions, WriteOptions};

use super::{Flusher, OpenError, open, options};

/// What RocksDB writes of a change beside its key and its value, at most: kind, family and two lengths.
const WRITE_HEAD_BYTES: usize = 16;

/// [`Store`] over RocksDB. Only one process has it open.
#[allow(missing_debug_implementations, reason = "a database handle has no useful debug form")]
pub struct RocksStore {
    database: Arc<DB>,
    write_options: WriteOptions,
    read_options: ReadOptions,
}

impl RocksStore {
    /// Opens the store in `dir`, or begins an empty one if there is no such directory or nothing in it.
    pub fn open(dir: &Path) -> Result<RocksStore, OpenError> {
        RocksStore::open_with(dir, &options::database())
    }

    /// The same in another environment than the operating system's own, which may lose and refuse: for tests.
    pub fn open_in(environment: &Env, dir: &Path) -> Result<RocksStore, OpenError> {
        let mut all = options::database();
        all.set_env(environment);
        RocksStore::open_with(dir, &all)
    }

    fn open_with(dir: &Path, all: &Options) -> Result<RocksStore, OpenError> {
        let database = Arc::new(open::open(dir, all)?);
        Ok(RocksStore { database, write_options: options::write(), read_options: options::read() })
    }

    /// Flushes this store from another thread.
    pub fn flusher(&self) -> Flusher {
        Flusher::new(Arc::clone(&self.database))
    }
}

impl Store for RocksStore {
    fn get(&self, family: Family, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        let found = self.database.get_pinned_cf_opt(handle(&self.database, family), key, &self.read_options);
        match found {
            Ok(value) => Ok(value.map(|value| Bytes::copy_from_slice(&value))),
            Err(error) => Err(failed("read", family, &error)),
        }
    }

    fn scan(&self, family: Family, start: &[u8], end: &[u8], visit: &mut Visit<'_>) -> Result<(), StoreError> {
        if !end.is_empty() && start >= end {
            return Ok(());
        }
        let mut bounded = options::read();
        if !end.is_empty() {
            bounded.set_iterate_upper_bound(end);
        }
        let mut entries = self.database.raw_iterator_cf_opt(handle(&self.database, family), bounded);
        entries.seek(start);
        while let Some((key, value)) = entries.item() {
            if visit(key, value) == ControlFlow::Break(()) {
                return Ok(());
            }
            entries.next();
        }
        // A bad block ends the iteration like the last key does; only the status tells them apart (P29).
        entries.status().map_err(|error| failed("scan", family, &error))
    }

    fn write(&mut self, batch: WriteBatch) -> Result<(), StoreError> {
        let bytes = batch.writes.iter().map(|write| write.bytes() + WRITE_HEAD_BYTES).sum();
        let mut writes = rocksdb::WriteBatch::with_capacity_bytes(bytes);
        for write in batch.writes {
            let family = handle(&self.database, write.family());
            match write {
                Write::Put { key, value, .. } => writes.put_cf(family, key, value),
                Write::Delete { key, .. } => writes.delete_cf(family, key),
                Write::DeleteRange { start, end, .. } if start < end => {
                    writes.delete_range_cf(family, start, end);
                }
                Write::DeleteRange { .. } => {}
            }
        }
        self.database.write_opt(writes, &self.write_options).map_err(|error| failed_whole("write a batch", &error))
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        self.flusher().flush()
    }
}

pub(super) fn handle(database: &DB, family: Family) -> &ColumnFamily {
    database.cf_handle(options::name(family)).expect("a store opens with all of its families or not at all")
}

fn failed(operation: &'static str, family: Family, error: &Error) -> StoreError {
    StoreError::Failed { operation, family, cause: error.to_string() }
}

pub(super) fn failed_whole(operation: &'static str, error: &Error) -> StoreError {
    StoreError::FailedWhole { operation, cause: error.to_string() }
}
