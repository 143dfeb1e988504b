//! A store that its node and its flusher share, as they share RocksDB: a crash takes it back to its last flush.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use handfast_store::{Family, MemStore, Store, StoreError, Visit, WriteBatch};

/// A clone is the same store.
#[derive(Debug, Clone, Default)]
pub struct FlushedStore {
    shared: Arc<Mutex<MemStore>>,
}

impl FlushedStore {
    fn lock(&self) -> MutexGuard<'_, MemStore> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a crash finds: the last flush and the first `kept` writes since, for the store may have flushed by itself.
    #[must_use]
    pub fn crashed(&self, kept: usize) -> FlushedStore {
        FlushedStore { shared: Arc::new(Mutex::new(self.lock().crashed(kept))) }
    }

    /// How many writes a crash may lose.
    pub fn unflushed(&self) -> usize {
        self.lock().unflushed()
    }
}

impl Store for FlushedStore {
    fn get(&self, family: Family, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        self.lock().get(family, key)
    }

    fn scan(&self, family: Family, start: &[u8], end: &[u8], visit: &mut Visit<'_>) -> Result<(), StoreError> {
        self.lock().scan(family, start, end, visit)
    }

    fn write(&mut self, batch: WriteBatch) -> Result<(), StoreError> {
        self.lock().write(batch)
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        self.lock().flush()
    }
}
