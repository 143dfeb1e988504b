//! The way to a decision: votes, then one entry of the log (`one-log 4`, `standalone 4` and `5`, `marker 4`); or the only branch
//! decides alone (`branch 4`).

use crate::state::{Command, Mode, OfBranch, OfWhole, Outcome, Phase, Slot, Stage, State};
use crate::{Kind, Mistake, Protocol};

impl Protocol {
    /// A commit makes nothing live (P5): asked again when it is over, it is told how it ended.
    pub(super) fn commit_asked(&self, state: &mut State) {
        if state.coordinator.phase != Phase::Active {
            return self.outcome_asked(state);
        }
        if self.configuration.one_phase {
            state.coordinator.phase = Phase::OnePhase;
            return state.network.say(OfWhole::CommitOnePhase);
        }
        state.coordinator.phase = Phase::Preparing;
        for slot in self.configuration.slots().iter() {
            match self.configuration.kind(slot) {
                // The client asks only when its databases are prepared.
                Kind::Database => state.set_stage(slot, Stage::Prepared),
                Kind::Service | Kind::ReadOnly => {
                    state.set_stage(slot, Stage::Preparing);
                    state.network.tell(OfBranch::Prepare, slot);
                }
            }
        }
        self.decide_if_prepared(state);
    }

    /// A vote that comes too late is answered like the question of a branch in doubt.
    pub(super) fn voted(&self, state: &mut State, slot: Slot, stage: Stage) {
        let waited_for = state.coordinator.phase == Phase::Preparing && state.stage(slot) == Stage::Preparing;
        if waited_for {
            state.set_stage(slot, stage);
            self.decide_if_prepared(state);
        } else if stage == Stage::Prepared {
            self.asked_about(state, slot);
        }
    }

    pub(super) fn refused(&self, state: &mut State, slot: Slot) {
        if state.coordinator.phase == Phase::Preparing && state.stage(slot) == Stage::Preparing {
            self.roll_back(state);
        }
    }

    fn decide_if_prepared(&self, state: &mut State) {
        let voted = |slot: Slot| matches!(state.stage(slot), Stage::Prepared | Stage::ReadOnly);
        let mut slots = self.configuration.slots().iter();
        let prepared = if self.makes(Mistake::CommitsBeforeAllVotes) { slots.any(voted) } else { slots.all(voted) };
        if !prepared {
            return;
        }
        if self.configuration.last {
            state.coordinator.phase = Phase::Delegating;
            self.propose(state, Command::Delegate);
            if self.makes(Mistake::SendsGoBeforeDelegated) {
                state.network.say(OfWhole::Go);
            }
        } else {
            state.coordinator.phase = Phase::Deciding;
            self.propose(state, Command::Decide);
            if self.makes(Mistake::AnswersBeforeDecided) {
                state.network.say(OfWhole::ToldCommitted);
            }
        }
    }

    /// An active transaction has had its time, and one whose votes are awaited as well: nothing is decided (D6).
    pub(crate) fn deadline(&self, state: &mut State) {
        let waits = matches!(state.coordinator.phase, Phase::Active | Phase::Preparing);
        if state.coordinator.mode == Mode::Leading && waits {
            self.roll_back(state);
        }
    }

    pub(super) fn roll_back_if_active(&self, state: &mut State) {
        if state.coordinator.phase == Phase::Active {
            self.roll_back(state);
        }
    }

    /// Without a record (D4). Branches whose vote has not come are left to their vote, or to the sweep (P8).
    pub(super) fn roll_back(&self, state: &mut State) {
        for slot in self.configuration.slots().iter() {
            match state.stage(slot) {
                Stage::Enlisted | Stage::Prepared => state.network.tell(OfBranch::Rollback, slot),
                Stage::Preparing | Stage::ReadOnly => {}
            }
        }
        state.history.decided_rolled_back = true;
        state.coordinator.is_lost(Mode::Leading);
        state.network.say(OfWhole::ToldRolledBack);
    }

    /// The only branch has decided. One that does not know the transaction may have committed it before, or lost it: with
    /// neither a record here nor a tombstone there (P1), nobody can tell, and the client hears so.
    pub(super) fn one_phase_ended(&self, state: &mut State, outcome: Option<Outcome>) {
        if state.coordinator.phase != Phase::OnePhase {
            return;
        }
        state.coordinator.is_lost(Mode::Leading);
        match outcome {
            Some(Outcome::Committed) => {
                state.history.decided_committed = true;
                state.network.say(OfWhole::ToldCommitted);
            }
            Some(Outcome::RolledBack) => {
                state.history.decided_rolled_back = true;
                state.network.say(OfWhole::ToldRolledBack);
            }
            None if self.makes(Mistake::TakesNotKnownForCommitted) => state.network.say(OfWhole::ToldCommitted),
            None => state.network.say(OfWhole::ToldUnknown),
        }
    }
}
