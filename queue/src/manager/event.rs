//! What happens to the manager, and what it wants done.

use handfast_protocol::Timestamp;

use super::{Answer, ConnectionId, Request, RequestId, RequestRefused};
use crate::{Command, Done, MessageKey, Refused};

/// What happens to the manager.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    Request {
        request: RequestId,
        connection: ConnectionId,
        ask: Request,
    },
    /// A proposed command was applied. Results come back in the order of the proposals.
    Applied {
        proposal: Proposal,
        result: Result<Done, Refused>,
    },
    Disconnected {
        connection: ConnectionId,
    },
    /// A sign of life: renews the connection's leases (P23).
    KeepAlive {
        connection: ConnectionId,
    },
    /// Time has passed: see [`super::Manager::next_tick`].
    Tick,
}

/// What the manager wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Append to the log, in this order; what applying it said comes back as [`Event::Applied`].
    Propose {
        proposal: Proposal,
        command: Command,
    },
    Answer {
        request: RequestId,
        answer: Result<Answer, RequestRefused>,
    },
}

/// The manager's continuation for a command in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Proposal(pub u64);

/// How a branch ended that a coordinator beside the manager had frozen with [`super::Manager::end`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolved {
    /// With the places of its sends; none while they are held (P10).
    Committed(Vec<MessageKey>),
    Prepared,
    RolledBack,
}

/// What the log and the store have room for (P18).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Space {
    #[default]
    Ample,
    /// Sends and prepares are refused; receives, commits and phase two go on.
    Low,
}

/// When the earlier of two things happens; `None`: never.
pub(super) fn earlier(one: Option<Timestamp>, other: Option<Timestamp>) -> Option<Timestamp> {
    one.into_iter().chain(other).min()
}
