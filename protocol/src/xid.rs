//! X/Open XA transaction branch identifiers (XA+ 4.2).

use std::fmt;

use bytes::Bytes;

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

/// `format:gtrid:bqual`, the two parts in hexadecimal.
impl fmt::Display for Xid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.format_id, self.gtrid, self.bqual)
    }
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
    fn shows_hexadecimal() {
        let xid = Xid { format_id: 1, gtrid: Gtrid::new(vec![0, 255]).unwrap(), bqual: Bqual::new(vec![]).unwrap() };
        assert_eq!(xid.to_string(), "1:00ff:");
    }
}
