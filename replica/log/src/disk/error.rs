//! What can go wrong between the log and its disk, as facts that can be handed to many waiters.

use std::fmt;
use std::io;

use thiserror::Error;

/// One refused operation on one file.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("cannot {operation} {file}: {cause}")]
pub struct DiskError {
    pub operation: Operation,
    /// Name within the log's directory; the directory's own path for operations on the directory.
    pub file: String,
    pub cause: Cause,
}

/// What was asked of the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Operation {
    Create,
    Open,
    List,
    Remove,
    Rename,
    SyncDirectory,
    Write,
    Read,
    Sync,
    Allocate,
    Length,
}

/// Why it was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Cause {
    #[error("it does not exist")]
    NotFound,
    #[error("it exists already")]
    AlreadyExists,
    #[error("no space is left")]
    NoSpace,
    #[error("the file ends too early")]
    UnexpectedEnd,
    #[error("the machine has crashed and this handle is of its past")]
    Crashed,
    #[error("{}", io::Error::from_raw_os_error(*.0))]
    System(i32),
    #[error("{0}")]
    Kind(io::ErrorKind),
}

impl DiskError {
    pub(crate) fn new(operation: Operation, file: &str, cause: Cause) -> Self {
        DiskError { operation, file: file.to_owned(), cause }
    }

    pub(crate) fn from_io(operation: Operation, file: &str, error: &io::Error) -> Self {
        DiskError::new(operation, file, Cause::from_io(error))
    }
}

impl Cause {
    fn from_io(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Cause::NotFound,
            io::ErrorKind::AlreadyExists => Cause::AlreadyExists,
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Cause::NoSpace,
            io::ErrorKind::UnexpectedEof => Cause::UnexpectedEnd,
            kind => error.raw_os_error().map_or(Cause::Kind(kind), Cause::System),
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Operation::Create => "create",
            Operation::Open => "open",
            Operation::List => "list",
            Operation::Remove => "remove",
            Operation::Rename => "rename",
            Operation::SyncDirectory => "sync directory",
            Operation::Write => "write",
            Operation::Read => "read",
            Operation::Sync => "sync",
            Operation::Allocate => "reserve space for",
            Operation::Length => "find the length of",
        })
    }
}
