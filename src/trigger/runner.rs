//! Runs a trigger: workers that take one message after the other, each in a transaction, until they are told to stop or
//! nothing is left.
//!
//! - One worker is the queue's exclusive reader: it takes the next message when the outcome of the one before is known, and
//!   nobody else takes one (P23). Several workers receive side by side, in no order among them.
//! - A server or a database that is away is waited for, and counts no attempt (P22).

use std::sync::Arc;
use std::time::{Duration, Instant};

use handfast_client::{
    Blame, CommitOutcome, Dialect, EnlistError, ExclusiveReader, Handfast, InDoubt, KnownOutcome, ReceiveError,
    Received, RefusalCode, RollbackCause, Transaction,
};
use handfast_crash_test::witness::{Testimony, Witness};
use handfast_protocol::ResourceKind;
use handfast_trigger::{Database, TriggerFile};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::aftermath::Aftermath;
use super::condition::{Condition, Place};
use super::error::TriggerError;
use super::limits::{EXCLUSIVE_WAIT, PAUSE_MAX, PAUSE_MIN, RECEIVE_WAIT, RECEIVE_WAIT_UNTIL_EMPTY};
use super::tally::{Summary, Tally, count};
use super::work::{Setback, Statements, Work};

/// How a trigger is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// End when the queue has no message, locked ones and those in doubt included, and nothing is in doubt at the database.
    pub until_empty: bool,
    pub workers: u16,
}

#[derive(Debug)]
pub struct Runner {
    handfast: Handfast,
    work: Work,
    max_attempts: u32,
    settings: Settings,
    tally: Tally,
    aftermath: Aftermath,
    condition: Condition,
    stop: watch::Sender<bool>,
    /// A crash test wants to know everything.
    witness: Option<Arc<Witness>>,
}

/// What became of a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    Done,
    NoMessage,
}

impl Runner {
    /// Looks at everything that the file names, so that a mistake is told before the first message.
    pub async fn new(
        handfast: Handfast,
        file: TriggerFile,
        settings: Settings,
        witness: Option<Arc<Witness>>,
    ) -> Result<Runner, TriggerError> {
        let max_attempts = handfast.queue(file.queue.as_str()).await?.max_attempts;
        if let Some(queue) = &file.send {
            handfast.queue(queue.as_str()).await?;
        }
        let database = match file.database {
            Some(database) => Some(statements(&handfast, database).await?),
            None => None,
        };
        let database = database.filter(|database| !database.statements.is_empty());
        let work = Work { queue: file.queue, database, send: file.send };
        let (tally, aftermath) = (Tally::default(), Aftermath::default());
        let (condition, stop) = (Condition::default(), watch::Sender::new(false));
        Ok(Runner { handfast, work, max_attempts, settings, tally, aftermath, condition, stop, witness })
    }

    /// Runs until it is empty, `stopped` ends, or a worker cannot go on. The messages in hand are finished.
    pub async fn run(self, stopped: impl Future<Output = ()>) -> Result<Summary, TriggerError> {
        let began = Instant::now();
        let runner = Arc::new(self);
        let mut workers = JoinSet::new();
        for number in 1..=runner.settings.workers {
            let runner = Arc::clone(&runner);
            let testimony = Testimony::of(runner.witness.as_ref(), number);
            workers.spawn(async move { runner.worker(&testimony).await });
        }
        let joined = async {
            let mut result = Ok(());
            while let Some(ended) = workers.join_next().await {
                let ended = ended.unwrap_or(Err(TriggerError::WorkerLost));
                if let Err(error) = ended {
                    // The first to fail has the say; the others finish what they have.
                    runner.stop.send_replace(true);
                    result = result.and(Err(error));
                }
            }
            result
        };
        let told_to_stop = async {
            stopped.await;
            runner.stop.send_replace(true);
            std::future::pending::<()>().await;
        };
        tokio::select! {
            result = joined => result?,
            () = told_to_stop => {}
            () = runner.tally.show(began) => {}
        }
        Ok(runner.tally.summary(began.elapsed()))
    }

    async fn worker(&self, testimony: &Testimony) -> Result<(), TriggerError> {
        let mut reader = None;
        let mut pause = PAUSE_MIN;
        while !self.is_stopping() {
            let turn = match self.turn(&mut reader, testimony).await {
                Ok(Turn::NoMessage) if self.settings.until_empty => self.is_empty().await,
                Ok(Turn::NoMessage | Turn::Done) => Ok(false),
                Err(setback) => Err(setback),
            };
            match turn {
                Ok(true) => return Ok(()),
                Ok(false) => pause = PAUSE_MIN,
                // The queue has counted it, and waits itself before the next attempt.
                Err(Setback::Message { .. }) => pause = PAUSE_MIN,
                Err(Setback::Fatal(error)) => return Err(error),
                Err(Setback::Away { place, what }) => {
                    self.condition.troubled(place, &what);
                    self.unless_stopped(tokio::time::sleep(pause)).await;
                    pause = (pause * 2).min(PAUSE_MAX);
                }
            }
        }
        Ok(())
    }

    /// Nothing is left, nothing is locked, and nothing is in doubt.
    async fn is_empty(&self) -> Result<bool, Setback> {
        let queue = self.handfast.queue(self.work.queue.as_str()).await?;
        if queue.messages > 0 || queue.locked > 0 || queue.in_doubt > 0 {
            return Ok(false);
        }
        let Some(database) = &self.work.database else { return Ok(true) };
        let open = self.aftermath.open(&self.handfast, &database.resource).await?;
        if let Some(gtrid) = &open {
            let what = format!("{gtrid} is in doubt at {}; see: handfast transaction show {gtrid}", database.resource);
            self.condition.troubled(Place::Database, &what);
        }
        Ok(open.is_none())
    }

    /// One message, from its receive to its outcome.
    async fn turn(&self, reader: &mut Option<ExclusiveReader>, testimony: &Testimony) -> Result<Turn, Setback> {
        if self.settings.workers == 1 && !self.hold(reader).await? {
            return Ok(Turn::NoMessage);
        }
        let mut transaction = self.handfast.begin().await?;
        let id = transaction.id();
        self.aftermath.begun(id);
        testimony.began(id);
        let wait = if self.settings.until_empty { RECEIVE_WAIT_UNTIL_EMPTY } else { RECEIVE_WAIT };
        let queue = self.work.queue.as_str();
        testimony.receives(id, &self.work.queue);
        let received = self.unless_stopped(transaction.receive_within(queue, wait)).await;
        let told = received.as_ref().and_then(|received| received.as_ref().ok());
        testimony.received(id, &self.work.queue, told.map(Option::as_ref));
        let message = match received {
            Some(Ok(Some(message))) => message,
            Some(Err(error)) => {
                if is_sharing_violation(&error) {
                    // This process stood still for longer than its lease (P23): the queue is opened anew.
                    *reader = None;
                }
                return Err(error.into());
            }
            Some(Ok(None)) | None => {
                // A server that is away rolls back by itself.
                testimony.rolls_back(id);
                let rolled_back = timeout(PAUSE_MAX, transaction.rollback(Blame::None)).await;
                testimony.rolled_back(id, matches!(rolled_back, Ok(Ok(()))));
                self.condition.reached();
                return Ok(Turn::NoMessage);
            }
        };
        self.aftermath.received();
        if let Some(reader) = reader.as_ref() {
            // The lease may have been lost between the two (P23); what was received goes back to its place.
            reader.check()?;
        }
        let left = transaction.time_left();
        match timeout(left, self.work.carry_out(&mut transaction, &message, testimony)).await {
            Ok(Ok(())) => self.commit(transaction, &message, testimony).await,
            Ok(Err(setback)) => Err(self.give_back(transaction, &message, self.unless_known(setback), testimony).await),
            Err(_) => {
                let what = format!("message {} was not done within {left:?}", message.id);
                let setback = Setback::Away { place: Place::Database, what };
                Err(self.give_back(transaction, &message, setback, testimony).await)
            }
        }
    }

    /// A file that this run has worked on is away, as a database is down; one that it never found is a mistake to tell.
    fn unless_known(&self, setback: Setback) -> Setback {
        match setback {
            Setback::Fatal(TriggerError::Enlist(error @ EnlistError::NoFile { .. })) if self.tally.has_committed() => {
                Setback::Away { place: Place::Database, what: error.to_string() }
            }
            setback => setback,
        }
    }

    /// Is the exclusive reader, or becomes it. False when it was told to stop before.
    async fn hold(&self, reader: &mut Option<ExclusiveReader>) -> Result<bool, Setback> {
        if reader.as_ref().is_none_or(|reader| !reader.is_held()) {
            *reader = None;
            let queue = self.work.queue.as_str();
            match self.unless_stopped(self.handfast.open_exclusive(queue, EXCLUSIVE_WAIT)).await {
                Some(opened) => *reader = Some(opened?),
                None => return Ok(false),
            }
        }
        Ok(true)
    }

    /// Rolls back, and says whose fault it was.
    async fn give_back(
        &self,
        transaction: Transaction,
        message: &Received,
        setback: Setback,
        testimony: &Testimony,
    ) -> Setback {
        let blame = match &setback {
            Setback::Message { error } => Blame::Message { error: error.clone() },
            Setback::Away { .. } | Setback::Fatal(_) => Blame::None,
        };
        let id = transaction.id();
        testimony.rolls_back(id);
        let rolled_back = transaction.rollback(blame).await;
        testimony.rolled_back(id, rolled_back.is_ok());
        match (rolled_back, &setback) {
            (Ok(()), Setback::Message { error }) => {
                self.attempt_counted(message, error);
                setback
            }
            // The attempt may not have been counted: it is made again.
            (Err(error), Setback::Message { .. }) => error.into(),
            (_, _) => setback,
        }
    }

    /// The queue has counted an attempt, and knows itself when that was the last.
    fn attempt_counted(&self, message: &Received, error: &str) {
        self.condition.well();
        let (attempt, allowed) = (message.attempts + 1, self.max_attempts);
        count(&self.tally.failed_attempts);
        if attempt >= allowed {
            count(&self.tally.dead_lettered);
            tracing::warn!("message {} is a dead letter after {attempt} attempts: {error}", message.id);
        } else {
            tracing::info!("message {} failed, attempt {attempt} of {allowed}: {error}", message.id);
        }
    }

    async fn commit(
        &self,
        transaction: Transaction,
        message: &Received,
        testimony: &Testimony,
    ) -> Result<Turn, Setback> {
        let id = transaction.id();
        testimony.commits(id);
        let mut outcome = transaction.commit().await;
        if let CommitOutcome::Unknown(in_doubt) = &outcome {
            outcome = self.learn(in_doubt.clone()).await;
        }
        testimony.outcome(id, &outcome);
        match outcome {
            CommitOutcome::Committed => {
                count(&self.tally.committed);
                self.condition.well();
                Ok(Turn::Done)
            }
            // A constraint that is judged at the end: the client has said whose fault it was.
            CommitOutcome::RolledBack {
                why: RollbackCause::Statement { error, blame: Blame::Message { .. } | Blame::Reject { .. }, .. },
            } => {
                self.attempt_counted(message, &error);
                Err(Setback::Message { error })
            }
            CommitOutcome::RolledBack { why } => {
                count(&self.tally.rolled_back);
                Err(Setback::Away { place: Place::Database, what: why.to_string() })
            }
            CommitOutcome::Heuristic { heuristic, transaction } => {
                count(&self.tally.heuristic);
                let id = transaction.id();
                tracing::error!(
                    "message {}: its transaction ended as {heuristic}; see: handfast transaction show {id}",
                    message.id
                );
                Ok(Turn::Done)
            }
            CommitOutcome::Unknown(transaction) => {
                count(&self.tally.unknown);
                tracing::error!("message {}: the outcome of transaction {} is not known", message.id, transaction.id());
                Ok(Turn::Done)
            }
        }
    }

    /// Asks until the outcome is known, before anything else is done. Whoever wants to stop is not kept by it.
    async fn learn(&self, in_doubt: InDoubt) -> CommitOutcome {
        while !self.is_stopping() {
            match in_doubt.ask_again().await {
                Ok(KnownOutcome::Undecided { state }) => {
                    let what = format!("transaction {} is {state}", in_doubt.id());
                    self.condition.troubled(Place::Database, &what);
                }
                Ok(KnownOutcome::Committed) => return CommitOutcome::Committed,
                Ok(KnownOutcome::RolledBack { reason }) => {
                    return CommitOutcome::RolledBack { why: RollbackCause::Server { reason } };
                }
                Ok(KnownOutcome::Heuristic(heuristic)) => {
                    return CommitOutcome::Heuristic { heuristic, transaction: in_doubt };
                }
                Ok(KnownOutcome::Forgotten) => break,
                Err(error) => self.condition.troubled(Place::Server, &error.to_string()),
            }
            self.unless_stopped(tokio::time::sleep(Duration::from_millis(200))).await;
        }
        CommitOutcome::Unknown(in_doubt)
    }

    fn is_stopping(&self) -> bool {
        *self.stop.borrow()
    }

    /// `None` when it was told to stop before `future` ended.
    async fn unless_stopped<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        let mut stop = self.stop.subscribe();
        tokio::select! {
            biased;
            result = future => Some(result),
            _ = stop.wait_for(|stop| *stop) => None,
        }
    }
}

fn is_sharing_violation(error: &ReceiveError) -> bool {
    matches!(error, ReceiveError::Request(error) if error.code() == Some(RefusalCode::SharingViolation))
}

/// Asks the server what the resource is, and reads the statements as it reads them.
async fn statements(handfast: &Handfast, database: Database) -> Result<Statements, TriggerError> {
    let resources = handfast.resources().await?;
    let Some(found) = resources.into_iter().find(|view| view.resource.name == database.resource) else {
        return Err(TriggerError::NoResource { name: database.resource });
    };
    let dialect = match found.resource.kind {
        ResourceKind::PostgresMarker | ResourceKind::PostgresTwoPhase => Dialect::Postgres,
        ResourceKind::SqliteMarker => Dialect::Sqlite,
        _ => return Err(TriggerError::NotDatabase { name: database.resource }),
    };
    Ok(Statements { statements: database.statements(dialect)?, resource: database.resource, dialect })
}
