//! Decided: every branch is told, again and again until it has acknowledged, and the record stays as long (`one-log 6` and `7`,
//! `standalone 6` and `7`).

use crate::state::{Command, Mode, OfBranch, OfWhole, Outcome, Phase, Record, Slot, State};
use crate::{Kind, Protocol};

impl Protocol {
    pub(super) fn end(&self, state: &mut State) {
        state.coordinator.phase = Phase::Ending;
        self.tell(state);
        self.answer_if_ended(state);
    }

    pub(super) fn tell(&self, state: &mut State) {
        let Record::Decided { outcome, open } = state.log.record else { return };
        for slot in open.iter() {
            state.network.tell(phase_two(outcome), slot);
        }
    }

    pub(super) fn done(&self, state: &mut State, slot: Slot, told: Outcome) {
        let Record::Decided { outcome, open } = state.log.record else { return };
        if state.coordinator.phase == Phase::Ending && outcome == told && open.has(slot) {
            self.propose(state, Command::Acknowledge(slot));
        }
    }

    pub(super) fn acknowledged(&self, state: &mut State) {
        self.answer_if_ended(state);
    }

    /// The answer waits for services, so that who reads there sees what was committed (P19), and not for databases.
    fn answer_if_ended(&self, state: &mut State) {
        let open_at_services = match state.log.record {
            Record::Decided { open, .. } => open.iter().any(|slot| self.configuration.kind(slot) != Kind::Database),
            Record::None | Record::Delegated | Record::Ended(_) | Record::Forgotten => false,
        };
        if let Some(outcome) = state.log.record.outcome().filter(|_| !open_at_services) {
            state.network.say(told(outcome));
        }
        if !matches!(state.log.record, Record::Decided { .. }) {
            state.coordinator.is_lost(Mode::Leading);
        }
    }
}

pub(super) fn phase_two(outcome: Outcome) -> OfBranch {
    match outcome {
        Outcome::Committed => OfBranch::Commit,
        Outcome::RolledBack => OfBranch::Rollback,
    }
}

pub(super) fn told(outcome: Outcome) -> OfWhole {
    match outcome {
        Outcome::Committed => OfWhole::ToldCommitted,
        Outcome::RolledBack => OfWhole::ToldRolledBack,
    }
}
