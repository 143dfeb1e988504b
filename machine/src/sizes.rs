//! Sizes of a member that its process chooses.

use handfast_queue::manager;

use crate::limits::{BATCH_BYTES, ENTRIES_IN_FLIGHT_MAX};

/// What is right in service is the default, and the limit; small sizes make a short test reach what takes a crowd otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    pub queues: manager::Sizes,
    /// See [`BATCH_BYTES`].
    pub batch_bytes: usize,
    /// See [`ENTRIES_IN_FLIGHT_MAX`]; at least 1.
    pub entries_in_flight_max: usize,
}

impl Sizes {
    pub(crate) fn within_limits(self) -> Sizes {
        Sizes {
            queues: self.queues,
            batch_bytes: self.batch_bytes.min(BATCH_BYTES),
            entries_in_flight_max: self.entries_in_flight_max.clamp(1, ENTRIES_IN_FLIGHT_MAX),
        }
    }
}

impl Default for Sizes {
    fn default() -> Sizes {
        Sizes {
            queues: manager::Sizes::default(),
            batch_bytes: BATCH_BYTES,
            entries_in_flight_max: ENTRIES_IN_FLIGHT_MAX,
        }
    }
}
