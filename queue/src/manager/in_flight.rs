//! The commands in flight, each with what is to be done when it was applied.

use std::collections::VecDeque;

use handfast_protocol::{MessageId, Timestamp, Xid};

use super::branch::BranchId;
use super::limits::RECEIVE_BYTES;
use super::waiting::Waiter;
use super::{Action, Proposal, Received, RequestId};
use crate::command::Fate;
use crate::{BodyId, Command, MessageKey, QueueId};

/// What a command in flight leads to.
#[derive(Debug)]
pub(super) enum Continuation {
    Create {
        request: RequestId,
    },
    Send {
        request: RequestId,
        ids: Vec<MessageId>,
        bodies: Vec<BodyId>,
        staged_charge: usize,
        expires: Option<Timestamp>,
    },
    /// A part of a body. The part that ends a request answers it.
    StageBody {
        reply: Option<(RequestId, BodyId)>,
    },
    /// A part of a branch's work leaves the manager's memory.
    StageWork {
        charge: usize,
    },
    /// What was written ahead is gone.
    Unstage {
        staged_charge: usize,
    },
    /// A receive in a transaction of its own.
    Receive {
        waiter: Waiter,
        received: Box<Received>,
    },
    CommitBranch {
        branch: BranchId,
        request: RequestId,
    },
    PrepareBranch {
        branch: BranchId,
        request: RequestId,
    },
    /// Phase two; `queues`: where it held messages.
    CommitPrepared {
        request: RequestId,
        xid: Xid,
        queues: Vec<QueueId>,
    },
    RollbackPrepared {
        request: RequestId,
        xid: Xid,
    },
    /// Attempts of a rolled-back branch are counted. The last of its commands answers.
    Return {
        messages: Vec<MessageKey>,
        reply: Option<RequestId>,
    },
    DeleteQueue {
        queue: QueueId,
    },
    /// A step of the purge or delete that is first in line; `locked` ones were passed over.
    Sweep {
        queue: QueueId,
        through: MessageKey,
        locked: Vec<MessageKey>,
    },
    /// A message that a purge passed over is free, and goes.
    SweepFreed {
        key: MessageKey,
        fate: Fate,
    },
    /// `looked`: found by the look at what is due, which then looks again.
    Expire {
        messages: Vec<MessageKey>,
        looked: bool,
    },
    ReturnDeadLetters {
        request: RequestId,
        messages: Vec<MessageKey>,
    },
}

impl Continuation {
    /// The caller that waits for this command.
    pub fn request(&self) -> Option<RequestId> {
        match self {
            Continuation::Create { request }
            | Continuation::Send { request, .. }
            | Continuation::CommitBranch { request, .. }
            | Continuation::PrepareBranch { request, .. }
            | Continuation::CommitPrepared { request, .. }
            | Continuation::RollbackPrepared { request, .. }
            | Continuation::ReturnDeadLetters { request, .. } => Some(*request),
            Continuation::Receive { waiter, .. } => Some(waiter.request),
            Continuation::Return { reply, .. } => *reply,
            Continuation::StageBody { reply } => reply.map(|(request, _)| request),
            // Purges and deletes answer from their line.
            Continuation::StageWork { .. }
            | Continuation::Unstage { .. }
            | Continuation::DeleteQueue { .. }
            | Continuation::Sweep { .. }
            | Continuation::SweepFreed { .. }
            | Continuation::Expire { .. } => None,
        }
    }
}

/// Commands in the order of their proposals, which is the order of their results.
#[derive(Debug, Default)]
pub(super) struct InFlight {
    queue: VecDeque<(Proposal, Continuation)>,
    next: u64,
}

impl InFlight {
    pub fn propose(&mut self, out: &mut Vec<Action>, command: Command, continuation: Continuation) {
        let proposal = Proposal(self.next);
        self.next += 1;
        self.queue.push_back((proposal, continuation));
        out.push(Action::Propose { proposal, command });
    }

    /// The oldest command was applied.
    pub fn take(&mut self, proposal: Proposal) -> Continuation {
        let (oldest, continuation) = self.queue.pop_front().expect("what is applied was proposed");
        assert_eq!(oldest, proposal, "results come back in the order of the proposals");
        continuation
    }

    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// What commands in flight hold of the budget of active branches.
    pub fn active_charge(&self) -> usize {
        let charge = |continuation: &Continuation| match continuation {
            Continuation::StageWork { charge } => *charge,
            Continuation::Receive { .. } => RECEIVE_BYTES,
            _ => 0,
        };
        self.queue.iter().map(|(_, continuation)| charge(continuation)).sum()
    }

    pub fn drain(&mut self) -> impl Iterator<Item = Continuation> {
        std::mem::take(&mut self.queue).into_iter().map(|(_, continuation)| continuation)
    }
}
