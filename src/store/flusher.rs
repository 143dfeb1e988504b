//! Flushes of a store that another thread owns.

use std::sync::Arc;

use handfast_store::{Family, StoreError};
use rocksdb::{DB, FlushOptions};

use super::rocks_store::{failed_whole, handle};

/// Flushes the store it came from, while the store's owner reads and writes. The files stay open as long as one of the two
/// lives.
#[derive(Clone)]
#[allow(missing_debug_implementations, reason = "a database handle has no useful debug form")]
pub struct Flusher {
    database: Arc<DB>,
}

impl Flusher {
    pub(super) fn new(database: Arc<DB>) -> Flusher {
        Flusher { database }
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
