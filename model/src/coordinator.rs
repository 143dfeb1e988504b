//! The coordinator: presumed abort, a delegated last resource, one-phase commit. It leads from the moment its `BeginEpoch` is
//! applied (P2), and everything here but the log is volatile.

mod commit;
mod delegation;
mod ending;
mod inquiry;

use crate::state::{
    Command, Coordinator, Entry, Epoch, Message, Mode, OfBranch, OfWhole, Outcome, Phase, Record, SLOTS_MAX, Stage,
    State,
};
use crate::{Mistake, Protocol};

impl Coordinator {
    /// The first leadership, in which the transaction is active.
    pub(crate) fn of_first_epoch() -> Coordinator {
        Coordinator {
            mode: Mode::Leading,
            leadership: Epoch(1),
            phase: Phase::Active,
            stages: [Stage::Enlisted; SLOTS_MAX as usize],
        }
    }

    /// What a crash or the end of a leadership leaves of it.
    pub(crate) fn is_lost(&mut self, mode: Mode) {
        let leadership = self.leadership;
        *self = Coordinator { mode, leadership, phase: Phase::Gone, stages: [Stage::Enlisted; SLOTS_MAX as usize] };
    }
}

impl Protocol {
    /// Wants to lead: in an epoch that never was.
    pub(crate) fn stand_for_leader(&self, state: &mut State) {
        state.coordinator.is_lost(Mode::Electing);
        state.coordinator.leadership.0 += 1;
        self.propose(state, Command::BeginEpoch);
    }

    /// The epoch has begun: takes up what earlier ones left.
    pub(crate) fn lead(&self, state: &mut State) {
        state.coordinator.mode = Mode::Leading;
        if self.makes(Mistake::ProposesAgainInNewEpoch) {
            let before: Vec<Entry> = state.log.proposals().collect();
            before.iter().for_each(|entry| self.propose(state, entry.command));
        }
        match state.log.record {
            Record::Delegated if self.makes(Mistake::PresumesDelegatedRolledBack) => {}
            Record::Delegated => self.doubt(state),
            Record::Decided { .. } => self.end(state),
            Record::None | Record::Ended(_) | Record::Forgotten => {}
        }
    }

    pub(crate) fn propose(&self, state: &mut State, command: Command) {
        state.log.propose(Entry { epoch: state.coordinator.leadership, command });
    }

    /// An own command was applied, or refused.
    pub(crate) fn applied(&self, state: &mut State, command: Command, done: bool) {
        match (command, state.coordinator.phase) {
            (Command::Decide, Phase::Deciding) | (Command::Delegate, Phase::Delegating) if !done => {
                self.roll_back(state)
            }
            (Command::Decide, Phase::Deciding) | (Command::Conclude(_), Phase::Concluding) => self.end(state),
            (Command::Delegate, Phase::Delegating) => self.delegated(state),
            (Command::Acknowledge(_), Phase::Ending) => self.acknowledged(state),
            _ => {}
        }
    }

    /// A leader serves. Before its epoch has begun it does not even look at what it is asked (P2).
    pub(crate) fn coordinator_accepts(&self, state: &State, message: Message) -> bool {
        match state.coordinator.mode {
            Mode::Leading => true,
            Mode::Electing => {
                self.makes(Mistake::ServesBeforeEpoch) && matches!(message, Message::Of(OfBranch::InDoubt, _))
            }
            Mode::Down => false,
        }
    }

    pub(crate) fn coordinator_hears(&self, state: &mut State, message: Message) {
        match message {
            Message::Of(OfBranch::VoteCommit, slot) => self.voted(state, slot, Stage::Prepared),
            Message::Of(OfBranch::VoteReadOnly, slot) => self.voted(state, slot, Stage::ReadOnly),
            Message::Of(OfBranch::VoteRollback, slot) => self.refused(state, slot),
            Message::Of(OfBranch::DoneCommit, slot) => self.done(state, slot, Outcome::Committed),
            Message::Of(OfBranch::DoneRollback, slot) => self.done(state, slot, Outcome::RolledBack),
            Message::Of(OfBranch::InDoubt, slot) => self.asked_about(state, slot),
            Message::Whole(OfWhole::CommitAsked) => self.commit_asked(state),
            Message::Whole(OfWhole::RollbackAsked) => self.roll_back_if_active(state),
            Message::Whole(OfWhole::ReportCommitted) => self.reported_committed(state),
            Message::Whole(OfWhole::ReportUncertain) => self.silent(state),
            Message::Whole(OfWhole::OutcomeAsked) => self.outcome_asked(state),
            Message::Whole(OfWhole::FencedCommitted) => self.fenced(state, Outcome::Committed),
            Message::Whole(OfWhole::FencedRolledBack) => self.fenced(state, Outcome::RolledBack),
            Message::Whole(OfWhole::OnePhaseCommitted) => self.one_phase_ended(state, Some(Outcome::Committed)),
            Message::Whole(OfWhole::OnePhaseRolledBack) => self.one_phase_ended(state, Some(Outcome::RolledBack)),
            Message::Whole(OfWhole::OnePhaseNotKnown) => self.one_phase_ended(state, None),
            Message::Of(OfBranch::Prepare | OfBranch::Commit | OfBranch::Rollback, _) | Message::Whole(_) => {
                unreachable!("{message:?} is for another party")
            }
        }
    }

    /// Whatever waits for an answer asks once more.
    pub(crate) fn coordinator_asks_again(&self, state: &mut State) {
        if state.coordinator.mode != Mode::Leading || self.makes(Mistake::NeverTellsAgain) {
            return;
        }
        match state.coordinator.phase {
            Phase::InDoubt => state.network.say(OfWhole::Fence),
            Phase::Ending => self.tell(state),
            Phase::OnePhase => state.network.say(OfWhole::CommitOnePhase),
            Phase::Active
            | Phase::Preparing
            | Phase::Deciding
            | Phase::Delegating
            | Phase::Delegated
            | Phase::Concluding
            | Phase::Gone => {}
        }
    }
}
