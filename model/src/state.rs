//! Everybody's state. Durable is what a crash leaves: the log's record and epoch, the branches' phases but for the write that
//! is not synced, the marker row once it is flushed. Kept small, for millions of it are looked at.

mod log;
mod message;
mod network;
mod slot;

pub use log::{Command, EPOCHS_MAX, Entry, Epoch, Log, Outcome, Record, TAIL_MAX};
pub use message::{Message, OfBranch, OfWhole};
pub use network::Network;
pub use slot::{SLOTS_MAX, Slot, Slots};

/// The program that leads the transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Client {
    Working,
    /// Waits for the votes of databases (`one-log 2`).
    Preparing(Slots),
    /// Asked for the commit.
    Asked,
    /// Was told to go (`marker 6`).
    Going,
    /// `marker 7`: `Committed`, or else uncertain.
    Reporting(Report),
    /// Was not answered, or began anew with nothing but the gtrid: asks how it ended (P20).
    Asking,
    Ended,
    Down,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Report {
    Committed,
    Uncertain,
}

/// What the process of the coordinator is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mode {
    Down,
    /// Its `BeginEpoch` is not applied: it serves nothing (P2).
    Electing,
    Leading,
}

/// Where the leader believes the transaction to be. Volatile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    Active,
    Preparing,
    Deciding,
    Delegating,
    Delegated,
    /// The last resource is asked for its row (P12).
    InDoubt,
    Concluding,
    Ending,
    /// Gave the decision to its only branch (`branch 4`).
    OnePhase,
    /// Not live: what is known of it is the record.
    Gone,
}

/// How far a branch is, as the leader knows. Volatile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stage {
    Enlisted,
    Preparing,
    Prepared,
    ReadOnly,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Coordinator {
    pub mode: Mode,
    /// The leadership that began last, in this process or another: each has a number of its own.
    pub leadership: Epoch,
    pub phase: Phase,
    pub stages: [Stage; SLOTS_MAX as usize],
}

/// A leader that does not know that its epoch has ended, with the record as it was then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Deposed {
    pub coordinator: Coordinator,
    pub record: Record,
}

/// A branch at a two-phase resource. Whatever ends is forgotten there (P1): the last three are one to the resource, and apart
/// only for the properties.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Branch {
    /// Volatile: a crash rolls it back.
    Working,
    /// The prepare record is appended and not synced.
    Preparing,
    Prepared,
    /// The commit is appended and not synced.
    Committing,
    /// The rollback is appended and not synced.
    RollingBack,
    Committed,
    RolledBack,
    ReadOnly,
}

impl Branch {
    /// A write is on its way to the disk; the resource answers nothing about the branch meanwhile.
    pub fn is_writing(self) -> bool {
        matches!(self, Branch::Preparing | Branch::Committing | Branch::RollingBack)
    }

    pub fn commits(self) -> bool {
        matches!(self, Branch::Committing | Branch::Committed)
    }

    pub fn rolls_back(self) -> bool {
        matches!(self, Branch::RollingBack | Branch::RolledBack)
    }
}

/// The marker row. What is visible is in memory or in the page cache, and a power cut may take it away (P12).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Row {
    Absent,
    Visible(Outcome),
    Durable(Outcome),
}

impl Row {
    pub fn outcome(self) -> Option<Outcome> {
        match self {
            Row::Absent => None,
            Row::Visible(outcome) | Row::Durable(outcome) => Some(outcome),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LastResource {
    /// The client's transaction is open there: its COMMIT may still succeed.
    pub open: bool,
    pub row: Row,
    /// Who is answered when the row is flushed.
    pub client_waits: bool,
    pub fence_waits: bool,
}

/// What happened, for the properties alone: no party reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct History {
    pub told_committed: bool,
    pub told_rolled_back: bool,
    /// A commit was decided and applied.
    pub decided_committed: bool,
    /// A rollback was decided, or presumed by somebody.
    pub decided_rolled_back: bool,
    /// Branches that prepared durably, or voted read-only.
    pub voted: Slots,
    /// Branches whose work was lost and that live on, which is a mistake.
    pub lost: Slots,
    /// P7: a branch ended otherwise than it was told.
    pub hazard: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct State {
    pub network: Network,
    pub log: Log,
    pub client: Client,
    pub coordinator: Coordinator,
    pub deposed: Option<Deposed>,
    /// Slots that the configuration does not use stay as they begin.
    pub branches: [Branch; SLOTS_MAX as usize],
    /// Resources that are down, by their branches.
    pub down: Slots,
    pub last: LastResource,
    pub last_is_down: bool,
    /// A queue or message that the local branch used is gone (P17).
    pub queue_is_gone: bool,
    pub history: History,
    pub crashes_left: u8,
    pub leader_changes_left: u8,
}

impl State {
    pub fn branch(&self, slot: Slot) -> Branch {
        self.branches[usize::from(slot.0)]
    }

    pub fn set_branch(&mut self, slot: Slot, branch: Branch) {
        self.branches[usize::from(slot.0)] = branch;
    }

    pub fn stage(&self, slot: Slot) -> Stage {
        self.coordinator.stages[usize::from(slot.0)]
    }

    pub fn set_stage(&mut self, slot: Slot, stage: Stage) {
        self.coordinator.stages[usize::from(slot.0)] = stage;
    }
}
