//! X/Open XA transaction branch identifiers (XA+ 4.2).

use std::fmt;
use std::str::FromStr;

use bytes::Bytes;

use crate::GlobalId;
use crate::limits::XID_PART_BYTES_MAX;

/// A global transaction id: at most 64 opaque bytes (XA+ 4.2). Only our own coordinator reads the inside of its own (P1).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Gtrid(Bytes);

/// A branch qualifier: at most 64 opaque bytes (XA+ 4.2).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bqual(Bytes);

/// An xid part longer than X/Open XA allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{part} has {length} bytes; X/Open XA allows at most {XID_PART_BYTES_MAX}")]
pub struct IdTooLong {
    pub part: &'static str,
    pub length: usize,
}

macro_rules! xid_part {
    ($name:ident, $part:literal) => {
        impl $name {
            pub fn new(bytes: impl Into<Bytes>) -> Result<Self, IdTooLong> {
                let bytes = bytes.into();
                if bytes.len() > XID_PART_BYTES_MAX {
                    return Err(IdTooLong { part: $part, length: bytes.len() });
                }
                Ok(Self(bytes))
            }

            pub fn as_bytes(&self) -> &[u8] {
                &self.0
            }
        }

        /// Lowercase hexadecimal.
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }
    };
}

xid_part!(Gtrid, "gtrid");
xid_part!(Bqual, "bqual");

/// One branch of one global transaction: what a single resource manager does for it (D5). Every request names it; there is
/// no "current transaction" of a connection.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Xid {
    pub format_id: u32,
    pub gtrid: Gtrid,
    pub bqual: Bqual,
}

impl Xid {
    /// The format id of xids whose gtrid our coordinator made: "HAND" in ASCII. Any other is foreign and opaque.
    pub const FORMAT_HANDFAST: u32 = u32::from_be_bytes(*b"HAND");
}

/// `format:gtrid:bqual`, the two parts in hexadecimal; one that a Handfast coordinator made as its [`GlobalId`], which is how
/// users know its transaction.
impl fmt::Display for Xid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match GlobalId::of(self) {
            Some(id) => id.fmt(f),
            None => write!(f, "{}:{}:{}", self.format_id, self.gtrid, self.bqual),
        }
    }
}

/// A text that is no xid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an xid of the form FORMAT:GTRID:BQUAL, the last two in hexadecimal")]
pub struct XidInvalid(String);

/// Reads `format:gtrid:bqual`.
impl FromStr for Xid {
    type Err = XidInvalid;

    fn from_str(text: &str) -> Result<Xid, XidInvalid> {
        let read = || {
            let mut parts = text.split(':');
            let format_id = parts.next()?.parse().ok()?;
            let gtrid = Gtrid::new(of_hexadecimal(parts.next()?)?).ok()?;
            let bqual = Bqual::new(of_hexadecimal(parts.next()?)?).ok()?;
            parts.next().is_none().then_some(Xid { format_id, gtrid, bqual })
        };
        read().ok_or_else(|| XidInvalid(text.to_owned()))
    }
}

fn of_hexadecimal(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    let is_hexadecimal = digits.len().is_multiple_of(2) && digits.iter().all(u8::is_ascii_hexdigit);
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    is_hexadecimal.then(|| digits.chunks(2).map(byte).collect())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_holds_64_bytes_and_not_one_more() {
        assert_eq!(Gtrid::new(vec![7; 64]).map(|id| id.as_bytes().len()), Ok(64));
        assert_eq!(Bqual::new(vec![7; 65]), Err(IdTooLong { part: "bqual", length: 65 }));
    }

    #[test]
    fn reads_what_it_shows_in_hexadecimal() {
        let xid = Xid { format_id: 1, gtrid: Gtrid::new(vec![0, 255]).unwrap(), bqual: Bqual::new(vec![]).unwrap() };
        assert_eq!(xid.to_string(), "1:00ff:");
        assert_eq!("1:00ff:".parse(), Ok(xid));
        for wrong in ["", "1:00ff", "1:0:", "1:0g:", "x:00:", "1:00:00:00", "1:+1:", &format!("1:{}:", "00".repeat(65))]
        {
            assert_eq!(wrong.parse::<Xid>(), Err(XidInvalid(wrong.to_owned())));
        }
    }

    #[test]
    fn shows_a_transaction_of_ours_as_users_know_it() {
        let id = GlobalId::from_bytes(&[7; GlobalId::BYTES]).unwrap();
        assert_eq!(id.branch(Bqual::new(vec![0]).unwrap()).to_string(), id.to_string());
    }
}
