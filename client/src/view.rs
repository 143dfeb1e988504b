//! What the server shows of itself: queues, messages, resources, transactions.

use std::path::PathBuf;
use std::time::Duration;

use handfast_protocol::{Heuristic, Timestamp, Xid};
use handfast_wire::{Malformed, v1};
use uuid::Uuid;

use crate::message::Received;
use crate::receive::received;
use crate::resource::Resource;

/// Who answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerView {
    pub manager_id: Uuid,
    /// On the server's machine, and told only to clients that seem to be on it. A tunnel makes them seem so.
    pub data_directory: Option<PathBuf>,
    pub process_id: Option<u32>,
}

impl TryFrom<v1::Server> for ServerView {
    type Error = Malformed;

    fn try_from(wire: v1::Server) -> Result<ServerView, Malformed> {
        Ok(ServerView {
            manager_id: Uuid::from_slice(&wire.manager_id).map_err(|_| Malformed::Missing("manager_id"))?,
            data_directory: Some(wire.data_directory).filter(|path| !path.is_empty()).map(PathBuf::from),
            process_id: Some(wire.process_id).filter(|id| *id != 0),
        })
    }
}

/// A figure of the server, beside its bound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GaugeView {
    pub name: String,
    /// What is counted.
    pub what: String,
    pub value: u64,
    /// What the value never goes beyond, where it has a bound.
    pub limit: Option<u64>,
}

impl From<v1::Gauge> for GaugeView {
    fn from(v1::Gauge { name, what, value, limit }: v1::Gauge) -> GaugeView {
        GaugeView { name, what, value, limit }
    }
}

/// A queue and what is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueView {
    pub name: String,
    /// All of them, locked ones included.
    pub messages: u64,
    pub bytes: u64,
    /// Locked by active transactions.
    pub locked: u64,
    /// Held by prepared ones.
    pub in_doubt: u64,
    pub max_attempts: u32,
    pub max_abandoned: u32,
    pub created_at: Timestamp,
    pub waiting_receives: u64,
    pub has_exclusive_reader: bool,
}

impl From<v1::Queue> for QueueView {
    fn from(wire: v1::Queue) -> QueueView {
        QueueView {
            name: wire.name,
            messages: wire.messages,
            bytes: wire.bytes,
            locked: wire.locked,
            in_doubt: wire.in_doubt,
            max_attempts: wire.max_attempts,
            max_abandoned: wire.max_abandoned,
            created_at: Timestamp(wire.created_at_ms),
            waiting_receives: wire.waiting_receives,
            has_exclusive_reader: wire.exclusive_reader,
        }
    }
}

/// A place in a queue: where the next page of a peek begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place(pub(crate) v1::MessageKey);

/// A message that stays where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeekedMessage {
    pub place: Place,
    /// Its body is cut to what was asked for, and empty where it rests apart.
    pub message: Received,
    /// The length of the whole body.
    pub body_length: u64,
    pub(crate) apart_body: u64,
}

impl TryFrom<v1::Received> for PeekedMessage {
    type Error = Malformed;

    fn try_from(wire: v1::Received) -> Result<PeekedMessage, Malformed> {
        let place = Place(wire.key.ok_or(Malformed::Missing("key"))?);
        let (body_length, apart_body) = (wire.body_length, wire.apart_body);
        // Inline bodies need no length of their own.
        let body_length = body_length.max(wire.body.len() as u64);
        Ok(PeekedMessage { place, message: received(wire)?, body_length, apart_body })
    }
}

/// One thing that `resource test` looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub is_ok: bool,
    pub what: String,
    /// What to do about it; empty where nothing need be done.
    pub remedy: String,
}

impl From<v1::Finding> for Finding {
    fn from(wire: v1::Finding) -> Finding {
        Finding { is_ok: wire.ok, what: wire.what, remedy: wire.remedy }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceView {
    pub resource: Resource,
    /// Recovery and commits may use it.
    pub is_attached: bool,
    /// Why not, with the remedy; empty where it is.
    pub problem: String,
    /// Transactions in doubt there.
    pub in_doubt: u64,
}

impl TryFrom<v1::ResourceState> for ResourceView {
    type Error = Malformed;

    fn try_from(wire: v1::ResourceState) -> Result<ResourceView, Malformed> {
        let resource = wire.resource.ok_or(Malformed::Missing("resource"))?.try_into()?;
        Ok(ResourceView { resource, is_attached: wire.attached, problem: wire.problem, in_doubt: wire.in_doubt })
    }
}

/// A branch as the coordinator knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BranchView {
    pub resource: String,
    pub state: String,
    /// The last failure to reach it; empty where there was none.
    pub error: String,
    pub heuristic: Option<Heuristic>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransactionView {
    pub gtrid: String,
    pub state: String,
    /// Empty while there is none.
    pub outcome: String,
    /// This and the age: `None` once it has ended, when nothing is remembered but its outcome.
    pub began_at: Option<Timestamp>,
    pub age: Option<Duration>,
    pub branches: Vec<BranchView>,
    /// What an operator may do, and what follows from it; empty where nothing need be done.
    pub suggestion: String,
    /// Another coordinator's transaction: its branch here.
    pub foreign: Option<Xid>,
}

impl TryFrom<v1::TransactionState> for TransactionView {
    type Error = Malformed;

    fn try_from(wire: v1::TransactionState) -> Result<TransactionView, Malformed> {
        let branch = |branch: v1::TransactionBranch| BranchView {
            heuristic: branch.heuristic().into(),
            resource: branch.resource,
            state: branch.state,
            error: branch.error,
        };
        Ok(TransactionView {
            gtrid: wire.gtrid,
            state: wire.state,
            outcome: wire.outcome,
            began_at: wire.began_at_ms.map(Timestamp),
            age: wire.age_ms.map(Duration::from_millis),
            branches: wire.branches.into_iter().map(branch).collect(),
            suggestion: wire.suggestion,
            foreign: wire.foreign.map(Xid::try_from).transpose()?,
        })
    }
}
