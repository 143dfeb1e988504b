//! From messages to one Send request: bodies inline where they fit, staged where they do not.

use std::sync::Arc;

use handfast_protocol::limits::CHUNK_BYTES_MAX;
use handfast_protocol::{MessageId, MessageInvalid, ProducerSequence};
use handfast_wire::{Malformed, v1};

use crate::body;
use crate::error::RequestError;
use crate::limits::SEND_BYTES_MAX;
use crate::message::Message;
use crate::rollback::RollbackCause;
use crate::session::{Ask, Connection, Pending, Session, expect_answer, message_weight};

/// Messages that were not sent.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    #[error(transparent)]
    Request(#[from] RequestError),
    #[error("message {index} of the send cannot be accepted: {cause}")]
    Message { index: usize, cause: MessageInvalid },
    #[error(
        "the messages of one send have {bytes} bytes; at most {SEND_BYTES_MAX} are allowed. Send fewer at a time, or send them one by one in a transaction"
    )]
    TooLarge { bytes: usize },
    #[error("the transaction can only be rolled back: {0}")]
    RollbackOnly(RollbackCause),
}

impl SendError {
    /// Whether the same work may succeed when it is done again later.
    pub fn is_retryable(&self) -> bool {
        match self {
            SendError::Request(error) => error.is_retryable(),
            SendError::RollbackOnly(cause) => cause.is_retryable(),
            SendError::Message { .. } | SendError::TooLarge { .. } => false,
        }
    }
}

/// What was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    pub ids: Vec<MessageId>,
    /// The same sequence of the same producer was sent before; `ids` are the first ones, or empty where they are no longer
    /// kept (P24).
    pub repeated: bool,
}

/// Where a send belongs.
#[derive(Debug, Clone, Default)]
pub struct Envelope {
    pub transaction: Option<v1::Transaction>,
    pub producer: Option<ProducerSequence>,
}

/// Messages on their way into one request.
#[derive(Debug, Default)]
pub struct Outgoing {
    pub wire: Vec<v1::NewMessage>,
    /// Staged bodies belong to the connection that they were staged on.
    pub on: Option<u64>,
}

/// Checks all of `messages`, and stages the bodies that do not fit into a frame.
pub async fn outgoing<Q: Into<String>>(
    session: &Session,
    messages: impl ExactSizeIterator<Item = (Q, Message)>,
) -> Result<Outgoing, SendError> {
    let mut staging: Option<Arc<Connection>> = None;
    let mut wire = Vec::with_capacity(messages.len());
    let mut bytes = 0;
    for (index, (queue, message)) in messages.enumerate() {
        message.check().map_err(|cause| SendError::Message { index, cause })?;
        let content = if message.body.len() <= CHUNK_BYTES_MAX {
            v1::new_message::Content::Body(message.body)
        } else {
            if staging.is_none() {
                staging = Some(session.connection().await?);
            }
            let connection = staging.as_ref().expect("it was set just above");
            v1::new_message::Content::StagedBody(body::stage(session, connection, message.body).await?)
        };
        let properties = Some(message.properties.into());
        let message = v1::NewMessage { queue: queue.into(), properties, content: Some(content) };
        bytes += message_weight(&message);
        wire.push(message);
    }
    if bytes > SEND_BYTES_MAX {
        return Err(SendError::TooLarge { bytes });
    }
    Ok(Outgoing { wire, on: staging.map(|connection| connection.generation) })
}

/// Sends all of `messages` or none.
pub async fn send<Q: Into<String>>(
    session: &Session,
    envelope: Envelope,
    messages: impl ExactSizeIterator<Item = (Q, Message)>,
) -> Result<Sent, SendError> {
    start(session, envelope, messages, None).await?.sent(session).await
}

/// A send in its place among the requests, whose answer is still to come.
#[derive(Debug)]
#[must_use = "the answer says whether it was sent"]
pub struct Started {
    answer: Pending,
    /// Its messages.
    count: usize,
}

/// The same up to where the request has its place: bodies that do not fit into a frame are staged, which is waited for. With `on`,
/// on that connection or not at all.
pub async fn start<Q: Into<String>>(
    session: &Session,
    envelope: Envelope,
    messages: impl ExactSizeIterator<Item = (Q, Message)>,
    on: Option<u64>,
) -> Result<Started, SendError> {
    let count = messages.len();
    let Outgoing { wire, on: staged } = outgoing(session, messages).await?;
    let producer = envelope.producer.map(|sequence| v1::ProducerSequence {
        producer: sequence.producer.as_str().to_owned(),
        epoch: sequence.epoch,
        sequence: sequence.sequence,
        mark: sequence.mark,
    });
    let ask = Ask::Send(v1::Send { transaction: envelope.transaction, producer, messages: wire });
    Ok(Started { answer: session.start_ask(ask, on.or(staged)).await?, count })
}

impl Started {
    pub async fn sent(self, session: &Session) -> Result<Sent, SendError> {
        let sent = expect_answer!(session, self.answer.await?, Sent, "send")?;
        let ids = sent.message_ids(self.count).map_err(|malformed| session.unreadable(malformed))?;
        Ok(Sent { ids, repeated: sent.repeated_send })
    }
}

/// The id of the one message that was sent.
pub fn single(session: &Session, sent: &Sent) -> Result<MessageId, SendError> {
    let id = sent.ids.first().copied();
    id.ok_or_else(|| session.unreadable(Malformed::Missing("ids")).into())
}
