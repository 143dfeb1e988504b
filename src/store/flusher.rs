//! Flushes of a store that another thread owns.

use std::fmt;
use std::sync::Arc;

use handfast_protocol::Gauge;
use handfast_store::{Family, StoreError};
use rocksdb::properties::{self, PropName};
use rocksdb::{DB, FlushOptions};

use super::limits;
use super::rocks_store::{failed_whole, handle};

/// Flushes the store it came from, while the store's owner reads and writes. The files stay open as long as one of the two
/// lives.
#[derive(Clone)]
pub struct Flusher {
    database: Arc<DB>,
}

/// A database handle has no useful form.
impl fmt::Debug for Flusher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flusher").finish_non_exhaustive()
    }
}

impl Flusher {
    pub(super) fn new(database: Arc<DB>) -> Flusher {
        Flusher { database }
    }

    /// Nobody else has the store open.
    pub fn is_last(&self) -> bool {
        Arc::strong_count(&self.database) == 1
    }

    /// What it has taken (G7). What RocksDB does not tell is left out.
    pub fn gauges(&self) -> impl Iterator<Item = Gauge> {
        let sum = |property: &PropName| {
            let each = Family::ALL.map(|family| {
                self.database.property_int_value_cf(handle(&self.database, family), property).ok().flatten()
            });
            each.into_iter().sum::<Option<u64>>()
        };
        let cache =
            self.database.property_int_value_cf(handle(&self.database, Family::State), properties::BLOCK_CACHE_USAGE);
        let memtables = sum(properties::SIZE_ALL_MEM_TABLES)
            .map(|bytes| Gauge::new("store_memtable_bytes", "Memtables of the store", bytes).of(limits::MEMTABLES_MAX));
        let cache = cache.ok().flatten().map(|bytes| {
            Gauge::new("store_cache_bytes", "Blocks of the store's files in memory", bytes).of(limits::BLOCK_CACHE)
        });
        let keys = sum(properties::ESTIMATE_NUM_KEYS)
            .map(|keys| Gauge::new("store_keys", "Records of the store, about", keys));
        [memtables, cache, keys].into_iter().flatten()
    }

    /// Returns when every write that had returned before this call is durable, in all families; writes made during the call
    /// may or may not be. Whoever purges the log takes the applied position before the call. An error is fatal (D12): what
    /// was written since the last flush may never become durable.
    pub fn flush(&self) -> Result<(), StoreError> {
        let mut options = FlushOptions::default();
        options.set_wait(true);
        let families = Family::ALL.map(|family| handle(&self.database, family));
        self.database.flush_cfs_opt(&families, &options).map_err(|error| failed_whole("flush", &error))
    }
}
