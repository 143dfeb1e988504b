//! The keys of everything the queue manager keeps: the table of the stored form.
//!
//! | family | prefix | key | value | lives |
//! |---|---|---|---|---|
//! | Messages | - | queue u32, band u8, sequence u64 | `StoredMessage` | until received, expired, purged, dead-lettered |
//! | Bodies | - | body u64, part u32 | at most `BODY_PART_BYTES` bytes | as long as its one owner |
//! | State | 20 Meta | - | next queue id | for ever |
//! | State | 21 Queue | queue u32 | name, settings, owner, going or not | until the last sweep of its delete |
//! | State | 22 Counters | queue u32 | next sequences, heads, counts | with its queue |
//! | State | 23 Status | message key | `Status` | from the first failed receive until the message leaves |
//! | State | 24 Expiry | time u64, message key | - | with its message, outside the dead-letter queue |
//! | State | 25 DeadLetter | manager 16 bytes, ordinal u64 | message key | with its message in the dead-letter queue |
//! | State | 26 Branch | format u32, gtrid and bqual with length bytes | time, work | from prepare to phase two |
//! | State | 27 Held | as Branch | runs of message keys | from a held commit to its release (P10) |
//! | State | 28 Stage | stage u64, part u32 | work | until its transaction commits, or the epoch ends (P26) |
//! | State | 29 StagedBody | body u64 | length | until something owns the body, or the epoch ends (P26) |
//! | State | 2a Producer | name | epoch, next and oldest sequence, last use, mark | until evicted (P24) |
//! | State | 2b ProducerResult | name with length byte, first sequence u64 | count, result | the window of its producer (P24) |
//!
//! Integers are big-endian, so that bytes order as the keys do. Values begin with a version byte. Numbers are stored:
//! never given again. Prefixes 20 to 3f are the queue manager's; others in `State` belong to the coordinator and the machine.

use bytes::{BufMut, Bytes};
use handfast_protocol::{Bqual, Gtrid, MessageId, ProducerName, Timestamp, Xid};
use handfast_store::Family;
use uuid::Uuid;

use super::ground::BANDS;
use crate::{BodyId, MessageKey, QueueId, StageId};

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    Message(MessageKey),
    BodyPart(BodyId, u32),
    Meta,
    Queue(QueueId),
    Counters(QueueId),
    Status(MessageKey),
    Expiry(Timestamp, MessageKey),
    DeadLetter(MessageId),
    Branch(Xid),
    Held(Xid),
    Stage(StageId, u32),
    StagedBody(BodyId),
    Producer(ProducerName),
    ProducerResult(ProducerName, u64),
}

/// The prefix byte of each kind of key in [`Family::State`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum KeyKind {
    Meta = 0x20,
    Queue = 0x21,
    Counters = 0x22,
    Status = 0x23,
    Expiry = 0x24,
    DeadLetter = 0x25,
    Branch = 0x26,
    Held = 0x27,
    Stage = 0x28,
    StagedBody = 0x29,
    Producer = 0x2a,
    ProducerResult = 0x2b,
}

impl KeyKind {
    pub(crate) const ALL: [KeyKind; 12] = [
        KeyKind::Meta,
        KeyKind::Queue,
        KeyKind::Counters,
        KeyKind::Status,
        KeyKind::Expiry,
        KeyKind::DeadLetter,
        KeyKind::Branch,
        KeyKind::Held,
        KeyKind::Stage,
        KeyKind::StagedBody,
        KeyKind::Producer,
        KeyKind::ProducerResult,
    ];

    /// The half-open range of all keys of this kind.
    pub(crate) fn range(self) -> ([u8; 1], [u8; 1]) {
        ([self as u8], [self as u8 + 1])
    }
}

impl Key {
    pub(crate) fn family(&self) -> Family {
        match self {
            Key::Message(_) => Family::Messages,
            Key::BodyPart(..) => Family::Bodies,
            Key::Meta
            | Key::Queue(_)
            | Key::Counters(_)
            | Key::Status(_)
            | Key::Expiry(..)
            | Key::DeadLetter(_)
            | Key::Branch(_)
            | Key::Held(_)
            | Key::Stage(..)
            | Key::StagedBody(_)
            | Key::Producer(_)
            | Key::ProducerResult(..) => Family::State,
        }
    }

    pub(crate) fn encode(&self) -> Bytes {
        let mut bytes = Vec::with_capacity(32);
        match self {
            Key::Message(key) => put_message_key(&mut bytes, key),
            Key::BodyPart(body, part) => {
                bytes.put_u64(body.0);
                bytes.put_u32(*part);
            }
            Key::Meta => bytes.put_u8(KeyKind::Meta as u8),
            Key::Queue(queue) => put(&mut bytes, KeyKind::Queue, &queue.0.to_be_bytes()),
            Key::Counters(queue) => put(&mut bytes, KeyKind::Counters, &queue.0.to_be_bytes()),
            Key::Status(key) => {
                bytes.put_u8(KeyKind::Status as u8);
                put_message_key(&mut bytes, key);
            }
            Key::Expiry(time, key) => {
                put(&mut bytes, KeyKind::Expiry, &time.0.to_be_bytes());
                put_message_key(&mut bytes, key);
            }
            Key::DeadLetter(id) => {
                put(&mut bytes, KeyKind::DeadLetter, id.manager.as_bytes());
                bytes.put_u64(id.ordinal);
            }
            Key::Branch(xid) => put_xid(&mut bytes, KeyKind::Branch, xid),
            Key::Held(xid) => put_xid(&mut bytes, KeyKind::Held, xid),
            Key::Stage(stage, part) => {
                put(&mut bytes, KeyKind::Stage, &stage.0.to_be_bytes());
                bytes.put_u32(*part);
            }
            Key::StagedBody(body) => put(&mut bytes, KeyKind::StagedBody, &body.0.to_be_bytes()),
            Key::Producer(name) => put(&mut bytes, KeyKind::Producer, name.as_str().as_bytes()),
            Key::ProducerResult(name, sequence) => {
                bytes.put_u8(KeyKind::ProducerResult as u8);
                put_sized(&mut bytes, name.as_str().as_bytes());
                bytes.put_u64(*sequence);
            }
        }
        Bytes::from(bytes)
    }

    /// `None`: not a key that [`Key::encode`] writes.
    pub(crate) fn decode(family: Family, bytes: &[u8]) -> Option<Key> {
        let mut rest = Rest(bytes);
        let key = match family {
            Family::Messages => Key::Message(rest.message_key()?),
            Family::Bodies => Key::BodyPart(BodyId(rest.u64()?), rest.u32()?),
            Family::State => decode_state(&mut rest)?,
        };
        rest.0.is_empty().then_some(key)
    }
}

fn decode_state(rest: &mut Rest<'_>) -> Option<Key> {
    let prefix = rest.u8()?;
    Some(match KeyKind::ALL.into_iter().find(|kind| *kind as u8 == prefix)? {
        KeyKind::Meta => Key::Meta,
        KeyKind::Queue => Key::Queue(QueueId(rest.u32()?)),
        KeyKind::Counters => Key::Counters(QueueId(rest.u32()?)),
        KeyKind::Status => Key::Status(rest.message_key()?),
        KeyKind::Expiry => Key::Expiry(Timestamp(rest.u64()?), rest.message_key()?),
        KeyKind::DeadLetter => {
            Key::DeadLetter(MessageId { manager: Uuid::from_slice(rest.take(16)?).ok()?, ordinal: rest.u64()? })
        }
        KeyKind::Branch => Key::Branch(rest.xid()?),
        KeyKind::Held => Key::Held(rest.xid()?),
        KeyKind::Stage => Key::Stage(StageId(rest.u64()?), rest.u32()?),
        KeyKind::StagedBody => Key::StagedBody(BodyId(rest.u64()?)),
        KeyKind::Producer => Key::Producer(producer_name(rest.take(rest.0.len())?)?),
        KeyKind::ProducerResult => Key::ProducerResult(producer_name(rest.sized()?)?, rest.u64()?),
    })
}

fn put(bytes: &mut Vec<u8>, kind: KeyKind, rest: &[u8]) {
    bytes.put_u8(kind as u8);
    bytes.put_slice(rest);
}

fn put_message_key(bytes: &mut Vec<u8>, key: &MessageKey) {
    bytes.put_u32(key.queue.0);
    bytes.put_u8(key.band);
    bytes.put_u64(key.sequence);
}

fn put_xid(bytes: &mut Vec<u8>, kind: KeyKind, xid: &Xid) {
    put(bytes, kind, &xid.format_id.to_be_bytes());
    put_sized(bytes, xid.gtrid.as_bytes());
    put_sized(bytes, xid.bqual.as_bytes());
}

/// Names and xid parts are checked to be at most 128 bytes where they are made, so one byte holds the length.
fn put_sized(bytes: &mut Vec<u8>, part: &[u8]) {
    bytes.put_u8(u8::try_from(part.len()).expect("names and xid parts are at most 128 bytes"));
    bytes.put_slice(part);
}

fn producer_name(bytes: &[u8]) -> Option<ProducerName> {
    ProducerName::new(std::str::from_utf8(bytes).ok()?).ok()
}

/// What is still to be read of a key.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn u8(&mut self) -> Option<u8> {
        Some(self.take(1)?[0])
    }

    fn u32(&mut self) -> Option<u32> {
        Some(u32::from_be_bytes(self.take(4)?.try_into().ok()?))
    }

    fn u64(&mut self) -> Option<u64> {
        Some(u64::from_be_bytes(self.take(8)?.try_into().ok()?))
    }

    fn sized(&mut self) -> Option<&'a [u8]> {
        let length = self.u8()?;
        self.take(usize::from(length))
    }

    fn message_key(&mut self) -> Option<MessageKey> {
        let key = MessageKey { queue: QueueId(self.u32()?), band: self.u8()?, sequence: self.u64()? };
        (key.band < BANDS).then_some(key)
    }

    fn xid(&mut self) -> Option<Xid> {
        let format_id = self.u32()?;
        let gtrid = Gtrid::new(Bytes::copy_from_slice(self.sized()?)).ok()?;
        let bqual = Bqual::new(Bytes::copy_from_slice(self.sized()?)).ok()?;
        Some(Xid { format_id, gtrid, bqual })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn message_keys() -> impl Strategy<Value = MessageKey> {
        (any::<u32>(), 0..BANDS, any::<u64>()).prop_map(|(queue, band, sequence)| MessageKey {
            queue: QueueId(queue),
            band,
            sequence,
        })
    }

    fn xids() -> impl Strategy<Value = Xid> {
        let part = || prop::collection::vec(any::<u8>(), 0..=64);
        (any::<u32>(), part(), part()).prop_map(|(format_id, gtrid, bqual)| Xid {
            format_id,
            gtrid: Gtrid::new(gtrid).unwrap(),
            bqual: Bqual::new(bqual).unwrap(),
        })
    }

    fn names() -> impl Strategy<Value = ProducerName> {
        "[a-zß-ü0-9 ]{1,60}".prop_map(|name| ProducerName::new(name).unwrap())
    }

    /// One strategy for every kind: a new kind without its row here fails `every_kind_is_drawn`.
    fn keys() -> impl Strategy<Value = Key> {
        let ids = any::<(u128, u64)>()
            .prop_map(|(manager, ordinal)| MessageId { manager: Uuid::from_u128(manager), ordinal });
        prop_oneof![
            message_keys().prop_map(Key::Message),
            any::<(u64, u32)>().prop_map(|(body, part)| Key::BodyPart(BodyId(body), part)),
            Just(Key::Meta),
            any::<u32>().prop_map(|queue| Key::Queue(QueueId(queue))),
            any::<u32>().prop_map(|queue| Key::Counters(QueueId(queue))),
            message_keys().prop_map(Key::Status),
            (any::<u64>(), message_keys()).prop_map(|(time, key)| Key::Expiry(Timestamp(time), key)),
            ids.prop_map(Key::DeadLetter),
            xids().prop_map(Key::Branch),
            xids().prop_map(Key::Held),
            any::<(u64, u32)>().prop_map(|(stage, part)| Key::Stage(StageId(stage), part)),
            any::<u64>().prop_map(|body| Key::StagedBody(BodyId(body))),
            names().prop_map(Key::Producer),
            (names(), any::<u64>()).prop_map(|(name, sequence)| Key::ProducerResult(name, sequence)),
        ]
    }

    proptest! {
        #[test]
        fn round_trips(key in keys()) {
            let bytes = key.encode();
            prop_assert_eq!(Key::decode(key.family(), &bytes), Some(key));
        }

        #[test]
        fn any_bytes_are_a_key_or_none(bytes in prop::collection::vec(any::<u8>(), 0..40), kind in 0x20..0x2du8) {
            let prefixed: Vec<u8> = std::iter::once(kind).chain(bytes).collect();
            for family in Family::ALL {
                if let Some(key) = Key::decode(family, &prefixed) {
                    prop_assert_eq!(key.encode(), prefixed.clone());
                }
            }
        }

        #[test]
        fn messages_order_by_queue_band_sequence(one in message_keys(), other in message_keys()) {
            prop_assert_eq!(Key::Message(one).encode().cmp(&Key::Message(other).encode()), one.cmp(&other));
        }

        #[test]
        fn the_expiry_index_orders_by_time(one in any::<u64>(), other in any::<u64>(), key in message_keys()) {
            let at = |time| Key::Expiry(Timestamp(time), key).encode();
            prop_assert_eq!(at(one).cmp(&at(other)), one.cmp(&other));
        }
    }

    #[test]
    fn every_kind_is_drawn() {
        use proptest::strategy::ValueTree;
        let mut runner = proptest::test_runner::TestRunner::deterministic();
        let drawn: std::collections::BTreeSet<u8> = (0..1000)
            .map(|_| keys().new_tree(&mut runner).unwrap().current())
            .filter(|key| key.family() == Family::State)
            .map(|key| key.encode()[0])
            .collect();
        assert_eq!(drawn, KeyKind::ALL.into_iter().map(|kind| kind as u8).collect());
    }
}
