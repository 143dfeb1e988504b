//! What the log needs of a disk: one directory of files, with the difference between written and
//! durable in plain sight.
//!
//! Two implementations: `RealDisk` over the operating system, `SimulatedDisk` in memory, which can
//! lose, tear, reorder and refuse. The rules both keep, and the log relies on:
//! - what `write_at` wrote is durable only after `sync_data` of that file; bytes that a write did
//!   not touch are not damaged by it;
//! - a new, renamed or removed name is durable only after `sync_directory`;
//! - after a failed `sync_data` nothing is known about what was written since the last good one,
//!   and asking again proves nothing.

mod error;
#[allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "it is the operating system's disk")]
mod real;
mod simulated;

use std::fmt::Debug;

pub use error::{Cause, DiskError, Operation};
pub use real::RealDisk;
pub use simulated::{Crash, Fault, SimulatedDisk, SplitMix64, Survival};

/// One directory.
pub trait Disk: Debug + Send + 'static {
    type File: DiskFile;

    /// A new, empty file; the name must not exist.
    fn create(&self, name: &str) -> Result<Self::File, DiskError>;

    fn open(&self, name: &str) -> Result<Self::File, DiskError>;

    /// The names in the directory, sorted.
    fn list(&self) -> Result<Vec<String>, DiskError>;

    /// Takes the name away; who has the file open can still read it.
    fn remove(&self, name: &str) -> Result<(), DiskError>;

    fn rename(&self, from: &str, to: &str) -> Result<(), DiskError>;

    fn sync_directory(&self) -> Result<(), DiskError>;
}

/// One open file. Reads and writes name their offset, so that readers share the handle with the one
/// writer.
pub trait DiskFile: Debug + Send + Sync + 'static {
    /// Writes all the bytes or fails.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), DiskError>;

    /// Fills the buffer or fails; the end of the file within it is `Cause::UnexpectedEnd`.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), DiskError>;

    /// Makes everything written to this file durable, its length included.
    fn sync_data(&self) -> Result<(), DiskError>;

    /// Makes a new file `length` bytes long with its blocks reserved, so that a later write within
    /// it does not run out of space. Reads as zeros.
    fn allocate(&self, length: u64) -> Result<(), DiskError>;

    fn length(&self) -> Result<u64, DiskError>;
}
