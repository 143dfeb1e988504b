//! The stored forms of commands and of everything the state keeps. The only module that knows bincode.
//!
//! Every record is a version byte and then a private record type in bincode's standard configuration; bodies are borrowed,
//! not copied, when a record is read. A record type is never changed once released: a new form gets a new version beside
//! the old one. The order of enum variants and fields is the format; the fixtures in `codec_test.rs` notice a change.

mod command;
mod parts;
mod stored;

#[cfg(test)]
mod codec_test;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::Command;

pub(crate) use stored::{
    BranchRecord, Counters, FirstResult, IdRun, ProducerRecord, ProducerResult, Run, decode_branch, decode_counters,
    decode_held, decode_message, decode_message_key, decode_meta, decode_producer, decode_producer_result,
    decode_queue, decode_staged_body, decode_status, decode_work, encode_branch, encode_counters, encode_held,
    encode_message, encode_message_key, encode_meta, encode_producer, encode_producer_result, encode_queue,
    encode_staged_body, encode_status, encode_work, presence,
};

/// A command of the log that this version cannot read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CommandUnreadable {
    #[error("a command of the log has format version {version}; this version of Handfast reads up to {newest}")]
    Version { version: u8, newest: u8 },
    #[error("a command of the log is malformed: {cause}")]
    Malformed { cause: String },
}

/// Appends the stored form of `command`.
pub fn encode_command(command: &Command, into: &mut Vec<u8>) {
    append(&command::CommandRecord::from(command), into);
}

/// Reads what [`encode_command`] wrote. Bodies are slices of `bytes`, not copies.
pub fn decode_command(bytes: &Bytes) -> Result<Command, CommandUnreadable> {
    let record: Result<command::CommandRecord<'_>, Unreadable> = read(bytes);
    let command = record.and_then(|record| record.into_command(bytes));
    command.map_err(|unreadable| match unreadable {
        Unreadable::Version { version, newest } => CommandUnreadable::Version { version, newest },
        Unreadable::Malformed { cause } => CommandUnreadable::Malformed { cause },
    })
}

/// The version byte of every record today.
const VERSION: u8 = 1;

/// A record that cannot be read; whoever read it says which.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unreadable {
    #[error("it has format version {version}; this version of Handfast reads up to {newest}")]
    Version { version: u8, newest: u8 },
    #[error("{cause}")]
    Malformed { cause: String },
}

impl Unreadable {
    #[allow(clippy::needless_pass_by_value, reason = "it is what map_err calls")]
    fn malformed(cause: impl ToString) -> Unreadable {
        Unreadable::Malformed { cause: cause.to_string() }
    }
}

fn append<R: Serialize>(record: &R, into: &mut Vec<u8>) {
    into.push(VERSION);
    bincode::serde::encode_into_std_write(record, into, bincode::config::standard())
        .expect("a Vec takes every byte, and the records hold only types of known length");
}

fn write<R: Serialize>(record: &R, capacity: usize) -> Bytes {
    let mut bytes = Vec::with_capacity(capacity);
    append(record, &mut bytes);
    Bytes::from(bytes)
}

fn read<'a, R: Deserialize<'a>>(bytes: &'a [u8]) -> Result<R, Unreadable> {
    let Some((&version, rest)) = bytes.split_first() else {
        return Err(Unreadable::malformed("it is empty"));
    };
    if version != VERSION {
        return Err(Unreadable::Version { version, newest: VERSION });
    }
    let read = bincode::serde::borrow_decode_from_slice(rest, bincode::config::standard());
    let (record, length): (R, usize) = read.map_err(Unreadable::malformed)?;
    if length != rest.len() {
        return Err(Unreadable::malformed(format_args!("{} bytes follow its end", rest.len() - length)));
    }
    Ok(record)
}
