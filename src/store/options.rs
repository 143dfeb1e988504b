//! How RocksDB is set up for a queue: written in order, read in order, deleted soon; and checked wherever it can be.

use handfast_store::Family;
use rocksdb::{
    BlockBasedIndexType, BlockBasedOptions, Cache, ColumnFamilyDescriptor, DBCompressionType, LogLevel,
    LruCacheOptions, Options, ReadOptions, WriteOptions,
};

use super::limits;

/// The families' names on disk: a contract (they are in every store that exists).
pub fn name(family: Family) -> &'static str {
    match family {
        Family::State => "state",
        Family::Messages => "messages",
        Family::Bodies => "bodies",
    }
}

/// Options of the database as a whole.
pub fn database() -> Options {
    let mut options = Options::default();
    // A crash between two families' flushes would otherwise leave a message without its mark.
    options.set_atomic_flush(true);
    options.set_paranoid_checks(true);
    options.set_max_background_jobs(limits::BACKGROUND_JOBS);
    options.set_max_open_files(limits::OPEN_FILES);
    options.set_db_write_buffer_size(limits::MEMTABLES_WRITTEN);
    options.set_bytes_per_sync(limits::SYNC_STEP);
    options.set_max_manifest_file_size(limits::MANIFEST);
    options.set_keep_log_file_num(limits::INFO_LOGS);
    options.set_max_log_file_size(limits::INFO_LOG);
    options.set_log_level(LogLevel::Warn);
    options.set_stats_dump_period_sec(0);
    options.set_stats_persist_period_sec(0);
    options
}

/// The families with their options. All of them share one cache.
pub fn families() -> Vec<ColumnFamilyDescriptor> {
    let mut shape = LruCacheOptions::default();
    shape.set_capacity(limits::BLOCK_CACHE);
    shape.set_num_shard_bits(limits::BLOCK_CACHE_SHARD_BITS);
    let cache = Cache::new_lru_cache_opts(&shape);
    let ours = Family::ALL.into_iter().map(|each| ColumnFamilyDescriptor::new(name(each), family(each, &cache)));
    // RocksDB insists on a family of this name; it stays empty.
    ours.chain([ColumnFamilyDescriptor::new(rocksdb::DEFAULT_COLUMN_FAMILY_NAME, Options::default())]).collect()
}

fn family(family: Family, cache: &Cache) -> Options {
    let (memtable, block) = match family {
        Family::State => (limits::STATE_MEMTABLE, limits::STATE_BLOCK),
        Family::Messages => (limits::MESSAGES_MEMTABLE, limits::SCAN_BLOCK),
        Family::Bodies => (limits::BODIES_MEMTABLE, limits::SCAN_BLOCK),
    };
    let mut table = BlockBasedOptions::default();
    table.set_block_cache(cache);
    table.set_block_size(block);
    // Indexes and filters count against the cache, which is bounded; unasked, they would grow with the backlog (G7).
    table.set_cache_index_and_filter_blocks(true);
    table.set_cache_index_and_filter_blocks_with_high_priority(true);
    // In pieces: a whole filter of a file would not fit into a part of the cache, and be read anew for every key.
    table.set_index_type(BlockBasedIndexType::TwoLevelIndexSearch);
    table.set_partition_filters(true);
    table.set_metadata_block_size(limits::METADATA_BLOCK);
    if family == Family::State {
        // Messages and bodies are only asked for where they are: a filter would say yes.
        table.set_bloom_filter(limits::STATE_FILTER_BITS, false);
    }
    let mut options = Options::default();
    options.set_block_based_table_factory(&table);
    options.set_write_buffer_size(memtable);
    options.set_max_write_buffer_number(limits::MEMTABLES_PER_FAMILY);
    options.set_target_file_size_base(limits::FILE);
    // The same on every level: a file that overlaps no other then moves down without being rewritten.
    options.set_compression_type(DBCompressionType::Lz4);
    options.add_compact_on_deletion_collector_factory(
        limits::DELETIONS_WINDOW,
        limits::DELETIONS,
        limits::DELETIONS_SHARE,
    );
    options
}

/// No write goes to RocksDB's own log (D1).
pub fn write() -> WriteOptions {
    let mut options = WriteOptions::default();
    options.disable_wal(true);
    options
}

/// Every block that is read from a file is checked against its sum (P29).
pub fn read() -> ReadOptions {
    let mut options = ReadOptions::default();
    options.set_verify_checksums(true);
    options
}
