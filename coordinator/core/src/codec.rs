//! The stored forms of this crate: commands in the log and records in the store. The only place that knows bincode.
//!
//! Each begins with a version byte; the types are private and plain, so that no change elsewhere changes stored bytes. Decoding
//! takes any bytes: it never panics, and reads at most [`RECORD_BYTES_MAX`].

#[cfg(test)]
mod codec_test;
mod command;
mod record;

use bincode::config::{Configuration, Limit, LittleEndian, Varint};
use bytes::Bytes;
use handfast_protocol::{CoordinatorId, GlobalId, Heuristic, Incarnation, Outcome, ResourceKind, ResourceName};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::limits::RECORD_BYTES_MAX;

pub use command::{decode_command, encode_command};
pub(crate) use record::{
    HorizonRecord, OrderRecord, OutcomeRecord, decode_horizon, decode_identity, decode_order, decode_outcome,
    decode_resource, decode_transaction, encode_horizon, encode_identity, encode_order, encode_outcome,
    encode_resource, encode_transaction,
};

/// The newest version of every stored form. One number for all: they change together or not at all.
const VERSION: u8 = 1;

/// A command of the log that this version cannot read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CommandUnreadable {
    #[error("the command has format version {version}; this version of Handfast reads up to {newest}")]
    Version { version: u8, newest: u8 },
    #[error("the command is malformed: {cause}")]
    Malformed { cause: String },
}

/// A stored record that this version cannot read; the caller knows its key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RecordUnreadable {
    #[error("it is empty")]
    Empty,
    #[error("it has format version {version}; this version of Handfast reads up to {VERSION}")]
    Version { version: u8 },
    #[error("{0}")]
    Malformed(String),
}

const FORMAT: Configuration<LittleEndian, Varint, Limit<RECORD_BYTES_MAX>> =
    bincode::config::standard().with_limit::<RECORD_BYTES_MAX>();

fn encode<T: Serialize>(record: &T, into: &mut Vec<u8>) {
    into.push(VERSION);
    bincode::serde::encode_into_std_write(record, into, FORMAT).expect("plain records in memory always encode");
}

fn encode_whole<T: Serialize>(record: &T) -> Bytes {
    let mut bytes = Vec::with_capacity(64);
    encode(record, &mut bytes);
    bytes.into()
}

fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, RecordUnreadable> {
    let (version, rest) = bytes.split_first().ok_or(RecordUnreadable::Empty)?;
    if *version != VERSION {
        return Err(RecordUnreadable::Version { version: *version });
    }
    let malformed = |cause: String| RecordUnreadable::Malformed(cause);
    let (record, read) =
        bincode::serde::decode_from_slice(rest, FORMAT).map_err(|cause| malformed(cause.to_string()))?;
    match rest.len() - read {
        0 => Ok(record),
        left => Err(malformed(format!("{left} bytes are left over"))),
    }
}

/// A gtrid, by its parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct IdForm {
    coordinator: u128,
    incarnation: u64,
    epoch: u64,
    sequence: u64,
}

impl From<GlobalId> for IdForm {
    fn from(id: GlobalId) -> IdForm {
        IdForm {
            coordinator: id.coordinator.0.as_u128(),
            incarnation: id.incarnation.0,
            epoch: id.epoch,
            sequence: id.sequence,
        }
    }
}

impl From<IdForm> for GlobalId {
    fn from(id: IdForm) -> GlobalId {
        GlobalId {
            coordinator: CoordinatorId(Uuid::from_u128(id.coordinator)),
            incarnation: Incarnation(id.incarnation),
            epoch: id.epoch,
            sequence: id.sequence,
        }
    }
}

fn name(text: String) -> Result<ResourceName, RecordUnreadable> {
    ResourceName::new(text).map_err(|cause| RecordUnreadable::Malformed(cause.to_string()))
}

/// One number for each value of a small closed set; a number that means nothing is malformed.
macro_rules! numbered {
    ($to:ident, $from:ident, $type:ty { $($value:path = $number:literal),+ $(,)? }) => {
        fn $to(value: $type) -> u8 {
            match value {
                $($value => $number),+
            }
        }

        fn $from(number: u8) -> Result<$type, RecordUnreadable> {
            match number {
                $($number => Ok($value),)+
                other => Err(RecordUnreadable::Malformed(format!("{other} is no {}", stringify!($type)))),
            }
        }
    };
}

numbered!(outcome_number, outcome, Outcome { Outcome::Committed = 1, Outcome::RolledBack = 2 });
numbered!(heuristic_number, heuristic, Heuristic {
    Heuristic::Commit = 1,
    Heuristic::Rollback = 2,
    Heuristic::Mixed = 3,
    Heuristic::Hazard = 4,
});
numbered!(kind_number, kind, ResourceKind {
    ResourceKind::PostgresMarker = 1,
    ResourceKind::PostgresTwoPhase = 2,
    ResourceKind::SqliteMarker = 3,
    ResourceKind::Service = 4,
});
