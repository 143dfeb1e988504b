//! The thread that owns a connection to SQLite, whose calls block. It takes one command after the other, and when nobody
//! holds its other end any more it rolls back what is open and closes the connection, or gives it back to the application.

use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use handfast_protocol::{GlobalId, marker};
use rusqlite::types::Value;
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, ffi, params_from_iter};
use tokio::sync::{mpsc, oneshot};

use crate::decision::Decision;
use crate::enlist::EnlistError;
use crate::limits::{SQLITE_BUSY_TIMEOUT, SQLITE_COMMANDS_MAX, SQLITE_COMMIT_ATTEMPTS, STATEMENTS_KEPT_MAX};
use crate::resource::Resource;

type Reply<T> = oneshot::Sender<T>;

#[derive(Debug)]
pub enum Command {
    Begin {
        reply: Reply<rusqlite::Result<()>>,
    },
    Execute {
        sql: String,
        params: Vec<Value>,
        reply: Reply<rusqlite::Result<usize>>,
    },
    Query {
        sql: String,
        params: Vec<Value>,
        reply: Reply<rusqlite::Result<Rows>>,
    },
    /// Whether the commit would be the last word: the transaction that was begun, flushed (P6, P13).
    Check {
        reply: Reply<Result<(), CheckFailed>>,
    },
    Commit {
        id: GlobalId,
        reply: Reply<Decision<()>>,
    },
    Rollback {
        reply: Reply<rusqlite::Result<()>>,
    },
}

#[derive(Debug)]
pub struct Rows {
    pub columns: Arc<[String]>,
    pub rows: Vec<Vec<Value>>,
}

#[derive(Debug, thiserror::Error)]
pub enum CheckFailed {
    #[error("its transaction was ended by a statement")]
    Ended,
    #[error("it would not be flushed: synchronous is {found}, {expected} expected")]
    NotDurable { expected: i64, found: i64 },
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
}

/// Where the connection comes from.
#[derive(Debug)]
pub enum Source {
    File,
    Lent(Connection, oneshot::Sender<Connection>),
}

/// Starts the thread, and waits until it has the connection and has checked it.
pub async fn start(resource: &Arc<Resource>, source: Source) -> Result<mpsc::Sender<Command>, EnlistError> {
    let (commands, taken) = mpsc::channel(SQLITE_COMMANDS_MAX);
    let (opened, open) = oneshot::channel();
    let name = &resource.name;
    let owned = Arc::clone(resource);
    let run = move || {
        let (connection, lent) = match source {
            Source::File => (open_file(&owned), None),
            Source::Lent(connection, back) => (Ok(connection), Some(back)),
        };
        match connection.and_then(|connection| ready(connection, &owned)) {
            Ok((connection, synchronous)) => {
                // Where nobody waits any more, the channel is closed as well.
                drop(opened.send(Ok(())));
                Worker { connection, synchronous, lent, is_certain: true }.run(taken);
            }
            Err(error) => drop(opened.send(Err(error))),
        }
    };
    let spawned = thread::Builder::new().name(format!("handfast {name}")).spawn(run);
    spawned.map_err(|cause| EnlistError::Thread { resource: name.clone(), cause })?;
    open.await.unwrap_or_else(|_| Err(EnlistError::Broken { resource: name.clone() }))?;
    Ok(commands)
}

/// Never creates: an empty file in place of a missing one would take the work and lose the decision (P15).
fn open_file(resource: &Resource) -> Result<Connection, EnlistError> {
    let path = Path::new(&resource.address);
    if !path.is_absolute() || !path.is_file() {
        return Err(EnlistError::NoFile { resource: resource.name.clone(), path: resource.address.clone() });
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let open = || {
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(SQLITE_BUSY_TIMEOUT)?;
        // A file in use may be busy, or unable to: then EXTRA flushes what WAL would have.
        drop(connection.pragma_update(None, "journal_mode", "WAL"));
        Ok(connection)
    };
    open().map_err(|cause| EnlistError::Sqlite { resource: resource.name.clone(), cause })
}

/// P3 and P13: the registered database, alone, outside of a transaction, and flushed at each commit. Answers the value of
/// `synchronous` that does the latter.
fn ready(connection: Connection, resource: &Resource) -> Result<(Connection, i64), EnlistError> {
    let name = || resource.name.clone();
    if !connection.is_autocommit() {
        return Err(EnlistError::TransactionOpen { resource: name() });
    }
    if let Some(schema) = attached(&connection).map_err(|cause| EnlistError::Sqlite { resource: name(), cause })? {
        return Err(EnlistError::Attached { resource: name(), schema });
    }
    check_id(&connection, resource)?;
    let (wanted, found) = make_durable(&connection).map_err(|cause| EnlistError::Sqlite { resource: name(), cause })?;
    if wanted != found {
        return Err(EnlistError::NotDurable { resource: name(), setting: "synchronous", found: found.to_string() });
    }
    connection.set_prepared_statement_cache_capacity(STATEMENTS_KEPT_MAX);
    Ok((connection, wanted))
}

fn attached(connection: &Connection) -> rusqlite::Result<Option<String>> {
    let sql = "SELECT name FROM pragma_database_list WHERE name NOT IN ('main', 'temp') LIMIT 1";
    connection.query_row(sql, [], |row| row.get(0)).optional()
}

fn check_id(connection: &Connection, resource: &Resource) -> Result<(), EnlistError> {
    let wrong = |found| EnlistError::WrongDatabase { resource: resource.name.clone(), expected: resource.id, found };
    let sql = format!("SELECT resource_id FROM {}", resource.table(marker::RESOURCE_TABLE));
    let found: Option<String> = match connection.query_row(&sql, [], |row| row.get(0)).optional() {
        Ok(found) => found,
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::Unknown) => None, // no such table
        Err(cause) => {
            return Err(EnlistError::Sqlite { resource: resource.name.clone(), cause });
        }
    };
    if found.as_deref() == Some(resource.id.to_string().as_str()) { Ok(()) } else { Err(wrong(found)) }
}

/// FULL flushes the log at each commit in WAL mode; in the other modes only EXTRA flushes the directory as well. Answers what
/// is wanted and what is.
fn make_durable(connection: &Connection) -> rusqlite::Result<(i64, i64)> {
    const FULL: i64 = 2;
    const EXTRA: i64 = 3;
    connection.busy_timeout(SQLITE_BUSY_TIMEOUT)?;
    let mode: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0))?;
    let wanted = if mode.eq_ignore_ascii_case("wal") { FULL } else { EXTRA };
    connection.pragma_update(None, "synchronous", wanted)?;
    // Where fsync stops at the drive's cache (macOS), this goes through it; elsewhere it changes nothing.
    connection.pragma_update(None, "fullfsync", true)?;
    connection.pragma_update(None, "checkpoint_fullfsync", true)?;
    Ok((wanted, synchronous(connection)?))
}

fn synchronous(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "synchronous", |row| row.get(0))
}

struct Worker {
    connection: Connection,
    /// The value that makes commits durable.
    synchronous: i64,
    lent: Option<oneshot::Sender<Connection>>,
    /// No commit on it is in doubt: it may go back (P21).
    is_certain: bool,
}

impl Worker {
    /// Whoever no longer waits for a reply has cancelled; the rollback follows, when the channel is closed.
    fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        while let Some(command) = commands.blocking_recv() {
            match command {
                Command::Begin { reply } => drop(reply.send(self.connection.execute_batch("BEGIN IMMEDIATE"))),
                Command::Execute { sql, params, reply } => drop(reply.send(self.execute(&sql, params))),
                Command::Query { sql, params, reply } => drop(reply.send(self.query(&sql, params))),
                Command::Check { reply } => drop(reply.send(self.check())),
                Command::Commit { id, reply } => {
                    let decision = self.commit(id);
                    self.is_certain = !matches!(decision, Decision::Uncertain { .. });
                    drop(reply.send(decision));
                }
                Command::Rollback { reply } => drop(reply.send(self.roll_back())),
            }
        }
        let rolled_back = self.roll_back().is_ok();
        if let Some(back) = self.lent
            && rolled_back
            && self.is_certain
        {
            drop(back.send(self.connection));
        }
    }

    fn execute(&self, sql: &str, params: Vec<Value>) -> rusqlite::Result<usize> {
        self.connection.prepare_cached(sql)?.execute(params_from_iter(params))
    }

    fn query(&self, sql: &str, params: Vec<Value>) -> rusqlite::Result<Rows> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let columns: Arc<[String]> = statement.column_names().into_iter().map(str::to_owned).collect();
        let width = columns.len();
        let read = |row: &rusqlite::Row<'_>| (0..width).map(|index| row.get(index)).collect();
        let rows =
            statement.query_map(params_from_iter(params), read)?.collect::<rusqlite::Result<Vec<Vec<Value>>>>()?;
        Ok(Rows { columns, rows })
    }

    fn check(&self) -> Result<(), CheckFailed> {
        if self.connection.is_autocommit() {
            return Err(CheckFailed::Ended);
        }
        let found = synchronous(&self.connection)?;
        if found != self.synchronous {
            return Err(CheckFailed::NotDurable { expected: self.synchronous, found });
        }
        Ok(())
    }

    /// The marker row as the last statement, then COMMIT: its success is the decision. SQLite says in so many words when
    /// it did not commit, and `is_autocommit` tells whether a transaction is open, so nothing is left to guess but what a
    /// failed write left on the disk.
    fn commit(&self, id: GlobalId) -> Decision<()> {
        if self.connection.is_autocommit() {
            return Decision::Uncertain { error: Some(CheckFailed::Ended.to_string()) };
        }
        let sql = format!("INSERT INTO {} (gtrid, outcome) VALUES (?1, ?2)", marker::OUTCOME_TABLE);
        let inserted = self
            .connection
            .prepare_cached(&sql)
            .and_then(|mut statement| statement.execute((id.to_bytes().as_slice(), marker::COMMITTED)));
        let committed = match inserted {
            Ok(_) => self.commit_patiently(),
            Err(error) if is_fence(&error) => {
                return self.roll_back().map_or_else(
                    |error| Decision::Uncertain { error: Some(error.to_string()) },
                    |()| Decision::Fenced,
                );
            }
            Err(error) => Err(error),
        };
        match committed {
            Ok(()) => Decision::Committed(()),
            Err(error) => {
                // If even that fails the connection is closed, which rolls back.
                drop(self.roll_back());
                Decision::Uncertain { error: Some(error.to_string()) }
            }
        }
    }

    /// P15: BUSY leaves the transaction open and whole; it is tried again, and never read as an outcome.
    fn commit_patiently(&self) -> rusqlite::Result<()> {
        let mut attempt = 1;
        loop {
            match self.connection.execute_batch("COMMIT") {
                Err(error)
                    if is_busy(&error) && !self.connection.is_autocommit() && attempt < SQLITE_COMMIT_ATTEMPTS =>
                {
                    attempt += 1;
                    // SQLite has waited its timeout already, except where it saw a deadlock.
                    thread::sleep(Duration::from_millis(10));
                }
                result => return result,
            }
        }
    }

    fn roll_back(&self) -> rusqlite::Result<()> {
        if self.connection.is_autocommit() { Ok(()) } else { self.connection.execute_batch("ROLLBACK") }
    }
}

fn is_busy(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
}

/// Only the marker row's own key can clash in that INSERT.
fn is_fence(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error().map(|error| error.extended_code);
    matches!(code, Some(ffi::SQLITE_CONSTRAINT_PRIMARYKEY | ffi::SQLITE_CONSTRAINT_UNIQUE))
}
