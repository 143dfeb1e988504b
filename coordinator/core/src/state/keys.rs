//! The keys of the coordinator's records, all in [`Family::State`](handfast_store::Family) under first bytes of its own.
//!
//! | byte | rest of the key       | value               | lifetime                                               |
//! |------|-----------------------|---------------------|--------------------------------------------------------|
//! | C0   |                       | identity            | for ever; rewritten by each leadership (P2)            |
//! | C1   | resource name         | resource            | from AddResource to RemoveResource                     |
//! | C2   | gtrid, 40 bytes       | transaction         | from Delegate or Decide to its end, or to Forget       |
//! | C3   | gtrid, 40 bytes       | outcome             | from the end on, as long as outcomes are kept (P20)    |
//! | C4   | ordinal, big-endian   | time, gtrid         | as long as its outcome; ordinals have no gaps          |
//! | C5   |                       | horizon             | for ever; rewritten when outcomes are forgotten (P20)  |

use bytes::Bytes;
use handfast_protocol::{GlobalId, ResourceName};

/// The kinds of records; the number is the first byte of their keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(super) enum KeyKind {
    Identity = 0xC0,
    Resource = 0xC1,
    Transaction = 0xC2,
    Outcome = 0xC3,
    Order = 0xC4,
    Horizon = 0xC5,
}

impl KeyKind {
    #[cfg(test)]
    pub const ALL: [KeyKind; 6] = [
        KeyKind::Identity,
        KeyKind::Resource,
        KeyKind::Transaction,
        KeyKind::Outcome,
        KeyKind::Order,
        KeyKind::Horizon,
    ];

    fn key(self, rest: &[u8]) -> Bytes {
        [&[self as u8], rest].concat().into()
    }

    /// The first key of this kind.
    pub fn start(self) -> Bytes {
        self.key(&[])
    }

    /// The first key that is above every key of this kind.
    pub fn end(self) -> Bytes {
        Bytes::copy_from_slice(&[self as u8 + 1])
    }
}

pub(super) fn identity() -> Bytes {
    KeyKind::Identity.start()
}

pub(super) fn resource(name: &ResourceName) -> Bytes {
    KeyKind::Resource.key(name.as_str().as_bytes())
}

pub(super) fn transaction(id: GlobalId) -> Bytes {
    KeyKind::Transaction.key(&id.to_bytes())
}

pub(super) fn outcome(id: GlobalId) -> Bytes {
    KeyKind::Outcome.key(&id.to_bytes())
}

pub(super) fn order(ordinal: u64) -> Bytes {
    KeyKind::Order.key(&ordinal.to_be_bytes())
}

pub(super) fn horizon() -> Bytes {
    KeyKind::Horizon.start()
}

/// The gtrid of a key of a transaction or an outcome.
pub(super) fn read_id(key: &[u8]) -> Option<GlobalId> {
    GlobalId::from_bytes(key.get(1..)?)
}

/// The name of a resource's key.
pub(super) fn read_name(key: &[u8]) -> Option<ResourceName> {
    ResourceName::new(std::str::from_utf8(key.get(1..)?).ok()?).ok()
}
