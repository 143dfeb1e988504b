//! The bounds of the server, each with its reason.

use std::time::Duration;

use handfast_coordinator_core::limits::{CALLS_MAX, RESOURCES_MAX};
use handfast_machine::limits::ENTRIES_IN_FLIGHT_MAX;

/// Between two looks whether the first epoch has begun: an fdatasync or two after the replica leads.
pub const EPOCH_LOOK: Duration = Duration::from_millis(1);

/// Who ends because the core does may be seen first: so long its own reason is waited for.
pub const CORE_ENDED_WITHIN: Duration = Duration::from_millis(200);

/// With more processors than that, sessions run on threads beside the core's. With two, every message would be handed through
/// more threads than can run, its client's included.
pub const SHARED_CORE_PROCESSORS_MAX: usize = 2;

/// The window of one session, in units: what its open requests may be answered, were all answers as large as they can be.
/// Beyond it the session is not read, which the client feels as HTTP/2 flow control; so a client that asks and does not take
/// the answers costs a bounded memory. A small answer takes one unit.
pub const SESSION_UNITS_MAX: usize = 16 << 10;

/// Bytes of an answer for which a unit is taken.
pub const UNIT_BYTES: usize = 16 << 10;

/// Messages of requests that have no answer yet, over all sessions, in KiB: a quarter of a second of what a fast disk takes. Each
/// is there up to four times until it is durable: as it came, in its entry, in the log's record and in the log's batch. Whoever
/// sends more than the disk takes is not read meanwhile, which the client feels as HTTP/2 flow control.
pub const REQUESTED_KIB_MAX: usize = 32 << 10;

/// What an answer that lists may take, with the messages that it shows; only a list of tens of thousands of queues is larger.
pub const LISTING_BYTES: usize = 4 << 20;

const _: () = assert!(MESSAGE_BYTES_MAX < REQUESTED_KIB_MAX << 10, "one request of large bodies always fits");
const _: () = assert!(LISTING_BYTES <= SESSION_UNITS_MAX * UNIT_BYTES);

/// Events that the core thread takes before it proposes and answers: a bound on how long the first of them waits.
pub const EVENTS_PER_ROUND: usize = 1024;

/// What connections ask, and apart from it what has happened, that waits for the core thread. Beyond it the sessions wait, and so
/// do their clients.
pub const CORE_INPUTS_MAX: usize = 4 * EVENTS_PER_ROUND;

/// Entries that are proposed and not applied, because the disk is slow or the log waits for a flush of the store: beyond it no
/// request is taken. Entries of what came meanwhile are of 1 MiB.
pub const ENTRIES_AHEAD_MAX: usize = 2 * ENTRIES_IN_FLIGHT_MAX;

/// Entries on their way from the core to the replica: room for those, for what one request adds to them (16 MiB at most), for
/// what ended leaderships left, and much more.
pub const PROPOSALS_MAX: usize = 512;

/// Questions to resources that are open at a time: what the coordinator asks of each, of as many as there can be. Those that it
/// asks beyond it, after a leadership that left as many behind, wait until one of them is answered.
pub const CALLS_UNDER_WAY_MAX: usize = RESOURCES_MAX * (CALLS_MAX + 2);

/// Read barriers that wait for the log: one for each resource, and as many of an ended leadership.
pub const BARRIERS_MAX: usize = 2 * RESOURCES_MAX;

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

/// The same for commands: a receive takes little of the log and as long to be replayed as a send.
pub const FLUSH_AT_COMMANDS: u64 = 64 << 10;

/// How often the server looks whether a flush is due, and how much space is left.
pub const HOUSEKEEPING: Duration = Duration::from_millis(200);

/// The least free disk space below which sends stop (P18): two segments for the log, whose end for want of space is the
/// server's, and as much for the store to flush what the log holds.
pub const RESERVE_BYTES_MIN: u64 = 256 << 20;

/// Sends go on when so much more than the reserve is free (or half as much again, where the reserve is small): less would let
/// the states alternate with each flush of the store.
pub const AMPLE_ABOVE_BYTES: u64 = 256 << 20;

/// While space is low, a flush is asked for at every so many-eth look: every 5 s.
pub const LOOKS_PER_FLUSH: u32 = 25;

/// Such a flush needs room for what it writes, the memtables: without it the store would fail, and with it the server (D12).
pub const FLUSH_ROOM_BYTES: u64 = 64 << 20;

/// A clean stop gives open requests this long, then closes their connections.
pub const STOP_GRACE: Duration = Duration::from_secs(5);
