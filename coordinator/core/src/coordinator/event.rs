//! What happens to the coordinator, and what it wants done.

use handfast_protocol::{GlobalId, RollbackReason};

use crate::{
    Answer, Ask, CallFailed, CallId, Command, ConnectionId, Done, Refused, Request, RequestId, RequestRefused,
    Resource, Told,
};

/// A command in flight. Its result comes back once, unless the leadership ends first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Proposal(pub u64);

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    Request {
        request: RequestId,
        connection: ConnectionId,
        ask: Request,
    },
    /// The command was applied; the state that comes with the event has its effects.
    Applied {
        proposal: Proposal,
        result: Result<Done, Refused>,
    },
    Called {
        call: CallId,
        result: Result<Told, CallFailed>,
    },
    Disconnected {
        connection: ConnectionId,
    },
    /// Everything that was committed to the log before [`Action::Barrier`] is applied (P8).
    BarrierPassed {
        barrier: u64,
    },
    Tick,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    Propose {
        proposal: Proposal,
        command: Command,
    },
    Answer {
        request: RequestId,
        answer: Result<Answer, RequestRefused>,
    },
    Call {
        call: CallId,
        resource: Resource,
        ask: Ask,
    },
    /// The host's own branch of this transaction is rolled back; the log has no record of it. Also after a refused command:
    /// the branch is frozen then.
    RollbackLocal {
        id: GlobalId,
        reason: RollbackReason,
    },
    /// The host passes [`Event::BarrierPassed`] when everything committed to the log before this is applied (P8).
    Barrier {
        barrier: u64,
    },
}
