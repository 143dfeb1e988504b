//! How long a call may take and how much a driver may hold.

use std::time::Duration;

/// The longest that one [`super::Driver::call`] takes. Whatever it was may have happened; the core asks again.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// To reach a database and be let in. Below [`CALL_TIMEOUT`], so that an address that swallows packets is told apart from
/// a database that is slow.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a statement waits for a lock inside PostgreSQL: a fence waits for a commit in flight (P12). The database must
/// give up before we do, else a fence that nobody waits for any more stays behind in it.
pub const LOCK_TIMEOUT: Duration = Duration::from_secs(8);

/// How long a statement runs inside PostgreSQL, and how long a service is given, for the same reason.
pub const STATEMENT_TIMEOUT: Duration = Duration::from_secs(9);

/// How long SQLite waits for another writer before it says BUSY (P15).
pub const BUSY_TIMEOUT: Duration = Duration::from_secs(8);

/// Connections to one PostgreSQL resource. They share their flushes (PostgreSQL commits in groups), and a fence that waits for
/// a lock holds one for up to [`LOCK_TIMEOUT`].
pub const SESSIONS_PER_RESOURCE: usize = 16;

/// A connection that nobody used for so long is closed: a busy hour must not hold the database's connections for ever.
pub const SESSION_IDLE: Duration = Duration::from_secs(60);

/// Resources whose drivers are kept ready. The core allows fewer resources at a time; the rest is room for those that were
/// removed and are not yet forgotten. Beyond it the one that was called longest ago is dropped.
pub const DRIVERS: usize = 1_200;

/// Branches that one scan reports, oldest first; those beyond it are reported once these have ended. PostgreSQL holds at
/// most `max_prepared_transactions` of them, rarely more than hundreds.
pub const SCAN_BRANCHES: usize = 10_000;

/// Branches asked of a service at a time while it is scanned.
pub const SCAN_PAGE: u32 = 1_000;

/// Marker rows deleted by one statement: each holds its row locks and its log records only that long.
pub const CLEAR_ROWS: u32 = 1_000;

/// A password file above this size is taken for something else.
pub const PASSWORD_FILE_BYTES: u64 = 1 << 20;

const _: () = assert!(CONNECT_TIMEOUT.as_millis() < CALL_TIMEOUT.as_millis());
const _: () = assert!(LOCK_TIMEOUT.as_millis() < STATEMENT_TIMEOUT.as_millis());
const _: () = assert!(STATEMENT_TIMEOUT.as_millis() < CALL_TIMEOUT.as_millis());
const _: () = assert!(BUSY_TIMEOUT.as_millis() < CALL_TIMEOUT.as_millis());
