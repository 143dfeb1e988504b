//! A queue manager as a participant: the work of a transaction at queues whose queue manager is not its coordinator's.
//!
//! The branch is started there under an xid of the coordinator's, works, and is ended before the commit. From then on the
//! coordinator prepares and commits it; this client is not needed for that.

use std::time::Duration;

use handfast_protocol::{MessageId, Xid};
use handfast_wire::v1;
use tokio::time::Instant;
use uuid::Uuid;

use crate::blame::Blame;
use crate::enlist::EnlistError;
use crate::message::{Message, Received};
use crate::pool::Pool;
use crate::queue_work::QueueWork;
use crate::receive::{ReceiveError, millis};
use crate::resource::Resource;
use crate::rollback::{Failure, RollbackCause};
use crate::send::{self, SendError};
use crate::session::{Ask, Session, expect_answer};

/// The queues of one registered queue manager, inside a transaction.
#[derive(Debug)]
pub struct QueuesBranch {
    work: QueueWork,
    xid: v1::Xid,
}

impl QueuesBranch {
    /// Starts the branch at the registered queue manager, over a connection to that very one (P3).
    pub(crate) async fn start(
        pool: &Pool,
        resource: &Resource,
        xid: &Xid,
        deadline: Instant,
    ) -> Result<QueuesBranch, EnlistError> {
        let unreachable = |cause| EnlistError::QueueManager { resource: resource.name.clone(), cause };
        let session = match pool.queue_manager(&resource.address) {
            Some(session) => session,
            None => {
                let session = Session::connect(&resource.address).await.map_err(unreachable)?;
                pool.keep_queue_manager(&resource.address, &session);
                session
            }
        };
        let connection = session.connection().await?;
        let found = Uuid::from_slice(&connection.manager_id).ok();
        if found != Some(resource.id) {
            let (resource, expected) = (resource.name.clone(), resource.id);
            return Err(EnlistError::WrongQueueManager { resource, expected, found });
        }
        let timeout_ms = millis(deadline.saturating_duration_since(Instant::now()));
        let xid = v1::Xid::from(xid);
        let start = Ask::BranchStart(v1::BranchStart { xid: Some(xid.clone()), timeout_ms });
        // On the connection that was checked: what comes later over another one finds no branch.
        let answer = session.start_ask(start, Some(connection.generation)).await?.await?;
        expect_answer!(session, answer, Done, "branch start")?;
        let transaction = v1::Transaction { name: Some(v1::transaction::Name::Xid(xid.clone())) };
        Ok(QueuesBranch { work: QueueWork::new(session, transaction, deadline), xid })
    }

    /// Receives the next message of `queue`; waits for one as long as the transaction may last.
    pub async fn receive(&mut self, queue: &str) -> Result<Received, ReceiveError> {
        self.work.receive(queue).await
    }

    /// Receives the next message of `queue`, if one comes within `wait`. The message is locked until the transaction ends.
    pub async fn receive_within(&mut self, queue: &str, wait: Duration) -> Result<Option<Received>, ReceiveError> {
        self.work.receive_within(queue, wait).await
    }

    /// Sends to `queue` when the transaction commits. The id is known now.
    pub async fn send(&mut self, queue: &str, message: Message) -> Result<MessageId, SendError> {
        let sent = self.work.send_all(std::iter::once((queue, message))).await?;
        send::single(&self.work.session, &sent)
    }

    /// Sends several messages with one request, in their order.
    pub async fn send_batch(&mut self, queue: &str, messages: Vec<Message>) -> Result<Vec<MessageId>, SendError> {
        let sent = self.work.send_all(messages.into_iter().map(|message| (queue, message))).await?;
        Ok(sent.ids)
    }

    pub(crate) fn failure(&self) -> Option<Failure> {
        self.work.failure()
    }

    /// The work is done (xa_end): the branch waits for its coordinator, whatever becomes of this client.
    pub(crate) async fn end(self) -> Result<QueuesBranch, Failure> {
        let ask = Ask::BranchEnd(v1::BranchEnd { xid: Some(self.xid.clone()) });
        match self.work.session.ask(ask).await {
            Ok(_) => Ok(self),
            Err(error) => Err(Failure::blameless(RollbackCause::Server { reason: error.to_string() })),
        }
    }

    /// Its coordinator, which is told as well, would roll it back without a blame.
    pub(crate) async fn roll_back(self, blame: Blame) {
        if let Err(error) = self.work.session.ask(self.rollback_of(blame)).await {
            tracing::debug!(server = %self.work.session.server(), %error, "rollback not acknowledged");
        }
    }

    /// The same from where nobody can wait.
    pub(crate) fn abandon(&self, blame: Blame) {
        self.work.session.tell(self.rollback_of(blame));
    }

    fn rollback_of(&self, blame: Blame) -> Ask {
        Ask::BranchRollback(v1::BranchRollback { xid: Some(self.xid.clone()), blame: Some(blame.into()) })
    }
}
