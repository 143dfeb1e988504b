//! A store in memory whose crash goes back to what was last flushed, or to any write after it.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;

use bytes::Bytes;

use crate::{Family, Store, StoreError, Visit, Write, WriteBatch};

/// A keyspace's entries, for each [`Family`] in its order.
type Entries = [BTreeMap<Bytes, Bytes>; Family::ALL.len()];

/// [`Store`] over `BTreeMap`s, for tests and the simulator.
#[derive(Debug, Clone, Default)]
pub struct MemStore {
    live: Entries,
    flushed: Entries,
    /// The batches since the last flush, oldest first: a crash keeps a prefix of them.
    unflushed: VecDeque<WriteBatch>,
}

impl MemStore {
    /// The store as it may be found after a crash that kept the first `kept` of the unflushed batches.
    #[must_use]
    pub fn crashed(&self, kept: usize) -> MemStore {
        let mut entries = self.flushed.clone();
        self.unflushed.iter().take(kept).for_each(|batch| apply(&mut entries, batch));
        MemStore { live: entries.clone(), flushed: entries, unflushed: VecDeque::new() }
    }

    /// How many batches a crash may lose.
    pub fn unflushed(&self) -> usize {
        self.unflushed.len()
    }
}

impl Store for MemStore {
    fn get(&self, family: Family, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        Ok(self.live[family as usize].get(key).cloned())
    }

    fn scan(&self, family: Family, start: &[u8], end: &[u8], visit: &mut Visit<'_>) -> Result<(), StoreError> {
        for (key, value) in self.live[family as usize].range::<[u8], _>((Bound::Included(start), Bound::Unbounded)) {
            let is_past_end = !end.is_empty() && key.as_ref() >= end;
            if is_past_end || visit(key, value).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn write(&mut self, batch: WriteBatch) -> Result<(), StoreError> {
        apply(&mut self.live, &batch);
        self.unflushed.push_back(batch);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        for batch in self.unflushed.drain(..) {
            apply(&mut self.flushed, &batch);
        }
        Ok(())
    }
}

fn apply(entries: &mut Entries, batch: &WriteBatch) {
    for write in &batch.writes {
        match write {
            Write::Put { family, key, value } => {
                entries[*family as usize].insert(key.clone(), value.clone());
            }
            Write::Delete { family, key } => {
                entries[*family as usize].remove(key);
            }
            // An end before the start is an empty range here; to a BTreeMap it is a programmer's error.
            Write::DeleteRange { family, start, end } if start < end => {
                let family = &mut entries[*family as usize];
                let mut later = family.split_off(start);
                family.append(&mut later.split_off(end));
            }
            Write::DeleteRange { .. } => {}
        }
    }
}
