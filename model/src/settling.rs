//! What comes of a state when nothing goes wrong any more: everybody is up, every message arrives, whoever waits asks again.
//!
//! The checker's own liveness needs runs without circles, and a lost message that is sent again is a circle. So each state is
//! asked for one fair run instead: from wherever faults have led, it has to end.

use stateright::Model;

use crate::Protocol;
use crate::state::{Branch, Client, Mode, Phase, Record, Row, State};

/// Every step that is possible is taken once a round.
const ROUNDS_MAX: usize = 40;

impl Protocol {
    /// No step leads anywhere but the loss of what is on its way, or another fault.
    pub(crate) fn is_quiet(&self, state: &State) -> bool {
        let mut actions = Vec::new();
        self.actions(state, &mut actions);
        actions.into_iter().filter(|action| !action.is_fault()).all(|action| self.next_state(state, action).is_none())
    }

    /// Nobody is in doubt, nobody waits, and nothing is left to be done.
    pub(crate) fn has_ended(&self, state: &State) -> bool {
        let branch = |branch: Branch| matches!(branch, Branch::Committed | Branch::RolledBack | Branch::ReadOnly);
        let record = matches!(state.log.record, Record::None | Record::Ended(_) | Record::Forgotten);
        let row = matches!(state.last.row, Row::Absent | Row::Durable(_));
        record
            && row
            && state.client == Client::Ended
            && state.coordinator.mode == Mode::Leading
            && state.coordinator.phase == Phase::Gone
            && state.deposed.is_none()
            && state.down.is_empty()
            && !state.last_is_down
            && state.log.is_idle()
            && state.network.is_empty()
            && self.configuration.slots().iter().all(|slot| branch(state.branch(slot)))
    }

    pub(crate) fn settles(&self, state: &State) -> bool {
        let mut calm = *state;
        let mut actions = Vec::new();
        for _ in 0..ROUNDS_MAX {
            if self.has_ended(&calm) {
                return true;
            }
            actions.clear();
            self.actions(&calm, &mut actions);
            for action in actions.iter().filter(|action| !action.is_fault()) {
                self.act(&mut calm, *action);
            }
        }
        false
    }
}
