//! A producer whose sends take effect once (P24): each carries a sequence, and is tried with the same one until the server
//! has given a definite answer, over lost connections and restarts.

use std::time::Duration;

use handfast_protocol::{ProducerName, ProducerNameError, ProducerSequence};
use handfast_wire::v1;

use crate::error::{RefusalCode, RequestError};
use crate::limits::{PRODUCER_PAUSE_MAX, PRODUCER_PAUSE_MIN};
use crate::message::Message;
use crate::send::{self, Envelope, SendError, Sent};
use crate::session::{Ask, Session, expect_answer};

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProducerError {
    #[error(transparent)]
    Name(#[from] ProducerNameError),
    #[error(transparent)]
    Request(#[from] RequestError),
}

#[derive(Debug)]
pub struct Producer {
    session: Session,
    name: ProducerName,
    epoch: u64,
    next: u64,
    mark: u64,
}

impl Producer {
    /// Goes on with the sequence that the server expects next, in the epoch that it knows.
    pub(crate) async fn resume(session: Session, name: ProducerName) -> Result<Producer, ProducerError> {
        let ask = v1::ShowProducer { producer: name.as_str().to_owned() };
        let answer = session.ask(Ask::ShowProducer(ask)).await?;
        let known = expect_answer!(session, answer, Producer, "show producer")?;
        let v1::Producer { known, epoch, next, mark } = known;
        let (epoch, next, mark) = if known { (epoch, next, mark) } else { (0, 0, 0) };
        Ok(Producer { session, name, epoch, next, mark })
    }

    /// Fences every other process that sends under this name: their sends are refused from the first of ours on. Sequences
    /// begin at 0 again.
    #[must_use]
    pub fn take_over(self) -> Producer {
        Producer { epoch: self.epoch + 1, next: 0, mark: 0, ..self }
    }

    pub fn name(&self) -> &ProducerName {
        &self.name
    }

    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The sequence of the next send.
    pub fn next(&self) -> u64 {
        self.next
    }

    /// What the last send of this stream said of it ([`Producer::send_as`]) when this producer was asked for; 0 says nothing,
    /// [`handfast_protocol::MARK_OF_REFUSED`] that some of its sends were refused for good.
    pub fn mark(&self) -> u64 {
        self.mark
    }

    /// Sends one message under the next sequence. Dropped before it returns, the next send has the same sequence: to be the
    /// same message as well is the caller's part.
    pub async fn send(&mut self, queue: &str, message: Message) -> Result<Sent, SendError> {
        self.send_batch(queue, vec![message]).await
    }

    /// Sends all of `messages` or none, under the next sequence.
    pub async fn send_batch(&mut self, queue: &str, messages: Vec<Message>) -> Result<Sent, SendError> {
        let sent = self.send_as(self.next, 0, queue, messages).await?;
        self.next += 1;
        Ok(sent)
    }

    /// Sends under a sequence of the caller's choice, such as the number of a line. One that was used before is answered
    /// with its first result. `mark` is kept with the stream for whoever goes on with it, such as a digest of what it has sent
    /// up to here, by which another stream under the same name is told apart.
    pub async fn send_as(
        &self,
        sequence: u64,
        mark: u64,
        queue: &str,
        messages: Vec<Message>,
    ) -> Result<Sent, SendError> {
        let mut pause = PRODUCER_PAUSE_MIN;
        loop {
            let producer = ProducerSequence { producer: self.name.clone(), epoch: self.epoch, sequence, mark };
            let envelope = Envelope { transaction: None, producer: Some(producer) };
            let copies = messages.iter().map(|message| (queue, message.clone()));
            match send::send(&self.session, envelope, copies).await {
                Err(SendError::Request(error)) if is_indefinite(&error) => {
                    tracing::debug!(producer = %self.name, sequence, %error, "tried again");
                }
                definite => return definite,
            }
            tokio::time::sleep(pause).await;
            pause = Duration::min(pause * 2, PRODUCER_PAUSE_MAX);
        }
    }
}

/// The server did not say whether it has the message, or could not be asked.
fn is_indefinite(error: &RequestError) -> bool {
    match error {
        RequestError::Unreachable { .. } | RequestError::Lost { .. } => true,
        RequestError::Refused(refused) => {
            matches!(refused.code, RefusalCode::Unknown | RefusalCode::NotLeader | RefusalCode::Stopping)
        }
        RequestError::Unreadable { .. } => false,
    }
}
