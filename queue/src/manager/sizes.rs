//! Sizes of a manager that its process chooses. They are this process's own: what one has written, another with other sizes
//! reads.

use handfast_protocol::limits::BODY_BYTES_MAX;

use super::limits::{BODY_BYTES_DEFAULT, DELAYED_KEYS_MAX, READY_BYTES_MAX, READY_KEYS_MAX, WORK_BYTES_MAX};

/// What is right in service is the default, and the limit of all but the body; small sizes make a short test reach what takes many messages otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    /// The largest body that is taken; at most [`BODY_BYTES_MAX`]. What is there already stays.
    pub body_bytes_max: usize,
    /// See [`READY_KEYS_MAX`]; at least 1.
    pub ready_keys_max: usize,
    /// See [`DELAYED_KEYS_MAX`]; at least 1.
    pub delayed_keys_max: usize,
    /// See [`READY_BYTES_MAX`].
    pub ready_bytes_max: usize,
    /// See [`WORK_BYTES_MAX`]. A transaction has a bounded number of parts, so that a small size makes for small transactions.
    pub work_bytes_max: usize,
}

impl Default for Sizes {
    fn default() -> Sizes {
        Sizes {
            body_bytes_max: BODY_BYTES_DEFAULT,
            ready_keys_max: READY_KEYS_MAX,
            delayed_keys_max: DELAYED_KEYS_MAX,
            ready_bytes_max: READY_BYTES_MAX,
            work_bytes_max: WORK_BYTES_MAX,
        }
    }
}

impl Sizes {
    pub(super) fn within_limits(self) -> Sizes {
        Sizes {
            body_bytes_max: self.body_bytes_max.min(BODY_BYTES_MAX),
            ready_keys_max: self.ready_keys_max.clamp(1, READY_KEYS_MAX),
            delayed_keys_max: self.delayed_keys_max.clamp(1, DELAYED_KEYS_MAX),
            ready_bytes_max: self.ready_bytes_max.min(READY_BYTES_MAX),
            work_bytes_max: self.work_bytes_max.min(WORK_BYTES_MAX),
        }
    }
}
