//! The bounds of the durable state, each with its reason. The manager's own are in `manager/limits.rs`.

use std::time::Duration;

use handfast_protocol::limits::CHUNK_BYTES_MAX;

/// Queues of one queue manager, going ones included: a hundred thousand beside the dead-letter queue. Each costs about 750 bytes
/// of memory: 75 MB at this limit.
pub const QUEUES_MAX: usize = 100_001;

/// The largest body that rests inline, beside its envelope: reading a window of messages reads their bodies along.
pub const INLINE_BODY_BYTES_MAX: usize = 64 << 10;

/// The largest body that a prepared branch keeps inline until its commit. Copying this much once more costs less than a
/// record of its own, its removal, and the reader's second look-up.
pub const PREPARED_INLINE_BYTES_MAX: usize = 4 << 10;

/// A body that rests apart is cut into parts of exactly this size; only the last one may be shorter. So its length tells
/// the keys of its parts, and it is removed without being read.
pub const BODY_PART_BYTES: usize = 256 << 10;

/// Parts of one transaction's staged work (P26). Its commit is one write to the store, which is held in memory.
pub const STAGE_PARTS_MAX: u32 = 64;

/// Stretches of taken messages above the heads of one queue that are remembered. Concurrent readers leave about one each;
/// the queue's record holds them all, so that this bounds what every log entry writes.
pub const GONE_STRETCHES_MAX: usize = 128;

/// Messages read lately of which memory knows what a commit asks: more than are locked at a time where all is well. About
/// 200 bytes each.
pub const RECENT_MESSAGES_MAX: usize = 16_384;

/// One step of a purge or a delete: at most so many messages, and no further message once so many bytes were read.
pub const SWEEP_MESSAGES_MAX: u32 = 1_000;
pub const SWEEP_BYTES_MAX: u64 = 4 << 20;

/// Messages that a sweep reads at a time: with the largest inline bodies 4 MiB.
pub const SWEEP_CHUNK: usize = 64;

/// The first failed attempt is soon repeated: most causes pass in the meantime. The delay then grows by the factor, up to the
/// longest: an order that waits for a person is looked at once a minute (P22).
pub const RETRY_DELAY_FIRST: Duration = Duration::from_millis(100);
pub const RETRY_DELAY_FACTOR: u32 = 4;
pub const RETRY_DELAY_MAX: Duration = Duration::from_secs(60);

/// Producers that are remembered; the least recently used goes first (P24). They are mirrored in memory: 3 MB at this limit.
pub const PRODUCERS_MAX: usize = 10_000;

/// The sequences whose results are kept for a repetition: the largest window of sends in flight (P24).
pub const PRODUCER_WINDOW: u64 = 1_000;

const _: () = assert!(PREPARED_INLINE_BYTES_MAX <= INLINE_BODY_BYTES_MAX);
const _: () = assert!(INLINE_BODY_BYTES_MAX <= BODY_PART_BYTES);
const _: () = assert!(BODY_PART_BYTES <= CHUNK_BYTES_MAX);
const _: () = assert!(SWEEP_CHUNK <= SWEEP_MESSAGES_MAX as usize);
