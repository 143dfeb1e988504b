//! Builds RocksDB's static library as a dependency and holds nothing itself.
