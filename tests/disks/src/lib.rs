//! Real disks that fail on purpose, for tests: system calls that strace changes, and file systems whose power goes.
//!
//! Both need what not every machine gives (tracing another process; root and loop devices). Where it is missing, a test says
//! so by [`skipped`] and passes.

mod loop_disk;
mod strace;
mod unavailable;
mod writer;

pub use loop_disk::{FileSystem, LoopDisk};
pub use strace::{Fault, Strace, Traced};
pub use unavailable::Unavailable;
pub use writer::{Ending, Writer};

use std::io::Write;

use tempfile::TempDir;

/// What a test came to, on standard error past the capture of the test's output: figures are for every run.
pub fn say(line: &str) {
    // Nobody is left to hear of a closed standard error.
    drop(writeln!(std::io::stderr(), "{line}"));
}

/// A directory in memory where there is one: for tests that do not rest on what a disk keeps, and would only wait for it.
pub fn memory_directory() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a test has a temporary directory")
}

/// The test of this name cannot be run here.
pub fn skipped(name: &str, reason: &Unavailable) {
    say(&format!("skipped: {name}: {reason}"));
}
