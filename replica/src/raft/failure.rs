//! The first failure, kept with its type while openraft carries only its text.

use std::io;
use std::sync::{Arc, OnceLock};

use crate::error::StopReason;

#[derive(Debug, Clone, Default)]
pub(crate) struct FirstFailure {
    cause: Arc<OnceLock<StopReason>>,
}

impl FirstFailure {
    /// Keeps `reason` unless an earlier one is known, and wraps it for openraft, which stops its
    /// core on any I/O error.
    pub(crate) fn record(&self, reason: impl Into<StopReason>) -> io::Error {
        let reason = reason.into();
        let first = self.cause.get_or_init(|| reason);
        io::Error::other(first.clone())
    }

    pub(crate) fn cause(&self) -> Option<StopReason> {
        self.cause.get().cloned()
    }
}
