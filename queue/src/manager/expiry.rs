//! When the manager looks for messages whose time-to-be-received ran out.

use handfast_protocol::Timestamp;

use super::event::earlier;

#[derive(Debug)]
pub(super) struct Expiry {
    /// When something is due, as far as is known.
    next: Option<Timestamp>,
    /// Messages came or went that nobody named here: the state is asked before the step ends.
    stale: bool,
    /// A look's command is in flight; its result looks again.
    busy: bool,
    /// Due messages that the last look found locked: the next one looks past them.
    pub passed_over: usize,
}

impl Default for Expiry {
    /// A new leader knows nothing yet.
    fn default() -> Expiry {
        Expiry { next: None, stale: true, busy: false, passed_over: 0 }
    }
}

impl Expiry {
    pub fn note(&mut self, at: Option<Timestamp>) {
        self.next = earlier(self.next, at);
    }

    pub fn mark_stale(&mut self) {
        self.stale = true;
    }

    pub fn take_stale(&mut self) -> bool {
        std::mem::take(&mut self.stale)
    }

    pub fn is_due(&self, now: Timestamp) -> bool {
        !self.busy && self.next.is_some_and(|next| next <= now)
    }

    pub fn begin(&mut self) {
        self.busy = true;
        self.next = None;
    }

    /// The look is over; the next one is at `next`.
    pub fn end(&mut self, next: Option<Timestamp>) {
        self.busy = false;
        self.next = next;
    }

    pub fn next(&self) -> Option<Timestamp> {
        if self.busy { None } else { self.next }
    }
}
