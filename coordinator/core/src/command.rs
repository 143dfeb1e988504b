//! The commands of the log that change the coordinator, and what applying each one answers.

use handfast_protocol::{GlobalId, Heuristic, Outcome, ResourceName, Timestamp};

use crate::Resource;

/// A durable change of the coordinator. Presumed abort: nothing is written for a transaction that rolls back before it was
/// delegated or decided (D4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Replaces an older registration of the name only while nothing of it is in doubt (P3). -> [`Done::Recorded`]
    AddResource { resource: Resource },
    /// Refused while anything of it is in doubt. -> [`Done::Recorded`]
    RemoveResource { name: ResourceName },
    /// From here on only the last resource's row decides (P11). `branches`: those that are prepared, to be told later.
    /// -> [`Done::Recorded`], or [`Refused`] and the transaction is rolled back
    Delegate { id: GlobalId, resource: ResourceName, branches: Vec<Branch> },
    /// The decision to commit. `branches`: those that are prepared, to be told. With none, the transaction is over.
    /// -> [`Done::Decided`], or [`Refused`] and the transaction is rolled back
    Decide { id: GlobalId, branches: Vec<Branch> },
    /// What the last resource decided (P12), or an operator who may (`forced`, P16). -> [`Done::Decided`]
    Conclude { id: GlobalId, outcome: Outcome, forced: bool },
    /// A branch has done as decided, or ended on its own. The last one -> [`Done::Ended`]; before and after that
    /// -> [`Done::Recorded`]. A heuristic outcome keeps the transaction until [`Command::Forget`], and opens it again where
    /// nothing was recorded of it, or nothing is any more.
    Acknowledge { id: GlobalId, resource: ResourceName, heuristic: Option<Heuristic> },
    /// The operator has seen the heuristic outcome; it may be forgotten. -> [`Done::Recorded`]
    Forget { id: GlobalId },
    /// Drops remembered outcomes that are older than `before` or beyond the kept number, at most a bounded number of them,
    /// and raises the forgotten-horizon (P20). -> [`Done::Recorded`]
    ForgetOutcomes { before: Timestamp },
    /// The marker rows of this resource up to `through` are cleared (P14). -> [`Done::Recorded`]
    MarkersCleared { resource: ResourceName, through: GlobalId },
}

/// A branch at a resource, by the resource's name: its xid follows from the transaction's id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Branch {
    pub resource: ResourceName,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Done {
    Recorded,
    Decided(Outcome),
    Ended(Outcome),
}

/// A command that changed nothing, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    #[error("resource {name} is not registered")]
    UnknownResource { name: ResourceName },
    #[error("resource {name} has transactions in doubt ({count}); resolve them first")]
    ResourceInDoubt { name: ResourceName, count: u64 },
    #[error("there are {count} resources; this server allows no more")]
    TooManyResources { count: usize },
    #[error("transaction {id} is not known")]
    UnknownTransaction { id: GlobalId },
    /// Already decided otherwise: the first decision stands (A3).
    #[error("transaction {id} is {outcome} already")]
    OtherwiseDecided { id: GlobalId, outcome: Outcome },
    #[error("transaction {id} was begun in epoch {}, but {epoch} is current", id.epoch)]
    EpochEnded { id: GlobalId, epoch: u64 },
    #[error("transaction {id} has no heuristic outcome to forget")]
    NothingToForget { id: GlobalId },
    /// Delegated: only its last resource can decide it now (P11).
    #[error("transaction {id} is delegated and undecided")]
    Undecided { id: GlobalId },
    #[error("transaction {id} has no branch at resource {resource}")]
    UnknownBranch { id: GlobalId, resource: ResourceName },
    #[error("transaction {id} has {count} branches; more than are allowed")]
    TooManyBranches { id: GlobalId, count: usize },
    /// Judged by the host before it appends the command: the log or the store has no room (P18). Never of phase two.
    #[error("there is no room to record transaction {id}")]
    NoSpace { id: GlobalId },
    /// The host's own branch of the transaction could not do its part (P17).
    #[error("a queue or message that transaction {id} used is gone")]
    LocalBranch { id: GlobalId },
}
