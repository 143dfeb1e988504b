//! The driver of a SQLite file: one connection, used by one call at a time, on a thread that may block.

use std::sync::Arc;

use async_trait::async_trait;
use handfast_coordinator_core::{Ask, CallFailed, Identity, Resource, Told};
use handfast_protocol::marker::{COMMITTED, COORDINATOR_TABLE, OUTCOME_TABLE, ROLLED_BACK};
use handfast_protocol::{GlobalId, Outcome};
use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};
use tokio::sync::Mutex;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout};

use super::database_file::DatabaseFile;
use super::tables::{CLEAR, FENCE, SELECT_LAST_VISIT, WRITE_LAST_VISIT};
use crate::drivers::Driver;
use crate::drivers::attachment::{Judgement, LastVisit, incarnation_text, last_visit};
use crate::drivers::failure::Failure;
use crate::drivers::limits::{CALL_TIMEOUT, CLEAR_ROWS};

#[derive(Debug)]
pub struct SqliteMarker {
    resource: Arc<Resource>,
    /// Open while it works. A call takes it along to its thread; one that ran out of time keeps it there until SQLite lets go,
    /// so that no two calls ever share the connection.
    file: Arc<Mutex<Option<DatabaseFile>>>,
}

impl SqliteMarker {
    pub fn new(resource: &Resource) -> SqliteMarker {
        SqliteMarker { resource: Arc::new(resource.clone()), file: Arc::new(Mutex::new(None)) }
    }

    async fn answer(&self, ask: Ask) -> Result<Told, Failure> {
        let not_its_part = |ask| Err(Failure::NotItsPart { kind: self.resource.kind, ask });
        match ask {
            Ask::Attach { identity, adopt } => {
                self.work(move |file, resource| attach(file, resource, identity, adopt)).await
            }
            Ask::Fence { id } => self.work(move |file, _| fence(file, id)).await,
            Ask::ClearMarkers { from, through } => self.work(move |file, _| clear_markers(file, from, through)).await,
            // It prepares nothing.
            Ask::Scan { .. } => Ok(Told::Scanned(Vec::new())),
            Ask::Prepare { .. } => not_its_part("prepare"),
            Ask::Commit { .. } => not_its_part("commit of a prepared branch"),
            Ask::Rollback { .. } => not_its_part("rollback of a prepared branch"),
            Ask::Forget { .. } => not_its_part("forget"),
        }
    }

    async fn work(
        &self,
        work: impl FnOnce(&mut DatabaseFile, &Resource) -> Result<Told, Failure> + Send + 'static,
    ) -> Result<Told, Failure> {
        let mut held = Arc::clone(&self.file).lock_owned().await;
        let resource = Arc::clone(&self.resource);
        let answered = spawn_blocking(move || {
            // Left empty unless all goes well: closing the connection is what rolls back.
            let mut file = match held.take() {
                Some(file) if file.check_in_place().is_ok() => file,
                _ => DatabaseFile::open_resource(&resource)?,
            };
            let told = work(&mut file, &resource)?;
            file.check_in_place()?;
            *held = Some(file);
            Ok(told)
        });
        match answered.await {
            Ok(answered) => answered,
            Err(ended) if ended.is_panic() => std::panic::resume_unwind(ended.into_panic()),
            // The runtime is shutting down.
            Err(_) => Err(Failure::TimedOut),
        }
    }
}

#[async_trait]
impl Driver for SqliteMarker {
    async fn call(&self, ask: Ask) -> Result<Told, CallFailed> {
        let answer = timeout(CALL_TIMEOUT, self.answer(ask)).await.unwrap_or(Err(Failure::TimedOut));
        answer.map_err(|failure| failure.at(&self.resource))
    }
}

/// P3: compares and advances the coordinator's row in one transaction.
fn attach(file: &mut DatabaseFile, resource: &Resource, identity: Identity, adopt: bool) -> Result<Told, Failure> {
    // Again, not only when the file is opened: a backup may have been restored into the open file.
    file.check_resource(resource)?;
    let transaction = file.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let judged = Judgement::of(read_last_visit(&transaction, identity)?, identity, adopt);
    match judged {
        Judgement::Advance => {
            write_last_visit(&transaction, identity)?;
            transaction.commit()?;
        }
        Judgement::Ahead(_) | Judgement::Unknown => transaction.rollback()?,
    }
    Ok(judged.told(None))
}

pub fn read_last_visit(connection: &Connection, identity: Identity) -> Result<Option<LastVisit>, Failure> {
    let coordinator = identity.coordinator.0.to_string();
    let read = |row: &rusqlite::Row<'_>| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?));
    let row = connection.query_row(SELECT_LAST_VISIT, [coordinator], read).optional()?;
    let Some((incarnation, epoch)) = row else {
        return Ok(None);
    };
    match last_visit(&incarnation, &epoch) {
        Some(visit) => Ok(Some(visit)),
        None => {
            let found = format!("incarnation {incarnation}, epoch {epoch}");
            Err(Failure::RowUnreadable { table: COORDINATOR_TABLE, found })
        }
    }
}

pub fn write_last_visit(connection: &Connection, identity: Identity) -> Result<(), Failure> {
    let coordinator = identity.coordinator.0.to_string();
    let row = (coordinator, incarnation_text(identity.incarnation), identity.epoch.to_string());
    connection.execute(WRITE_LAST_VISIT, row)?;
    Ok(())
}

/// P12. BUSY, at the begin or at the commit, is no outcome (P15): the transaction is given up and the question asked again.
fn fence(file: &mut DatabaseFile, id: GlobalId) -> Result<Told, Failure> {
    let transaction = file.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let outcome: String = transaction.query_row(FENCE, [id.to_bytes().as_slice()], |row| row.get(0))?;
    // Its flush makes durable what was read, not only what was written.
    transaction.commit()?;
    match outcome.as_str() {
        COMMITTED => Ok(Told::Fenced(Outcome::Committed)),
        ROLLED_BACK => Ok(Told::Fenced(Outcome::RolledBack)),
        _ => Err(Failure::RowUnreadable { table: OUTCOME_TABLE, found: outcome }),
    }
}

/// P14, in bounded steps, each a commit of its own: other writers get their turn, and a call that runs out of time is asked
/// again and finds less to do.
fn clear_markers(file: &mut DatabaseFile, from: GlobalId, through: GlobalId) -> Result<Told, Failure> {
    let began = Instant::now();
    let (first, last) = (from.to_bytes(), through.to_bytes());
    while began.elapsed() < CALL_TIMEOUT {
        let transaction = file.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let deleted = transaction.execute(CLEAR, params![first.as_slice(), last.as_slice(), CLEAR_ROWS])?;
        transaction.commit()?;
        if deleted < CLEAR_ROWS as usize {
            return Ok(Told::Done);
        }
    }
    Err(Failure::TimedOut)
}
