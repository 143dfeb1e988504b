//! Files to messages: one body for each line, or for each row of CSV. Read piece by piece, whatever the file's size; what
//! cannot be understood is refused with its line, never guessed.
//!
//! It sends nothing: the command line does that with the batches that come out of here.

mod batches;
mod csv;
mod digest;
mod error;
mod json_number;
mod limits;
mod lines;
mod rows;

pub use batches::{Batch, Batches, Resume};
pub use csv::CsvRows;
pub use digest::Digest;
pub use error::ImportError;
pub use json_number::is_json_number;
pub use limits::{BATCH_MESSAGES_DEFAULT, BATCH_MESSAGES_MAX};
pub use lines::{Content, Lines, check_json};

use bytes::Bytes;

/// What becomes one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Where it begins in the input, counted from 1.
    pub line: u64,
    pub body: Bytes,
    /// Bytes of the input up to its end.
    pub offset: u64,
}
