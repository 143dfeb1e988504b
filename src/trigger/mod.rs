//! Triggers: for each message of a queue, in one transaction, run SQL statements with values of the message's body, send the
//! message on, commit.
//!
//! - [`handfast_trigger::TriggerFile`] is what the user writes.
//! - [`Runner`] is who does it: `work` is one message inside its transaction, `condition` and `tally` what is told of it.

mod aftermath;
mod condition;
mod error;
mod limits;
mod runner;
mod tally;
mod work;

pub use error::TriggerError;
pub use limits::WORKERS_MAX;
pub use runner::{Runner, Settings};
pub use tally::Summary;
