//! What a caller chooses about a log.

use crate::error::OpenError;
use crate::limits::{CACHE_BYTES_DEFAULT, SEGMENT_BYTES_DEFAULT, SEGMENT_BYTES_MAX, SEGMENT_BYTES_MIN};

/// May differ from one start to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogOptions {
    /// Size of the segments that are made from now on.
    pub segment_bytes: u64,
    /// Payload bytes of recent entries that are kept in memory. Entries that are not yet written
    /// are kept beside them, whatever this says.
    pub cache_bytes: usize,
    /// Mixed into what marks a segment's own batches. The shell gives a random number, so that
    /// nobody can send a message whose body looks like a batch of ours; the simulator gives what it
    /// likes.
    pub salt: u64,
}

impl Default for LogOptions {
    fn default() -> Self {
        LogOptions { segment_bytes: SEGMENT_BYTES_DEFAULT, cache_bytes: CACHE_BYTES_DEFAULT, salt: 0 }
    }
}

impl LogOptions {
    pub(crate) fn validate(self) -> Result<Self, OpenError> {
        let possible = (SEGMENT_BYTES_MIN..=SEGMENT_BYTES_MAX).contains(&self.segment_bytes)
            && self.segment_bytes.is_multiple_of(8);
        if !possible {
            return Err(OpenError::SegmentBytes {
                segment_bytes: self.segment_bytes,
                min: SEGMENT_BYTES_MIN,
                max: SEGMENT_BYTES_MAX,
            });
        }
        Ok(self)
    }
}
