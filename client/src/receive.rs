//! Receiving: one message, with its whole body.

use std::time::Duration;

use handfast_protocol::QueueName;
use handfast_wire::{Malformed, v1};

use crate::body;
use crate::error::RequestError;
use crate::message::Received;
use crate::rollback::RollbackCause;
use crate::session::{Answer, Ask, Session, expect_answer};

/// Why there is no message.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReceiveError {
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The wait was as long as the transaction may be.
    #[error("no message came to queue {queue} within {waited:?}")]
    NoMessage { queue: String, waited: Duration },
    #[error("the transaction can only be rolled back: {0}")]
    RollbackOnly(RollbackCause),
}

impl ReceiveError {
    /// Whether the same work may succeed when it is done again later.
    pub fn is_retryable(&self) -> bool {
        match self {
            ReceiveError::Request(error) => error.is_retryable(),
            ReceiveError::NoMessage { .. } => true,
            ReceiveError::RollbackOnly(cause) => cause.is_retryable(),
        }
    }
}

/// Waits up to `wait` for a message, which the transaction locks.
pub async fn receive(
    session: &Session,
    transaction: v1::Transaction,
    queue: &str,
    wait: Duration,
) -> Result<Option<Received>, RequestError> {
    let ask =
        v1::Receive { transaction: Some(transaction), queue: queue.to_owned(), wait_ms: millis(wait), begin: None };
    match ask_for(session, ask).await? {
        Some(wire) => whole(session, wire).await.map(Some),
        None => Ok(None),
    }
}

/// A message without the body that rests apart; `None` if none came.
pub async fn ask_for(session: &Session, ask: v1::Receive) -> Result<Option<v1::Received>, RequestError> {
    match session.ask(Ask::Receive(ask)).await? {
        Answer::NoMessage(_) => Ok(None),
        answer => expect_answer!(session, answer, Received, "receive").map(|wire| Some(*wire)),
    }
}

/// The message with its body.
pub async fn whole(session: &Session, mut wire: v1::Received) -> Result<Received, RequestError> {
    if wire.apart_body != 0 {
        wire.body = body::read(session, wire.apart_body, wire.body_length).await?;
    }
    received(wire).map_err(|malformed| session.unreadable(malformed))
}

pub fn received(mut wire: v1::Received) -> Result<Received, Malformed> {
    let queue = QueueName::new(std::mem::take(&mut wire.queue))?;
    Ok(Received { queue, message: wire.try_into()? })
}

pub fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
