//! Judges a run by its history. It knows nothing of how a run is made: the simulation, tests of real processes and a user's
//! own crash tests all write the same lines, and all are judged by the same properties.
//!
//! - [`history`]: what the lines say.
//! - [`account`]: the same by transaction, queue and database.
//! - [`properties`]: what must hold, a file each. Their numbers are A1 to A24 of docs/testing.md.
//!
//! ```text
//!  lines -> History -> Account -> properties -> Report
//! ```
//!
//! A property is only held if the history gave it something to judge: what nobody looked at is reported as not judged.

#![cfg_attr(not(test), deny(clippy::disallowed_types, clippy::disallowed_methods, clippy::disallowed_macros))]

pub mod account;
pub mod history;
pub mod properties;
mod report;
mod smallest;

pub use properties::judge;
pub use report::{Report, Verdict, Violation};
pub use smallest::smallest;
