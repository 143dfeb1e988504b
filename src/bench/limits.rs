//! The bounds of a benchmark, each with its reason.

use std::time::Duration;

/// Logical clients of one run: more requests than a session of the server takes at a time only wait in the client.
pub const CONCURRENCY_MAX: u16 = 4096;

/// Messages without an answer of one producer: as many as a sender of the client holds.
pub const WINDOW_MAX: u16 = 1_000;

/// A run is a few seconds to a few minutes; an hour shows a trend.
pub const SECONDS_MAX: u16 = 3600;

/// Bytes that all logical clients have under way together: what one round of the disk's limit writes.
pub const BYTES_UNDER_WAY_MAX: usize = 256 << 20;

/// What runs before anything counts: connections are made, caches are warm, and the log has found its pace.
pub const WARM_UP: Duration = Duration::from_secs(1);

/// The file that the disk's limit is measured on: as large as a segment of the log, and written from its beginning again.
pub const LIMIT_FILE_BYTES: usize = 64 << 20;

/// What one write of the disk's limit takes at most.
pub const LIMIT_WRITE_BYTES_MAX: usize = 1 << 20;

/// How long the disk's limit is measured at most: it is steady sooner than a server is.
pub const LIMIT_SPAN_MAX: Duration = Duration::from_secs(5);

/// Messages laid in for each second of a run: more than one client machine receives. A run that is faster ends early and says
/// so by its `seconds`.
pub const RECEIVED_A_SECOND: u64 = 40_000;

/// The same for transactions with a database.
pub const PAIRED_A_SECOND: u64 = 10_000;

/// Messages laid in for each second that PostgreSQL takes them from a table: more than it manages.
pub const RIVAL_TAKES_A_SECOND: u64 = 20_000;

/// Connections of a database that a comparison leaves to others.
pub const RIVAL_CONNECTIONS_SPARED: usize = 8;

/// Times that a comparison is made: the figures are medians.
pub const COMPARISONS_MAX: u16 = 99;

/// Messages laid in at most, and their bytes: what fits on a small disk beside the log.
pub const LAID_IN_MAX: u64 = 4_000_000;
pub const LAID_IN_BYTES_MAX: u64 = 4 << 30;

/// Messages of one transaction that lays them in, and their bytes.
pub const BATCH_MESSAGES: usize = 500;
pub const BATCH_BYTES_MAX: usize = 512 << 10;

/// Such transactions under way at a time: while one is flushed to the disk the next are on the wire.
pub const BATCHES_UNDER_WAY: usize = 8;

/// What bodies are cut from: more than the caches of a processor, so that no two of those under way are alike.
/// A power of two.
pub const NOISE_BYTES: usize = 8 << 20;

/// Balances that a pair's update chooses from.
pub const ACCOUNTS: u64 = 10_000;

/// The smallest body that holds a pair's order as JSON.
pub const ORDER_BYTES_MIN: usize = 64;

/// How long a resource may take until no transaction of the run is open there, so that it can be removed.
pub const CLEARING_WITHIN: Duration = Duration::from_secs(10);
pub const CLEARING_PAUSE: Duration = Duration::from_millis(100);

/// Latencies are recorded up to here; a longer one counts as this.
pub const LATENCY_MAX: Duration = Duration::from_secs(600);

/// How often a terminal shows how far it is.
pub const DISPLAY_EVERY: Duration = Duration::from_millis(200);
