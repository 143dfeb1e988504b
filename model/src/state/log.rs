//! The coordinator's log: what is proposed, what is appended and not yet synced, and the durable state that the synced entries
//! made. A proposal is on its way to the log like a message: it may arrive in another order, and after the leadership that
//! judged it has ended (P2). An entry that is appended and not synced may be lost.

use super::slot::{Slot, Slots};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    Committed,
    RolledBack,
}

/// What the durable state knows of the transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Record {
    /// Presumed abort (D4): nothing is written until it is decided or delegated.
    None,
    /// P11
    Delegated,
    /// `open`: branches that have not acknowledged.
    Decided { outcome: Outcome, open: Slots },
    /// Every branch has acknowledged; the outcome is remembered (P20).
    Ended(Outcome),
    /// Below the horizon (P20).
    Forgotten,
}

impl Record {
    pub fn outcome(self) -> Option<Outcome> {
        match self {
            Record::Decided { outcome, .. } | Record::Ended(outcome) => Some(outcome),
            Record::None | Record::Delegated | Record::Forgotten => None,
        }
    }

    pub fn is_committed(self) -> bool {
        self.outcome() == Some(Outcome::Committed)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Command {
    BeginEpoch,
    Decide,
    Delegate,
    Conclude(Outcome),
    Acknowledge(Slot),
    ForgetOutcome,
}

/// Begins with 1, in which the transaction was begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub u8);

pub const EPOCHS_MAX: u8 = 4;

/// A command and the epoch in which it was judged (P2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Entry {
    pub epoch: Epoch,
    pub command: Command,
}

/// Entries that one sync makes durable together.
pub const TAIL_MAX: u8 = 2;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Log {
    /// The one that began last, durably.
    pub epoch: Epoch,
    pub record: Record,
    /// A set of entries, a bit for each.
    proposals: u64,
    /// Entries by their bits, the oldest lowest; `EMPTY` where there is none.
    tail: [u8; TAIL_MAX as usize],
}

const EMPTY: u8 = u8::MAX;
const COMMANDS: [Command; 9] = [
    Command::BeginEpoch,
    Command::Decide,
    Command::Delegate,
    Command::Conclude(Outcome::Committed),
    Command::Conclude(Outcome::RolledBack),
    Command::ForgetOutcome,
    Command::Acknowledge(Slot(0)),
    Command::Acknowledge(Slot(1)),
    Command::Acknowledge(Slot(2)),
];
const COMMANDS_ROUND: u8 = 16;

const _: () = assert!(EPOCHS_MAX * COMMANDS_ROUND <= 64 && COMMANDS.len() <= COMMANDS_ROUND as usize);

impl Entry {
    fn bit(self) -> u8 {
        let command = match self.command {
            Command::BeginEpoch => 0,
            Command::Decide => 1,
            Command::Delegate => 2,
            Command::Conclude(Outcome::Committed) => 3,
            Command::Conclude(Outcome::RolledBack) => 4,
            Command::ForgetOutcome => 5,
            Command::Acknowledge(slot) => 6 + slot.0,
        };
        (self.epoch.0 - 1) * COMMANDS_ROUND + command
    }

    fn at(bit: u8) -> Entry {
        let command = COMMANDS[usize::from(bit % COMMANDS_ROUND)];
        Entry { epoch: Epoch(bit / COMMANDS_ROUND + 1), command }
    }
}

impl Log {
    pub fn new() -> Log {
        Log { epoch: Epoch(1), record: Record::None, proposals: 0, tail: [EMPTY; TAIL_MAX as usize] }
    }

    pub fn propose(&mut self, entry: Entry) {
        self.proposals |= 1 << entry.bit();
    }

    pub fn proposals(&self) -> impl Iterator<Item = Entry> + use<> {
        let proposals = self.proposals;
        (0..EPOCHS_MAX * COMMANDS_ROUND).filter(move |bit| proposals & 1 << bit != 0).map(Entry::at)
    }

    pub fn drop_proposals(&mut self) {
        self.proposals = 0;
    }

    /// Moves a proposal to the end of what is appended, if there is room.
    pub fn append(&mut self, entry: Entry) {
        if let Some(free) = self.tail.iter_mut().find(|place| **place == EMPTY) {
            *free = entry.bit();
            self.proposals &= !(1 << entry.bit());
        }
    }

    /// Appended and not synced, the oldest first.
    pub fn tail(&self) -> impl Iterator<Item = Entry> + use<> {
        self.tail.into_iter().filter(|bit| *bit != EMPTY).map(Entry::at)
    }

    /// The next entry that a sync would make durable.
    pub fn next(&self) -> Option<Entry> {
        self.tail().next()
    }

    pub fn pop(&mut self) -> Option<Entry> {
        let next = self.next();
        self.tail.rotate_left(1);
        self.tail[usize::from(TAIL_MAX) - 1] = EMPTY;
        next
    }

    /// Loses what was appended behind the first `kept` entries.
    pub fn cut(&mut self, kept: u8) {
        self.tail[usize::from(kept)..].fill(EMPTY);
    }

    pub fn is_idle(&self) -> bool {
        self.proposals == 0 && self.next().is_none()
    }
}

impl Default for Log {
    fn default() -> Log {
        Log::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_has_a_bit_of_its_own() {
        for epoch in 1..=EPOCHS_MAX {
            for command in COMMANDS {
                let entry = Entry { epoch: Epoch(epoch), command };
                assert_eq!(Entry::at(entry.bit()), entry);
            }
        }
    }

    #[test]
    fn a_crash_keeps_a_prefix_of_what_was_appended() {
        let entry = |command| Entry { epoch: Epoch(1), command };
        let mut log = Log::new();
        for command in [Command::Decide, Command::Delegate] {
            log.propose(entry(command));
            log.append(entry(command));
        }
        log.cut(1);
        assert_eq!(log.pop(), Some(entry(Command::Decide)));
        assert!(log.is_idle());
    }
}
