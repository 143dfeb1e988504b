//! Two questions (P20): what a prepared branch is to do, and how a transaction ended. The sweep is the first of them, asked by
//! the coordinator itself (P8): what its scan finds is judged when it arrives, by a leader that has applied its `BeginEpoch`.

use super::ending::{phase_two, told};
use crate::state::{Command, Mode, OfBranch, OfWhole, Phase, Record, Slot, State};
use crate::{Mistake, Protocol};

impl Protocol {
    /// A branch of a transaction that is live, or has a record, is attended to and waits; all others are presumed rolled back.
    pub(super) fn asked_about(&self, state: &mut State, slot: Slot) {
        let undecided = matches!(state.coordinator.phase, Phase::Active | Phase::Preparing | Phase::Deciding);
        if undecided && self.makes(Mistake::SweepsLiveBranches) {
            state.history.decided_rolled_back = true;
            return state.network.tell(OfBranch::Rollback, slot);
        }
        if state.coordinator.phase != Phase::Gone {
            return;
        }
        match state.log.record {
            Record::None => {
                state.history.decided_rolled_back = true;
                state.network.tell(OfBranch::Rollback, slot);
            }
            Record::Delegated if self.makes(Mistake::PresumesDelegatedRolledBack) => {
                state.history.decided_rolled_back = true;
                state.network.tell(OfBranch::Rollback, slot);
            }
            Record::Delegated | Record::Decided { .. } => {}
            Record::Ended(outcome) => state.network.tell(phase_two(outcome), slot),
            // Nothing is forgotten before its branches have acknowledged: what is told here ends nothing.
            Record::Forgotten => state.network.tell(OfBranch::Rollback, slot),
        }
    }

    pub(super) fn outcome_asked(&self, state: &mut State) {
        match (state.coordinator.phase, state.log.record) {
            (Phase::Gone, Record::None) if self.configuration.one_phase => state.network.say(OfWhole::ToldUnknown),
            (Phase::Gone, Record::None) => {
                state.history.decided_rolled_back = true;
                state.network.say(OfWhole::ToldRolledBack);
            }
            (Phase::Gone | Phase::Ending, Record::Decided { outcome, .. } | Record::Ended(outcome)) => {
                state.network.say(told(outcome));
            }
            (Phase::Gone, Record::Forgotten) if self.makes(Mistake::TellsRolledBackBelowHorizon) => {
                state.network.say(OfWhole::ToldRolledBack);
            }
            (Phase::Gone, Record::Forgotten) => state.network.say(OfWhole::ToldForgotten),
            // Not decided yet, or in doubt: the client waits.
            _ => {}
        }
    }

    /// P20: an outcome is kept for a while after the end.
    pub(crate) fn forget_outcome(&self, state: &mut State) {
        let ended = matches!(state.log.record, Record::Ended(_));
        if self.configuration.forgets && state.coordinator.mode == Mode::Leading && ended {
            self.propose(state, Command::ForgetOutcome);
        }
    }
}
