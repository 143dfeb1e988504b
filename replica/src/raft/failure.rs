//! The first failure, kept with its type while openraft carries only its text.

use std::io;
use std::sync::{Arc, OnceLock};

use handfast_log::LogError;

use crate::error::StopReason;

#[derive(Debug, Clone, Default)]
pub(crate) struct FirstFailure {
    cause: Arc<OnceLock<StopReason>>,
}

impl FirstFailure {
    /// Keeps `reason` unless an earlier one is known; answers the first. Who hears of a failed log before the call that failed
    /// does, on another thread, has its cause all the same.
    pub(crate) fn keep(&self, reason: StopReason) -> StopReason {
        let first = match reason {
            StopReason::Log(LogError::Poisoned { cause }) => StopReason::Log(LogError::Disk(cause)),
            reason => reason,
        };
        self.cause.get_or_init(|| first).clone()
    }

    /// The same, as openraft takes it: it stops its core on any I/O error.
    pub(crate) fn record(&self, reason: impl Into<StopReason>) -> io::Error {
        io::Error::other(self.keep(reason.into()))
    }

    pub(crate) fn cause(&self) -> Option<StopReason> {
        self.cause.get().cloned()
    }
}

#[cfg(test)]
mod tests {
    use handfast_log::disk::{Cause, DiskError, Operation};

    use super::*;

    #[test]
    fn the_cause_is_the_same_whoever_hears_of_it_first() {
        let cause = DiskError { operation: Operation::Write, file: "1.log".to_owned(), cause: Cause::System(5) };
        let [disk, poisoned] = [LogError::Disk(cause.clone()), LogError::Poisoned { cause }];
        let first = FirstFailure::default();
        first.record(StopReason::Log(poisoned));
        assert_eq!(first.cause().unwrap().to_string(), StopReason::Log(disk).to_string());
    }
}
