//! The bounds of a trigger, each with its reason.

use std::time::Duration;

/// Each worker holds a transaction, and a connection to the database, which allows a hundred by default.
pub const WORKERS_MAX: u16 = 64;

/// How long one transaction waits for its message. What is left of the transaction's time is for the statements.
pub const RECEIVE_WAIT: Duration = Duration::from_secs(20);

/// The same where the end of the queue is waited for: after it the queue is asked whether it is empty.
pub const RECEIVE_WAIT_UNTIL_EMPTY: Duration = Duration::from_millis(500);

/// How long one attempt to become the exclusive reader waits for another one to close.
pub const EXCLUSIVE_WAIT: Duration = Duration::from_secs(5);

/// Pauses while a server or a database is away: doubling from the first to the last.
pub const PAUSE_MIN: Duration = Duration::from_millis(50);
pub const PAUSE_MAX: Duration = Duration::from_secs(2);

/// How often progress is told where no terminal shows it.
pub const PROGRESS_EVERY: Duration = Duration::from_secs(10);
