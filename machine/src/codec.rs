//! The stored form of log entries and of the machine's own record. The only place in this crate that names bincode.
//!
//! An entry: a fixed head, then for each command a kind byte and one or two parts, each led by its length.
//! The parts are the cores' own encodings; bodies in them are slices of the entry, never copies.

use bytes::Bytes;
use handfast_protocol::{CoordinatorId, Incarnation, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::command::{Batch, Command};
use crate::limits::ENTRY_ROOM_MAX;
use crate::state::Identity;
use crate::visitors::{Approach, Visit};

const VERSION: u8 = 1;

/// A log entry or record that this version cannot read: corruption, or a newer format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BatchUnreadable {
    #[error("it is empty")]
    Empty,
    #[error("its format version is {0}; this program reads up to {VERSION}")]
    Version(u8),
    #[error("it ends in the middle")]
    Short,
    #[error("command kind {0} is unknown")]
    Kind(u8),
    #[error("{0}")]
    Record(String),
    #[error("a queue command: {0}")]
    Queue(#[from] handfast_queue::CommandUnreadable),
    #[error("a coordinator command: {0}")]
    Coordinator(#[from] handfast_coordinator_core::CommandUnreadable),
}

#[derive(Serialize, Deserialize)]
struct BeginEpochV1 {
    leadership: [u8; 16],
    manager_id: [u8; 16],
    incarnation: u64,
    level: u16,
}

#[derive(Serialize, Deserialize)]
struct IdentityV1 {
    manager_id: [u8; 16],
    incarnation: u64,
    epoch: u64,
    now: u64,
    level: u16,
}

#[derive(Serialize, Deserialize)]
struct AttachV1 {
    coordinator: [u8; 16],
    incarnation: u64,
    epoch: u64,
    approach: ApproachV1,
}

#[derive(Serialize, Deserialize)]
enum ApproachV1 {
    First,
    Again,
    Adopt,
}

#[derive(Serialize, Deserialize)]
struct VisitV1 {
    incarnation: u64,
    epoch: u64,
}

const BEGIN_EPOCH: u8 = 1;
const QUEUE: u8 = 2;
const COORDINATOR: u8 = 3;
const TOGETHER: u8 = 4;
const ATTACH: u8 = 5;

/// The fixed head of an entry: version, epoch, now, number, count of commands; little-endian.
const HEAD_BYTES: usize = 1 + 8 + 8 + 8 + 4;

/// An entry that grows command by command; each command is encoded once.
#[derive(Debug)]
pub(crate) struct BatchWriter {
    bytes: Vec<u8>,
    commands: u32,
}

impl BatchWriter {
    pub fn new() -> BatchWriter {
        BatchWriter::with_capacity(HEAD_BYTES)
    }

    fn with_capacity(capacity: usize) -> BatchWriter {
        let mut bytes = Vec::with_capacity(capacity);
        bytes.resize(HEAD_BYTES, 0);
        BatchWriter { bytes, commands: 0 }
    }

    pub fn push(&mut self, command: &Command) {
        encode_command(command, &mut self.bytes);
        self.commands += 1;
    }

    /// Bytes so far.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Seals the entry and begins the next.
    pub fn finish(&mut self, epoch: u64, now: Timestamp, number: u64) -> Bytes {
        // The next one is likely to be about as long: its bytes need not be moved as it grows.
        let next = BatchWriter::with_capacity(self.bytes.len().min(ENTRY_ROOM_MAX));
        let BatchWriter { mut bytes, commands } = std::mem::replace(self, next);
        let head = &mut bytes[..HEAD_BYTES];
        head[0] = VERSION;
        head[1..9].copy_from_slice(&epoch.to_le_bytes());
        head[9..17].copy_from_slice(&now.0.to_le_bytes());
        head[17..25].copy_from_slice(&number.to_le_bytes());
        head[25..].copy_from_slice(&commands.to_le_bytes());
        bytes.into()
    }
}

pub fn encode_batch(batch: &Batch) -> Bytes {
    let mut writer = BatchWriter::new();
    batch.commands.iter().for_each(|command| writer.push(command));
    writer.finish(batch.epoch, batch.now, batch.number)
}

fn encode_command(command: &Command, bytes: &mut Vec<u8>) {
    match command {
        Command::BeginEpoch { leadership, manager_id, incarnation, level } => {
            bytes.push(BEGIN_EPOCH);
            let record = BeginEpochV1 {
                leadership: *leadership.as_bytes(),
                manager_id: *manager_id.as_bytes(),
                incarnation: incarnation.0,
                level: *level,
            };
            part(bytes, |bytes| put(bytes, &record));
        }
        Command::Queue(command) => {
            bytes.push(QUEUE);
            part(bytes, |bytes| handfast_queue::encode_command(command, bytes));
        }
        Command::Coordinator(command) => {
            bytes.push(COORDINATOR);
            part(bytes, |bytes| handfast_coordinator_core::encode_command(command, bytes));
        }
        Command::Together { queue, coordinator } => {
            bytes.push(TOGETHER);
            part(bytes, |bytes| handfast_queue::encode_command(queue, bytes));
            part(bytes, |bytes| handfast_coordinator_core::encode_command(coordinator, bytes));
        }
        Command::Attach { visitor, approach } => {
            bytes.push(ATTACH);
            let record = AttachV1 {
                coordinator: *visitor.coordinator.0.as_bytes(),
                incarnation: visitor.incarnation.0,
                epoch: visitor.epoch,
                approach: match approach {
                    Approach::First => ApproachV1::First,
                    Approach::Again => ApproachV1::Again,
                    Approach::Adopt => ApproachV1::Adopt,
                },
            };
            part(bytes, |bytes| put(bytes, &record));
        }
    }
}

/// A length and what `write` appends.
fn part(bytes: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let start = bytes.len();
    bytes.extend_from_slice(&[0; 4]);
    write(bytes);
    let length = u32::try_from(bytes.len() - start - 4).expect("a command is bounded far below 4 GiB");
    bytes[start..start + 4].copy_from_slice(&length.to_le_bytes());
}

fn put<T: Serialize>(bytes: &mut Vec<u8>, record: &T) {
    bincode::serde::encode_into_std_write(record, bytes, bincode::config::standard())
        .expect("writing plain records to memory does not fail");
}

fn take<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<(T, usize), BatchUnreadable> {
    bincode::serde::decode_from_slice(bytes, bincode::config::standard())
        .map_err(|error| BatchUnreadable::Record(error.to_string()))
}

/// How many commands an entry says that it has; 0 where it cannot be read.
pub fn commands_in(entry: &Bytes) -> u32 {
    let count = entry.get(HEAD_BYTES - 4..HEAD_BYTES).and_then(|bytes| bytes.try_into().ok());
    count.map_or(0, u32::from_le_bytes)
}

pub fn decode_batch(entry: &Bytes) -> Result<Batch, BatchUnreadable> {
    decode_batch_knowing(entry, &mut |_, _| None)
}

/// The same where the commands may be known already, by the entry's epoch and number.
pub(crate) fn decode_batch_knowing(
    entry: &Bytes,
    known: &mut dyn FnMut(u64, u64) -> Option<Vec<Command>>,
) -> Result<Batch, BatchUnreadable> {
    versioned(entry)?;
    let head = entry.get(..HEAD_BYTES).ok_or(BatchUnreadable::Short)?;
    let word = |at: usize| u64::from_le_bytes(head[at..at + 8].try_into().expect("eight bytes of the head"));
    let (epoch, now, number) = (word(1), Timestamp(word(9)), word(17));
    if let Some(commands) = known(epoch, number) {
        return Ok(Batch { epoch, now, number, commands });
    }
    let count = u32::from_le_bytes(head[25..].try_into().expect("the last four bytes of the head")) as usize;
    let mut rest = entry.slice(HEAD_BYTES..);
    // Each command takes at least five bytes: a head that promises more is not believed.
    if count > rest.len() / 5 {
        return Err(BatchUnreadable::Short);
    }
    let mut commands = Vec::with_capacity(count);
    for _ in 0..count {
        commands.push(decode_command(&mut rest)?);
    }
    Ok(Batch { epoch, now, number, commands })
}

fn versioned(bytes: &Bytes) -> Result<Bytes, BatchUnreadable> {
    match bytes.first() {
        Some(&VERSION) => Ok(bytes.slice(1..)),
        Some(&other) => Err(BatchUnreadable::Version(other)),
        None => Err(BatchUnreadable::Empty),
    }
}

fn decode_command(rest: &mut Bytes) -> Result<Command, BatchUnreadable> {
    let kind = *rest.first().ok_or(BatchUnreadable::Short)?;
    *rest = rest.slice(1..);
    match kind {
        BEGIN_EPOCH => {
            let (record, _) = take::<BeginEpochV1>(&next_part(rest)?)?;
            Ok(Command::BeginEpoch {
                leadership: Uuid::from_bytes(record.leadership),
                manager_id: Uuid::from_bytes(record.manager_id),
                incarnation: Incarnation(record.incarnation),
                level: record.level,
            })
        }
        QUEUE => Ok(Command::Queue(handfast_queue::decode_command(&next_part(rest)?)?)),
        COORDINATOR => Ok(Command::Coordinator(handfast_coordinator_core::decode_command(&next_part(rest)?)?)),
        TOGETHER => {
            let queue = handfast_queue::decode_command(&next_part(rest)?)?;
            let coordinator = handfast_coordinator_core::decode_command(&next_part(rest)?)?;
            Ok(Command::Together { queue, coordinator })
        }
        ATTACH => {
            let (record, _) = take::<AttachV1>(&next_part(rest)?)?;
            let visitor = handfast_coordinator_core::Identity {
                coordinator: CoordinatorId(Uuid::from_bytes(record.coordinator)),
                incarnation: Incarnation(record.incarnation),
                epoch: record.epoch,
            };
            let approach = match record.approach {
                ApproachV1::First => Approach::First,
                ApproachV1::Again => Approach::Again,
                ApproachV1::Adopt => Approach::Adopt,
            };
            Ok(Command::Attach { visitor, approach })
        }
        other => Err(BatchUnreadable::Kind(other)),
    }
}

fn next_part(rest: &mut Bytes) -> Result<Bytes, BatchUnreadable> {
    let length = rest.get(..4).and_then(|bytes| bytes.try_into().ok()).map(u32::from_le_bytes);
    let end = 4 + length.ok_or(BatchUnreadable::Short)? as usize;
    if rest.len() < end {
        return Err(BatchUnreadable::Short);
    }
    let part = rest.slice(4..end);
    *rest = rest.slice(end..);
    Ok(part)
}

pub(crate) fn encode_identity(identity: &Identity) -> Bytes {
    let mut bytes = vec![VERSION];
    let record = IdentityV1 {
        manager_id: *identity.manager_id.as_bytes(),
        incarnation: identity.incarnation.0,
        epoch: identity.epoch,
        now: identity.now.0,
        level: identity.level,
    };
    put(&mut bytes, &record);
    bytes.into()
}

pub(crate) fn decode_identity(bytes: &Bytes) -> Result<Identity, BatchUnreadable> {
    let (record, _) = take::<IdentityV1>(&versioned(bytes)?)?;
    Ok(Identity {
        manager_id: Uuid::from_bytes(record.manager_id),
        incarnation: Incarnation(record.incarnation),
        epoch: record.epoch,
        now: Timestamp(record.now),
        level: record.level,
    })
}

pub(crate) fn encode_visit(visit: &Visit) -> Bytes {
    let mut bytes = vec![VERSION];
    put(&mut bytes, &VisitV1 { incarnation: visit.incarnation.0, epoch: visit.epoch });
    bytes.into()
}

pub(crate) fn decode_visit(bytes: &Bytes) -> Result<Visit, BatchUnreadable> {
    let (record, _) = take::<VisitV1>(&versioned(bytes)?)?;
    Ok(Visit { incarnation: Incarnation(record.incarnation), epoch: record.epoch })
}

impl Identity {
    pub(crate) fn coordinator(&self) -> handfast_coordinator_core::Identity {
        handfast_coordinator_core::Identity {
            coordinator: CoordinatorId(self.manager_id),
            incarnation: self.incarnation,
            epoch: self.epoch,
        }
    }
}
