//! Delegated: only the last resource's row decides (P11). The client reports it, or the database is asked by the statement that
//! also fences (P12).

use crate::state::{Command, Mode, OfWhole, Outcome, Phase, State};
use crate::{Mistake, Protocol};

impl Protocol {
    /// `Delegated` is durable: now the client may go (`marker 5`).
    pub(super) fn delegated(&self, state: &mut State) {
        state.coordinator.phase = Phase::Delegated;
        state.network.say(OfWhole::Go);
    }

    /// The client does not know, does not answer, or is gone.
    pub(crate) fn silent(&self, state: &mut State) {
        if state.coordinator.mode != Mode::Leading || state.coordinator.phase != Phase::Delegated {
            return;
        }
        if self.makes(Mistake::TakesSilenceForRollback) {
            self.conclude(state, Outcome::RolledBack);
        } else {
            self.doubt(state);
        }
    }

    pub(super) fn doubt(&self, state: &mut State) {
        state.coordinator.phase = Phase::InDoubt;
        state.network.say(OfWhole::Fence);
    }

    pub(super) fn reported_committed(&self, state: &mut State) {
        match state.coordinator.phase {
            Phase::Delegated | Phase::InDoubt => self.conclude(state, Outcome::Committed),
            Phase::Active
            | Phase::Preparing
            | Phase::Deciding
            | Phase::Delegating
            | Phase::Concluding
            | Phase::Ending
            | Phase::OnePhase
            | Phase::Gone => self.compare(state, Outcome::Committed),
        }
    }

    pub(super) fn fenced(&self, state: &mut State, outcome: Outcome) {
        if state.coordinator.phase == Phase::InDoubt {
            self.conclude(state, outcome);
        } else {
            self.compare(state, outcome);
        }
    }

    fn conclude(&self, state: &mut State, outcome: Outcome) {
        state.coordinator.phase = Phase::Concluding;
        self.propose(state, Command::Conclude(outcome));
    }

    /// The row and the report never say opposite things (P12).
    fn compare(&self, state: &mut State, outcome: Outcome) {
        if state.log.record.outcome().is_some_and(|recorded| recorded != outcome) {
            state.history.hazard = true;
        }
    }
}
