//! Benchmarks of a running server, as one of its clients sees it, beside what its disk could do at most.
//!
//! One run: the disk's limit ([`measure_disk`]), the ground ([`Ground`]: queues, tables, messages to begin with), the load
//! ([`run_load`]), and the ground is cleared again, whatever happened. What it is not: a test of the server, and no part of
//! what it measures.

mod compared;
mod disk_limit;
mod display;
mod error;
mod figures;
mod ground;
mod ledger;
mod limits;
mod load;
mod noise;
mod recorder;
mod rival;
mod rival_sqlite;
mod server_place;
mod work;

pub use compared::Compared;
pub use disk_limit::{DiskLimit, measure_disk};
pub use display::Display;
pub use error::{BenchError, DiskLimitError};
pub use figures::Figures;
pub use ground::Ground;
pub use ledger::{Database, Ledger};
pub use limits::{COMPARISONS_MAX, CONCURRENCY_MAX, SECONDS_MAX, WINDOW_MAX};
pub use load::{Load, LoadClient, Measured, run_load};
pub use rival::{Rival, Rivalry, describe};
pub use rival_sqlite::SqliteRival;
pub use server_place::ServerPlace;
pub use work::Kind;
