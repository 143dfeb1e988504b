//! The first failure, kept with its type while openraft carries only its text.

use std::io;
use std::sync::{Arc, OnceLock};

use crate::error::StopReason;

#[derive(Debug, Clone, Default)]
pub(crate) struct FirstFailure {
    cause: Arc<OnceLock<StopReason>>,
}

impl FirstFailure {
    /// Keeps `reason` unless an earlier one is known; answers the first.
    pub(crate) fn keep(&self, reason: StopReason) -> StopReason {
        self.cause.get_or_init(|| reason).clone()
    }

    /// The same, as openraft takes it: it stops its core on any I/O error.
    pub(crate) fn record(&self, reason: impl Into<StopReason>) -> io::Error {
        io::Error::other(self.keep(reason.into()))
    }

    pub(crate) fn cause(&self) -> Option<StopReason> {
        self.cause.get().cloned()
    }
}
