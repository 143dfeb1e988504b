//! One step of anybody: a message arrives, a write reaches the disk, somebody's patience ends, somebody crashes.

use crate::state::{Entry, Message, Slot};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Party {
    Coordinator,
    Client,
    /// The resource of a branch.
    Resource(Slot),
    LastResource,
}

/// What a leader does that does not know that it was deposed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    Hears(Message),
    LetsTimePass,
    AsksAgain,
    CatchesUp,
    Learns,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    Deliver(Message),
    /// `Prepare` arrives where the work cannot be prepared: a constraint, a failed block (P6), no room.
    DeliverToRefusal(Message),
    /// Arrives, and may arrive again.
    DeliverACopy(Message),
    Lose(Message),
    ClientStarts,
    /// No answer came.
    ClientGivesUp,
    ClientAsksAgain,
    Append(Entry),
    SyncLog,
    /// The transaction has had its time (D6), or its client's connection is lost.
    Deadline,
    /// The client that was told to go says nothing, or its connection is lost.
    Silence,
    /// Calls that were not answered are made again.
    CoordinatorAsksAgain,
    ForgetOutcome,
    SyncBranch(Slot),
    /// A branch that is not prepared is rolled back where it is: its timeout (D6), its lost connection.
    Abandon(Slot),
    /// A scan, or the resource manager's own question, finds the branch in doubt (P8, P20).
    AskAbout(Slot),
    FlushRow,
    /// The client's connection to the last resource is lost.
    AbandonRow,
    DeleteQueue,
    /// `kept`: how much of what was written and not synced is there afterwards.
    Crash(Party, u8),
    Restart(Party),
    /// A new leadership without a crash; `kept`: how many appended entries its log has.
    ChangeLeader(u8),
    Deposed(Deed),
}

impl Action {
    /// Something goes wrong. The others are what goes on as long as nothing does.
    pub fn is_fault(self) -> bool {
        match self {
            Action::DeliverToRefusal(_)
            | Action::DeliverACopy(_)
            | Action::Lose(_)
            | Action::DeleteQueue
            | Action::Crash(..)
            | Action::ChangeLeader(_) => true,
            Action::Deliver(_)
            | Action::ClientStarts
            | Action::ClientGivesUp
            | Action::ClientAsksAgain
            | Action::Append(_)
            | Action::SyncLog
            | Action::Deadline
            | Action::Silence
            | Action::CoordinatorAsksAgain
            | Action::ForgetOutcome
            | Action::SyncBranch(_)
            | Action::Abandon(_)
            | Action::AskAbout(_)
            | Action::FlushRow
            | Action::AbandonRow
            | Action::Restart(_)
            | Action::Deposed(_) => false,
        }
    }
}
