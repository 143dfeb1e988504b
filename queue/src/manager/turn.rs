//! What one step of the manager works with, and how a handler ends.

use handfast_protocol::Timestamp;
use handfast_store::{Store, StoreError};

use super::{Action, Answer, ConnectionId, RequestId, RequestRefused};
use crate::Refused;
use crate::state::State;

/// One step: the durable state as far as it is applied, the time, and the actions so far.
pub(super) struct Turn<'a> {
    pub state: &'a State,
    pub store: &'a dyn Store,
    pub now: Timestamp,
    pub out: &'a mut Vec<Action>,
}

impl Turn<'_> {
    pub fn answer(&mut self, request: RequestId, answer: Result<Answer, RequestRefused>) {
        self.out.push(Action::Answer { request, answer });
    }
}

/// Who asks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Caller {
    pub request: RequestId,
    pub connection: ConnectionId,
}

/// A handler's end: an answer at once, or `None` when it leaves later, on an event.
pub(super) type Reply = Result<Option<Answer>, Stop>;

/// Why a handler stopped early.
#[derive(Debug)]
pub(super) enum Stop {
    /// The caller is told; nothing changed.
    Refused(RequestRefused),
    /// Fatal (D12).
    Store(StoreError),
}

impl From<RequestRefused> for Stop {
    fn from(refused: RequestRefused) -> Stop {
        Stop::Refused(refused)
    }
}

impl From<Refused> for Stop {
    fn from(refused: Refused) -> Stop {
        Stop::Refused(RequestRefused::Refused(refused))
    }
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Stop {
        Stop::Store(error)
    }
}
