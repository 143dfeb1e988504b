//! A leader that was deposed and does not know: cut off, or slow to apply what its successor's log has. It goes on with the record
//! that it knew, hears questions, lets time pass, and sooner or later learns of its end. What it proposes carries its own epoch
//! (P2).
//!
//! It acts by the same code as its successor: for the length of a step it stands in the successor's place.

use crate::Protocol;
use crate::action::Deed;
use crate::state::{Command, Deposed, Mode, Phase, Record, State};

impl Protocol {
    /// The leader of an epoch that ends stays behind, if the configuration says so.
    pub(crate) fn depose(&self, state: &mut State) {
        let leads = state.coordinator.mode == Mode::Leading;
        if self.configuration.deposed && leads {
            state.deposed = Some(Deposed { coordinator: state.coordinator, record: state.log.record });
        }
    }

    pub(crate) fn act_deposed(&self, state: &mut State, deed: Deed) {
        let Some(Deposed { coordinator, record }) = state.deposed.filter(|_| deed != Deed::Learns) else {
            state.deposed = None;
            return;
        };
        let successor = (state.coordinator, state.log.record);
        (state.coordinator, state.log.record) = (coordinator, record);
        match deed {
            Deed::Hears(message) => {
                state.network.remove(message);
                self.coordinator_hears(state, message);
            }
            Deed::LetsTimePass => {
                self.deadline(state);
                self.silent(state);
            }
            Deed::AsksAgain => self.coordinator_asks_again(state),
            Deed::CatchesUp => self.catch_up(state, successor.1),
            Deed::Learns => unreachable!("it ended above"),
        }
        state.deposed = Some(Deposed { coordinator: state.coordinator, record: state.log.record });
        (state.coordinator, state.log.record) = successor;
    }

    /// Its own entry stands in the log before the successor's `BeginEpoch`, and it applies it late.
    fn catch_up(&self, state: &mut State, known_to_successor: Record) {
        match (state.coordinator.phase, known_to_successor) {
            (Phase::Delegating, known) if known != Record::None => {
                state.log.record = Record::Delegated;
                self.applied(state, Command::Delegate, true);
            }
            (Phase::Deciding, known) if known.is_committed() => {
                state.log.record = known;
                self.applied(state, Command::Decide, true);
            }
            _ => {}
        }
    }
}
