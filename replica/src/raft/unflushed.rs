//! How much log stands above the last flush mark (P30), ready to be asked on every proposal.

use std::sync::atomic::{AtomicU64, Ordering};

use handfast_log::LogWriter;
use tokio::sync::watch;

use super::record::log_index;
use super::type_config::Mark;

/// The log knows the exact number, behind its lock; this keeps it after each append and each flush.
pub(crate) struct Unflushed {
    log: LogWriter,
    mark: watch::Receiver<Option<Mark>>,
    bytes: AtomicU64,
}

impl Unflushed {
    pub(crate) fn new(log: LogWriter, mark: watch::Receiver<Option<Mark>>) -> Self {
        let unflushed = Unflushed { log, mark, bytes: AtomicU64::new(0) };
        unflushed.refresh();
        unflushed
    }

    /// Appends and flushes may refresh at the same time; the next append corrects the one that came
    /// late, and the number is a threshold, not an account.
    pub(crate) fn refresh(&self) {
        let marked = self.mark.borrow().as_ref().and_then(|mark| mark.last_log_id);
        let index = marked.map_or(0, |log_id| log_index(log_id.index));
        self.bytes.store(self.log.bytes_since(index), Ordering::Relaxed);
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }
}
