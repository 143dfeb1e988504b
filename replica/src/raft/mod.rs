//! openraft, and only here: its traits over our log and state machine, and how it is set up.
//!
//! ```text
//!  Replica -> openraft core -> LogStore  -> LogWriter (one thread: append, fdatasync, callback)
//!                 |            LogReader <- LogWriter (cache, else segment)
//!                 +----------> Machine   -> StateMachine of the shell
//! ```
//!
//! A failure in `LogStore` or `Machine` is kept in [`FirstFailure`] with its type before openraft
//! sees it as an I/O error and stops its core; `replica.rs` then reports that cause.

mod failure;
mod in_place;
mod log_reader;
mod log_store;
mod machine;
#[cfg(test)]
mod members_test;
mod network;
mod node;
mod record;
mod settings;
mod snapshot;
mod type_config;
mod unflushed;

pub(crate) use failure::FirstFailure;
pub(crate) use log_store::LogStore;
pub(crate) use machine::Machine;
pub(crate) use network::{Network, NoNetwork};
pub(crate) use node::Node;
pub(crate) use record::{entry_from_log, log_index};
pub(crate) use snapshot::mark_at;
pub(crate) use type_config::{LogId, Mark};
pub(crate) use unflushed::Unflushed;
