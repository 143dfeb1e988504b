//! Who takes part, and what may go wrong: as data.

use crate::state::{SLOTS_MAX, Slot, Slots};

/// What a branch's resource is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A queue manager that the coordinator prepares (`standalone`).
    Service,
    /// A service at which nothing was changed: it votes read-only and forgets (`branch 2`).
    ReadOnly,
    /// A database that the client prepares (`one-log 2`).
    Database,
}

/// What the network does beside delivering late and in any order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Faults {
    Reorders,
    Loses,
    /// Loses, and delivers any number of times.
    Duplicates,
}

#[derive(Debug, Clone, Copy)]
pub struct Configuration {
    pub name: &'static str,
    /// Branches at two-phase resources.
    pub branches: &'static [Kind],
    /// A database whose row decides (`marker`).
    pub last: bool,
    /// The only branch is committed in one phase (`branch 4`).
    pub one_phase: bool,
    /// Queues behind the coordinator's own log, which commit with the decision's entry (`one-log 4`).
    pub local: bool,
    /// The outcome is forgotten at some time after the end (P20).
    pub forgets: bool,
    pub faults: Faults,
    /// Of anybody.
    pub crashes: u8,
    /// Leaderships that end without a crash: proposals outlive them (P2).
    pub leader_changes: u8,
    /// Who led until then goes on for a while.
    pub deposed: bool,
}

impl Configuration {
    pub fn slots(&self) -> Slots {
        (0..SLOTS_MAX).map(Slot).take(self.branches.len()).collect()
    }

    pub fn kind(&self, slot: Slot) -> Kind {
        self.branches[usize::from(slot.0)]
    }

    pub fn of_kind(&self, kind: Kind) -> Slots {
        self.slots().iter().filter(|slot| self.kind(*slot) == kind).collect()
    }

    /// Branches that vote to commit, and are told phase two.
    pub fn writers(&self) -> Slots {
        self.slots().iter().filter(|slot| self.kind(*slot) != Kind::ReadOnly).collect()
    }
}
