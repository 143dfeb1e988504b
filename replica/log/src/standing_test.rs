//! Which record may follow which.

use super::*;

fn purged_at_5_next_9() -> Standing {
    Standing { next_index: 9, purged: Some((5, Bytes::from_static(b"p"))), state: None }
}

#[test]
fn each_record_is_judged_by_what_stands() {
    let entry = |index| Record::Entry { index, payload: Bytes::new() };
    let truncate = |index| Record::TruncateAfter { index };
    let purge = |index| Record::Purge { index, payload: Bytes::new() };
    let out_of_order = |expected, found| Err(LogError::OutOfOrder { expected, found });
    let below = |index| Err(LogError::BelowPurge { index, purged: 5 });
    let cases = [
        (vec![entry(9)], Ok(())),
        (vec![entry(8)], out_of_order(9, 8)),
        (vec![entry(10)], out_of_order(9, 10)),
        (vec![truncate(5), entry(6)], Ok(())),
        (vec![truncate(4)], below(4)),
        (vec![truncate(100), entry(9)], Ok(())),
        (vec![purge(5)], Ok(())),
        (vec![purge(4)], below(4)),
        (vec![purge(20), entry(21)], Ok(())),
        (vec![purge(20), entry(9)], out_of_order(21, 9)),
        (vec![truncate(6), purge(7), entry(8)], Ok(())),
        (vec![truncate(u64::MAX)], out_of_order(9, u64::MAX)),
        (vec![purge(u64::MAX)], out_of_order(9, u64::MAX)),
    ];
    for (records, expected) in cases {
        assert_eq!(purged_at_5_next_9().check(&records), expected, "{records:?}");
    }
}

#[test]
fn the_opening_brings_another_log_to_the_same_place() {
    let standing = Standing { state: Some(Bytes::from_static(b"s")), ..purged_at_5_next_9() };
    let mut other = Standing::new(9);
    standing.opening().iter().for_each(|record| other.apply(record));
    assert_eq!(other, standing);
    assert_eq!(Standing::new(1).opening(), []);
}
