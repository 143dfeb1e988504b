//! The queue manager and its coordinator behind one log (design D8): the state machine that applies log entries to both, and
//! the leader that judges requests and proposes entries. Pure: no I/O, no clock, no threads; the shell in `src/` and the
//! simulator drive it with the same events.
//!
//! ```text
//!  requests, driver answers, ticks            committed log entries
//!              |                                       |
//!              v                                       v
//!   Node::step ---> Leader (manager, coordinator)   State (queue state, coordinator state) ---> Store
//!              |            ^                          |
//!              v            +------- results ----------+
//!   actions: Propose(entry), Answer, Call, Barrier
//! ```

#![cfg_attr(not(test), deny(clippy::disallowed_types, clippy::disallowed_methods, clippy::disallowed_macros))]

mod codec;
mod command;
mod foreign;
mod leader;
pub mod limits;
mod local;
mod node;
pub mod participant;
mod request;
mod sizes;
mod state;
mod visitors;

/// Whether the cores were built so that they can be told to make mistakes, for the simulation.
pub use handfast_mutants::BUILT_IN as MISTAKES_BUILT_IN;

pub use codec::{BatchUnreadable, commands_in, decode_batch, encode_batch};
pub use command::{Applied, Batch, Command};
pub use foreign::ForeignBranch;
pub use node::{Action, Broken, Entry, Event, Fatal, Node, Recovery};
pub use request::{Answer, ConnectionId, Refusal, Request, RequestId};
pub use sizes::Sizes;
pub use state::{AppliedBatch, State, local_branch};
pub use visitors::{Approach, Attached, Visit};
