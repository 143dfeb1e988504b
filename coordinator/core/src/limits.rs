//! The bounds of the coordinator, each with its reason (G7).

use std::time::Duration;

/// Transactions that have not ended, active and in doubt together: about 100 MB of memory at the worst.
pub const OPEN_TRANSACTIONS_MAX: usize = 100_000;

/// Resources in one transaction. Each is a call in the way of the answer; more than this is a design to be questioned.
pub const BRANCHES_MAX: usize = 16;

/// Registered resources: each is scanned for as long as it is registered.
pub const RESOURCES_MAX: usize = 1_000;

/// Branches in flight at a resource that names no bound of its own: what a resource that went silent can pin down.
pub const IN_FLIGHT_MAX: u32 = 10_000;

/// Slots that are left to others (P9): branches of a former leadership that still wait for the sweep, and people who prepare by
/// hand. A resource with few slots keeps half of them.
pub const SLOTS_RESERVED: u32 = 4;

/// Requests that wait for a slot of one resource (P9).
pub const WAITING_ENLISTS_MAX: usize = 10_000;

/// Requests that wait for the outcome of one transaction: its client, tools, an operator.
pub const WAITING_FOR_ONE_MAX: usize = 64;

/// Calls to one resource at a time. Each may hold a connection to a database.
pub const CALLS_MAX: usize = 32;

/// The timeout of an active transaction that asks for none (D6).
pub const TIMEOUT_DEFAULT: Duration = Duration::from_secs(60);

/// The longest timeout of an active transaction (D6): its locks are held for so long.
pub const TIMEOUT_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// How long a client may take between `go` and its report before the database is asked (P12). Asking too early costs a client
/// its transaction, asking late costs only the wait.
pub const SILENCE_MAX: Duration = Duration::from_secs(30);

/// How long the answer to a commit waits for services to acknowledge phase two (P19).
pub const PHASE_TWO_ANSWER_MAX: Duration = Duration::from_secs(10);

/// How long a question for an outcome may wait.
pub const OUTCOME_WAIT_MAX: Duration = Duration::from_secs(60);

/// The wait before a failed call is made again, by how often it has failed; the last one holds from then on. It stays below
/// what a person waits for a restarted database to be noticed.
pub const BACKOFF: [Duration; 6] = [
    Duration::from_millis(100),
    Duration::from_millis(200),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(5),
];

/// How often each resource is scanned for branches that nobody ends (P8).
pub const SCAN_PERIOD: Duration = Duration::from_secs(2);

/// A branch must be seen for this long before the sweep acts on it (P8): a client's PREPARE and its commit request may be on
/// their way, or a backend may still run what its lost client asked for.
pub const SWEEP_AGE: Duration = Duration::from_secs(5);

/// Branches that one scan looks at; the rest is seen when these are gone.
pub const SCANNED_BRANCHES_MAX: usize = 10_000;

/// How often marker rows of ended transactions are cleared (P14), and how long they stay at least: longer than a question for a
/// row runs in a database after its asker gave up.
pub const MARKERS_PERIOD: Duration = Duration::from_secs(30);

/// Remembered outcomes: kept for this long or up to this number, whichever ends first (P20).
pub const OUTCOMES_KEPT_FOR: Duration = Duration::from_secs(24 * 60 * 60);

/// See [`OUTCOMES_KEPT_FOR`]. About 150 bytes each in the store, none in memory.
pub const OUTCOMES_KEPT_MAX: u64 = 1_000_000;

/// Sequences of the present epoch of which memory says whether they have an outcome: far more than are open at a time. Bits.
pub const OUTCOMES_MARKED: u64 = 1 << 17;

/// Outcomes that one command forgets: a log entry that is applied within a few milliseconds.
pub const OUTCOMES_FORGOTTEN_AT_ONCE_MAX: usize = 1_000;

/// How often the remembered outcomes are looked through; while more are due, one command follows another.
pub const FORGETTING_PERIOD: Duration = Duration::from_secs(1);

/// Reasons of rollbacks that left no record, kept in memory for clients that ask late. Those that the application asked for
/// itself need none.
pub const REASONS_KEPT_MAX: usize = 10_000;

/// Transactions in one answer.
pub const LISTED_MAX: usize = 1_000;

/// The text of an address or a schema in a stored record.
pub const TEXT_BYTES_MAX: usize = 4 << 10;

/// The largest record or command that is decoded: [`BRANCHES_MAX`] branches with names of 48 bytes, or a resource's texts.
pub const RECORD_BYTES_MAX: usize = 16 << 10;

const _: () = assert!(BRANCHES_MAX * 64 < RECORD_BYTES_MAX);
const _: () = assert!(2 * TEXT_BYTES_MAX + 1024 < RECORD_BYTES_MAX);
const _: () = assert!(SLOTS_RESERVED < IN_FLIGHT_MAX);
const _: () = assert!(SCAN_PERIOD.as_millis() < SWEEP_AGE.as_millis(), "an old branch is seen more than once");
const _: () = assert!(TIMEOUT_DEFAULT.as_millis() <= TIMEOUT_MAX.as_millis());
