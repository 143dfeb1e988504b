//! A server as an application knows it: transactions, and what can be done without one.

use std::sync::Arc;
use std::time::Duration;

use handfast_protocol::{GlobalId, MessageId, ProducerName};

use crate::error::{Cause, ConnectError, RefusalCode, Refused, RequestError};
use crate::exclusive::ExclusiveReader;
use crate::limits::TRANSACTION_TIMEOUT_DEFAULT;
use crate::message::{Message, Received};
use crate::outcome::{CommitOutcome, InDoubt, KnownOutcome};
use crate::pool::Pool;
use crate::producer::{Producer, ProducerError};
use crate::send::{self, Envelope, SendError};
use crate::sender::Sender;
use crate::session::{InProcess, Session};
use crate::transaction::Transaction;

/// A client of one server. Clones share its session, in which many requests and transactions are under way at once, and its
/// connections to databases. It outlives the server: what is asked after a restart finds its way by itself.
#[derive(Debug, Clone)]
pub struct Handfast {
    pub(crate) session: Session,
    pool: Arc<Pool>,
}

impl Handfast {
    /// Connects to the server at `url`, such as `http://127.0.0.1:1801`. To be called inside a tokio runtime, in which the
    /// session lives from then on.
    pub async fn connect(url: &str) -> Result<Handfast, ConnectError> {
        Ok(Handfast { session: Session::connect(url).await?, pool: Arc::default() })
    }

    /// The same of a server in this process, without a network; `name` is what errors call it.
    pub async fn in_process(server: Arc<dyn InProcess>, name: &str) -> Result<Handfast, RequestError> {
        Ok(Handfast { session: Session::in_process(server, name).await?, pool: Arc::default() })
    }

    /// Begins a transaction that may last 60 s.
    pub async fn begin(&self) -> Result<Transaction, RequestError> {
        self.begin_within(TRANSACTION_TIMEOUT_DEFAULT).await
    }

    /// Begins a transaction that the server rolls back after `timeout`, unless its commit was asked for before (D6).
    pub async fn begin_within(&self, timeout: Duration) -> Result<Transaction, RequestError> {
        Transaction::begin(self.session.clone(), Arc::clone(&self.pool), timeout).await
    }

    /// Begins a transaction, of 60 s at most, with the next message of `queue`, if one comes within `wait`: one round trip in
    /// place of two. Without a message there is no transaction; its time begins with the message. Dropped while it waits, the
    /// server goes on waiting, and what comes within `wait` goes back to its place.
    pub async fn begin_receive(
        &self,
        queue: &str,
        wait: Duration,
    ) -> Result<Option<(Transaction, Received)>, RequestError> {
        Transaction::begin_receive(self.session.clone(), Arc::clone(&self.pool), queue, wait).await
    }

    /// Sends one message, in a transaction of its own; durable when this returns.
    pub async fn send(&self, queue: &str, message: Message) -> Result<MessageId, SendError> {
        let messages = std::iter::once((queue, message));
        let sent = send::send(&self.session, Envelope::default(), messages).await?;
        send::single(&self.session, &sent)
    }

    /// Sends all of `messages` or none, in a transaction of their own.
    pub async fn send_batch(&self, queue: &str, messages: Vec<Message>) -> Result<Vec<MessageId>, SendError> {
        let messages = messages.into_iter().map(|message| (queue, message));
        Ok(send::send(&self.session, Envelope::default(), messages).await?.ids)
    }

    /// Sends to `queue` without waiting for each answer: see [`Sender`].
    pub fn sender(&self, queue: &str) -> Sender {
        Sender::start(self.session.clone(), queue)
    }

    /// Receives one message for good, whole, in a transaction of its own. Where the answer to its commit is lost, or this future
    /// is dropped meanwhile, the message may be gone: who must not lose it commits a transaction when the work is done.
    pub async fn receive(&self, queue: &str, wait: Duration) -> Result<Option<Received>, RequestError> {
        let Some((transaction, received)) = self.begin_receive(queue, wait).await? else { return Ok(None) };
        match transaction.commit().await {
            CommitOutcome::Committed => Ok(Some(received)),
            CommitOutcome::RolledBack { why } => {
                let text = why.to_string();
                Err(RequestError::Refused(Refused { code: RefusalCode::RolledBack, text, expected: 0 }))
            }
            CommitOutcome::Heuristic { .. } | CommitOutcome::Unknown(_) => {
                Err(RequestError::Lost { server: Arc::clone(self.session.server()), cause: Cause::Ended })
            }
        }
    }

    /// A producer whose sends are accepted once, however often they are tried (P24); it goes on where it was.
    pub async fn producer(&self, name: &str) -> Result<Producer, ProducerError> {
        Producer::resume(self.session.clone(), ProducerName::new(name)?).await
    }

    /// Becomes the exclusive reader of `queue` (P23): while it is open, only this client's transactions receive from it.
    /// Waits that long for another to close.
    pub async fn open_exclusive(&self, queue: &str, wait: Duration) -> Result<ExclusiveReader, RequestError> {
        ExclusiveReader::open(self.session.clone(), queue, wait).await
    }

    /// How a transaction ended; waits a few seconds for its decision.
    pub async fn outcome(&self, id: GlobalId) -> Result<KnownOutcome, RequestError> {
        InDoubt::new(self.session.clone(), id).ask_again().await
    }
}
