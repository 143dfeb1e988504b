//! The program that leads the transaction: prepares databases, asks for the commit, commits at the last resource when it is told
//! to go, reports. When it has lost track it has the gtrid, and asks (P21). After a crash it knows nothing else.

use crate::state::{Client, Message, OfBranch, OfWhole, Outcome, Report, Slot, Slots, State};
use crate::{Kind, Mistake, Protocol};

impl Protocol {
    /// The work is done at every resource.
    pub(crate) fn client_starts(&self, state: &mut State) {
        if state.client != Client::Working {
            return;
        }
        let databases = self.configuration.of_kind(Kind::Database);
        if databases.is_empty() {
            return ask_commit(state);
        }
        state.client = Client::Preparing(Slots::default());
        for slot in databases.iter() {
            state.network.tell(OfBranch::Prepare, slot);
        }
    }

    pub(crate) fn client_hears(&self, state: &mut State, message: Message) {
        match message {
            Message::Of(OfBranch::VoteCommit, slot) => self.database_voted(state, slot),
            // PostgreSQL says ROLLBACK without an error (P6).
            Message::Of(OfBranch::VoteRollback, slot) if self.makes(Mistake::TakesSilentRollbackForVote) => {
                self.database_voted(state, slot);
            }
            Message::Of(OfBranch::VoteRollback, _) => cancel(state),
            Message::Whole(OfWhole::Go) if state.client == Client::Asked => {
                state.client = Client::Going;
                state.network.say(OfWhole::CommitRow);
            }
            Message::Whole(OfWhole::RowCommitted) if state.client == Client::Going => {
                state.client = Client::Reporting(Report::Committed);
                state.network.say(OfWhole::ReportCommitted);
            }
            // The key is taken: the fence was faster, and this transaction is over at the database (P21).
            Message::Whole(OfWhole::RowRefused) if state.client == Client::Going => {
                hear(state, Some(Outcome::RolledBack));
            }
            Message::Whole(OfWhole::ToldCommitted) => answered(state, Some(Outcome::Committed)),
            Message::Whole(OfWhole::ToldRolledBack) => answered(state, Some(Outcome::RolledBack)),
            Message::Whole(OfWhole::ToldForgotten | OfWhole::ToldUnknown) => answered(state, None),
            // Too late to mean anything.
            Message::Of(..) | Message::Whole(_) => {}
        }
    }

    fn database_voted(&self, state: &mut State, slot: Slot) {
        let Client::Preparing(voted) = state.client else { return };
        let voted = voted.with(slot);
        if voted.has_all(self.configuration.of_kind(Kind::Database)) {
            ask_commit(state);
        } else {
            state.client = Client::Preparing(voted);
        }
    }

    /// What it waits for does not come.
    pub(crate) fn client_gives_up(&self, state: &mut State) {
        match state.client {
            Client::Preparing(_) => cancel(state),
            Client::Asked | Client::Reporting(_) => {
                state.client = Client::Asking;
                state.network.say(OfWhole::OutcomeAsked);
            }
            Client::Going => {
                state.client = Client::Reporting(Report::Uncertain);
                state.network.say(OfWhole::ReportUncertain);
            }
            Client::Working | Client::Asking | Client::Ended | Client::Down => {}
        }
    }

    pub(crate) fn client_asks_again(&self, state: &mut State) {
        match state.client {
            Client::Asked => state.network.say(OfWhole::CommitAsked),
            Client::Reporting(Report::Committed) => state.network.say(OfWhole::ReportCommitted),
            Client::Reporting(Report::Uncertain) => state.network.say(OfWhole::ReportUncertain),
            Client::Asking => state.network.say(OfWhole::OutcomeAsked),
            Client::Working | Client::Preparing(_) | Client::Going | Client::Ended | Client::Down => {}
        }
    }
}

fn ask_commit(state: &mut State) {
    state.client = Client::Asked;
    state.network.say(OfWhole::CommitAsked);
}

/// It never asked for the commit, so it knows the outcome by itself (P21).
fn cancel(state: &mut State) {
    if let Client::Preparing(_) = state.client {
        state.network.say(OfWhole::RollbackAsked);
        hear(state, Some(Outcome::RolledBack));
    }
}

fn answered(state: &mut State, outcome: Option<Outcome>) {
    if matches!(state.client, Client::Asked | Client::Reporting(_) | Client::Asking) {
        hear(state, outcome);
    }
}

fn hear(state: &mut State, outcome: Option<Outcome>) {
    state.client = Client::Ended;
    match outcome {
        Some(Outcome::Committed) => state.history.told_committed = true,
        Some(Outcome::RolledBack) => state.history.told_rolled_back = true,
        None => {}
    }
}
