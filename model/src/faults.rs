//! Crashes, restarts, leaderships that end. A crash takes what is volatile and any part of what was written and not synced; how
//! many there may be is the configuration's.

use crate::action::{Action, Party};
use crate::branch::crashed;
use crate::state::{Branch, Client, Mode, Row, State, TAIL_MAX};
use crate::{Configuration, Mistake, Protocol};

impl Protocol {
    pub(crate) fn crash(&self, state: &mut State, party: Party, kept: u8) {
        state.crashes_left -= 1;
        match party {
            Party::Coordinator => {
                state.coordinator.is_lost(Mode::Down);
                self.recover_log(state, kept);
            }
            Party::Client => state.client = Client::Down,
            Party::Resource(slot) => {
                state.down = state.down.with(slot);
                if state.branch(slot) == Branch::Working && self.makes(Mistake::StartsLostBranchAgain) {
                    state.history.lost = state.history.lost.with(slot);
                    return;
                }
                let branch = crashed(state.branch(slot), self.configuration.one_phase, kept > 0);
                if branch == Branch::Prepared {
                    state.history.voted = state.history.voted.with(slot);
                }
                state.set_branch(slot, branch);
            }
            Party::LastResource => {
                state.last.crashed(kept > 0);
                state.last_is_down = true;
            }
        }
    }

    pub(crate) fn restart(&self, state: &mut State, party: Party) {
        match party {
            Party::Coordinator if state.coordinator.mode == Mode::Down => self.stand_for_leader(state),
            Party::Client if state.client == Client::Down => state.client = Client::Asking,
            Party::Resource(slot) => state.down = state.down.without(slot),
            Party::LastResource => state.last_is_down = false,
            Party::Coordinator | Party::Client => {}
        }
    }

    /// The new leader's log may lack what was appended and not synced. What is proposed and not appended may still come.
    pub(crate) fn change_leader(&self, state: &mut State, kept: u8) {
        state.leader_changes_left -= 1;
        state.log.cut(kept);
        self.depose(state);
        self.stand_for_leader(state);
    }

    pub(crate) fn faults(&self, state: &State, actions: &mut Vec<Action>) {
        let appended = u8::try_from(state.log.tail().count()).unwrap_or(TAIL_MAX);
        if state.leader_changes_left > 0 && state.coordinator.mode != Mode::Down {
            actions.extend((0..=appended).map(Action::ChangeLeader));
        }
        if state.crashes_left == 0 {
            return;
        }
        if state.coordinator.mode != Mode::Down {
            actions.extend((0..=appended).map(|kept| Action::Crash(Party::Coordinator, kept)));
        }
        if !matches!(state.client, Client::Down) {
            actions.push(Action::Crash(Party::Client, 0));
        }
        for slot in self.configuration.slots().iter().filter(|slot| !state.down.has(*slot)) {
            let written = u8::from(state.branch(slot).is_writing());
            actions.extend((0..=written).map(|kept| Action::Crash(Party::Resource(slot), kept)));
        }
        if self.configuration.last && !state.last_is_down {
            let written = u8::from(matches!(state.last.row, Row::Visible(_)));
            actions.extend((0..=written).map(|kept| Action::Crash(Party::LastResource, kept)));
        }
    }
}

impl Configuration {
    /// Leaderships that there can be.
    pub fn leaderships(&self) -> u8 {
        1 + self.crashes + self.leader_changes
    }
}
