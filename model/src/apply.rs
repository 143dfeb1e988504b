//! What a synced entry does to the durable state, and what the leader that proposed it does thereupon. Nothing acts on an entry
//! before it is synced (D3, P17).
//!
//! The code also compares the epoch in a transaction's id with the current one before it makes a record. Here P2 stands alone:
//! the epoch of the entry is all that keeps a late command out.

use crate::state::{Command, Entry, Mode, Outcome, Record, State};
use crate::{Mistake, Protocol};

/// What applying a command came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Applied {
    Done,
    /// The state forbids it: the result is the outcome (P17).
    Refused,
    /// Judged in another epoch: skipped (P2).
    Stale,
}

impl Protocol {
    /// Everything appended becomes durable and is applied in its order.
    pub(crate) fn sync_log(&self, state: &mut State) {
        while let Some(entry) = state.log.pop() {
            self.apply_next(state, entry);
        }
    }

    /// A crash: the first `kept` of the appended entries are found again, and synced before anything acts on them (P28).
    pub(crate) fn recover_log(&self, state: &mut State, kept: u8) {
        state.log.cut(kept);
        self.sync_log(state);
        state.log.drop_proposals();
    }

    fn apply_next(&self, state: &mut State, entry: Entry) {
        if entry.command == Command::BeginEpoch {
            return self.begin_epoch(state, entry);
        }
        let applied = if entry.epoch != state.log.epoch && !self.makes(Mistake::AppliesStaleCommands) {
            Applied::Stale
        } else {
            self.apply(state, entry.command)
        };
        let coordinator = state.coordinator;
        if coordinator.mode == Mode::Leading && coordinator.leadership == entry.epoch && applied != Applied::Stale {
            self.applied(state, entry.command, applied == Applied::Done);
        }
    }

    fn begin_epoch(&self, state: &mut State, entry: Entry) {
        if entry.epoch <= state.log.epoch {
            return;
        }
        state.log.epoch = entry.epoch;
        if state.coordinator.mode == Mode::Electing && state.coordinator.leadership == entry.epoch {
            self.lead(state);
        }
    }

    fn apply(&self, state: &mut State, command: Command) -> Applied {
        match (command, state.log.record) {
            (Command::BeginEpoch, _) => unreachable!("an epoch begins by itself"),
            (Command::Decide | Command::Delegate, Record::None) if state.queue_is_gone => Applied::Refused,
            (Command::Decide, Record::None) => self.settle(state, Outcome::Committed),
            (Command::Delegate, Record::None) => {
                state.log.record = Record::Delegated;
                Applied::Done
            }
            (Command::Conclude(outcome), Record::Delegated) => self.settle(state, outcome),
            (Command::Acknowledge(slot), Record::Decided { outcome, open }) => {
                let open = open.without(slot);
                state.log.record = if self.makes(Mistake::ForgetsBeforeAllAcknowledged) {
                    Record::Forgotten
                } else if open.is_empty() {
                    Record::Ended(outcome)
                } else {
                    Record::Decided { outcome, open }
                };
                Applied::Done
            }
            (Command::ForgetOutcome, Record::Ended(_)) => {
                state.log.record = Record::Forgotten;
                Applied::Done
            }
            (
                Command::Decide
                | Command::Delegate
                | Command::Conclude(_)
                | Command::Acknowledge(_)
                | Command::ForgetOutcome,
                _,
            ) => Applied::Refused,
        }
    }

    fn settle(&self, state: &mut State, outcome: Outcome) -> Applied {
        let open = if self.makes(Mistake::TellsReadOnlyVoters) {
            self.configuration.slots()
        } else {
            self.configuration.writers()
        };
        state.log.record = if open.is_empty() { Record::Ended(outcome) } else { Record::Decided { outcome, open } };
        match outcome {
            Outcome::Committed => state.history.decided_committed = true,
            Outcome::RolledBack => state.history.decided_rolled_back = true,
        }
        Applied::Done
    }
}
