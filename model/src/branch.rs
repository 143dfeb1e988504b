//! A branch at a two-phase resource: a queue manager's or a database's. It votes when its prepare record is synced, does as it is
//! told, acknowledges when that is synced, and then forgets it (P1). A database keeps its marker row, by which it is known
//! whether a branch that is not there had been committed (P7).

use crate::state::{Branch, Message, OfBranch, OfWhole, Slot, State};
use crate::{Kind, Mistake, Protocol};

impl Protocol {
    pub(crate) fn branch_hears(&self, state: &mut State, word: OfBranch, slot: Slot) {
        match word {
            OfBranch::Prepare => self.prepare(state, slot),
            OfBranch::Commit => self.commit(state, slot),
            OfBranch::Rollback => roll_back(state, slot),
            OfBranch::VoteCommit
            | OfBranch::VoteReadOnly
            | OfBranch::VoteRollback
            | OfBranch::DoneCommit
            | OfBranch::DoneRollback
            | OfBranch::InDoubt => unreachable!("{word:?} is for who asked"),
        }
    }

    /// What is not known votes to roll back, and becomes nothing (P5).
    fn prepare(&self, state: &mut State, slot: Slot) {
        match (state.branch(slot), self.configuration.kind(slot)) {
            (Branch::Working, Kind::ReadOnly) => {
                state.set_branch(slot, Branch::ReadOnly);
                state.history.voted = state.history.voted.with(slot);
                state.network.tell(OfBranch::VoteReadOnly, slot);
            }
            (Branch::Working, Kind::Service | Kind::Database) => {
                state.set_branch(slot, Branch::Preparing);
                if self.makes(Mistake::VotesBeforeDurable) {
                    state.network.tell(OfBranch::VoteCommit, slot);
                }
            }
            (Branch::Prepared, _) => state.network.tell(OfBranch::VoteCommit, slot),
            (
                Branch::Preparing
                | Branch::Committing
                | Branch::RollingBack
                | Branch::Committed
                | Branch::RolledBack
                | Branch::ReadOnly,
                _,
            ) => state.network.tell(OfBranch::VoteRollback, slot),
        }
    }

    /// Rolls back instead of preparing. A database says so with a tag and no error (P6).
    pub(crate) fn refuse(&self, state: &mut State, slot: Slot) {
        if state.branch(slot) == Branch::Working {
            state.set_branch(slot, Branch::RolledBack);
            state.network.tell(OfBranch::VoteRollback, slot);
        }
    }

    pub(crate) fn refuse_one_phase(&self, state: &mut State) {
        state.set_branch(Slot(0), Branch::RolledBack);
        state.network.say(OfWhole::OnePhaseRolledBack);
    }

    fn commit(&self, state: &mut State, slot: Slot) {
        match (state.branch(slot), self.configuration.kind(slot)) {
            (Branch::Prepared, _) => {
                state.set_branch(slot, Branch::Committing);
                if self.makes(Mistake::AcknowledgesBeforeDurable) {
                    state.network.tell(OfBranch::DoneCommit, slot);
                }
            }
            (Branch::Committed, _) => state.network.tell(OfBranch::DoneCommit, slot),
            // No marker row: somebody else rolled it back (P7).
            (Branch::Working | Branch::RolledBack | Branch::ReadOnly, Kind::Database) => {
                state.history.hazard = true;
                state.network.tell(OfBranch::DoneCommit, slot);
            }
            // `branch 3`: what is not known has ended as it was told.
            (Branch::RolledBack | Branch::ReadOnly, Kind::Service | Kind::ReadOnly) => {
                state.network.tell(OfBranch::DoneCommit, slot);
            }
            // Not prepared: refused, and asked again. Writing: it waits.
            (Branch::Working | Branch::Preparing | Branch::Committing | Branch::RollingBack, _) => {}
        }
    }

    /// What was appended is durable: now it may be said.
    pub(crate) fn sync_branch(&self, state: &mut State, slot: Slot) {
        match state.branch(slot) {
            Branch::Preparing => {
                state.set_branch(slot, Branch::Prepared);
                state.history.voted = state.history.voted.with(slot);
                state.network.tell(OfBranch::VoteCommit, slot);
            }
            Branch::Committing if self.configuration.one_phase => {
                state.set_branch(slot, Branch::Committed);
                state.network.say(OfWhole::OnePhaseCommitted);
            }
            Branch::Committing => {
                state.set_branch(slot, Branch::Committed);
                state.network.tell(OfBranch::DoneCommit, slot);
            }
            Branch::RollingBack => {
                state.set_branch(slot, Branch::RolledBack);
                state.network.tell(OfBranch::DoneRollback, slot);
            }
            Branch::Working | Branch::Prepared | Branch::Committed | Branch::RolledBack | Branch::ReadOnly => {}
        }
    }

    /// Work and commit in one entry (`branch 4`). What is not known is not known: there are no tombstones (P1).
    pub(crate) fn commit_one_phase(&self, state: &mut State, slot: Slot) {
        match state.branch(slot) {
            Branch::Working => {
                state.set_branch(slot, Branch::Committing);
                state.history.voted = state.history.voted.with(slot);
            }
            Branch::Committed | Branch::RolledBack => state.network.say(OfWhole::OnePhaseNotKnown),
            Branch::Preparing | Branch::Prepared | Branch::Committing | Branch::RollingBack | Branch::ReadOnly => {}
        }
    }

    /// A database's votes are its client's to hear, a service's the coordinator's.
    pub(crate) fn votes_to_client(&self, message: Message) -> bool {
        let vote = |word| matches!(word, OfBranch::VoteCommit | OfBranch::VoteReadOnly | OfBranch::VoteRollback);
        matches!(message, Message::Of(word, slot) if vote(word) && self.configuration.kind(slot) == Kind::Database)
    }
}

/// What is not known is done (P7). A backend that still works on PREPARE is not found: its branch is the sweep's, later (P8).
fn roll_back(state: &mut State, slot: Slot) {
    match state.branch(slot) {
        Branch::Prepared => state.set_branch(slot, Branch::RollingBack),
        Branch::Working => {
            state.set_branch(slot, Branch::RolledBack);
            state.network.tell(OfBranch::DoneRollback, slot);
        }
        Branch::Committed | Branch::RolledBack | Branch::ReadOnly => state.network.tell(OfBranch::DoneRollback, slot),
        Branch::Preparing | Branch::Committing | Branch::RollingBack => {}
    }
}

/// Rolled back where it is, without anybody's word: it is not prepared.
pub(crate) fn abandon(state: &mut State, slot: Slot) {
    if state.branch(slot) == Branch::Working {
        state.set_branch(slot, Branch::RolledBack);
    }
}

/// What a crash leaves of a branch; `kept`: the write that was not synced is there.
pub(crate) fn crashed(branch: Branch, one_phase: bool, kept: bool) -> Branch {
    match (branch, kept) {
        (Branch::Working, _) | (Branch::Preparing, false) | (Branch::RollingBack, true) => Branch::RolledBack,
        (Branch::Committing, false) if one_phase => Branch::RolledBack,
        (Branch::Preparing, true) | (Branch::Committing | Branch::RollingBack, false) => Branch::Prepared,
        (Branch::Committing, true) => Branch::Committed,
        (Branch::Prepared | Branch::Committed | Branch::RolledBack | Branch::ReadOnly, _) => branch,
    }
}
