//! What the store may take: memory above all, which must not grow with the backlog (G7). All of it together is at most
//! [`MEMORY_MAX`], whatever lies in the queues.

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// Memtable of the small records. They are rewritten in place often: the larger, the fewer copies reach a file.
pub const STATE_MEMTABLE: usize = 16 * MIB;

/// Memtable of the messages: some 30,000 messages of 1 KiB. A message that is sent and received while it lies here leaves only
/// a tombstone to the files.
pub const MESSAGES_MEMTABLE: usize = 32 * MIB;

/// Memtable of the bodies that rest apart. A body comes in pieces of at most 256 KiB.
pub const BODIES_MEMTABLE: usize = 16 * MIB;

/// One memtable that is written and one that is flushed; a writer that is faster than the disk then waits.
pub const MEMTABLES_PER_FAMILY: i32 = 2;

/// When all memtables that are written hold this much together, the store flushes by itself. Below the sum of the three, so that
/// no family waits for its own to fill.
pub const MEMTABLES_WRITTEN: usize = 48 * MIB;

/// Blocks of the files, their indexes and filters included. Messages are read in order and once, State mostly from the
/// memtable: more cache would serve a working set that a queue does not have.
pub const BLOCK_CACHE: usize = 32 * MIB;

/// The cache is cut into four. What is larger than a part is never kept, and RocksDB's own measure is half a megabyte: less than
/// a large body's block or the filter of a file. One thread reads, so that finer parts would spare no waiting.
pub const BLOCK_CACHE_SHARD_BITS: i32 = 2;

/// The memtables at their fullest, those that are flushed included.
pub const MEMTABLES_MAX: usize = (STATE_MEMTABLE + MESSAGES_MEMTABLE + BODIES_MEMTABLE) * MEMTABLES_PER_FAMILY as usize;

/// The memtables and the cache at their fullest. The rest of the process has as much again under its 300 MiB.
pub const MEMORY_MAX: usize = 160 * MIB;

const _: () = assert!(MEMTABLES_MAX + BLOCK_CACHE <= MEMORY_MAX);
const _: () = assert!(MEMTABLES_WRITTEN < STATE_MEMTABLE + MESSAGES_MEMTABLE + BODIES_MEMTABLE);
const _: () = assert!(MESSAGES_MEMTABLE < MEMTABLES_WRITTEN);

/// State is read by key: a block is read for one record.
pub const STATE_BLOCK: usize = 4 * KIB;

/// Messages and bodies are read in order: a block serves several.
pub const SCAN_BLOCK: usize = 16 * KIB;

/// Indexes and filters are read in pieces of this size.
pub const METADATA_BLOCK: usize = 4 * KIB;

/// One wrong answer in a hundred for a key that is not there, at 1.25 bytes a key. State is asked for many of those: outcomes
/// of unknown transactions, producers seen first.
pub const STATE_FILTER_BITS: f64 = 10.0;

/// A file as written by a flush or a compaction: small enough that dropping a consumed stretch of a queue rewrites little else.
pub const FILE: u64 = 32 * MIB as u64;

/// A file with this many deletions ...
pub const DELETIONS: usize = 128;
/// ... among so many entries in a row is compacted early, so that the head of a queue is not a field of tombstones ...
pub const DELETIONS_WINDOW: usize = 512;
/// ... and so is a file that consists of deletions by half.
pub const DELETIONS_SHARE: f64 = 0.5;

const _: () = assert!(DELETIONS < DELETIONS_WINDOW);

/// One thread flushes, one compacts: on a machine of two cores neither may starve the owner of the store.
pub const BACKGROUND_JOBS: i32 = 2;

/// 8 GiB of files stay open; beyond that the least used are closed. Far below the usual limit of 1,024 for a process, which
/// needs the rest for its connections.
pub const OPEN_FILES: i32 = 256;

/// Written files are handed to the disk in steps, so that the sync at the end does not hold up the log's.
pub const SYNC_STEP: u64 = MIB as u64;

/// The list of files is written anew beyond this size; RocksDB's own default is a gigabyte.
pub const MANIFEST: usize = 16 * MIB;

/// RocksDB's own log of warnings: this many files ...
pub const INFO_LOGS: usize = 2;
/// ... of this size.
pub const INFO_LOG: usize = MIB;
