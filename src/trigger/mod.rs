//! Triggers: for each message of a queue, in one transaction, run SQL statements with values of the message's body, send the
//! message on, commit.
//!
//! - [`TriggerFile`] is what the user writes; `statement` finds the parameters in it, `parameters` their values in a body.
//! - [`Runner`] is who does it: `work` is one message inside its transaction, `condition` and `tally` what is told of it.

mod aftermath;
mod condition;
mod error;
mod file;
mod limits;
mod parameters;
mod runner;
mod statement;
mod tally;
mod work;

pub use error::TriggerError;
pub use file::{TriggerFile, TriggerFileError};
pub use limits::WORKERS_MAX;
pub use runner::{Runner, Settings};
pub use statement::StatementError;
pub use tally::Summary;
