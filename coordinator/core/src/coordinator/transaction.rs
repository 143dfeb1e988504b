//! A live transaction as its leader knows it: active, on the way to its decision, or decided with branches to be told.

use std::collections::BTreeMap;

use handfast_mutants::{Mutant, is};
use handfast_protocol::{Outcome, ResourceKind, ResourceName, Timestamp};

use crate::{CallFailed, ConnectionId, RequestId, TransactionState};

/// Where a transaction stands. Whoever acts next stands behind each.
///
/// ```text
/// Active --commit--> Preparing --votes--> Deciding ---------------------applied--> Ending --acknowledged--> (gone)
///   |                   |  \---> Delegating --applied--> Delegated --report--> Concluding --applied--^
///   |                   |            (a refused command)     \--silence--> InDoubt --fenced--^
///   \---- rollback -----+------------------------v
///                                              (gone, without a record)
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// The client.
    Active,
    /// The services that have not voted.
    Preparing,
    /// The log: `Decide` is proposed.
    Deciding,
    /// The log: `Delegate` is proposed.
    Delegating,
    /// The client, which was told to go.
    Delegated,
    /// The last resource, which is asked for its row (P12).
    InDoubt,
    /// The log: `Conclude` is proposed.
    Concluding { outcome: Outcome },
    /// The branches that have not acknowledged.
    Ending { outcome: Outcome },
}

#[derive(Debug)]
pub(super) struct Transaction {
    /// Who leads it; `None` once that connection is lost, or if an earlier leadership began it.
    pub connection: Option<ConnectionId>,
    pub began_at: Timestamp,
    /// When its client has had its time: while active or preparing it is rolled back then (D6), delegated its last resource is
    /// asked, and ending its client hears no more than that.
    pub deadline: Timestamp,
    pub phase: Phase,
    pub last: Option<ResourceName>,
    /// The branches of two-phase resources.
    pub branches: BTreeMap<ResourceName, Branch>,
    /// Enlists that wait for a slot (P9).
    pub waiting: Vec<Place>,
    /// Who asked for commit, or reported: told when it has ended for them (P19).
    pub committers: Vec<RequestId>,
    /// Who asked for its outcome: told when it has ended for them (P19).
    pub watchers: Vec<RequestId>,
    pub resolvers: Vec<Resolver>,
    pub fence: Fence,
}

/// A place in the queue for a resource's slots.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub resource: ResourceName,
    pub ticket: u64,
    pub request: RequestId,
}

/// An operator's decision that waits for the database's word (P16).
#[derive(Debug, Clone, Copy)]
pub(super) struct Resolver {
    pub request: RequestId,
    pub outcome: Outcome,
    pub force: bool,
}

/// The question to the last resource (P12).
#[derive(Debug, Default)]
pub(super) struct Fence {
    /// The call is queued or under way.
    pub asked: bool,
    pub attempts: u32,
    pub failure: Option<CallFailed>,
}

#[derive(Debug)]
pub(super) struct Branch {
    pub kind: ResourceKind,
    pub stage: Stage,
    pub attempts: u32,
    pub failure: Option<CallFailed>,
    /// It has told that it ended otherwise; the log does not know yet.
    pub is_damaged: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Enlisted,
    /// The call to prepare is queued or under way.
    Preparing,
    Prepared,
    /// Voted read-only: over (XA_RDONLY).
    ReadOnly,
    /// Voted to roll back: over.
    Refused,
    /// The call of phase two is queued or under way.
    Telling,
    /// That call failed, and is made again when its time has come.
    Silent,
    /// It has ended; the log does not know yet.
    Acknowledging,
    Acknowledged,
}

impl Transaction {
    pub fn new(
        connection: Option<ConnectionId>,
        began_at: Timestamp,
        deadline: Timestamp,
        phase: Phase,
    ) -> Transaction {
        Transaction {
            connection,
            began_at,
            deadline,
            phase,
            last: None,
            branches: BTreeMap::new(),
            waiting: Vec::new(),
            committers: Vec::new(),
            watchers: Vec::new(),
            resolvers: Vec::new(),
            fence: Fence::default(),
        }
    }

    /// The state as MSDTC shows it.
    pub fn state(&self) -> TransactionState {
        let silent =
            self.branches.values().any(|branch| branch.failure.is_some() && branch.stage != Stage::Acknowledged);
        match self.phase {
            Phase::Active => TransactionState::Active,
            Phase::Preparing | Phase::Deciding | Phase::Delegating => TransactionState::Preparing,
            Phase::Delegated | Phase::InDoubt | Phase::Concluding { .. } => TransactionState::InDoubt,
            Phase::Ending { .. } if silent => TransactionState::CannotNotify,
            Phase::Ending { outcome: Outcome::Committed } => TransactionState::Committing,
            Phase::Ending { outcome: Outcome::RolledBack } => TransactionState::Aborting,
        }
    }

    /// Every resource it uses, each once.
    pub fn resources(&self) -> impl Iterator<Item = &ResourceName> {
        self.branches.keys().chain(&self.last)
    }

    /// Every two-phase branch has voted to commit, or is over by a read-only vote.
    pub fn is_prepared(&self) -> bool {
        self.branches.values().all(|branch| matches!(branch.stage, Stage::Prepared | Stage::ReadOnly))
    }

    /// A service, maybe a queue manager, has not done as decided yet: reads there would not see the transaction (P19). Or a
    /// branch has ended otherwise, and that is not recorded: nobody is told meanwhile that all is well.
    pub fn waits_for_services(&self) -> bool {
        let unheard = |branch: &Branch| {
            let is_open = branch.kind == ResourceKind::Service && branch.stage.is_open();
            is_open || branch.is_damaged && branch.stage == Stage::Acknowledging
        };
        self.phase == Phase::Ending { outcome: Outcome::Committed }
            && self.branches.values().any(unheard)
            && !is(Mutant::AnswersBeforeServices)
    }
}

impl Branch {
    pub fn new(kind: ResourceKind, stage: Stage) -> Branch {
        Branch { kind, stage, attempts: 0, failure: None, is_damaged: false }
    }
}

impl Stage {
    /// In phase two: has not acknowledged.
    pub fn is_open(self) -> bool {
        match self {
            Stage::Telling | Stage::Silent => true,
            Stage::Enlisted
            | Stage::Preparing
            | Stage::Prepared
            | Stage::ReadOnly
            | Stage::Refused
            | Stage::Acknowledging
            | Stage::Acknowledged => false,
        }
    }
}
