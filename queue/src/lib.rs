//! The core of the queue manager: queues, messages and transaction branches, as a pure state machine.
//!
//! Two halves. [`state`] is durable: it changes only by applying [`Command`]s from the log, deterministically, over a
//! [`handfast_store::Store`]. [`manager`] is volatile and exists on the leader only: active branches, locks, waiting
//! receives; it judges requests against the state and proposes commands. Nothing here does I/O, reads a clock or knows RocksDB,
//! Raft, a socket or a coordinator.

#![cfg_attr(not(test), deny(clippy::disallowed_types, clippy::disallowed_methods, clippy::disallowed_macros))]

mod codec;
pub mod command;
mod ids;
pub mod limits;
pub mod manager;
mod record;
pub mod state;

pub use codec::{CommandUnreadable, decode_command, encode_command};
pub use command::{Blame, Body, Command, Done, OutgoingMessage, Refused, Work};
pub use ids::{BodyId, MessageKey, QueueId, StageId};
pub use record::{QueueRecord, QueueSettings, Status, StoredMessage};
