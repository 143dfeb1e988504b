//! Requests as they reach the machine: for the queues, for the coordinator, for both, or from another coordinator that has
//! this queue manager for a resource.

use std::time::Duration;

use handfast_coordinator_core as coordinator;
use handfast_protocol::{CoordinatorId, GlobalId, QueueName, ResourceName, Timestamp, Xid};
use handfast_queue as queue;
use handfast_queue::manager as queues;

use crate::foreign::ForeignBranch;
use crate::visitors::{Approach, Attached};

/// One caller's wait for one answer, drawn by the shell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// A client connection, drawn by the shell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    Queue(queues::Request),
    Coordinator(coordinator::Request),
    /// Begins a transaction of our coordinator with its first message: one request in place of two. Where no message comes
    /// within `wait`, or the receive is refused, there is no transaction. -> [`Answer::Begun`] or
    /// [`queues::Answer::NoMessage`]
    BeginReceive {
        timeout: Duration,
        queue: QueueName,
        wait: Duration,
    },
    /// Asks for the commit of a transaction that sends these last: one request in place of two. A send that is refused
    /// refuses the commit, and the transaction is as active as it was. -> as [`coordinator::Request::Commit`]
    SendCommit {
        id: GlobalId,
        prepared: Vec<ResourceName>,
        messages: Vec<queues::NewMessage>,
    },
    /// Ends a transaction of our coordinator with what the failure says about the received messages (P22).
    Rollback {
        id: GlobalId,
        blame: Option<queue::Blame>,
    },
    /// Another coordinator begins to use this queue manager (P3). -> [`Answer::Attached`]
    Attach {
        visitor: coordinator::Identity,
        approach: Approach,
    },
    /// The prepared branches of one coordinator, after `after`, at most `limit` (D9). -> [`Answer::Recovered`]
    Recover {
        coordinator: CoordinatorId,
        after: Option<Xid>,
        limit: usize,
    },
    /// The prepared branches of all other coordinators. -> [`Answer::Foreign`]
    ListForeign {
        after: Option<Xid>,
        limit: usize,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    Queue(queues::Answer),
    Coordinator(coordinator::Answer),
    Begun { id: GlobalId, deadline: Timestamp, received: Box<queues::Received> },
    Attached(Attached),
    Recovered(Vec<Xid>),
    Foreign(Vec<ForeignBranch>),
}

/// A request without effect (or, where it says so, with an unknown one).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    #[error(transparent)]
    Queue(#[from] queues::RequestRefused),
    #[error(transparent)]
    Coordinator(Box<coordinator::RequestRefused>),
    /// This server does not lead (yet); ask again, or ask another member.
    #[error("the server is starting; try again in a moment")]
    NotLeader,
    #[error(
        "this queue manager takes part in its own coordinator's transactions by itself; register other queue managers, or add this one at a coordinator of its own"
    )]
    OwnCoordinator,
}

impl From<coordinator::RequestRefused> for Refusal {
    fn from(refused: coordinator::RequestRefused) -> Refusal {
        Refusal::Coordinator(Box::new(refused))
    }
}
