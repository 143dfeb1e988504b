//! Names and headers of segments.

use super::*;
use crate::limits::{SEGMENT_BYTES_DEFAULT, SEGMENT_BYTES_MAX, SEGMENT_BYTES_MIN};

fn header() -> SegmentHeader {
    SegmentHeader {
        sequence: Sequence::new(3).unwrap(),
        salt: Salt::new(0x1122_3344),
        previous: Some(Link { sequence: Sequence::new(1).unwrap(), end: 4_000 }),
        next_index: 77,
        synced: 104,
    }
}

#[test]
fn headers_come_back_and_every_flip_is_seen() {
    let first = SegmentHeader { previous: None, next_index: 1, ..header() };
    for header in [header(), first] {
        let bytes = header.encode();
        assert_eq!(SegmentHeader::decode(&bytes), Ok(header));
        for flipped in 0..bytes.len() * 8 {
            let mut bytes = bytes;
            bytes[flipped / 8] ^= 1 << (flipped % 8);
            assert_eq!(SegmentHeader::decode(&bytes), Err(HeaderError::Damaged), "bit {flipped}");
        }
    }
}

/// Below the first entry there is none: what says so is refused, and not counted down from.
#[test]
fn a_header_before_the_first_index_is_damaged() {
    let bytes = SegmentHeader { next_index: 0, ..header() }.encode();
    assert_eq!(SegmentHeader::decode(&bytes), Err(HeaderError::Damaged));
}

/// The start after the next one would miss a segment that there never was.
#[test]
fn a_header_that_begins_behind_nothing_is_damaged() {
    let bytes = SegmentHeader { previous: None, next_index: 2, ..header() }.encode();
    assert_eq!(SegmentHeader::decode(&bytes), Err(HeaderError::Damaged));
}

#[test]
fn names_come_back_and_others_are_none_of_ours() {
    for name in [
        FileName::Segment(Sequence::FIRST),
        FileName::Segment(Sequence::new(u64::MAX).unwrap()),
        FileName::Spare(0),
        FileName::Spare(16),
    ] {
        assert_eq!(FileName::parse(&name.to_string()), Some(name));
    }
    assert_eq!(Sequence::new(26).unwrap().file_name(), "000000000000001a.log");
    let others = [
        "",
        ".log",
        "1.log",
        "0000000000000000.log",
        "000000000000000g.log",
        "+000000000000001.log",
        "lost+found",
        "000000000000001a.lo",
        "000000000000001a.log.bak",
    ];
    for name in others {
        assert_eq!(FileName::parse(name), None, "{name}");
    }
}

#[test]
fn every_segment_size_leaves_room_for_entries() {
    for segment_bytes in [SEGMENT_BYTES_MIN, 8_192, 1 << 20, SEGMENT_BYTES_DEFAULT, SEGMENT_BYTES_MAX] {
        let entry = entry_bytes_max(segment_bytes);
        assert!(entry > segment_bytes / 2, "{segment_bytes}");
        assert!(BATCH_HEADER_BYTES + framed_bytes(entry) <= usable_bytes(segment_bytes));
        assert!(reserve_bytes(segment_bytes) < usable_bytes(segment_bytes) / 2);
    }
    // What the issue of large messages asks of the default.
    assert!(entry_bytes_max(SEGMENT_BYTES_DEFAULT) > 63 << 20);
}
