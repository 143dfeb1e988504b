//! Registered resources, and what the coordinator asks of them through their drivers.

use std::fmt;

use handfast_protocol::{
    CoordinatorId, GlobalId, Heuristic, Incarnation, Outcome, PrepareVote, ResourceKind, ResourceName, Xid,
};
use uuid::Uuid;

/// The random id that a resource keeps, drawn when it was added (P3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ResourceId(pub Uuid);

impl fmt::Display for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A resource as it is registered: durable, without any secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    pub name: ResourceName,
    pub kind: ResourceKind,
    /// A URL without a password, or the absolute path of a SQLite file on the server's host (P15).
    pub address: String,
    pub resource_id: ResourceId,
    /// The schema that holds the marker tables, already quoted for SQL; empty for SQLite and services.
    pub schema: String,
}

/// Who is asking: written into each resource and compared there (P3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    pub coordinator: CoordinatorId,
    pub incarnation: Incarnation,
    pub epoch: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct CallId(pub u64);

/// One question to one resource. Every one may be asked again after a failure or a restart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// Compare the resource's id and who attached last, advance the latter (P3). `adopt`: the operator accepts whatever
    /// stands there. -> [`Told::Attached`], [`Told::Ahead`], [`Told::UnknownCoordinator`]
    Attach { identity: Identity, adopt: bool },
    /// All prepared branches that bear our coordinator id, of any incarnation and epoch (D9). -> [`Told::Scanned`]
    Scan { coordinator: CoordinatorId },
    /// Services only: a database is prepared by its client. -> [`Told::Voted`]
    Prepare { xid: Xid },
    /// Phase two. -> [`Told::Done`], or [`Told::Heuristic`] where the branch is gone and no marker row says why (P7).
    Commit { xid: Xid },
    /// Phase two. An unknown branch is done, not a hazard (P7). -> [`Told::Done`] or [`Told::Heuristic`]
    Rollback { xid: Xid },
    /// P12: reads, fences and makes durable in one statement. -> [`Told::Fenced`]
    Fence { id: GlobalId },
    /// P14: deletes `committed` marker rows with `from <= gtrid <= through`. -> [`Told::Done`]
    ClearMarkers { from: GlobalId, through: GlobalId },
    /// A service may drop what it keeps of a heuristically ended branch. -> [`Told::Done`]
    Forget { xid: Xid },
}

/// A resource's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// `slots`: how many branches it can hold prepared at a time (`max_prepared_transactions`); `None` without a bound.
    Attached {
        slots: Option<u32>,
    },
    /// A later incarnation or epoch of this coordinator was here: this directory is an old copy (P3).
    Ahead {
        found: Identity,
    },
    /// The database is ours by id, but this coordinator never attached: a restored database or a cloned directory (P3).
    UnknownCoordinator,
    Scanned(Vec<Xid>),
    Voted(PrepareVote),
    Done,
    Heuristic(Heuristic),
    Fenced(Outcome),
}

/// A call that gives no answer: whatever was asked may or may not have happened; it is asked again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CallFailed {
    #[error("{resource} cannot be reached: {cause}")]
    Unreachable { resource: ResourceName, cause: String },
    #[error("{resource} did not answer in time")]
    TimedOut { resource: ResourceName },
    /// Another database stands at the address, or an empty one (P3): its branches stay in doubt.
    #[error("{resource} is another database: its id is {}, expected {expected}", id_text(found))]
    WrongResource { resource: ResourceName, expected: ResourceId, found: Option<ResourceId> },
    #[error("{resource} refused: {cause}")]
    Refused { resource: ResourceName, cause: String },
}

fn id_text(found: &Option<ResourceId>) -> String {
    found.map_or_else(|| "missing".to_owned(), |id| id.to_string())
}
