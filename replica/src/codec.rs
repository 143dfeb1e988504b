//! The stored forms of this crate: the only place that knows bincode (P31).
//!
//! Each record begins with a version byte. The types are plain numbers of our own; how they map to
//! openraft's is `raft/record.rs`. An entry's payload is not encoded: it follows its header as it
//! is, so that reading it back is a slice of what the log returned.
//!
//! | record   | bytes                                            | kept in                          |
//! |----------|--------------------------------------------------|----------------------------------|
//! | entry    | version, [`EntryHeader`], payload                | log, one record per entry        |
//! | state    | version, [`StateRecord`]                         | log, its latest state record     |
//! | log id   | version, [`LogIdRecord`]                         | log, payload of the purge record |
//! | position | version, [`PositionRecord`]                      | the state machine's store        |
//!
//! Decoding takes any bytes: it never panics, reads at most [`RECORD_BYTES_MAX`] of a record, and
//! refuses what is left over.

use bincode::config::{Configuration, Limit, LittleEndian, Varint};
use bytes::{BufMut, Bytes, BytesMut};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::DecodeError;
use crate::limits::{RAFT_INDEX_MAX, RECORD_BYTES_MAX};

const ENTRY_VERSION: u8 = 1;
const STATE_VERSION: u8 = 1;
const LOG_ID_VERSION: u8 = 1;
const POSITION_VERSION: u8 = 1;

/// Largest header of a blank or normal entry: version, kind, and two integers of at most nine bytes.
pub(crate) const PLAIN_HEADER_BYTES_MAX: usize = 1 + 1 + 9 + 9;

/// Indexes here are Raft's, which begin at 0; the log's are one higher (`raft/record.rs`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LogIdRecord {
    pub term: u64,
    pub index: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct VoteRecord {
    pub term: u64,
    pub voted_for: u64,
    /// Granted by a quorum: the voted node leads this term.
    pub granted: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StateRecord {
    pub vote: Option<VoteRecord>,
    /// Lags behind: it is written along with the next append. Losing it costs nothing, a restart
    /// learns it again from the election.
    pub committed: Option<LogIdRecord>,
}

/// Voters by configuration (two while a change is under way) and all members, learners included.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MembershipRecord {
    pub voters: Vec<Vec<u64>>,
    pub members: Vec<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum EntryKind {
    Blank,
    Normal,
    Membership(MembershipRecord),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct EntryHeader {
    pub kind: EntryKind,
    pub log_id: LogIdRecord,
}

/// Where a state machine stands: the last applied entry, and the membership in force there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PositionRecord {
    pub log_id: LogIdRecord,
    pub membership_log_id: Option<LogIdRecord>,
    pub membership: MembershipRecord,
}

/// Appends the stored form of an entry to `out`. The caller splits the buffer between entries, so
/// that a batch is one allocation.
pub(crate) fn encode_entry(out: &mut BytesMut, header: &EntryHeader, payload: &[u8]) {
    encode_versioned(out, ENTRY_VERSION, header);
    out.extend_from_slice(payload);
}

/// The payload is empty, and refused otherwise, unless the entry is a normal one.
pub(crate) fn decode_entry(stored: &Bytes) -> Result<(EntryHeader, Bytes), DecodeError> {
    const RECORD: &str = "log entry";
    let (header, consumed) = decode_versioned::<EntryHeader>(RECORD, ENTRY_VERSION, stored)?;
    check_log_id(RECORD, stored, header.log_id)?;
    let payload = stored.slice(consumed..);
    if header.kind != EntryKind::Normal && !payload.is_empty() {
        return Err(DecodeError::TrailingBytes { record: RECORD, bytes: payload.len() });
    }
    Ok((header, payload))
}

pub(crate) fn encode_state(state: &StateRecord) -> Bytes {
    encode_whole(STATE_VERSION, state)
}

pub(crate) fn decode_state(stored: &[u8]) -> Result<StateRecord, DecodeError> {
    const RECORD: &str = "replica state";
    let state: StateRecord = decode_whole(RECORD, STATE_VERSION, stored)?;
    state.committed.map_or(Ok(()), |committed| check_log_id(RECORD, stored, committed))?;
    Ok(state)
}

pub(crate) fn encode_log_id(log_id: &LogIdRecord) -> Bytes {
    encode_whole(LOG_ID_VERSION, log_id)
}

pub(crate) fn decode_log_id(stored: &[u8]) -> Result<LogIdRecord, DecodeError> {
    const RECORD: &str = "log id";
    let log_id = decode_whole(RECORD, LOG_ID_VERSION, stored)?;
    check_log_id(RECORD, stored, log_id)?;
    Ok(log_id)
}

/// Appends a position to `out`, as [`encode_entry`] does.
pub(crate) fn encode_position(out: &mut BytesMut, position: &PositionRecord) {
    encode_versioned(out, POSITION_VERSION, position);
}

pub(crate) fn decode_position(stored: &[u8]) -> Result<PositionRecord, DecodeError> {
    const RECORD: &str = "position";
    let position: PositionRecord = decode_whole(RECORD, POSITION_VERSION, stored)?;
    check_log_id(RECORD, stored, position.log_id)?;
    position.membership_log_id.map_or(Ok(()), |log_id| check_log_id(RECORD, stored, log_id))?;
    Ok(position)
}

fn check_log_id(record: &'static str, stored: &[u8], log_id: LogIdRecord) -> Result<(), DecodeError> {
    if log_id.index > RAFT_INDEX_MAX {
        return Err(DecodeError::Malformed { record, bytes: stored.len() });
    }
    Ok(())
}

type Format = Configuration<LittleEndian, Varint, Limit<RECORD_BYTES_MAX>>;

/// The standard format, with a limit on what decoding may claim.
fn format() -> Format {
    bincode::config::standard().with_limit::<RECORD_BYTES_MAX>()
}

fn encode_versioned<T: Serialize>(out: &mut BytesMut, version: u8, record: &T) {
    out.put_u8(version);
    bincode::serde::encode_into_std_write(record, &mut out.writer(), format())
        .expect("a growing buffer takes every byte, and plain integers and lists encode");
}

fn encode_whole<T: Serialize>(version: u8, record: &T) -> Bytes {
    let mut out = BytesMut::with_capacity(64);
    encode_versioned(&mut out, version, record);
    out.freeze()
}

/// The record and the number of bytes that it took, version byte included.
fn decode_versioned<T: DeserializeOwned>(
    record: &'static str,
    known: u8,
    stored: &[u8],
) -> Result<(T, usize), DecodeError> {
    let Some((&found, body)) = stored.split_first() else {
        return Err(DecodeError::Empty { record });
    };
    if found != known {
        return Err(DecodeError::Version { record, found, known });
    }
    match bincode::serde::decode_from_slice(body, format()) {
        Ok((value, consumed)) => Ok((value, 1 + consumed)),
        Err(_) => Err(DecodeError::Malformed { record, bytes: stored.len() }),
    }
}

fn decode_whole<T: DeserializeOwned>(record: &'static str, known: u8, stored: &[u8]) -> Result<T, DecodeError> {
    let (value, consumed) = decode_versioned(record, known, stored)?;
    match stored.len() - consumed {
        0 => Ok(value),
        bytes => Err(DecodeError::TrailingBytes { record, bytes }),
    }
}

#[cfg(test)]
mod codec_test;
