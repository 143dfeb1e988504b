//! Crash tests of real processes: a server and a trigger work on messages and a database while they are killed with SIGKILL, and
//! the checker judges what everybody says of it.
//!
//! - [`Settings`]: what is run, on what, and how roughly.
//! - [`Run`]: a run, from an empty directory to what is found at the end. `stage` is the processes, `sender` the messages,
//!   `database` what the trigger writes to, `audit` the end.
//! - [`witness`]: what a worker writes down of what it does, in its own process.
//! - [`Report`]: what came of it, as text, JSON, or a page.
//!
//! ```text
//!  sender, stage ----------------.
//!  trigger -> witness -> files ---+-> History -> checker -> Report
//!  audit ------------------------'
//! ```
//!
//! What it is not: SIGKILL loses nothing that was written, synced or not. What a power cut does is for tests of disks.

mod audit;
mod chronicle;
mod database;
mod error;
pub mod limits;
mod messages;
mod program;
mod report;
mod run;
mod sender;
mod settings;
mod stage;
pub mod witness;

pub use error::CrashTestError;
pub use program::Program;
pub use report::Report;
pub use run::{Progress, Run};
pub use settings::{DatabaseChoice, Settings, Work, draw_seed};
