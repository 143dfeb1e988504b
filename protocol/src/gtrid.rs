//! The inside of the gtrids that our own coordinator makes (P1).

use std::fmt;
use std::str::FromStr;

use bytes::Bytes;
use uuid::Uuid;

use crate::{Bqual, Gtrid, Xid};

/// The identity of a coordinator: 16 random bytes, made once with its data directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CoordinatorId(pub Uuid);

/// 64 random bits, drawn anew whenever a data directory turns out to be a restored or cloned copy (P3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Incarnation(pub u64);

/// A global transaction id of our own: never reused (P1), because the epoch grows with every leadership (P2) and the
/// sequence with every transaction.
///
/// As bytes (40, big-endian) ids order as this struct does, so that marker rows clean up in ranges (P14).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GlobalId {
    pub coordinator: CoordinatorId,
    pub incarnation: Incarnation,
    pub epoch: u64,
    pub sequence: u64,
}

/// A gtrid that is not in our form, or a text that is no gtrid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a transaction id of the form COORDINATOR-INCARNATION-EPOCH-SEQUENCE")]
pub struct GlobalIdError(pub String);

impl GlobalId {
    /// Bytes of the binary form: 16 + 8 + 8 + 8.
    pub const BYTES: usize = 40;

    pub fn to_gtrid(self) -> Gtrid {
        Gtrid::new(Bytes::copy_from_slice(&self.to_bytes())).expect("40 bytes are below the limit of 64")
    }

    /// The xid of this transaction's branch at one resource.
    pub fn branch(self, bqual: Bqual) -> Xid {
        Xid { format_id: Xid::FORMAT_HANDFAST, gtrid: self.to_gtrid(), bqual }
    }

    /// Whose branch it is, if our coordinator, or another Handfast's, made it.
    pub(crate) fn of(xid: &Xid) -> Option<GlobalId> {
        let is_ours = xid.format_id == Xid::FORMAT_HANDFAST;
        if is_ours { GlobalId::from_bytes(xid.gtrid.as_bytes()) } else { None }
    }

    pub fn to_bytes(self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[..16].copy_from_slice(self.coordinator.0.as_bytes());
        bytes[16..24].copy_from_slice(&self.incarnation.0.to_be_bytes());
        bytes[24..32].copy_from_slice(&self.epoch.to_be_bytes());
        bytes[32..].copy_from_slice(&self.sequence.to_be_bytes());
        bytes
    }

    /// Reads the binary form; `None` for anything that is not exactly [`GlobalId::BYTES`] long.
    pub fn from_bytes(bytes: &[u8]) -> Option<GlobalId> {
        let bytes: &[u8; Self::BYTES] = bytes.try_into().ok()?;
        let word = |at: usize| Some(u64::from_be_bytes(bytes[at..at + 8].try_into().ok()?));
        Some(GlobalId {
            coordinator: CoordinatorId(Uuid::from_slice(&bytes[..16]).ok()?),
            incarnation: Incarnation(word(16)?),
            epoch: word(24)?,
            sequence: word(32)?,
        })
    }
}

/// The inside of a gtrid of our own making; `None` when it is foreign.
impl TryFrom<&Xid> for GlobalId {
    type Error = GlobalIdError;

    fn try_from(xid: &Xid) -> Result<GlobalId, GlobalIdError> {
        GlobalId::of(xid).ok_or_else(|| GlobalIdError(xid.to_string()))
    }
}

impl fmt::Display for GlobalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let coordinator = self.coordinator.0.simple();
        write!(f, "{coordinator}-{:016x}-{}-{}", self.incarnation.0, self.epoch, self.sequence)
    }
}

impl FromStr for GlobalId {
    type Err = GlobalIdError;

    fn from_str(text: &str) -> Result<GlobalId, GlobalIdError> {
        parse(text).ok_or_else(|| GlobalIdError(text.to_owned()))
    }
}

/// Strict: only what `Display` prints is read, so that one transaction has one text.
fn parse(text: &str) -> Option<GlobalId> {
    let mut parts = text.split('-');
    let coordinator = CoordinatorId(Uuid::try_parse(parts.next()?).ok()?);
    let incarnation = Incarnation(u64::from_str_radix(parts.next()?, 16).ok()?);
    let epoch = parts.next()?.parse().ok()?;
    let sequence = parts.next()?.parse().ok()?;
    let id = GlobalId { coordinator, incarnation, epoch, sequence };
    (parts.next().is_none() && id.to_string() == text).then_some(id)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ids() -> impl Strategy<Value = GlobalId> {
        any::<(u128, u64, u64, u64)>().prop_map(|(coordinator, incarnation, epoch, sequence)| GlobalId {
            coordinator: CoordinatorId(Uuid::from_u128(coordinator)),
            incarnation: Incarnation(incarnation),
            epoch,
            sequence,
        })
    }

    proptest! {
        #[test]
        fn round_trips_and_keeps_its_order(one in ids(), other in ids()) {
            prop_assert_eq!(GlobalId::from_bytes(&one.to_bytes()), Some(one));
            prop_assert_eq!(one.to_string().parse(), Ok(one));
            prop_assert_eq!(one.to_bytes().cmp(&other.to_bytes()), one.cmp(&other));
            prop_assert!(one.to_string().len() < 100, "PostgreSQL allows a gid of 200 bytes");
        }

        #[test]
        fn any_text_parses_or_is_refused(text in ".{0,120}") {
            let parsed = text.parse::<GlobalId>();
            prop_assert!(parsed.map_or(true, |id| id.to_string() == text));
        }
    }

    #[test]
    fn a_foreign_xid_stays_opaque() {
        let id =
            GlobalId { coordinator: CoordinatorId(Uuid::nil()), incarnation: Incarnation(1), epoch: 2, sequence: 3 };
        let ours = id.branch(Bqual::new("q").unwrap());
        let foreign = Xid { format_id: 7, ..ours.clone() };
        assert_eq!(GlobalId::try_from(&ours), Ok(id));
        assert!(GlobalId::try_from(&foreign).is_err());
    }
}
