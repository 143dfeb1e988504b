//! A transaction as an application works in it: receive, change databases, send. It ends with [`Transaction::commit`] or
//! [`Transaction::rollback`]; dropped before, it rolls back (P21).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use handfast_protocol::{GlobalId, MessageId, ResourceKind, ResourceName};
use handfast_wire::{Malformed, v1};
use tokio::time::Instant;

use crate::blame::Blame;
use crate::commit::{Branch, Ending};
use crate::enlist::EnlistError;
use crate::error::RequestError;
use crate::lent::Lent;
use crate::limits::BRANCHES_MAX;
use crate::message::{Message, Received};
use crate::outcome::{CommitOutcome, InDoubt};
use crate::pool::Pool;
use crate::postgres::PostgresBranch;
use crate::postgres_connection::PostgresConnection;
use crate::receive::{self, ReceiveError};
use crate::resource::Resource;
use crate::rollback::{Failure, RollbackCause};
use crate::send::{self, Envelope, SendError};
use crate::session::{Ask, Session, expect_answer};
use crate::sqlite::{SqliteBranch, SqliteConnection};
use crate::sqlite_thread::Source;

#[derive(Debug)]
#[must_use = "a transaction that is dropped rolls back"]
pub struct Transaction {
    session: Session,
    pool: Arc<Pool>,
    id: GlobalId,
    /// When the server rolls it back (D6), by our clock.
    deadline: Instant,
    branches: BTreeMap<ResourceName, Branch>,
    failure: Option<Failure>,
    /// The call that has begun and not ended; where nobody waits for it, it was cancelled.
    calling: Option<&'static str>,
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
        let pending = session.start_ask(Ask::Begin(v1::Begin { timeout_ms: receive::millis(timeout) }), None).await?;
        let begun = expect_answer!(session, pending.await?, Begun, "begin")?;
        let id = begun.gtrid.parse::<GlobalId>().map_err(|error| session.unreadable(Malformed::from(error)))?;
        Ok(Transaction {
            session,
            pool,
            id,
            deadline,
            branches: BTreeMap::new(),
            failure: None,
            calling: None,
            is_ended: false,
        })
    }

    /// Its identity, under which the server's tools show it.
    pub fn id(&self) -> GlobalId {
        self.id
    }

    /// The time left until the server rolls it back, if nobody ends it before.
    pub fn time_left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// Receives the next message of `queue`; waits for one as long as the transaction may last.
    pub async fn receive(&mut self, queue: &str) -> Result<Received, ReceiveError> {
        let waited = self.time_left();
        let received = self.receive_within(queue, waited).await?;
        received.ok_or_else(|| ReceiveError::NoMessage { queue: queue.to_owned(), waited })
    }

    /// Receives the next message of `queue`, if one comes within `wait`. The message is locked until the transaction ends.
    pub async fn receive_within(&mut self, queue: &str, wait: Duration) -> Result<Option<Received>, ReceiveError> {
        self.enter("a receive").map_err(ReceiveError::RollbackOnly)?;
        let result = receive::receive(&self.session, Some(self.id.into()), queue, wait.min(self.time_left())).await;
        self.calling = None;
        if let Err(error) = &result {
            // A message may be locked that nobody has seen: a commit would remove it.
            self.fail(RollbackCause::Server { reason: error.to_string() });
        }
        Ok(result?)
    }

    /// Sends to `queue` when the transaction commits. The id is known now.
    pub async fn send(&mut self, queue: &str, message: Message) -> Result<MessageId, SendError> {
        let sent = self.send_all(std::iter::once((queue, message))).await?;
        send::single(&self.session, &sent)
    }

    /// Sends several messages with one request, in their order.
    pub async fn send_batch(&mut self, queue: &str, messages: Vec<Message>) -> Result<Vec<MessageId>, SendError> {
        let sent = self.send_all(messages.into_iter().map(|message| (queue, message))).await?;
        Ok(sent.ids)
    }

    async fn send_all<'m>(
        &mut self,
        messages: impl ExactSizeIterator<Item = (&'m str, Message)>,
    ) -> Result<send::Sent, SendError> {
        self.enter("a send").map_err(SendError::RollbackOnly)?;
        let envelope = Envelope { transaction: Some(self.id.into()), producer: None };
        let result = send::send(&self.session, envelope, messages).await;
        self.calling = None;
        if let Err(SendError::Request(error)) = &result
            && error.may_have_happened()
        {
            self.fail(RollbackCause::Server { reason: error.to_string() });
        }
        result
    }

    /// The work of this transaction at a registered PostgreSQL database. The first call joins it to the transaction.
    pub async fn postgres(&mut self, name: &str) -> Result<&mut PostgresBranch, EnlistError> {
        let name = resource_name(&self.session, name)?;
        if !self.branches.contains_key(&name) {
            self.join_postgres(&name, None).await?;
        }
        match self.branches.get_mut(&name) {
            Some(Branch::Postgres(branch)) => Ok(branch),
            Some(Branch::Sqlite(_)) | None => Err(other_kind(name, ResourceKind::SqliteMarker, "postgres")),
        }
    }

    /// The same for a registered SQLite database. Waits while another transaction of this process writes to it.
    pub async fn sqlite(&mut self, name: &str) -> Result<&mut SqliteBranch, EnlistError> {
        let name = resource_name(&self.session, name)?;
        if !self.branches.contains_key(&name) {
            self.join_sqlite(&name, Source::File).await?;
        }
        match self.branches.get_mut(&name) {
            Some(Branch::Sqlite(branch)) => Ok(branch),
            Some(Branch::Postgres(_)) | None => Err(other_kind(name, ResourceKind::PostgresMarker, "sqlite")),
        }
    }

    /// Joins the registered database `name` by the application's own connection, which is checked like ours and must not be
    /// inside a transaction. The work is done with [`Self::postgres`]; the connection comes back when the transaction ends.
    pub async fn enlist_postgres(
        &mut self,
        name: &str,
        client: tokio_postgres::Client,
    ) -> Result<Lent<tokio_postgres::Client>, EnlistError> {
        let name = resource_name(&self.session, name)?;
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
        let name = resource_name(&self.session, name)?;
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
        let in_doubt = InDoubt::new(self.session.clone(), self.id);
        let ending =
            Ending { session: self.session.clone(), pool: Arc::clone(&self.pool), id: self.id, branches, failure };
        (ending, in_doubt)
    }

    /// The first failure of this transaction or of a branch.
    fn failure(&self) -> Option<Failure> {
        let cancelled = self.calling.map(|call| Failure::blameless(RollbackCause::Cancelled { call }));
        let own = self.failure.clone().or(cancelled);
        own.or_else(|| self.branches.values().find_map(Branch::failure))
    }

    fn fail(&mut self, cause: RollbackCause) {
        self.failure.get_or_insert(Failure::blameless(cause));
    }

    /// Every call begins here; whoever began one clears `calling` when it has its answer.
    fn enter(&mut self, call: &'static str) -> Result<(), RollbackCause> {
        match self.failure() {
            Some(failure) => Err(failure.cause),
            None => {
                self.calling = Some(call);
                Ok(())
            }
        }
    }

    async fn join_postgres(
        &mut self,
        name: &ResourceName,
        own: Option<(tokio_postgres::Client, tokio::sync::oneshot::Sender<tokio_postgres::Client>)>,
    ) -> Result<(), EnlistError> {
        let resource = self.enlist(name).await?;
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
        let runtime = self.session.runtime().clone();
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
        let resource = self.enlist(name).await?;
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

    /// Asks the coordinator to let the resource join; it answers where it is.
    async fn enlist(&mut self, name: &ResourceName) -> Result<Arc<Resource>, EnlistError> {
        if self.branches.len() >= BRANCHES_MAX {
            return Err(EnlistError::TooManyBranches);
        }
        self.enter("joining a database").map_err(EnlistError::RollbackOnly)?;
        let ask = Ask::Enlist(v1::Enlist { gtrid: self.id.to_string(), resource: name.as_str().to_owned() });
        let answer = self.session.ask(ask).await;
        let enlisted = answer.and_then(|answer| expect_answer!(self.session, answer, Enlisted, "enlist"));
        let resource = enlisted.and_then(|enlisted| {
            let resource = enlisted.resource.ok_or(Malformed::Missing("resource")).and_then(Resource::try_from);
            resource.map(Arc::new).map_err(|malformed| self.session.unreadable(malformed))
        });
        resource.map_err(|error| {
            self.calling = None;
            if error.may_have_happened() {
                self.fail(RollbackCause::Enlist { resource: name.clone(), error: error.to_string() });
            }
            error.into()
        })
    }

    /// A resource that the coordinator counts on, and that cannot be used, leaves rollback only.
    fn joined(&mut self, name: &ResourceName, joined: Result<Branch, EnlistError>) -> Result<(), EnlistError> {
        self.calling = None;
        match joined {
            Ok(branch) => {
                self.branches.insert(name.clone(), branch);
                Ok(())
            }
            Err(error) => {
                self.fail(RollbackCause::Enlist { resource: name.clone(), error: error.to_string() });
                Err(error)
            }
        }
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        if !self.is_ended {
            let blame = Some(self.blame().into());
            self.session.tell(Ask::Rollback(v1::Rollback { gtrid: self.id.to_string(), blame }));
        }
    }
}

fn other_kind(resource: ResourceName, kind: ResourceKind, asked: &'static str) -> EnlistError {
    EnlistError::Kind { resource, kind, asked }
}

fn resource_name(session: &Session, name: &str) -> Result<ResourceName, RequestError> {
    ResourceName::new(name).map_err(|error| session.unreadable(Malformed::from(error)))
}
