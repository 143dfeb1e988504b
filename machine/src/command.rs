//! What a log entry says.

use handfast_coordinator_core as coordinator;
use handfast_protocol::{Incarnation, Timestamp};
use handfast_queue as queue;
use uuid::Uuid;

use crate::visitors::{Approach, Attached};

/// One log entry: commands judged in one epoch at one time, applied together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// The epoch in which the leader judged them; apply refuses any other (P2).
    pub epoch: u64,
    /// The leader's clock; apply never lets it go back (P4).
    pub now: Timestamp,
    /// Counts the batches of one epoch, so that the leader knows its own again.
    pub number: u64,
    pub commands: Vec<Command>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Taking leadership (P2). Judged in no epoch. The first one ever gives the queue manager its id.
    BeginEpoch {
        leadership: Uuid,
        manager_id: Uuid,
        incarnation: Incarnation,
        /// What the leader's program can apply; the group's level from then on (P31).
        level: u16,
    },
    Queue(queue::Command),
    Coordinator(coordinator::Command),
    /// A decision or delegation and the local branch's part in it: both take effect or neither does (D8, P17).
    Together {
        queue: queue::Command,
        coordinator: coordinator::Command,
    },
    /// Another coordinator takes this queue manager for its resource (P3).
    Attach {
        visitor: coordinator::Identity,
        approach: Approach,
    },
}

/// What applying one command did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Applied {
    Epoch {
        leadership: Uuid,
    },
    Queue(Result<queue::Done, queue::Refused>),
    /// `freed`: messages that the local branch held; it follows its transaction's outcome in the same entry.
    Coordinator {
        result: Result<coordinator::Done, coordinator::Refused>,
        freed: Vec<queue::MessageKey>,
    },
    Attach(Attached),
    Together {
        queue: Result<queue::Done, queue::Refused>,
        coordinator: Result<coordinator::Done, coordinator::Refused>,
    },
}
