//! One property of a store each, on an empty store.

use std::ops::ControlFlow;

use bytes::Bytes;

use super::Reopen;
use super::model::{entries, ok};
use crate::{Family, Store, WriteBatch};

/// Keys that a careless comparison puts in another order: prefixes of each other, both ends of the byte, the empty key.
const KEYS: [&[u8]; 12] =
    [b"", b"\x00", b"\x00\x00", b"\x00\xff", b"\x01", b"a", b"a\x00", b"aa", b"b", b"\x7f", b"\x80", b"\xff\xff"];

/// As large as the largest body that the queue manager keeps in one piece.
const BIG_VALUE_BYTES: usize = 1024 * 1024;

pub fn a_value_is_read_back_whole(mut store: impl Store) {
    put(&mut store, Family::State, &[(b"key", b"value"), (b"empty", b"")]);
    assert_eq!(get(&store, b"key"), Some(Bytes::from_static(b"value")));
    assert_eq!(get(&store, b"empty"), Some(Bytes::new()), "an empty value is not a missing one");
    assert_eq!(get(&store, b"ke"), None);
    assert_eq!(get(&store, b"key\x00"), None);

    put(&mut store, Family::State, &[(b"key", b"other")]);
    assert_eq!(get(&store, b"key"), Some(Bytes::from_static(b"other")));
    let mut batch = WriteBatch::default();
    batch.delete(Family::State, &b"key"[..]);
    batch.delete(Family::State, &b"was never there"[..]);
    ok(store.write(batch));
    assert_eq!(get(&store, b"key"), None);
    ok(store.write(WriteBatch::default()));
    assert_eq!(entries(&store, Family::State), vec![(Bytes::from_static(b"empty"), Bytes::new())]);
}

pub fn a_big_value_is_read_back_whole(mut store: impl Reopen) {
    let value: Bytes = (0..BIG_VALUE_BYTES).map(|at| (at % 251) as u8).collect();
    for family in Family::ALL {
        let mut batch = WriteBatch::default();
        batch.put(family, &b"big"[..], value.clone());
        ok(store.write(batch));
    }
    ok(store.flush());
    let store = store.reopen(0);
    for family in Family::ALL {
        assert!(ok(store.get(family, b"big")).as_ref() == Some(&value), "{family:?}");
        assert!(entries(&store, family) == vec![(Bytes::from_static(b"big"), value.clone())], "{family:?}");
    }
}

pub fn a_later_write_of_a_batch_wins(mut store: impl Store) {
    let mut batch = WriteBatch::default();
    batch.put(Family::State, &b"put, deleted"[..], &b"1"[..]);
    batch.delete(Family::State, &b"put, deleted"[..]);
    batch.delete(Family::State, &b"deleted, put"[..]);
    batch.put(Family::State, &b"deleted, put"[..], &b"2"[..]);
    batch.put(Family::State, &b"put, put"[..], &b"3"[..]);
    batch.put(Family::State, &b"put, put"[..], &b"4"[..]);
    batch.put(Family::State, &b"range 1"[..], &b"5"[..]);
    batch.delete_range(Family::State, &b"range 0"[..], &b"range 9"[..]);
    batch.put(Family::State, &b"range 2"[..], &b"6"[..]);
    ok(store.write(batch));
    let expected = [("deleted, put", "2"), ("put, put", "4"), ("range 2", "6")];
    assert_eq!(entries(&store, Family::State), pairs(&expected));
}

pub fn families_are_apart(mut store: impl Store) {
    let values: [&[u8]; 3] = [b"state", b"messages", b"bodies"];
    let mut batch = WriteBatch::default();
    for (family, value) in Family::ALL.into_iter().zip(values) {
        batch.put(family, &b"key"[..], value);
    }
    ok(store.write(batch));
    for (family, value) in Family::ALL.into_iter().zip(values) {
        assert_eq!(ok(store.get(family, b"key")).as_deref(), Some(value));
        assert_eq!(entries(&store, family), vec![(Bytes::from_static(b"key"), Bytes::from_static(value))]);
    }
    let mut batch = WriteBatch::default();
    batch.delete(Family::State, &b"key"[..]);
    batch.delete_range(Family::Bodies, &b""[..], &b"\xff"[..]);
    ok(store.write(batch));
    let left = Family::ALL.map(|family| entries(&store, family).len());
    assert_eq!(left, [0, 1, 0], "only the families that were named lose their key");
}

pub fn a_scan_is_ordered_by_bytes(mut store: impl Store) {
    let mut sorted = KEYS.to_vec();
    sorted.sort_unstable();
    // Half of them in each of two batches, neither in order.
    let (odd, even): (Vec<_>, Vec<_>) = KEYS.iter().rev().enumerate().partition(|(at, _)| at % 2 == 1);
    for half in [odd, even] {
        let half: Vec<(&[u8], &[u8])> = half.into_iter().map(|(_, key)| (*key, *key)).collect();
        put(&mut store, Family::Messages, &half);
    }
    let expected: Vec<_> = sorted.into_iter().map(|key| (Bytes::from_static(key), Bytes::from_static(key))).collect();
    assert_eq!(entries(&store, Family::Messages), expected);
    ok(store.flush());
    assert_eq!(entries(&store, Family::Messages), expected, "a flush changes nothing");
}

pub fn a_scan_keeps_its_bounds(mut store: impl Store) {
    let all: Vec<(&[u8], &[u8])> = KEYS.iter().map(|key| (*key, *key)).collect();
    put(&mut store, Family::Messages, &all);
    let bounds = KEYS.into_iter().chain([&b"\x00\x01"[..], b"aaa", b"\xff", b"\xff\xff\xff"]);
    let bounds: Vec<&[u8]> = bounds.collect();
    for start in &bounds {
        for end in &bounds {
            let mut expected: Vec<&[u8]> =
                KEYS.into_iter().filter(|key| key >= start && (end.is_empty() || key < end)).collect();
            expected.sort_unstable();
            let mut visited = Vec::new();
            ok(store.scan(Family::Messages, start, end, &mut |key, _| {
                visited.push(key.to_vec());
                ControlFlow::Continue(())
            }));
            assert_eq!(visited, expected, "from {start:?} to {end:?}");
        }
    }
}

pub fn a_scan_ends_when_the_visitor_breaks(mut store: impl Store) {
    put(&mut store, Family::State, &[(b"a", b"1"), (b"b", b"2"), (b"c", b"3")]);
    let mut visited = Vec::new();
    ok(store.scan(Family::State, b"", b"", &mut |key, _| {
        visited.push(key.to_vec());
        if key == b"b" { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }));
    assert_eq!(visited, [b"a", b"b"]);
}

pub fn a_deleted_range_keeps_its_bounds(mut store: impl Store) {
    let delete = |store: &mut _, start: &'static [u8], end: &'static [u8]| {
        let mut batch = WriteBatch::default();
        batch.delete_range(Family::Messages, start, end);
        ok(Store::write(store, batch));
    };
    put(&mut store, Family::Messages, &[(b"a", b"1"), (b"b", b"2"), (b"bb", b"3"), (b"c", b"4")]);
    delete(&mut store, b"c", b"a");
    delete(&mut store, b"b", b"b");
    delete(&mut store, b"b", b"");
    let all = pairs(&[("a", "1"), ("b", "2"), ("bb", "3"), ("c", "4")]);
    assert_eq!(entries(&store, Family::Messages), all, "an end at or before the start deletes nothing");
    delete(&mut store, b"b", b"c");
    assert_eq!(entries(&store, Family::Messages), pairs(&[("a", "1"), ("c", "4")]));
    assert_eq!(ok(store.get(Family::Messages, b"bb")), None);
    put(&mut store, Family::Messages, &[(b"b", b"5")]);
    assert_eq!(entries(&store, Family::Messages), pairs(&[("a", "1"), ("b", "5"), ("c", "4")]));
}

/// Design D1: what was flushed is there, together over all families.
pub fn what_was_flushed_survives_a_crash(mut store: impl Reopen) {
    for round in 0..3_u8 {
        let mut batch = WriteBatch::default();
        for family in Family::ALL {
            batch.put(family, vec![round], vec![round; 100]);
            if let Some(before) = round.checked_sub(1) {
                batch.delete(family, vec![before]);
            }
        }
        ok(store.write(batch));
        ok(store.flush());
        store = store.reopen(round);
        for family in Family::ALL {
            let expected = vec![(Bytes::from(vec![round]), Bytes::from(vec![round; 100]))];
            assert_eq!(entries(&store, family), expected, "{family:?} in round {round}");
        }
    }
}

fn put(store: &mut impl Store, family: Family, pairs: &[(&[u8], &[u8])]) {
    let mut batch = WriteBatch::default();
    for (key, value) in pairs {
        batch.put(family, Bytes::copy_from_slice(key), Bytes::copy_from_slice(value));
    }
    ok(store.write(batch));
}

fn get(store: &impl Store, key: &[u8]) -> Option<Bytes> {
    ok(store.get(Family::State, key))
}

fn pairs(pairs: &[(&'static str, &'static str)]) -> Vec<(Bytes, Bytes)> {
    pairs
        .iter()
        .map(|(key, value)| (Bytes::from_static(key.as_bytes()), Bytes::from_static(value.as_bytes())))
        .collect()
}
