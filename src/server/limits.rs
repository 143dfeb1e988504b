//! The bounds of the server, each with its reason.

use std::time::Duration;

/// Between two looks whether the first epoch has begun: an fdatasync or two after the replica leads.
pub const EPOCH_LOOK: Duration = Duration::from_millis(1);

/// Open requests of one session; beyond it the session is not read, which the client feels as HTTP/2 flow control.
pub const SESSION_REQUESTS_MAX: usize = 4096;

/// Events that the core thread takes before it proposes and answers: a bound on how long the first of them waits.
pub const EVENTS_PER_ROUND: usize = 1024;

/// One message of a session, with as many frames as its sender had pending. Bodies above a chunk come in parts, so this
/// leaves room for a send of many small messages.
pub const MESSAGE_BYTES_MAX: usize = 16 << 20;

/// Parts of a body that a session may have staged and unanswered: one on the wire, one in the log, two between.
pub const STAGING_WINDOW: u32 = 4;

/// How often a client with an exclusive reader says that it lives: three times within the lease of 10 s (P23).
pub const KEEP_ALIVE: Duration = Duration::from_secs(3);

/// The store is flushed when this much log rests on it, so that a restart replays little. A quarter of the replica's limit,
/// because log goes on being written while a flush runs.
pub const FLUSH_AT_BYTES: u64 = 32 << 20;

/// How often the server looks whether a flush is due, and how much space is left.
pub const HOUSEKEEPING: Duration = Duration::from_millis(200);

/// The least free disk space below which sends stop (P18): two segments for the log, whose end for want of space is the
/// server's, and as much for the store to flush what the log holds.
pub const RESERVE_BYTES_MIN: u64 = 256 << 20;

/// A clean stop gives open requests this long, then closes their connections.
pub const STOP_GRACE: Duration = Duration::from_secs(5);
