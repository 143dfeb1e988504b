//! Every bound of this crate, with its reason.

use std::time::Duration;

/// One payload. A branch is staged in entries of about 1 MiB (P26) and the default message limit is
/// 4 MiB: twice that leaves room for an envelope, and stays far below a log segment of 64 MiB.
pub const PAYLOAD_BYTES_MAX: usize = 8 << 20;

/// Log above the last flush mark at which the shell begins to flush its store: half of the hard
/// limit, so that proposals go on while the flush runs (P30).
pub const UNFLUSHED_BYTES_FLUSH: u64 = 64 << 20;

/// Log above the last flush mark at which proposals are refused (P30): it bounds what a restart has
/// to apply again.
pub const UNFLUSHED_BYTES_MAX: u64 = 128 << 20;

/// Proposals that wait for the Raft core; one more waits in `propose`. Far above the few hundred
/// that are in flight in normal work, so that only an overload feels it.
pub(crate) const PROPOSALS_QUEUED_MAX: u64 = 4096;

/// Proposals merged into one append. As many as can be queued: a batch is one fdatasync.
pub(crate) const APPEND_ENTRIES_MAX: u64 = PROPOSALS_QUEUED_MAX;

/// Notifications (append done, apply done, tick) that wait for the Raft core.
pub(crate) const NOTIFICATIONS_QUEUED_MAX: u64 = 4096;

/// Commands (apply, build snapshot) that wait for the state machine. A slow state machine stops the
/// Raft core here, and the core stops the proposals.
pub(crate) const APPLIES_QUEUED_MAX: u64 = 64;

/// Entries handed to the state machine in one call: amortises the round trip to its thread.
pub(crate) const APPLY_ENTRIES_MAX: usize = 1024;

/// Payload bytes handed to the state machine in one call: one of its batches stays a few MiB even
/// when the entries are large (a single larger entry goes alone).
pub(crate) const APPLY_BYTES_MAX: usize = 4 << 20;

/// Bytes read from the log at once: what apply and replay hold in memory beside the log's cache.
pub(crate) const READ_BYTES_MAX: usize = 4 << 20;

/// A record of ours without its payload (log id, vote, membership): bounds what decoding may take
/// from bytes that lie about a length. A membership of a thousand members fits.
pub(crate) const RECORD_BYTES_MAX: usize = 64 << 10;

/// Largest Raft index a stored record may name. The log's index is one higher, and both must have
/// room to be incremented.
pub(crate) const RAFT_INDEX_MAX: u64 = u64::MAX - 2;

/// Tick of the Raft core is 13/64 of it. A single voter sends no heartbeats, so this is only how
/// often the idle core wakes up.
pub(crate) const HEARTBEAT_INTERVAL_MS: u64 = 500;

/// Election timeouts. A single voter does not wait for them: `start` elects at once.
pub(crate) const ELECTION_TIMEOUT_MIN_MS: u64 = 1500;
pub(crate) const ELECTION_TIMEOUT_MAX_MS: u64 = 3000;

const _: () = assert!(UNFLUSHED_BYTES_FLUSH < UNFLUSHED_BYTES_MAX);
const _: () = assert!(PAYLOAD_BYTES_MAX as u64 <= UNFLUSHED_BYTES_FLUSH);
const _: () = assert!(2 * HEARTBEAT_INTERVAL_MS < ELECTION_TIMEOUT_MIN_MS);
const _: () = assert!(ELECTION_TIMEOUT_MIN_MS < ELECTION_TIMEOUT_MAX_MS);

/// An append of more than this is left to the log's thread: it has come together from several, and more are coming. Three
/// messages of a kilobyte.
pub(crate) const IN_PLACE_BYTES_MAX: usize = 4 << 10;

/// A sync that takes longer is not waited for by the thread that serves: several times that of a solid-state disk.
pub(crate) const IN_PLACE_SLOW: Duration = Duration::from_millis(2);

/// For how many appends a disk that was slow is left to the log's thread.
pub(crate) const IN_PLACE_SLOW_APPENDS: u32 = 1_000;
