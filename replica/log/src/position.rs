//! A place in the log as a whole.

use std::fmt;

/// The end of something that was appended. Later in the log is greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Sequence of the segment; never reused.
    pub segment: u64,
    /// Bytes from the start of that segment.
    pub offset: u64,
}

impl fmt::Display for Position {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.segment, self.offset)
    }
}
