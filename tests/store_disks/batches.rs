//! Batches that tell by themselves whether a store holds all of one, and nothing of the next.

use std::ops::ControlFlow;

use bytes::Bytes;
use handfast::store::RocksStore;
use handfast_store::{Family, Store, WriteBatch};

const VALUE_BYTES: usize = 2_000;
const COUNTER: &[u8] = b"batches";

/// Batch n: the count in State, an entry in Messages and one in Bodies, and the entry of two batches ago gone.
pub fn batch(number: u64) -> WriteBatch {
    let mut batch = WriteBatch::default();
    batch.put(Family::State, COUNTER, number.to_be_bytes().to_vec());
    for family in [Family::Messages, Family::Bodies] {
        batch.put(family, number.to_be_bytes().to_vec(), vec![number as u8; VALUE_BYTES]);
        batch.delete(family, number.saturating_sub(2).to_be_bytes().to_vec());
    }
    batch
}

/// The store is what it was after the batch that it counts, in all families; that count.
pub fn assert_whole(store: &RocksStore) -> u64 {
    let count = count(store);
    let latest: Vec<u64> = (1..=count).skip(count.saturating_sub(2) as usize).collect();
    for family in [Family::Messages, Family::Bodies] {
        let mut found = Vec::new();
        store
            .scan(family, b"", b"", &mut |key, value| {
                assert!(value.len() == VALUE_BYTES && value.iter().all(|byte| *byte == key[7]));
                found.push(u64::from_be_bytes(key.try_into().unwrap()));
                ControlFlow::Continue(())
            })
            .unwrap();
        assert_eq!(found, latest, "{family:?} after {count} batches");
    }
    count
}

pub fn count(store: &RocksStore) -> u64 {
    let found = store.get(Family::State, COUNTER).unwrap();
    found.map_or(0, |count: Bytes| u64::from_be_bytes(count[..].try_into().unwrap()))
}

/// The number in a writer's last report of this kind, such as `flushed 7`; 0 without one.
pub fn latest(reports: &[String], kind: &str) -> u64 {
    let number = |report: &String| report.strip_prefix(kind)?.trim().parse().ok();
    reports.iter().rev().find_map(number).unwrap_or(0)
}
