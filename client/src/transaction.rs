//! A transaction as an application works in it: receive, change databases, send. It ends with [`Transaction::commit`] or
//! [`Transaction::rollback`]; dropped before, it rolls back (P21).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use handfast_protocol::{GlobalId, MessageId, ResourceKind, ResourceName, Xid};
use handfast_wire::{Malformed, v1};
use tokio::time::Instant;

use crate::blame::Blame;
use crate::commit::{Branch, Ending};
use crate::enlist::EnlistError;
use crate::error::RequestError;
use crate::lent::Lent;
use crate::limits::{BRANCHES_MAX, TRANSACTION_TIMEOUT_DEFAULT};
use crate::message::{Message, Received};
use crate::outcome::{CommitOutcome, InDoubt};
use crate::pool::Pool;
use crate::postgres::PostgresBranch;
use crate::postgres_connection::PostgresConnection;
use crate::queue_work::QueueWork;
use crate::queues::QueuesBranch;
use crate::receive::{self, ReceiveError, millis};
use crate::resource::Resource;
use crate::rollback::{Failure, RollbackCause};
use crate::send::{self, SendError};
use crate::session::{Ask, Session, expect_answer};
use crate::sqlite::{SqliteBranch, SqliteConnection};
use crate::sqlite_thread::Source;

#[derive(Debug)]
#[must_use = "a transaction that is dropped rolls back"]
pub struct Transaction {
    /// What it does at its coordinator, and at that one's own queues.
    own: QueueWork,
    pool: Arc<Pool>,
    id: GlobalId,
    branches: BTreeMap<ResourceName, Branch>,
    /// What goes out with the request to commit.
    last_sends: Vec<(String, Message)>,
    /// Commit or rollback has taken over.
    is_ended: bool,
}

impl Transaction {
    pub(crate) async fn begin(
        session: Session,
        pool: Arc<Pool>,
        timeout: Duration,
    ) -> Result<Transaction, RequestError> {
        let deadline = Instant::now() + timeout;
        let pending = session.start_ask(Ask::Begin(v1::Begin { timeout_ms: millis(timeout) }), None).await?;
        let begun = expect_answer!(session, pending.await?, Begun, "begin")?;
        Transaction::begun(session, pool, &begun, deadline)
    }

    /// One that begins with its first message; without a message there is none.
    pub(crate) async fn begin_receive(
        session: Session,
        pool: Arc<Pool>,
        queue: &str,
        wait: Duration,
    ) -> Result<Option<(Transaction, Received)>, RequestError> {
        let timeout = TRANSACTION_TIMEOUT_DEFAULT;
        let begin = Some(v1::Begin { timeout_ms: millis(timeout) });
        let ask = v1::Receive { transaction: None, queue: queue.to_owned(), wait_ms: millis(wait), begin };
        let Some(mut wire) = receive::ask_for(&session, ask).await? else { return Ok(None) };
        let begun = wire.begun.take().ok_or_else(|| session.unreadable(Malformed::Missing("begun")))?;
        // From here on it is rolled back where it is dropped.
        let transaction = Transaction::begun(session, pool, &begun, Instant::now() + timeout)?;
        let received = receive::whole(&transaction.own.session, wire).await?;
        Ok(Some((transaction, received)))
    }

    fn begun(
        session: Session,
        pool: Arc<Pool>,
        begun: &v1::Begun,
        deadline: Instant,
    ) -> Result<Transaction, RequestError> {
        let id = begun.gtrid.parse::<GlobalId>().map_err(|error| session.unreadable(Malformed::from(error)))?;
        let own = QueueWork::new(session, id.into(), deadline);
        Ok(Transaction { own, pool, id, branches: BTreeMap::new(), last_sends: Vec::new(), is_ended: false })
    }

    /// Its identity, under which the server's tools show it.
    pub fn id(&self) -> GlobalId {
        self.id
    }

    /// The time left until the server rolls it back, if nobody ends it before.
    pub fn time_left(&self) -> Duration {
        self.own.time_left()
    }

    /// Receives the next message of `queue`; waits for one as long as the transaction may last.
    pub async fn receive(&mut self, queue: &str) -> Result<Received, ReceiveError> {
        self.own.receive(queue).await
    }

    /// Receives the next message of `queue`, if one comes within `wait`. The message is locked until the transaction ends.
    pub async fn receive_within(&mut self, queue: &str, wait: Duration) -> Result<Option<Received>, ReceiveError> {
        self.own.receive_within(queue, wait).await
    }

    /// Sends to `queue` when the transaction commits. The id is known now.
    pub async fn send(&mut self, queue: &str, message: Message) -> Result<MessageId, SendError> {
        let sent = self.own.send_all(std::iter::once((queue, message))).await?;
        send::single(&self.own.session, &sent)
    }

    /// Sends several messages with one request, in their order.
    pub async fn send_batch(&mut self, queue: &str, messages: Vec<Message>) -> Result<Vec<MessageId>, SendError> {
        let sent = self.own.send_all(messages.into_iter().map(|message| (queue, message))).await?;
        Ok(sent.ids)
    }

    /// Sends to `queue` together with the request to commit: a round trip less than [`Self::send`]. A message that is refused
    /// rolls the transaction back; the commit says why.
    pub fn send_with_commit(&mut self, queue: &str, message: Message) {
        self.last_sends.push((queue.to_owned(), message));
    }

    /// The work of this transaction at a registered PostgreSQL database. The first call joins it to the transaction.
    pub async fn postgres(&mut self, name: &str) -> Result<&mut PostgresBranch, EnlistError> {
        let name = resource_name(&self.own.session, name)?;
        if !self.branches.contains_key(&name) {
            self.join_postgres(&name, None).await?;
        }
        match self.branches.get_mut(&name) {
            Some(Branch::Postgres(branch)) => Ok(branch),
            Some(branch) => Err(other_kind(name, branch.kind(), "postgres")),
            None => unreachable!("it joined just above"),
        }
    }

    /// The same for a registered SQLite database. Waits while another transaction of this process writes to it.
    pub async fn sqlite(&mut self, name: &str) -> Result<&mut SqliteBranch, EnlistError> {
        let name = resource_name(&self.own.session, name)?;
        if !self.branches.contains_key(&name) {
            self.join_sqlite(&name, Source::File).await?;
        }
        match self.branches.get_mut(&name) {
            Some(Branch::Sqlite(branch)) => Ok(branch),
            Some(branch) => Err(other_kind(name, branch.kind(), "sqlite")),
            None => unreachable!("it joined just above"),
        }
    }

    /// The queues of another queue manager, which is registered at this transaction's coordinator as a service. The first call
    /// joins it to the transaction.
    pub async fn queues(&mut self, name: &str) -> Result<&mut QueuesBranch, EnlistError> {
        let name = resource_name(&self.own.session, name)?;
        if !self.branches.contains_key(&name) {
            self.join_queues(&name).await?;
        }
        match self.branches.get_mut(&name) {
            Some(Branch::Queues(branch)) => Ok(branch),
            Some(branch) => Err(other_kind(name, branch.kind(), "queues")),
            None => unreachable!("it joined just above"),
        }
    }

    /// Joins the registered database `name` by the application's own connection, which is checked like ours and must not be
    /// inside a transaction. The work is done with [`Self::postgres`]; the connection comes back when the transaction ends.
    pub async fn enlist_postgres(
        &mut self,
        name: &str,
        client: tokio_postgres::Client,
    ) -> Result<Lent<tokio_postgres::Client>, EnlistError> {
        let name = resource_name(&self.own.session, name)?;
        if self.branches.contains_key(&name) {
            return Err(EnlistError::Joined { resource: name });
        }
        let (give, lent) = Lent::new();
        self.join_postgres(&name, Some((client, give))).await?;
        Ok(lent)
    }

    /// The same for SQLite; its busy timeout and `synchronous` are set. No other database may be attached to it.
    pub async fn enlist_sqlite(
        &mut self,
        name: &str,
        connection: rusqlite::Connection,
    ) -> Result<Lent<rusqlite::Connection>, EnlistError> {
        let name = resource_name(&self.own.session, name)?;
        if self.branches.contains_key(&name) {
            return Err(EnlistError::Joined { resource: name });
        }
        let (give, lent) = Lent::new();
        self.join_sqlite(&name, Source::Lent(connection, give)).await?;
        Ok(lent)
    }

    /// Commits all of it. From its first poll on the commit runs by itself: dropping the future leaves it to end as it may,
    /// and never rolls back (P21).
    pub async fn commit(self) -> CommitOutcome {
        let (ending, in_doubt) = self.end();
        let runtime = in_doubt.runtime();
        match runtime.spawn(ending.commit()).await {
            Ok(outcome) => outcome,
            // The runtime is shutting down.
            Err(_) => CommitOutcome::Unknown(in_doubt),
        }
    }

    /// Rolls back, and says what that means for the messages that were received. An error tells that the server may not
    /// have heard of the blame; rolled back it is in any case.
    pub async fn rollback(self, blame: Blame) -> Result<(), RequestError> {
        let (ending, in_doubt) = self.end();
        match in_doubt.runtime().spawn(ending.roll_back(blame)).await {
            Ok(result) => result,
            Err(_) => Ok(()),
        }
    }

    /// What the failures of its statements say about the messages that were received (P22): what a drop reports.
    pub fn blame(&self) -> Blame {
        self.failure().map(|failure| failure.blame).unwrap_or_default()
    }

    fn end(mut self) -> (Ending, InDoubt) {
        self.is_ended = true;
        let failure = self.failure();
        let branches = std::mem::take(&mut self.branches).into_iter().collect();
        let in_doubt = InDoubt::new(self.own.session.clone(), self.id);
        let ending = Ending {
            session: self.own.session.clone(),
            pool: Arc::clone(&self.pool),
            id: self.id,
            branches,
            sends: std::mem::take(&mut self.last_sends),
            failure,
        };
        (ending, in_doubt)
    }

    /// The first failure of this transaction or of a branch.
    fn failure(&self) -> Option<Failure> {
        self.own.failure().or_else(|| self.branches.values().find_map(Branch::failure))
    }

    async fn join_postgres(
        &mut self,
        name: &ResourceName,
        own: Option<(tokio_postgres::Client, tokio::sync::oneshot::Sender<tokio_postgres::Client>)>,
    ) -> Result<(), EnlistError> {
        let Enlisted { resource, .. } = self.enlist(name).await?;
        let joined = match resource.kind {
            ResourceKind::PostgresMarker | ResourceKind::PostgresTwoPhase => self.begin_postgres(&resource, own).await,
            kind => Err(other_kind(name.clone(), kind, "postgres")),
        };
        self.joined(name, joined.map(|branch| Branch::Postgres(Box::new(branch))))
    }

    async fn begin_postgres(
        &self,
        resource: &Arc<Resource>,
        own: Option<(tokio_postgres::Client, tokio::sync::oneshot::Sender<tokio_postgres::Client>)>,
    ) -> Result<PostgresBranch, EnlistError> {
        let runtime = self.own.session.runtime().clone();
        if let Some((client, back)) = own {
            let mut connection = PostgresConnection::lend(resource, client, back).await?;
            let number = connection.begin().await?;
            return Ok(PostgresBranch::new(connection, number, runtime));
        }
        // An idle connection may have died unseen; nothing has been done on it, so that a new one takes its place.
        if let Some(mut idle) = self.pool.take_postgres(resource)
            && let Ok(number) = idle.begin().await
        {
            return Ok(PostgresBranch::new(idle, number, runtime));
        }
        let mut connection = PostgresConnection::connect(resource).await?;
        let number = connection.begin().await?;
        Ok(PostgresBranch::new(connection, number, runtime))
    }

    async fn join_sqlite(&mut self, name: &ResourceName, source: Source) -> Result<(), EnlistError> {
        let Enlisted { resource, .. } = self.enlist(name).await?;
        let joined = match resource.kind {
            ResourceKind::SqliteMarker => self.begin_sqlite(&resource, source).await,
            kind => Err(other_kind(name.clone(), kind, "sqlite")),
        };
        self.joined(name, joined.map(Branch::Sqlite))
    }

    async fn begin_sqlite(&self, resource: &Arc<Resource>, source: Source) -> Result<SqliteBranch, EnlistError> {
        let turn = self.pool.sqlite_turn(resource).acquire_owned();
        let timed_out = |within| EnlistError::TimedOut { resource: resource.name.clone(), within };
        let left = self.time_left();
        let turn = tokio::time::timeout(left, turn).await.map_err(|_| timed_out(left))?;
        let turn = turn.map_err(|_| EnlistError::Broken { resource: resource.name.clone() })?;
        let idle = if matches!(source, Source::File) { self.pool.take_sqlite(resource) } else { None };
        let connection = match idle {
            Some(connection) => connection,
            None => SqliteConnection::open(resource, source).await?,
        };
        connection.begin().await?;
        Ok(SqliteBranch::new(connection, turn))
    }

    async fn join_queues(&mut self, name: &ResourceName) -> Result<(), EnlistError> {
        let Enlisted { resource, xid } = self.enlist(name).await?;
        let joined = match resource.kind {
            ResourceKind::Service => QueuesBranch::start(&self.pool, &resource, &xid, self.own.deadline()).await,
            kind => Err(other_kind(name.clone(), kind, "queues")),
        };
        self.joined(name, joined.map(Branch::Queues))
    }

    /// Asks the coordinator to let the resource join; it answers where it is, and under which xid.
    async fn enlist(&mut self, name: &ResourceName) -> Result<Enlisted, EnlistError> {
        if self.branches.len() >= BRANCHES_MAX {
            return Err(EnlistError::TooManyBranches);
        }
        if let Some(failure) = self.failure() {
            return Err(EnlistError::RollbackOnly(failure.cause));
        }
        self.own.enter("joining a resource").map_err(EnlistError::RollbackOnly)?;
        let session = &self.own.session;
        let ask = Ask::Enlist(v1::Enlist { gtrid: self.id.to_string(), resource: name.as_str().to_owned() });
        let answer = session.ask(ask).await;
        let answer = answer.and_then(|answer| expect_answer!(session, answer, Enlisted, "enlist"));
        let enlisted =
            answer.and_then(|wire| Enlisted::try_from(wire).map_err(|malformed| session.unreadable(malformed)));
        enlisted.map_err(|error| {
            self.own.leave();
            if error.may_have_happened() {
                self.own.fail(RollbackCause::Enlist { resource: name.clone(), error: error.to_string() });
            }
            error.into()
        })
    }

    /// A resource that the coordinator counts on, and that cannot be used, leaves rollback only.
    fn joined(&mut self, name: &ResourceName, joined: Result<Branch, EnlistError>) -> Result<(), EnlistError> {
        self.own.leave();
        match joined {
            Ok(branch) => {
                self.branches.insert(name.clone(), branch);
                Ok(())
            }
            Err(error) => {
                self.own.fail(RollbackCause::Enlist { resource: name.clone(), error: error.to_string() });
                Err(error)
            }
        }
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        if !self.is_ended {
            let blame = self.blame();
            for branch in self.branches.values() {
                if let Branch::Queues(branch) = branch {
                    branch.abandon(blame.clone());
                }
            }
            let blame = Some(blame.into());
            self.own.session.tell(Ask::Rollback(v1::Rollback { gtrid: self.id.to_string(), blame }));
        }
    }
}

/// What the coordinator answers to an enlist.
struct Enlisted {
    resource: Arc<Resource>,
    xid: Xid,
}

impl TryFrom<v1::Enlisted> for Enlisted {
    type Error = Malformed;

    fn try_from(wire: v1::Enlisted) -> Result<Enlisted, Malformed> {
        let resource = wire.resource.ok_or(Malformed::Missing("resource"))?;
        let xid = wire.xid.ok_or(Malformed::Missing("xid"))?;
        Ok(Enlisted { resource: Arc::new(resource.try_into()?), xid: xid.try_into()? })
    }
}

fn other_kind(resource: ResourceName, kind: ResourceKind, asked: &'static str) -> EnlistError {
    EnlistError::Kind { resource, kind, asked }
}

fn resource_name(session: &Session, name: &str) -> Result<ResourceName, RequestError> {
    ResourceName::new(name).map_err(|error| session.unreadable(Malformed::from(error)))
}
