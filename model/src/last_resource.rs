//! The last resource: a database with a marker row. Its client's local commit, with the row before it, is the decision
//! (`marker 6`); the coordinator's one statement inserts the opposite row or reads what stands there, and its own flush makes that
//! durable (P12).
//!
//! A row may be visible before it is durable, and stay so when nobody flushes it: frames in the page cache after a kill. That the
//! fence waits for a commit in flight is not seen here: the client's insert and COMMIT are one step.

use crate::state::{LastResource, OfWhole, Outcome, Row, State};
use crate::{Mistake, Protocol};

impl Protocol {
    /// The client's COMMIT arrives. A key that is taken means rolled back (P21).
    pub(crate) fn commit_row(&self, state: &mut State) {
        if !state.last.open {
            return;
        }
        state.last.open = false;
        if state.last.row == Row::Absent {
            state.last.row = Row::Visible(Outcome::Committed);
            state.last.client_waits = true;
            if self.makes(Mistake::CommitsWithoutSync) {
                state.last.client_waits = false;
                state.network.say(OfWhole::RowCommitted);
            }
        } else {
            state.network.say(OfWhole::RowRefused);
        }
    }

    pub(crate) fn fence(&self, state: &mut State) {
        match state.last.row {
            Row::Absent if self.makes(Mistake::LooksWithoutFence) => state.network.say(OfWhole::FencedRolledBack),
            Row::Absent => {
                state.last.row = Row::Visible(Outcome::RolledBack);
                state.last.fence_waits = true;
            }
            Row::Visible(outcome) if self.makes(Mistake::TrustsVisibleRow) => state.network.say(fenced(outcome)),
            Row::Visible(_) => state.last.fence_waits = true,
            Row::Durable(outcome) => state.network.say(fenced(outcome)),
        }
    }

    pub(crate) fn flush_row(&self, state: &mut State) {
        if state.last_is_down {
            return;
        }
        let Row::Visible(outcome) = state.last.row else { return };
        state.last.row = Row::Durable(outcome);
        if std::mem::take(&mut state.last.fence_waits) {
            state.network.say(fenced(outcome));
        }
        if std::mem::take(&mut state.last.client_waits) {
            state.network.say(OfWhole::RowCommitted);
        }
    }
}

impl LastResource {
    /// The client has worked there.
    pub(crate) fn with_work(open: bool) -> LastResource {
        LastResource { open, row: Row::Absent, client_waits: false, fence_waits: false }
    }

    /// `kept`: the process was killed and the page cache is there; else the power was cut.
    pub(crate) fn crashed(&mut self, kept: bool) {
        let row = match self.row {
            Row::Visible(_) if !kept => Row::Absent,
            row => row,
        };
        *self = LastResource { row, ..LastResource::with_work(false) };
    }
}

fn fenced(outcome: Outcome) -> OfWhole {
    match outcome {
        Outcome::Committed => OfWhole::FencedCommitted,
        Outcome::RolledBack => OfWhole::FencedRolledBack,
    }
}
