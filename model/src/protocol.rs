//! The model as the checker explores it: which steps there are in a state, and where each leads.

use stateright::{Model, Property};

use crate::action::{Action, Deed, Party};
use crate::branch::abandon;
use crate::state::{
    Branch, Client, Coordinator, EPOCHS_MAX, History, LastResource, Log, Message, Mode, Network, OfBranch, OfWhole,
    Record, SLOTS_MAX, Slot, Slots, State,
};
use crate::{Configuration, Faults, Mistake, properties};

/// The protocol, kept by everybody, or by everybody but for one mistake.
#[derive(Debug, Clone, Copy)]
pub struct Protocol {
    pub configuration: Configuration,
    pub mistake: Option<Mistake>,
}

impl Protocol {
    pub fn new(configuration: Configuration) -> Protocol {
        assert!(configuration.leaderships() <= EPOCHS_MAX, "an entry has room for that many epochs");
        Protocol { configuration, mistake: None }
    }

    pub fn with(mistake: Mistake) -> Protocol {
        Protocol { mistake: Some(mistake), ..Protocol::new(mistake.configuration()) }
    }

    pub(crate) fn makes(&self, mistake: Mistake) -> bool {
        self.mistake == Some(mistake)
    }

    /// The transaction has begun, and its work is done at every resource.
    pub(crate) fn begun(&self) -> State {
        State {
            network: Network::default(),
            log: Log::new(),
            client: Client::Working,
            coordinator: Coordinator::of_first_epoch(),
            deposed: None,
            branches: [Branch::Working; SLOTS_MAX as usize],
            down: Slots::default(),
            last: LastResource::with_work(self.configuration.last),
            last_is_down: false,
            queue_is_gone: false,
            history: History::default(),
            crashes_left: self.configuration.crashes,
            leader_changes_left: self.configuration.leader_changes,
        }
    }

    /// Who hears a message is there to hear it. What is not heard stays on its way.
    fn accepts(&self, state: &State, message: Message) -> bool {
        match self.receiver(message) {
            Party::Coordinator => self.coordinator_accepts(state, message),
            Party::Client => state.client != Client::Down,
            Party::Resource(slot) => !state.down.has(slot) && !state.branch(slot).is_writing(),
            Party::LastResource => !state.last_is_down,
        }
    }

    fn receiver(&self, message: Message) -> Party {
        match message {
            Message::Of(OfBranch::Prepare | OfBranch::Commit | OfBranch::Rollback, slot) => Party::Resource(slot),
            Message::Of(..) if self.votes_to_client(message) => Party::Client,
            Message::Of(..) => Party::Coordinator,
            Message::Whole(word) => match word {
                OfWhole::CommitAsked
                | OfWhole::RollbackAsked
                | OfWhole::ReportCommitted
                | OfWhole::ReportUncertain
                | OfWhole::OutcomeAsked
                | OfWhole::FencedCommitted
                | OfWhole::FencedRolledBack
                | OfWhole::OnePhaseCommitted
                | OfWhole::OnePhaseRolledBack
                | OfWhole::OnePhaseNotKnown => Party::Coordinator,
                OfWhole::Go
                | OfWhole::ToldCommitted
                | OfWhole::ToldRolledBack
                | OfWhole::ToldForgotten
                | OfWhole::ToldUnknown
                | OfWhole::RowCommitted
                | OfWhole::RowRefused => Party::Client,
                OfWhole::CommitRow | OfWhole::Fence => Party::LastResource,
                OfWhole::CommitOnePhase => Party::Resource(Slot(0)),
            },
        }
    }

    fn deliver(&self, state: &mut State, message: Message) {
        match (self.receiver(message), message) {
            (Party::Resource(slot), Message::Of(word, _)) => self.branch_hears(state, word, slot),
            (Party::Resource(slot), Message::Whole(_)) => self.commit_one_phase(state, slot),
            (Party::LastResource, Message::Whole(OfWhole::Fence)) => self.fence(state),
            (Party::LastResource, _) => self.commit_row(state),
            (Party::Coordinator, _) => self.coordinator_hears(state, message),
            (Party::Client, _) => self.client_hears(state, message),
        }
    }

    /// A message is delivered once it can be heard; whether it stays on its way as well is the network's choice.
    fn arrive(&self, state: &mut State, message: Message, stays: bool) {
        if state.network.iter().any(|sent| sent == message) && self.accepts(state, message) {
            if !stays {
                state.network.remove(message);
            }
            self.deliver(state, message);
        }
    }

    pub(crate) fn act(&self, state: &mut State, action: Action) {
        match action {
            Action::Deliver(message) => self.arrive(state, message, false),
            Action::DeliverACopy(message) => self.arrive(state, message, true),
            Action::DeliverToRefusal(message) => {
                state.network.remove(message);
                match message {
                    Message::Of(_, slot) => self.refuse(state, slot),
                    Message::Whole(_) => self.refuse_one_phase(state),
                }
            }
            Action::Lose(message) => state.network.remove(message),
            Action::ClientStarts => self.client_starts(state),
            Action::ClientGivesUp => self.client_gives_up(state),
            Action::ClientAsksAgain => self.client_asks_again(state),
            Action::Append(entry) => state.log.append(entry),
            Action::SyncLog => self.sync_log(state),
            Action::Deadline => self.deadline(state),
            Action::Silence => self.silent(state),
            Action::CoordinatorAsksAgain => self.coordinator_asks_again(state),
            Action::ForgetOutcome => self.forget_outcome(state),
            Action::SyncBranch(slot) => self.sync_branch(state, slot),
            Action::Abandon(slot) => abandon(state, slot),
            Action::AskAbout(slot) => {
                let asks = state.branch(slot) == Branch::Prepared && !state.down.has(slot);
                if asks && !self.makes(Mistake::NeverSweeps) {
                    state.network.tell(OfBranch::InDoubt, slot);
                }
            }
            Action::FlushRow => self.flush_row(state),
            Action::AbandonRow => state.last.open = false,
            Action::DeleteQueue => state.queue_is_gone = true,
            Action::Crash(party, kept) => self.crash(state, party, kept),
            Action::Restart(party) => self.restart(state, party),
            Action::ChangeLeader(kept) => self.change_leader(state, kept),
            Action::Deposed(deed) => self.act_deposed(state, deed),
        }
    }

    fn messages(&self, state: &State, actions: &mut Vec<Action>) {
        for message in state.network.iter() {
            if self.accepts(state, message) {
                actions.push(Action::Deliver(message));
                if self.configuration.faults >= Faults::Duplicates {
                    actions.push(Action::DeliverACopy(message));
                }
                if self.may_refuse(state, message) {
                    actions.push(Action::DeliverToRefusal(message));
                }
            }
            if state.deposed.is_some() && self.receiver(message) == Party::Coordinator {
                actions.push(Action::Deposed(Deed::Hears(message)));
            }
            if self.configuration.faults >= Faults::Loses {
                actions.push(Action::Lose(message));
            }
        }
    }

    fn may_refuse(&self, state: &State, message: Message) -> bool {
        match (self.receiver(message), message) {
            (Party::Resource(slot), Message::Of(OfBranch::Prepare, _) | Message::Whole(_)) => {
                state.branch(slot) == Branch::Working
            }
            _ => false,
        }
    }

    /// What goes on without a message. A step that would change nothing is none.
    fn own_steps(&self, state: &State, actions: &mut Vec<Action>) {
        actions.extend([Action::ClientStarts, Action::ClientGivesUp, Action::ClientAsksAgain]);
        actions.extend(state.log.proposals().map(Action::Append));
        actions.extend([Action::SyncLog, Action::CoordinatorAsksAgain, Action::Deadline, Action::Silence]);
        actions.push(Action::ForgetOutcome);
        for slot in self.configuration.slots().iter() {
            actions.extend([Action::SyncBranch(slot), Action::Abandon(slot), Action::AskAbout(slot)]);
            actions.push(Action::Restart(Party::Resource(slot)));
        }
        if self.configuration.last {
            actions.extend([Action::FlushRow, Action::AbandonRow, Action::Restart(Party::LastResource)]);
        }
        if state.deposed.is_some() {
            let deeds = [Deed::LetsTimePass, Deed::AsksAgain, Deed::CatchesUp, Deed::Learns];
            actions.extend(deeds.map(Action::Deposed));
        }
        // A queue with a branch in doubt cannot be deleted (P17).
        if self.configuration.local && state.log.record == Record::None && state.coordinator.mode == Mode::Leading {
            actions.push(Action::DeleteQueue);
        }
        actions.extend([Action::Restart(Party::Coordinator), Action::Restart(Party::Client)]);
    }
}

impl Model for Protocol {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![self.begun()]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        self.messages(state, actions);
        self.own_steps(state, actions);
        self.faults(state, actions);
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        let mut next = *state;
        self.act(&mut next, action);
        (next != *state).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Protocol>> {
        properties::of(self)
    }
}
