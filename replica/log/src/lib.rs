//! The write-ahead log: records with an index, durable when `sync` says so, and found again after
//! any crash that its disk is honest about.
//!
//! It knows records and indexes. It knows nothing of votes, queues or what a payload means.
//!
//! - `Log` is the whole of it, driven by its owner, synchronous and deterministic.
//! - `LogWriter` is a thread around a `Log` that groups what many callers append into one sync; `ByHand` is the same
//!   without the thread, for a simulation.
//! - `Disk` is what both stand on: `RealDisk` in production, `SimulatedDisk` in tests and
//!   simulation.

#![cfg_attr(not(test), deny(clippy::disallowed_types, clippy::disallowed_methods, clippy::disallowed_macros))]

mod catalog;
mod chain;
pub mod disk;
mod draft;
mod error;
mod frame;
pub mod limits;
mod log;
mod options;
mod position;
mod read;
mod record;
mod recovery;
mod room;
mod scan;
mod segment;
mod standing;
#[allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "it is the thread around a log")]
mod writer;

pub use error::{Damage, LogError, OpenError};
pub use log::Log;
pub use options::LogOptions;
pub use position::Position;
pub use record::Record;
pub use writer::{ByHand, LogWriter};
