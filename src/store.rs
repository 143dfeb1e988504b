//! The store on disk: RocksDB behind [`handfast_store::Store`]. Only this and its tests name RocksDB.
//!
//! RocksDB is an index here and the log is the truth (design D1): its own write-ahead log is off, so what was written after
//! the last flush is lost when the process dies, and is read again from our log.

mod flusher;
mod limits;
mod open;
mod open_error;
mod options;
mod rocks_store;

pub use flusher::Flusher;
pub use open_error::OpenError;
pub use rocks_store::RocksStore;
