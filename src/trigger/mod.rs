//! Triggers: for each message of a queue, in one transaction, run SQL statements with values of the message's body, send the
//! message on, commit.
//!
//! - [`TriggerFile`] is what the user writes; [`statement`] finds the parameters in it, [`parameters`] their values.

mod file;
mod limits;
mod parameters;
mod statement;

pub use file::{TriggerFile, TriggerFileError};
pub use statement::StatementError;
