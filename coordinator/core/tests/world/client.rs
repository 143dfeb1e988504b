//! A client: begins, lets resources join, prepares, commits, goes, reports; and may stop anywhere.

use handfast_coordinator_core::{ConnectionId, RequestId};
use handfast_protocol::{GlobalId, ResourceName};

#[derive(Debug)]
pub struct Client {
    pub connection: ConnectionId,
    pub step: Step,
    /// Resources that it has yet to let join.
    pub to_enlist: Vec<ResourceName>,
    /// Two-phase databases that it has yet to prepare, and those that are prepared.
    pub to_prepare: Vec<ResourceName>,
    pub prepared: Vec<ResourceName>,
    /// The last resource that it works at.
    pub last: Option<ResourceName>,
    /// What it waits for an answer to.
    pub waits_for: Option<RequestId>,
}

/// What it does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Begin,
    Enlist(GlobalId),
    Prepare(GlobalId),
    Commit(GlobalId),
    /// It was told to go: its commit at the last resource is the decision.
    Go(GlobalId),
    ReportCommitted(GlobalId),
    ReportUncertain(GlobalId),
    Rollback(GlobalId),
    /// It does not know how its transaction ended.
    Ask(GlobalId),
}

impl Step {
    pub fn id(self) -> Option<GlobalId> {
        match self {
            Step::Begin => None,
            Step::Enlist(id)
            | Step::Prepare(id)
            | Step::Commit(id)
            | Step::Go(id)
            | Step::ReportCommitted(id)
            | Step::ReportUncertain(id)
            | Step::Rollback(id)
            | Step::Ask(id) => Some(id),
        }
    }
}

impl Client {
    pub fn new(connection: ConnectionId) -> Client {
        Client {
            connection,
            step: Step::Begin,
            to_enlist: Vec::new(),
            to_prepare: Vec::new(),
            prepared: Vec::new(),
            last: None,
            waits_for: None,
        }
    }
}

/// What a client had sent to a database when it stopped: it may still take effect.
#[derive(Debug, Clone)]
pub enum Late {
    Prepare { id: GlobalId, at: ResourceName },
    Commit { id: GlobalId, at: ResourceName },
}
