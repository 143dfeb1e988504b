//! What may be asked of the coordinator, and what it answers.

use std::time::Duration;

use handfast_protocol::{GlobalId, Heuristic, Outcome, ResourceName, RollbackReason, Timestamp, Xid};

use crate::{CallFailed, Identity, Refused, Resource};

/// One caller's wait for one answer. Drawn by the shell; the coordinator only hands it back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// A client connection: its loss rolls back what it leads, or fences what is delegated (P21).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// A timeout of zero asks for the usual one. -> [`Answer::Begun`]
    Begin {
        timeout: Duration,
    },
    /// Joins a resource to the transaction; waits while the resource has no slot free (P9). A second last resource is
    /// refused (P11). -> [`Answer::Enlisted`]
    Enlist {
        id: GlobalId,
        resource: ResourceName,
    },
    /// The client's databases of two-phase kind are prepared. Services are prepared by the coordinator. With a last resource
    /// -> [`Answer::Go`] once the delegation is durable; else -> [`Answer::Outcome`].
    Commit {
        id: GlobalId,
        prepared: Vec<ResourceName>,
    },
    /// What the client saw of its commit at the last resource. -> [`Answer::Outcome`] once the log has it; where the report
    /// is not a certain one, the coordinator asks the database itself (P12).
    Report {
        id: GlobalId,
        report: Report,
    },
    /// -> [`Answer::Outcome`]. Refused once the commit is under way.
    Rollback {
        id: GlobalId,
    },
    /// How the transaction ended, as far as it is known (P20). Waits up to `wait` until it has, for whoever is told (P19).
    Outcome {
        id: GlobalId,
        wait: Duration,
    },

    /// After the driver has installed the tables (the shell does that first).
    AddResource {
        resource: Resource,
    },
    RemoveResource {
        name: ResourceName,
    },
    ListResources,
    /// Accepts a database whose last visitor is unknown or ahead (P3).
    Adopt {
        name: ResourceName,
    },
    /// `in_doubt`: only those that wait for a resource or an operator. In order of age, after `after`, at most `limit`.
    ListTransactions {
        in_doubt: bool,
        after: Option<GlobalId>,
        limit: usize,
    },
    ShowTransaction {
        id: GlobalId,
    },
    /// An operator's decision (P16): asks the database first; refuses the opposite of what it says unless `force`.
    Resolve {
        id: GlobalId,
        outcome: Outcome,
        force: bool,
    },
    Forget {
        id: GlobalId,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Report {
    /// The database answered COMMIT with COMMIT.
    Committed,
    /// The client does not know, or saw a failure: only a durable row tells (P11).
    Uncertain,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    Done,
    Begun {
        id: GlobalId,
        deadline: Timestamp,
    },
    Enlisted(Enlisted),
    /// The delegation is durable: insert the marker row and commit.
    Go,
    Outcome(KnownOutcome),
    Resources(Vec<ResourceView>),
    Transactions(Vec<TransactionView>),
    Transaction(TransactionView),
}

/// What a client needs to work on its own connection to a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enlisted {
    pub xid: Xid,
    pub resource: Resource,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KnownOutcome {
    Committed,
    RolledBack(RollbackReason),
    /// Some branch ended otherwise than decided (G6).
    Heuristic(Heuristic),
    /// Still active, being prepared, or in doubt.
    Undecided(TransactionState),
    /// Below the horizon of what is remembered (P20).
    Forgotten,
}

/// States as MSDTC shows them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TransactionState {
    Active,
    Preparing,
    /// Delegated to a last resource that has not told its outcome.
    InDoubt,
    Committing,
    Aborting,
    /// Decided, but a branch cannot be reached.
    CannotNotify,
    /// Ended by an operator or by a branch on its own; kept until forgotten.
    Forced,
    Ended,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransactionView {
    pub id: GlobalId,
    pub state: TransactionState,
    pub outcome: Option<Outcome>,
    /// This and the age: `None` once it has ended, when nothing is remembered but its outcome.
    pub began_at: Option<Timestamp>,
    pub age: Option<Duration>,
    pub branches: Vec<BranchView>,
    /// What the operator may do, and what follows from it, in plain words; empty when nothing need be done.
    pub suggestion: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BranchView {
    pub resource: ResourceName,
    /// What we know: enlisted, prepared, delegated, committed, rolled back, heuristic ...
    pub state: String,
    /// The last failure to reach it.
    pub error: Option<String>,
    pub heuristic: Option<Heuristic>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceView {
    pub resource: Resource,
    /// Attached in this epoch: recovery and commits may use it.
    pub attached: bool,
    /// Why it is not attached, with the remedy.
    pub problem: Option<String>,
    pub in_doubt: u64,
}

/// A request that had no effect, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestRefused {
    #[error("transaction {id} is not active here; it has ended, timed out or never begun")]
    NotActive { id: GlobalId },
    #[error("transaction {id} was rolled back: {reason}")]
    RolledBack { id: GlobalId, reason: RollbackReason },
    #[error("commit of transaction {id} is under way; ask for its outcome")]
    CommitUnderWay { id: GlobalId },
    #[error("resource {name} is not registered; add it with: handfast resource add {name} ...")]
    UnknownResource { name: ResourceName },
    #[error("resource {name} cannot be used now: {problem}")]
    NotAttached { name: ResourceName, problem: String },
    #[error(
        "{name} cannot join: {other} is the last resource already, and only one may be; register one of them with --two-phase"
    )]
    SecondLastResource { name: ResourceName, other: ResourceName },
    #[error("{name} is not prepared, but commit was asked")]
    NotPrepared { name: ResourceName },
    #[error("{name} has not joined transaction {id}, but was named as prepared")]
    NotEnlisted { id: GlobalId, name: ResourceName },
    #[error("transaction {id} was not delegated to a last resource; there is nothing to report")]
    NotDelegated { id: GlobalId },
    #[error("transaction {id} waits for its client, not for an operator; only its rollback can be asked for")]
    NotInDoubt { id: GlobalId },
    #[error("resource {name} is being added or removed; try again in a moment")]
    BeingChanged { name: ResourceName },
    #[error("transaction {id} has {limit} resources; it can have no more")]
    TooManyBranches { id: GlobalId, limit: usize },
    #[error("{limit} transactions wait for a slot of {name}; raise its max_prepared_transactions, or try again later")]
    TooManyWaiting { name: ResourceName, limit: usize },
    #[error("the address or schema of {name} is longer than {limit} bytes")]
    TextTooLong { name: ResourceName, limit: usize },
    #[error("there are {limit} open transactions; this server allows no more")]
    TooManyTransactions { limit: usize },
    #[error("the database says that transaction {id} is {outcome}; that stands")]
    DatabaseDisagrees { id: GlobalId, outcome: Outcome },
    #[error("the database of transaction {id} cannot be asked ({cause}); add --force only if it is gone for good")]
    DatabaseSilent { id: GlobalId, cause: CallFailed },
    #[error(
        "resource {name} was last used by {}; if this server is not a copy, say: handfast resource adopt {name}",
        visitor(found)
    )]
    Ahead { name: ResourceName, found: Option<Identity> },
    #[error(
        "resource {name} was used by epoch {} of this directory, which knows only earlier ones: it was set back to an older \
         state; copy it to a new place, serve from there, and then say: handfast resource adopt {name}", found.epoch
    )]
    Overtaken { name: ResourceName, found: Identity },
    #[error(transparent)]
    Refused(#[from] Refused),
    #[error("the server restarted before it could say whether this was done")]
    Unknown,
}

fn visitor(found: &Option<Identity>) -> String {
    match found {
        Some(found) => format!("incarnation {:016x}, epoch {} of this coordinator", found.incarnation.0, found.epoch),
        None => "nobody that this coordinator knows".to_owned(),
    }
}
