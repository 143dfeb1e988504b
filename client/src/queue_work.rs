//! Receives and sends of one transaction at one queue manager: its coordinator's own, or another's ([`crate::QueuesBranch`]).

use std::time::Duration;

use handfast_wire::v1;
use tokio::time::Instant;

use crate::message::{Message, Received};
use crate::receive::{self, ReceiveError};
use crate::rollback::{Failure, RollbackCause};
use crate::send::{self, Envelope, SendError, Sent};
use crate::session::Session;

#[derive(Debug)]
pub(crate) struct QueueWork {
    pub session: Session,
    transaction: v1::Transaction,
    /// When the server rolls it back (D6), by our clock.
    deadline: Instant,
    failure: Option<Failure>,
    /// The call that has begun and not ended; where nobody waits for it, it was cancelled.
    calling: Option<&'static str>,
}

impl QueueWork {
    pub fn new(session: Session, transaction: v1::Transaction, deadline: Instant) -> QueueWork {
        QueueWork { session, transaction, deadline, failure: None, calling: None }
    }

    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    pub fn time_left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    pub async fn receive(&mut self, queue: &str) -> Result<Received, ReceiveError> {
        let waited = self.time_left();
        let received = self.receive_within(queue, waited).await?;
        received.ok_or_else(|| ReceiveError::NoMessage { queue: queue.to_owned(), waited })
    }

    pub async fn receive_within(&mut self, queue: &str, wait: Duration) -> Result<Option<Received>, ReceiveError> {
        self.enter("a receive").map_err(ReceiveError::RollbackOnly)?;
        let (transaction, wait) = (self.transaction.clone(), wait.min(self.time_left()));
        let result = receive::receive(&self.session, transaction, queue, wait).await;
        self.leave();
        if let Err(error) = &result {
            // A message may be locked that nobody has seen: a commit would remove it.
            self.fail(RollbackCause::Server { reason: error.to_string() });
        }
        Ok(result?)
    }

    pub async fn send_all<'m>(
        &mut self,
        messages: impl ExactSizeIterator<Item = (&'m str, Message)>,
    ) -> Result<Sent, SendError> {
        self.enter("a send").map_err(SendError::RollbackOnly)?;
        let envelope = Envelope { transaction: Some(self.transaction.clone()), producer: None };
        let result = send::send(&self.session, envelope, messages).await;
        self.leave();
        if let Err(SendError::Request(error)) = &result
            && error.may_have_happened()
        {
            self.fail(RollbackCause::Server { reason: error.to_string() });
        }
        result
    }

    /// The first thing that went wrong.
    pub fn failure(&self) -> Option<Failure> {
        let cancelled = self.calling.map(|call| Failure::blameless(RollbackCause::Cancelled { call }));
        self.failure.clone().or(cancelled)
    }

    pub fn fail(&mut self, cause: RollbackCause) {
        self.failure.get_or_insert(Failure::blameless(cause));
    }

    /// Every call begins here; whoever began one says [`Self::leave`] when it has its answer.
    pub fn enter(&mut self, call: &'static str) -> Result<(), RollbackCause> {
        match self.failure() {
            Some(failure) => Err(failure.cause),
            None => {
                self.calling = Some(call);
                Ok(())
            }
        }
    }

    pub fn leave(&mut self) {
        self.calling = None;
    }
}
