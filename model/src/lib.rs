//! The protocol of `docs/protocol.md` as a model that is small enough to be explored whole: every order of messages, every loss,
//! every crash of a configuration. It shares no code with the cores, so that what it finds is a fault of the rules and not of
//! their code; what the code does is the simulation's to judge.
//!
//! One transaction, for ids are never used twice (P1): what arrives late of it arrives in a world that has gone on. Every message
//! names its branch and its question (D5): that no answer is taken for that to another question is what the code has to see to.
//!
//! - [`Protocol`]: the model, made of a [`Configuration`] and, to show that the properties bite, a [`Mistake`].
//! - [`state`]: everybody's state, a few bytes each, durable and volatile apart.
//! - `coordinator`, `apply`, `client`, `branch`, `last_resource`: what each party does; `deposed`: a leader that goes on
//!   after its time; `faults`: what is done to them.
//! - [`properties`]: what must hold in every state, and which rare states must be reached.
//!
//! Left out: time (P4, P8's five seconds, D6's minute: whatever may time out may do so at any moment), copies and attaching
//! (P3), slots (P9), held sends (P10), the order of several transactions (P19), heuristic outcomes and operators (P16), the
//! clearing of marker rows (P14), queues (P22 to P27) and the bytes of log and store (P28 to P31).

#![cfg_attr(not(test), deny(clippy::disallowed_types, clippy::disallowed_methods, clippy::disallowed_macros))]

mod action;
mod apply;
mod branch;
mod client;
mod configuration;
pub mod configurations;
mod coordinator;
mod deposed;
mod faults;
mod last_resource;
mod mistake;
pub mod properties;
mod protocol;
mod settling;
pub mod state;

pub use action::Action;
pub use configuration::{Configuration, Faults, Kind};
pub use mistake::Mistake;
pub use protocol::Protocol;
