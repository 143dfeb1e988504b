//! The core of the transaction manager: presumed abort with a delegated last resource, recovery and timers, as a pure state
//! machine. It never names a queue: a branch that lives in its own log is the host's business (design D8).
//!
//! Two halves, as in the queue manager. [`state`] is durable and changes only by applying [`Command`]s. [`Coordinator`] is
//! volatile, on the leader only: active transactions, votes, calls to resources in flight, sweeps.

#![cfg_attr(not(test), deny(clippy::disallowed_types, clippy::disallowed_methods, clippy::disallowed_macros))]

mod codec;
mod command;
mod coordinator;
pub mod limits;
mod request;
mod resource;
pub mod state;

pub use codec::{CommandUnreadable, decode_command, encode_command};
pub use command::{Branch, Command, Done, Refused};
pub use coordinator::{Action, Coordinator, Event, Proposal};
pub use request::{
    Answer, BranchView, ConnectionId, Enlisted, KnownOutcome, Report, Request, RequestId, RequestRefused, ResourceView,
    TransactionState, TransactionView,
};
pub use resource::{Ask, CallFailed, CallId, Identity, Resource, ResourceId, Told};
