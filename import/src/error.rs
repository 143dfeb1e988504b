//! Why an input cannot be understood.

use std::io;

use super::limits::RECORD_BYTES_MAX;

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    #[error(
        "its first {records} records are not those that were sent before under this producer's name, to this queue; choose another --producer"
    )]
    OtherInput { records: u64 },
    #[error(
        "some of the {records} records that were sent before under this producer's name were refused then, because their queue had been deleted: they are not there; choose another --producer"
    )]
    RefusedBefore { records: u64 },
    #[error("the input cannot be read: {0}")]
    Read(io::Error),
    #[error("line {line} is longer than {RECORD_BYTES_MAX} bytes, the most that a message may have")]
    LineTooLong { line: u64 },
    #[error("line {line} is not JSON: {}", json_text(cause))]
    NotJson { line: u64, cause: serde_json::Error },
    #[error("the input is empty: CSV begins with a line of column names")]
    NoHeader,
    #[error("column {column} of the header has no name; give it one")]
    UnnamedColumn { column: usize },
    #[error("columns {first} and {second} of the header are both named {name:?}; rename one of them")]
    RepeatedColumn { first: usize, second: usize, name: String },
    #[error("the header has a column {name:?} already; choose another --line-key")]
    LineKeyTaken { name: String },
    #[error("line {line} has {found} fields, and the header has {expected}")]
    FieldCount { line: u64, found: usize, expected: usize },
    #[error("line {line} has a quotation mark inside a field without quotes; write \"...\" around it and double it")]
    StrayQuote { line: u64 },
    #[error("line {line} has text behind a closing quotation mark; double the marks inside a field")]
    TextBehindQuote { line: u64 },
    #[error("line {line} has a carriage return outside quotes that ends no line")]
    StrayReturn { line: u64 },
    #[error("line {line} opens a quotation mark that is never closed")]
    UnclosedQuote { line: u64 },
    #[error("the row of line {line} is longer than {RECORD_BYTES_MAX} bytes; is a quotation mark open?")]
    RowTooLong { line: u64 },
    #[error("line {line}, column {column} is not UTF-8 text; convert the file, for example with iconv")]
    NotText { line: u64, column: usize },
}

/// What the reader of JSON says, without its own count of lines: it saw a single one.
fn json_text(cause: &serde_json::Error) -> String {
    let text = cause.to_string();
    let place = format!(" at line {} column {}", cause.line(), cause.column());
    match text.strip_suffix(&place) {
        Some(text) => format!("{text} at column {}", cause.column()),
        None => text,
    }
}
