//! `handfast serve` and `handfast-coordinator serve`: the shell around the machine.
//!
//! ```text
//!  sessions, unary calls --> core thread (owns the Node and its store) --> proposer --> replica --> log thread
//!        ^                      |      ^                                                 |
//!        +------ answers -------+      +------------- committed entries <----------------+
//!                               +--> calls (drivers) --> answers back as events
//! ```
//!
//! The core thread is the only owner of state. Everything else holds channels to it; no lock is held over an await.

mod accounts;
mod answers;
mod calls;
mod commands;
mod convert;
mod core_thread;
mod data_directory;
mod flush;
mod http;
mod identity;
mod limits;
mod metrics;
mod proposer;
mod resource_manager;
mod role;
mod serve;
mod session;
mod space;
mod unary;

pub use data_directory::{DataDirectory, DirectoryError};
pub use identity::Identity;
pub use limits::RESERVE_BYTES_MIN;
pub use role::Role;
pub use serve::{ServeError, ServeOptions, Server};
