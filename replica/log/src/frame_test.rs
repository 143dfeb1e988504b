//! Frames survive the trip, and nothing else passes for one.

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

const SALT: Salt = Salt { value: 42, seed: 0x1234_5678 };

fn record() -> impl Strategy<Value = Record> {
    let payload = || vec(any::<u8>(), 0..100).prop_map(Bytes::from);
    prop_oneof![
        (any::<u64>(), payload()).prop_map(|(index, payload)| Record::Entry { index, payload }),
        payload().prop_map(|payload| Record::State { payload }),
        any::<u64>().prop_map(|index| Record::TruncateAfter { index }),
        (any::<u64>(), payload()).prop_map(|(index, payload)| Record::Purge { index, payload }),
    ]
}

fn view(record: &Record) -> RecordView<'_> {
    RecordView { kind: Kind::of(record), index: record.index(), payload: record.payload() }
}

proptest! {
    #[test]
    fn records_come_back_as_they_went(records in vec(record(), 1..5)) {
        let mut buffer = Vec::new();
        for record in &records {
            let before = buffer.len() as u64;
            encode_record(&mut buffer, SALT, record);
            prop_assert_eq!(buffer.len() as u64 - before, framed_record_bytes(record));
        }
        let mut rest = buffer.as_slice();
        for record in &records {
            let (decoded, framed) = decode_record(rest, SALT).unwrap();
            prop_assert_eq!(decoded, view(record));
            rest = &rest[framed..];
        }
        prop_assert!(rest.is_empty());
    }

    #[test]
    fn a_flip_anywhere_in_a_record_is_seen(record in record(), at in any::<prop::sample::Index>(), bit in 0_u8..8) {
        let mut buffer = Vec::new();
        encode_record(&mut buffer, SALT, &record);
        let at = at.index(buffer.len());
        buffer[at] ^= 1 << bit;
        prop_assert_eq!(decode_record(&buffer, SALT), Err(RecordError::Damaged));
    }

    #[test]
    fn a_record_of_another_use_of_the_segment_is_none(record in record(), other in any::<u64>()) {
        let mut buffer = Vec::new();
        encode_record(&mut buffer, Salt::new(other), &record);
        prop_assert!(decode_record(&buffer, Salt::new(other ^ 1)).is_err());
        prop_assert!(decode_record(&buffer, Salt::new(other)).is_ok());
    }

    #[test]
    fn a_cut_record_is_none(record in record(), at in any::<prop::sample::Index>()) {
        let mut buffer = Vec::new();
        encode_record(&mut buffer, SALT, &record);
        buffer.truncate(at.index(buffer.len()));
        prop_assert_eq!(decode_record(&buffer, SALT), Err(RecordError::Damaged));
    }

    #[test]
    fn any_bytes_decode_to_an_answer(bytes in vec(any::<u8>(), 0..200)) {
        prop_assert!(decode_record(&bytes, SALT).is_err());
        prop_assert_eq!(BatchHeader::decode(&bytes, SALT), None);
    }

    #[test]
    fn any_contents_with_a_right_checksum_decode_to_an_answer(mut bytes in vec(any::<u8>(), 24..200), length in 0_u32..200) {
        bytes[4..8].copy_from_slice(&length.to_le_bytes());
        let end = (framed_bytes(u64::from(length)) as usize).min(bytes.len());
        let crc = crc32c::crc32c_append(SALT.seed, &bytes[4..end]);
        bytes[..4].copy_from_slice(&crc.to_le_bytes());
        if let Ok((decoded, framed)) = decode_record(&bytes, SALT) {
            prop_assert_eq!(decoded.payload.len(), length as usize);
            prop_assert_eq!(framed, end);
        }
    }

    #[test]
    fn batch_headers_come_back_and_flips_are_seen(
        fields in any::<(u64, u64, u32, u32)>(),
        at in 0_usize..BATCH_HEADER_BYTES as usize,
        bit in 0_u8..8,
    ) {
        let (number, synced, body_bytes, records) = fields;
        let header = BatchHeader { number, synced, body_bytes, records };
        let mut bytes = header.encode(SALT);
        prop_assert_eq!(BatchHeader::decode(&bytes, SALT), Some(header));
        prop_assert_eq!(BatchHeader::decode(&bytes, Salt { value: 43, ..SALT }), None);
        bytes[at] ^= 1 << bit;
        prop_assert_eq!(BatchHeader::decode(&bytes, SALT), None);
    }
}

#[test]
fn a_record_of_a_newer_program_is_told_from_damage() {
    for (at, value) in [(16, 9), (17, 2)] {
        let mut buffer = Vec::new();
        encode_record(&mut buffer, SALT, &Record::TruncateAfter { index: 1 });
        buffer[at] = value;
        let crc = crc32c::crc32c_append(SALT.seed, &buffer[4..]);
        buffer[..4].copy_from_slice(&crc.to_le_bytes());
        assert_eq!(decode_record(&buffer, SALT), Err(RecordError::Newer { version: buffer[17] }));
    }
}

/// The stored form is a contract: these bytes are read for ever.
#[test]
fn the_layout_of_version_1_stays() {
    let mut buffer = Vec::new();
    encode_record(&mut buffer, Salt::new(7), &Record::Entry { index: 258, payload: Bytes::from_static(b"abc") });
    let expected =
        [6, 148, 43, 101, 3, 0, 0, 0, 2, 1, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, b'a', b'b', b'c', 0, 0, 0, 0, 0];
    assert_eq!(buffer, expected);
    let header = BatchHeader { number: 1, synced: 2, body_bytes: 32, records: 1 }.encode(Salt::new(7));
    let expected = [
        20, 46, 243, 42, b'T', b'B', b'F', b'H', 7, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0,
        0, 32, 0, 0, 0, 1, 0, 0, 0,
    ];
    assert_eq!(header, expected);
}
