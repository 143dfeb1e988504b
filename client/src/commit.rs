//! The end of a transaction. It runs in a task of its own, which owns the connections: nobody's cancellation can cut it in
//! the middle (P21).
//!
//! 1. Every database is asked whether its branch is sound; the two-phase ones prepare. Branches at other queue managers are
//!    ended: the coordinator prepares those. A failure rolls everything back.
//! 2. The coordinator is asked to commit, naming what is prepared. Without a last resource its answer is the outcome.
//! 3. With one it answers `go`, once it is durable that the last resource decides (P11). The marker row is written and
//!    committed: that is the decision.
//! 4. What came of it is reported, and the coordinator answers the outcome. Who is not certain says so; the coordinator then
//!    asks the database itself (P12).

use std::future::Future;
use std::sync::Arc;

use futures_util::future::join_all;
use handfast_crash_points::{CrashPoint, reach};
use handfast_protocol::limits::CHUNK_BYTES_MAX;
use handfast_protocol::{GlobalId, Heuristic, ResourceKind, ResourceName};
use handfast_wire::v1;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout};

use crate::blame::Blame;
use crate::decision::Decision;
use crate::error::{RefusalCode, RequestError};
use crate::limits::{COMMIT_ANSWERED_WITHIN, OUTCOME_ASKED_FOR};
use crate::message::Message;
use crate::outcome::{CommitOutcome, InDoubt, KnownOutcome, known};
use crate::pool::Pool;
use crate::postgres::PostgresBranch;
use crate::postgres_connection::PostgresConnection;
use crate::postgres_marker::SoundBranch;
use crate::queues::QueuesBranch;
use crate::rollback::{Failure, RollbackCause};
use crate::send::{self, Envelope, SendError};
use crate::session::{Answer, Ask, Session};
use crate::sqlite::{SqliteBranch, SqliteConnection};

/// A database's part of a transaction.
#[derive(Debug)]
pub(crate) enum Branch {
    Postgres(Box<PostgresBranch>),
    Sqlite(SqliteBranch),
    /// Another queue manager.
    Queues(QueuesBranch),
}

impl Branch {
    /// The kind of the resource, as far as the branch tells.
    pub fn kind(&self) -> ResourceKind {
        match self {
            Branch::Postgres(_) => ResourceKind::PostgresMarker,
            Branch::Sqlite(_) => ResourceKind::SqliteMarker,
            Branch::Queues(_) => ResourceKind::Service,
        }
    }

    pub fn failure(&self) -> Option<Failure> {
        match self {
            Branch::Postgres(branch) => branch.failure(),
            Branch::Sqlite(branch) => branch.failure(),
            Branch::Queues(branch) => branch.failure(),
        }
    }
}

/// A branch that can commit.
#[derive(Debug)]
enum Ready {
    Prepared(PostgresConnection),
    LastPostgres(SoundBranch),
    LastSqlite(SqliteConnection, OwnedSemaphorePermit),
    /// A queue manager's: the coordinator prepares it.
    Ended(QueuesBranch),
}

/// All that the end of a transaction needs.
#[derive(Debug)]
pub(crate) struct Ending {
    pub session: Session,
    pub pool: Arc<Pool>,
    pub id: GlobalId,
    pub branches: Vec<(ResourceName, Branch)>,
    /// What is sent with the request to commit.
    pub sends: Vec<(String, Message)>,
    pub failure: Option<Failure>,
}

impl Ending {
    pub async fn commit(mut self) -> CommitOutcome {
        if let Some(failure) = self.failure.take() {
            return self.fail(failure).await;
        }
        reach(CrashPoint::ClientWorked);
        let sends = match self.last_sends().await {
            Ok(sends) => sends,
            Err(error) => return self.fail(Failure::blameless(error.into())).await,
        };
        let (prepared, last) = match self.make_ready().await {
            Ok(ready) => ready,
            Err(failure) => return self.fail(failure).await,
        };
        reach(CrashPoint::ClientPrepared);
        let ended = std::mem::take(&mut self.branches);
        let (pool, session, id) = (Arc::clone(&self.pool), self.session.clone(), self.id);
        let outcome = self.ask_to_commit(prepared, last, sends).await;
        if let CommitOutcome::RolledBack { .. } = &outcome {
            // A coordinator that restarted before it prepared them knows nothing of them.
            let mut rest = Ending { session, pool, id, branches: ended, sends: Vec::new(), failure: None };
            rest.roll_back_branches(&Blame::None).await;
        }
        reach(CrashPoint::ClientEnded);
        outcome
    }

    /// What goes out with the request to commit. Bodies that are staged go before it: their branch has to own them, whatever
    /// becomes of the commit.
    async fn last_sends(&mut self) -> Result<Vec<v1::NewMessage>, SendError> {
        let sends = std::mem::take(&mut self.sends);
        if sends.iter().all(|(_, message)| message.body.len() <= CHUNK_BYTES_MAX) {
            return Ok(send::outgoing(&self.session, sends.into_iter()).await?.wire);
        }
        let envelope = Envelope { transaction: Some(self.id.into()), producer: None };
        send::send(&self.session, envelope, sends.into_iter()).await?;
        Ok(Vec::new())
    }

    async fn ask_to_commit(
        self,
        prepared: Vec<String>,
        last: Option<Ready>,
        messages: Vec<v1::NewMessage>,
    ) -> CommitOutcome {
        let is_sending = !messages.is_empty();
        let ask = v1::Commit { gtrid: self.id.to_string(), prepared, messages };
        let asked = timeout(COMMIT_ANSWERED_WITHIN, self.session.ask(Ask::Commit(ask))).await;
        let deadline = Instant::now() + OUTCOME_ASKED_FOR;
        let (answer, last) = match (asked, last) {
            (Ok(Ok(Answer::Go(_))), Some(last)) => {
                reach(CrashPoint::ClientGo);
                return self.decide(last).await;
            }
            (asked, last) => (asked, last),
        };
        // No `go` came, and none is taken any more: the last resource rolls back (P21).
        self.roll_back_last(last).await;
        match answer {
            Ok(Ok(Answer::Outcome(outcome))) => match known(&outcome) {
                KnownOutcome::Undecided { .. } => self.in_doubt().ask_until(deadline).await,
                known => self.in_doubt().conclude(known),
            },
            Ok(Err(error)) if !error.may_have_happened() && error.code() != Some(RefusalCode::CommitUnderWay) => {
                // This was the one request to commit, and it had no effect.
                let reason = error.to_string();
                let cause =
                    if is_sending { SendError::Request(error).into() } else { RollbackCause::Server { reason } };
                self.fail(Failure::blameless(cause)).await
            }
            Ok(Err(_)) => self.in_doubt().ask_until(deadline).await,
            // Past its deadline, or an answer of another kind.
            Ok(Ok(_)) | Err(_) => CommitOutcome::Unknown(self.in_doubt()),
        }
    }

    /// The databases first: when a message is back in its queue, the rows that it touched are free.
    pub async fn roll_back(mut self, blame: Blame) -> Result<(), RequestError> {
        self.roll_back_branches(&blame).await;
        self.tell_rollback(blame).await
    }

    async fn tell_rollback(&self, blame: Blame) -> Result<(), RequestError> {
        let ask = v1::Rollback { gtrid: self.id.to_string(), blame: Some(blame.into()) };
        match self.session.ask(Ask::Rollback(ask)).await {
            Ok(_) => Ok(()),
            // It has ended already, and it was not committed.
            Err(error) if matches!(error.code(), Some(RefusalCode::TransactionNotActive | RefusalCode::RolledBack)) => {
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    async fn fail(mut self, failure: Failure) -> CommitOutcome {
        self.roll_back_branches(&failure.blame).await;
        if let Err(error) = self.tell_rollback(failure.blame).await {
            // The server rolls it back when it learns that this client is gone, or when its time is up.
            tracing::debug!(id = %self.id, %error, "rollback not acknowledged");
        }
        CommitOutcome::RolledBack { why: failure.cause }
    }

    async fn roll_back_branches(&mut self, blame: &Blame) {
        let pool = &self.pool;
        let is_queues = |(_, branch): &(ResourceName, Branch)| matches!(branch, Branch::Queues(_));
        let (queues, databases): (Vec<_>, Vec<_>) = std::mem::take(&mut self.branches).into_iter().partition(is_queues);
        let roll_back = async |(_, branch): (ResourceName, Branch)| match branch {
            Branch::Postgres(branch) if branch.failure().is_some_and(|failure| failure.is_cancelled()) => drop(branch),
            Branch::Postgres(branch) => keep_postgres(pool, branch.into_connection().0.roll_back()).await,
            Branch::Sqlite(branch) => {
                let (connection, turn) = branch.into_connection();
                keep_sqlite(pool, connection.roll_back()).await;
                drop(turn);
            }
            Branch::Queues(branch) => branch.roll_back(blame.clone()).await,
        };
        join_all(databases.into_iter().map(&roll_back)).await;
        join_all(queues.into_iter().map(&roll_back)).await;
    }

    /// All branches at the same time. The names of the prepared ones, and the last resource if there is one.
    async fn make_ready(&mut self) -> Result<(Vec<String>, Option<Ready>), Failure> {
        let id = self.id;
        let branches = std::mem::take(&mut self.branches);
        let results = join_all(branches.into_iter().map(async |(name, branch)| (name, ready(branch, id).await))).await;
        let (mut prepared, mut last, mut failed) = (Vec::new(), None, None);
        for (name, result) in results {
            match result {
                // Kept, for it can still be rolled back.
                Ok(Ready::Ended(branch)) => self.branches.push((name, Branch::Queues(branch))),
                Ok(Ready::Prepared(connection)) => {
                    prepared.push(name.as_str().to_owned());
                    self.pool.put_postgres_ended(connection);
                }
                // The coordinator allows one.
                Ok(ready) => last = Some(ready),
                Err(failure) => failed = failed.or(Some(failure)),
            }
        }
        match failed {
            None => Ok((prepared, last)),
            Some(failure) => {
                // What is prepared the coordinator rolls back, by name.
                self.roll_back_last(last).await;
                Err(failure)
            }
        }
    }

    async fn roll_back_last(&self, last: Option<Ready>) {
        match last {
            Some(Ready::LastPostgres(branch)) => keep_postgres(&self.pool, branch.roll_back()).await,
            Some(Ready::LastSqlite(connection, turn)) => {
                keep_sqlite(&self.pool, connection.roll_back()).await;
                drop(turn);
            }
            Some(Ready::Prepared(_) | Ready::Ended(_)) | None => {}
        }
    }

    /// After `go`.
    async fn decide(self, last: Ready) -> CommitOutcome {
        let (resource, decision) = match last {
            Ready::LastPostgres(branch) => {
                let resource = branch.resource().name.clone();
                let decision = branch.commit(self.id).await;
                (resource, kept(decision, |connection| self.pool.put_postgres_ended(connection)))
            }
            Ready::LastSqlite(connection, turn) => {
                let resource = connection.resource().name.clone();
                let decision = connection.commit(self.id).await;
                let decision = kept(decision, |connection| self.pool.put_sqlite_ended(connection));
                drop(turn);
                (resource, decision)
            }
            Ready::Prepared(_) | Ready::Ended(_) => return CommitOutcome::Unknown(self.in_doubt()),
        };
        reach(CrashPoint::ClientDecided);
        if let Decision::Fenced = decision {
            // The row decides, whether the coordinator can be asked or not; it wrote that row itself.
            let report = v1::ReportOutcome { gtrid: self.id.to_string(), committed: false };
            self.session.tell(Ask::ReportOutcome(report));
            return CommitOutcome::RolledBack { why: RollbackCause::Fenced { resource } };
        }
        let outcome = self.report(matches!(decision, Decision::Committed(()))).await;
        match (decision, outcome) {
            (Decision::Committed(()), CommitOutcome::RolledBack { .. }) => {
                tracing::error!(id = %self.id, %resource, "the database has committed what the coordinator rolled back");
                CommitOutcome::Heuristic { heuristic: Heuristic::Mixed, transaction: self.in_doubt() }
            }
            (Decision::Uncertain { error: Some(error) }, CommitOutcome::RolledBack { .. }) => {
                CommitOutcome::RolledBack { why: RollbackCause::Database { resource, error } }
            }
            (_, outcome) => outcome,
        }
    }

    /// Tells the coordinator what came of the commit until it has heard it, and takes its word for the outcome: committed
    /// only when every queue manager has applied it (P19).
    async fn report(&self, committed: bool) -> CommitOutcome {
        let deadline = Instant::now() + OUTCOME_ASKED_FOR;
        let reporting = async {
            loop {
                let ask = v1::ReportOutcome { gtrid: self.id.to_string(), committed };
                match self.session.ask(Ask::ReportOutcome(ask)).await {
                    Ok(Answer::Outcome(outcome)) => match known(&outcome) {
                        KnownOutcome::Undecided { .. } => return None,
                        known => return Some(self.in_doubt().conclude(known)),
                    },
                    Err(RequestError::Lost { .. } | RequestError::Unreachable { .. }) => {}
                    // It knows already, or cannot say now: what it knows can be asked.
                    Ok(_) | Err(_) => return None,
                }
            }
        };
        match tokio::time::timeout_at(deadline, reporting).await {
            Ok(Some(outcome)) => outcome,
            Ok(None) => self.in_doubt().ask_until(deadline).await,
            Err(_) => CommitOutcome::Unknown(self.in_doubt()),
        }
    }

    fn in_doubt(&self) -> InDoubt {
        InDoubt::new(self.session.clone(), self.id)
    }
}

async fn ready(branch: Branch, id: GlobalId) -> Result<Ready, Failure> {
    match branch {
        // One that cannot be ended is rolled back by the coordinator, if it is still there.
        Branch::Queues(branch) => branch.end().await.map(Ready::Ended),
        Branch::Sqlite(branch) => {
            let (connection, turn) = branch.into_connection();
            Ok(Ready::LastSqlite(connection.check().await?, turn))
        }
        Branch::Postgres(branch) => {
            let (connection, number) = branch.into_connection();
            let branch = SoundBranch::check(connection, number).await?;
            match branch.resource().kind {
                ResourceKind::PostgresTwoPhase => Ok(Ready::Prepared(branch.prepare(id).await?)),
                ResourceKind::PostgresMarker | ResourceKind::SqliteMarker | ResourceKind::Service => {
                    Ok(Ready::LastPostgres(branch))
                }
            }
        }
    }
}

/// Puts the connection of a certain commit where the next transaction finds it.
fn kept<C>(decision: Decision<C>, keep: impl FnOnce(C)) -> Decision<()> {
    match decision {
        Decision::Committed(connection) => {
            keep(connection);
            Decision::Committed(())
        }
        Decision::Fenced => Decision::Fenced,
        Decision::Uncertain { error } => Decision::Uncertain { error },
    }
}

async fn keep_postgres(pool: &Pool, ended: impl Future<Output = Option<PostgresConnection>>) {
    if let Some(connection) = ended.await {
        pool.put_postgres(connection);
    }
}

async fn keep_sqlite(pool: &Pool, ended: impl Future<Output = Option<SqliteConnection>>) {
    if let Some(connection) = ended.await {
        pool.put_sqlite(connection);
    }
}
