//! A store against the simplest model of one: an ordered map for each family. What is done is read from a script of bytes, so
//! that a property test or a fuzzer writes it and shrinks it.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use bytes::Bytes;

use super::Reopen;
use crate::{Family, Store, StoreError, Write, WriteBatch};

/// Few bytes, so that keys meet, and both ends of the byte's range.
const ALPHABET: [u8; 4] = [0, 1, 0x7f, 0xff];
const KEY_BYTES_MAX: u8 = 3;
const BATCH_WRITES_MAX: u8 = 6;

type Entries = Vec<(Bytes, Bytes)>;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Model {
    families: BTreeMap<Family, BTreeMap<Bytes, Bytes>>,
}

/// Does what `script` says on `store` and on a model, compares every answer, and after every crash asks that the store is
/// what the model was after some batch: no batch is halved, none is lost before a later one, none that was flushed is lost.
pub fn follow_model<S: Reopen>(store: S, script: &[u8]) {
    let mut run = Run { store, flushed: Model::default(), live: Model::default(), unflushed: Vec::new() };
    let mut script = Script { bytes: script.iter() };
    while let Some(step) = script.bytes.next() {
        run = run.step(*step, &mut script);
    }
    let found = Model::of(&run.store);
    assert_eq!(found, run.live, "at the end of the script");
}

struct Run<S> {
    store: S,
    flushed: Model,
    live: Model,
    /// Since the last flush, oldest first.
    unflushed: Vec<WriteBatch>,
}

impl<S: Reopen> Run<S> {
    fn step(mut self, step: u8, script: &mut Script) -> Self {
        match step % 16 {
            0..=7 => {
                let batch = script.batch();
                self.live.apply(&batch);
                self.unflushed.push(batch.clone());
                ok(self.store.write(batch));
            }
            8..=9 => {
                let (family, key) = (script.family(), script.key());
                assert_eq!(ok(self.store.get(family, &key)), self.live.get(family, &key), "{family:?} {key:?}");
            }
            10..=12 => self.scan(script),
            13..=14 => {
                ok(self.store.flush());
                self.flushed = self.live.clone();
                self.unflushed.clear();
            }
            _ => return self.crash(script.byte()),
        }
        self
    }

    fn scan(&self, script: &mut Script) {
        let (family, start, end) = (script.family(), script.key(), script.key());
        let most = usize::from(script.byte() % 8) + 1;
        let mut visited = Vec::new();
        ok(self.store.scan(family, &start, &end, &mut |key, value| {
            visited.push((Bytes::copy_from_slice(key), Bytes::copy_from_slice(value)));
            if visited.len() == most { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        }));
        let expected = self.live.range(family, &start, &end, most);
        assert_eq!(visited, expected, "{family:?} from {start:?} to {end:?}, at most {most}");
    }

    fn crash(self, chance: u8) -> Self {
        let store = self.store.reopen(chance);
        let found = Model::of(&store);
        let mut possible = self.flushed;
        let mut batches = self.unflushed.iter();
        while found != possible {
            match batches.next() {
                Some(batch) => possible.apply(batch),
                None => {
                    panic!("after a crash the store is in no state that it ever was in: {found:?}")
                }
            }
        }
        // What a process finds when it starts is durable: the next crash does not take it away.
        Run { store, flushed: found.clone(), live: found, unflushed: Vec::new() }
    }
}

impl Model {
    fn of(store: &impl Store) -> Model {
        let mut model = Model::default();
        for family in Family::ALL {
            let found: BTreeMap<Bytes, Bytes> = entries(store, family).into_iter().collect();
            if !found.is_empty() {
                model.families.insert(family, found);
            }
        }
        model
    }

    fn apply(&mut self, batch: &WriteBatch) {
        for write in &batch.writes {
            match write {
                Write::Put { family, key, value } => {
                    self.families.entry(*family).or_default().insert(key.clone(), value.clone());
                }
                Write::Delete { family, key } => {
                    self.families.entry(*family).or_default().remove(key);
                }
                Write::DeleteRange { family, start, end } => {
                    self.families.entry(*family).or_default().retain(|key, _| key < start || key >= end);
                }
            }
        }
        // A family without entries is no entry: two models with the same content are equal.
        self.families.retain(|_, entries| !entries.is_empty());
    }

    fn get(&self, family: Family, key: &Bytes) -> Option<Bytes> {
        self.families.get(&family)?.get(key).cloned()
    }

    fn range(&self, family: Family, start: &Bytes, end: &Bytes, most: usize) -> Entries {
        let entries = self.families.get(&family).into_iter().flatten();
        let inside = entries.filter(|(key, _)| *key >= start && (end.is_empty() || *key < end));
        inside.take(most).map(|(key, value)| (key.clone(), value.clone())).collect()
    }
}

/// A script that has ended goes on with zeros.
struct Script<'a> {
    bytes: std::slice::Iter<'a, u8>,
}

impl Script<'_> {
    fn byte(&mut self) -> u8 {
        self.bytes.next().copied().unwrap_or(0)
    }

    fn family(&mut self) -> Family {
        Family::ALL[usize::from(self.byte()) % Family::ALL.len()]
    }

    fn key(&mut self) -> Bytes {
        let length = self.byte() % (KEY_BYTES_MAX + 1);
        (0..length).map(|_| ALPHABET[usize::from(self.byte()) % ALPHABET.len()]).collect()
    }

    fn batch(&mut self) -> WriteBatch {
        let mut batch = WriteBatch::default();
        for _ in 0..=self.byte() % BATCH_WRITES_MAX {
            let family = self.family();
            match self.byte() % 8 {
                0..=4 => {
                    let key = self.key();
                    let value = self.byte();
                    batch.put(family, key, vec![value; usize::from(value)]);
                }
                5..=6 => {
                    let key = self.key();
                    batch.delete(family, key);
                }
                _ => {
                    let (start, end) = (self.key(), self.key());
                    batch.delete_range(family, start, end);
                }
            }
        }
        batch
    }
}

/// Everything in `family`, in the order of the scan.
pub(super) fn entries(store: &impl Store, family: Family) -> Entries {
    let mut entries = Vec::new();
    ok(store.scan(family, b"", b"", &mut |key, value| {
        entries.push((Bytes::copy_from_slice(key), Bytes::copy_from_slice(value)));
        ControlFlow::Continue(())
    }));
    entries
}

pub(super) fn ok<T>(result: Result<T, StoreError>) -> T {
    result.unwrap_or_else(|error| panic!("the store failed under the suite: {error}"))
}
