//! Stored forms: fixtures that must not change, round trips, and bytes from nowhere (P31).

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;

use super::*;

fn log_id(term: u64, index: u64) -> LogIdRecord {
    LogIdRecord { term, index }
}

fn one_voter() -> MembershipRecord {
    MembershipRecord { voters: vec![vec![1]], members: vec![1] }
}

fn stored_entry(header: &EntryHeader, payload: &[u8]) -> Bytes {
    let mut out = BytesMut::new();
    encode_entry(&mut out, header, payload);
    out.freeze()
}

fn stored_position(position: &PositionRecord) -> Bytes {
    let mut out = BytesMut::new();
    encode_position(&mut out, position);
    out.freeze()
}

fn normal(term: u64, index: u64) -> EntryHeader {
    EntryHeader { kind: EntryKind::Normal, log_id: log_id(term, index) }
}

fn position() -> PositionRecord {
    PositionRecord { log_id: log_id(3, 300), membership_log_id: Some(log_id(0, 0)), membership: one_voter() }
}

/// These bytes are on users' disks. A change that moves one of them needs a new version byte, and
/// the old bytes stay readable.
#[test]
fn stored_bytes_are_these() {
    let membership = EntryHeader { kind: EntryKind::Membership(one_voter()), log_id: log_id(0, 0) };
    let state = StateRecord {
        vote: Some(VoteRecord { term: 3, voted_for: 1, granted: true }),
        committed: Some(log_id(3, 300)),
    };
    let written: [(&str, Bytes, &[u8]); 7] = [
        ("blank", stored_entry(&EntryHeader { kind: EntryKind::Blank, log_id: log_id(1, 1) }, b""), &[1, 0, 1, 1]),
        ("normal", stored_entry(&normal(3, 300), b"ab"), &[1, 1, 3, 251, 44, 1, b'a', b'b']),
        ("membership", stored_entry(&membership, b""), &[1, 2, 1, 1, 1, 1, 1, 0, 0]),
        ("state", encode_state(&state), &[1, 1, 3, 1, 1, 1, 3, 251, 44, 1]),
        ("empty state", encode_state(&StateRecord::default()), &[1, 0, 0]),
        ("log id", encode_log_id(&log_id(3, 300)), &[1, 3, 251, 44, 1]),
        ("position", stored_position(&position()), &[1, 3, 251, 44, 1, 1, 0, 0, 1, 1, 1, 1, 1]),
    ];
    for (what, bytes, fixture) in written {
        assert_eq!(bytes, fixture, "{what}");
    }
}

#[test]
fn payload_is_a_slice_of_the_stored_bytes() {
    let stored = stored_entry(&normal(3, 300), b"payload");
    let (header, payload) = decode_entry(&stored).unwrap();
    assert_eq!((header, &payload[..]), (normal(3, 300), &b"payload"[..]));
    let at = payload.as_ptr() as usize - stored.as_ptr() as usize;
    assert_eq!(at, stored.len() - payload.len());
}

#[test]
fn refusals() {
    let entry = |bytes: &'static [u8]| decode_entry(&Bytes::from_static(bytes)).unwrap_err();
    assert_eq!(entry(b""), DecodeError::Empty { record: "log entry" });
    assert_eq!(entry(&[2, 0, 1, 1]), DecodeError::Version { record: "log entry", found: 2, known: 1 });
    assert_eq!(entry(&[1, 3, 1, 1]), DecodeError::Malformed { record: "log entry", bytes: 4 });
    assert_eq!(entry(&[1, 0, 1]), DecodeError::Malformed { record: "log entry", bytes: 3 });
    // Only a normal entry has a payload.
    assert_eq!(entry(&[1, 0, 1, 1, 9]), DecodeError::TrailingBytes { record: "log entry", bytes: 1 });
    assert_eq!(decode_log_id(&[1, 3, 1, 0]), Err(DecodeError::TrailingBytes { record: "log id", bytes: 1 }));
    // An index without room above it.
    assert_eq!(
        decode_log_id(&encode_log_id(&log_id(1, u64::MAX))),
        Err(DecodeError::Malformed { record: "log id", bytes: 11 })
    );
    // A list that claims 2^64 - 1 voters: nothing is allocated for it.
    let liar = [1, 2, 253, 255, 255, 255, 255, 255, 255, 255, 255];
    assert_eq!(
        decode_entry(&Bytes::copy_from_slice(&liar)),
        Err(DecodeError::Malformed { record: "log entry", bytes: 11 })
    );
}

#[test]
fn a_large_payload_is_no_part_of_the_record_limit() {
    let payload = vec![7; 2 * RECORD_BYTES_MAX];
    let (_, read) = decode_entry(&stored_entry(&normal(1, 1), &payload)).unwrap();
    assert_eq!(read, payload);
}

fn any_log_id() -> impl Strategy<Value = LogIdRecord> {
    (any::<u64>(), 0..=RAFT_INDEX_MAX).prop_map(|(term, index)| log_id(term, index))
}

fn any_membership() -> impl Strategy<Value = MembershipRecord> {
    let ids = || prop::collection::vec(any::<u64>(), 0..5);
    (prop::collection::vec(ids(), 0..3), ids()).prop_map(|(voters, members)| MembershipRecord { voters, members })
}

fn any_kind() -> impl Strategy<Value = EntryKind> {
    prop_oneof![Just(EntryKind::Blank), Just(EntryKind::Normal), any_membership().prop_map(EntryKind::Membership),]
}

fn any_vote() -> impl Strategy<Value = VoteRecord> {
    (any::<u64>(), any::<u64>(), any::<bool>()).prop_map(|(term, voted_for, granted)| VoteRecord {
        term,
        voted_for,
        granted,
    })
}

proptest! {
    #[test]
    fn entries_come_back(
        kind in any_kind(),
        log_id in any_log_id(),
        payload in prop::collection::vec(any::<u8>(), 0..64),
    ) {
        let payload = if kind == EntryKind::Normal { payload } else { Vec::new() };
        let header = EntryHeader { kind, log_id };
        let (read, rest) = decode_entry(&stored_entry(&header, &payload)).unwrap();
        prop_assert_eq!(read, header);
        prop_assert_eq!(rest, payload);
    }

    #[test]
    fn states_come_back(
        vote in prop::option::of(any_vote()),
        committed in prop::option::of(any_log_id()),
    ) {
        let state = StateRecord { vote, committed };
        prop_assert_eq!(decode_state(&encode_state(&state)), Ok(state));
    }

    #[test]
    fn log_ids_come_back(log_id in any_log_id()) {
        prop_assert_eq!(decode_log_id(&encode_log_id(&log_id)), Ok(log_id));
    }

    #[test]
    fn positions_come_back(
        log_id in any_log_id(),
        membership_log_id in prop::option::of(any_log_id()),
        membership in any_membership(),
    ) {
        let position = PositionRecord { log_id, membership_log_id, membership };
        prop_assert_eq!(decode_position(&stored_position(&position)), Ok(position));
    }

    /// Any bytes are either refused or are exactly what encodes back to them.
    #[test]
    fn arbitrary_bytes_never_panic(
        version in prop_oneof![9 => Just(1u8), 1 => any::<u8>()],
        mut bytes in prop::collection::vec(prop_oneof![0..4u8, 250..=255u8, any::<u8>()], 0..64),
    ) {
        bytes.insert(0, version);
        let bytes = Bytes::from(bytes);
        if let Ok((header, payload)) = decode_entry(&bytes) {
            prop_assert_eq!(decode_entry(&stored_entry(&header, &payload)), Ok((header, payload)));
        }
        if let Ok(state) = decode_state(&bytes) {
            prop_assert_eq!(decode_state(&encode_state(&state)), Ok(state));
        }
        if let Ok(log_id) = decode_log_id(&bytes) {
            prop_assert_eq!(decode_log_id(&encode_log_id(&log_id)), Ok(log_id));
        }
        if let Ok(position) = decode_position(&bytes) {
            prop_assert_eq!(decode_position(&stored_position(&position)), Ok(position));
        }
    }
}
