//! Reads that see the writes of a batch before the batch is written.

use std::collections::BTreeMap;
use std::ops::{Bound, ControlFlow};

use bytes::Bytes;

use crate::{Family, Store, StoreError, WriteBatch};

/// A store with the effects of one log entry laid over it. Applying an entry reads and writes through the overlay; then
/// [`Overlay::into_batch`] goes to the store as one atomic write.
#[allow(missing_debug_implementations, reason = "a store has no useful debug form")]
pub struct Overlay<'a> {
    store: &'a dyn Store,
    changed: [Changes; Family::ALL.len()],
}

/// Of one family. `None`: deleted by this entry.
type Changes = BTreeMap<Bytes, Option<Bytes>>;

impl<'a> Overlay<'a> {
    pub fn new(store: &'a dyn Store) -> Overlay<'a> {
        Overlay { store, changed: Default::default() }
    }

    pub fn get(&self, family: Family, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        match self.changed[family as usize].get(key) {
            Some(changed) => Ok(changed.clone()),
            None => self.store.get(family, key),
        }
    }

    pub fn put(&mut self, family: Family, key: impl Into<Bytes>, value: impl Into<Bytes>) {
        self.changed[family as usize].insert(key.into(), Some(value.into()));
    }

    pub fn delete(&mut self, family: Family, key: impl Into<Bytes>) {
        self.changed[family as usize].insert(key.into(), None);
    }

    /// Up to `limit` entries with `start <= key < end`, ascending; an empty `end` is unbounded.
    pub fn scan(
        &self,
        family: Family,
        start: &[u8],
        end: &[u8],
        limit: usize,
    ) -> Result<Vec<(Bytes, Bytes)>, StoreError> {
        let (from, within) = (Bound::Included(start), |key: &Bytes| end.is_empty() || key.as_ref() < end);
        let laid = self.changed[family as usize].range::<[u8], _>((from, Bound::Unbounded));
        let mut laid = laid.take_while(|(key, _)| within(key)).peekable();
        let mut found: Vec<(Bytes, Bytes)> = Vec::new();
        let take = |found: &mut Vec<(Bytes, Bytes)>, key: &Bytes, value: &Option<Bytes>| {
            if let Some(value) = value {
                found.push((key.clone(), value.clone()));
            }
        };
        self.store.scan(family, start, end, &mut |key, value| {
            while let Some((earlier, changed)) = laid.next_if(|(laid, _)| laid.as_ref() < key) {
                take(&mut found, earlier, changed);
            }
            match laid.next_if(|(laid, _)| laid.as_ref() == key) {
                Some((same, changed)) => take(&mut found, same, changed),
                None if found.len() < limit => {
                    found.push((Bytes::copy_from_slice(key), Bytes::copy_from_slice(value)));
                }
                None => {}
            }
            if found.len() >= limit { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        if found.len() < limit {
            laid.for_each(|(key, value)| take(&mut found, key, value));
        }
        found.truncate(limit);
        Ok(found)
    }

    pub fn into_batch(self) -> WriteBatch {
        let mut batch = WriteBatch::default();
        for (family, changes) in Family::ALL.into_iter().zip(self.changed) {
            for (key, value) in changes {
                match value {
                    Some(value) => batch.put(family, key, value),
                    None => batch.delete(family, key),
                }
            }
        }
        batch
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::MemStore;

    type Change = (u8, Option<u8>);

    fn changes() -> impl Strategy<Value = Vec<Change>> {
        prop::collection::vec((0..12u8, prop::option::of(any::<u8>())), 0..20)
    }

    fn lay(overlay: &mut Overlay<'_>, model: &mut BTreeMap<u8, u8>, changes: &[Change]) {
        for (key, value) in changes {
            match value {
                Some(value) => {
                    overlay.put(Family::State, vec![*key], vec![*value]);
                    model.insert(*key, *value);
                }
                None => {
                    overlay.delete(Family::State, vec![*key]);
                    model.remove(key);
                }
            }
        }
    }

    proptest! {
        #[test]
        fn reads_as_if_it_were_written(
            below in changes(), above in changes(), start in 0..12u8, end in 0..13u8, limit in 0..14usize,
        ) {
            let (mut store, mut model) = (MemStore::default(), BTreeMap::new());
            let mut first = Overlay::new(&store);
            lay(&mut first, &mut model, &below);
            let batch = first.into_batch();
            store.write(batch).unwrap();
            let mut overlay = Overlay::new(&store);
            lay(&mut overlay, &mut model, &above);

            let bounds = if end == 0 { vec![] } else { vec![end] };
            let expected: Vec<(Bytes, Bytes)> = model
                .iter()
                .filter(|(key, _)| **key >= start && (end == 0 || **key < end))
                .take(limit)
                .map(|(key, value)| (Bytes::from(vec![*key]), Bytes::from(vec![*value])))
                .collect();
            prop_assume!(end == 0 || start <= end);
            prop_assert_eq!(overlay.scan(Family::State, &[start], &bounds, limit).unwrap(), expected);
            for key in 0..12u8 {
                let value = model.get(&key).map(|value| Bytes::from(vec![*value]));
                prop_assert_eq!(overlay.get(Family::State, &[key]).unwrap(), value);
            }
        }
    }
}
