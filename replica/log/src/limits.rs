//! Every limit of the log, each with its reason. Nothing here is read from a configuration file;
//! what a caller may choose is in `LogOptions`.

use std::time::Duration;

/// Size of a segment unless `LogOptions` says otherwise. Large enough that the three syncs of a
/// segment change vanish beside the thousands of syncs within it, small enough that purging gives
/// space back soon.
pub const SEGMENT_BYTES_DEFAULT: u64 = 64 * 1024 * 1024;

/// The smallest segment that still holds its own header, its opening batch and a few records. Tests
/// and the simulator use it.
pub const SEGMENT_BYTES_MIN: u64 = 4 * 1024;

/// The largest segment. Places inside a segment are kept as 32-bit offsets, and a segment is read
/// whole at a start.
pub const SEGMENT_BYTES_MAX: u64 = 1024 * 1024 * 1024;

/// Payloads of recent entries kept in memory unless `LogOptions` says otherwise: what is appended
/// is read back for apply and for followers soon after.
pub const CACHE_BYTES_DEFAULT: usize = 16 * 1024 * 1024;

/// The largest `State` or `Purge` payload. Both are repeated at the start of every segment, so they
/// must stay small beside it.
pub const OPAQUE_BYTES_MAX: u64 = 64 * 1024;

/// A `State` or `Purge` payload may also take no more than this part of a segment, so that the
/// smallest segments still have room for entries.
pub const OPAQUE_SEGMENT_SHARE: u64 = 8;

/// A batch is closed and written once it is this large, which bounds the write buffer (one larger
/// record makes a batch of its own).
pub const BATCH_BYTES_MAX: usize = 8 * 1024 * 1024;

/// What may wait for the writer thread. Beyond it `LogWriter::append` waits for the thread to take
/// what is there: back-pressure, not memory.
pub const PENDING_BYTES_MAX: u64 = 32 * 1024 * 1024;

/// Unused segments kept for the next use; what a purge frees beyond them goes back to the file
/// system. One is needed ahead of the active segment, the others save the cost of new blocks when a
/// purge frees several at once.
pub const SPARES_MAX: usize = 3;

/// At a start the last segment is copied whole into a fresh one when its live bytes are at most
/// this part of a segment; else only its tail is. So a process that is killed again and again fills
/// a segment per this share of data, not one per start.
pub const COPY_WHOLE_SHARE: u64 = 4;

/// How long the writer thread is idle before it names the synced position with a marker (P28).
pub const IDLE_MARK: Duration = Duration::from_millis(50);

/// How often an idle writer thread without a spare segment asks the file system again.
pub const SPARE_RETRY: Duration = Duration::from_secs(1);

/// Bytes that a sequential reader of a segment asks for at a time.
pub const READ_WINDOW_BYTES: usize = 1024 * 1024;

/// Two places closer than this are fetched by one read: a batch header between two records is
/// cheaper to read than to skip.
pub const READ_GAP_BYTES: u64 = 4 * 1024;

/// One write of zeros where the file system cannot preallocate.
pub const ZERO_FILL_BYTES: usize = 1024 * 1024;

const _: () = assert!(SEGMENT_BYTES_MIN <= SEGMENT_BYTES_DEFAULT);
const _: () = assert!(SEGMENT_BYTES_DEFAULT <= SEGMENT_BYTES_MAX);
const _: () = assert!(SEGMENT_BYTES_MAX <= u32::MAX as u64, "offsets in a segment are kept in 32 bits");
const _: () = assert!(OPAQUE_SEGMENT_SHARE >= 4, "two opaque payloads must leave half a segment to entries");
const _: () = assert!(COPY_WHOLE_SHARE >= 2, "a copied segment must leave room to append");
const _: () = assert!(PENDING_BYTES_MAX < SEGMENT_BYTES_DEFAULT, "one spare segment must hold what may wait");
