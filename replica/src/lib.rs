//! A deterministic state machine behind a replicated log: openraft over our own write-ahead log.
//!
//! A [`Replica`] takes opaque payloads, makes them durable in one order, and hands them to a
//! [`StateMachine`] exactly in that order, each exactly once as long as the machine keeps the
//! [`Committed::position`] in the same atomic write as the effects. One machine is a group of one
//! voter; the code is the same for more.
//!
//! It is not: a store (the state machine keeps its own), a judge of payloads (they are opaque
//! bytes here), or a network. Nothing of openraft is visible outside of this crate, and only
//! `raft/` names it.
//!
//! Life of a payload:
//! 1. [`Replica::propose`] queues it; nothing is durable and nothing may be answered yet.
//! 2. Raft gives it an index, the log appends it with whatever else is waiting, one fdatasync.
//! 3. It is committed and handed to [`StateMachine::apply`]: only now may its result be told (G2).
//! 4. The state machine's store flushes some time later and says so with [`Replica::flushed`]:
//!    the log below is purged. After a restart everything above that position is applied again.

mod codec;
mod error;
mod leadership;
mod limits;
mod opening;
mod raft;
mod replica;
mod state_machine;

pub use error::{BarrierError, DecodeError, FlushError, ProposeError, StartError, StateMachineError, StopReason};
pub use leadership::Leadership;
pub use limits::{PAYLOAD_BYTES_MAX, UNFLUSHED_BYTES_FLUSH, UNFLUSHED_BYTES_MAX};
pub use replica::{Replica, ReplicaConfig};
pub use state_machine::{Committed, StateMachine};
