//! A transaction's work at a SQLite database, which is always its last resource. The calls block in a thread of their own
//! ([`crate::sqlite_thread`]); here is what waits for them.

use std::sync::Arc;

use handfast_protocol::{GlobalId, ResourceName};
use rusqlite::ToSql;
use rusqlite::types::{FromSql, FromSqlError, ToSqlOutput, Value, ValueRef};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

use crate::blame::{Blame, blame_of_sqlite};
use crate::decision::Decision;
use crate::enlist::EnlistError;
use crate::resource::Resource;
use crate::rollback::{Failure, RollbackCause};
use crate::sqlite_file::FileIdentity;
use crate::sqlite_thread::{self, CheckFailed, Command, Source};
use crate::statement::{Dialect, Nature, TransactionControl, check};

/// A statement that was not carried out. All but the first three leave the transaction fit for rollback only (P6).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SqliteStatementError {
    #[error(transparent)]
    Control(#[from] TransactionControl),
    #[error("the transaction can only be rolled back: {0}")]
    RollbackOnly(RollbackCause),
    /// It was carried out, but gave another number of rows.
    #[error("the statement gave {found} rows; {expected} expected")]
    Rows { found: usize, expected: &'static str },
    #[error("{resource}: {cause}")]
    Database { resource: ResourceName, cause: rusqlite::Error },
    #[error("the connection to {resource} broke")]
    Broken { resource: ResourceName },
}

impl SqliteStatementError {
    /// What it says about the messages that the transaction received (P22).
    pub fn blame(&self) -> Blame {
        match self {
            SqliteStatementError::Database { cause, .. } => blame_of_sqlite(cause),
            SqliteStatementError::Control(_)
            | SqliteStatementError::RollbackOnly(_)
            | SqliteStatementError::Rows { .. }
            | SqliteStatementError::Broken { .. } => Blame::None,
        }
    }
}

/// A row with its values.
#[derive(Debug, Clone, PartialEq)]
pub struct SqliteRow {
    columns: Arc<[String]>,
    values: Vec<Value>,
}

impl SqliteRow {
    /// The names of the columns, in their order.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    pub fn values(&self) -> &[Value] {
        &self.values
    }

    /// The value at `index`, from 0, as a `T`.
    pub fn get<T: FromSql>(&self, index: usize) -> Result<T, FromSqlError> {
        let value = self.values.get(index).ok_or(FromSqlError::OutOfRange(i64::try_from(index).unwrap_or(i64::MAX)))?;
        T::column_result(ValueRef::from(value))
    }
}

/// A connection, by way of its thread. Dropped, the thread rolls back and ends.
#[derive(Debug)]
pub struct SqliteConnection {
    commands: mpsc::Sender<Command>,
    resource: Arc<Resource>,
    /// One of our own, and nothing but rows was asked of it: the next transaction finds it as new.
    is_reusable: bool,
    /// The file that was at the resource's path before it was opened.
    file: Option<FileIdentity>,
}

impl SqliteConnection {
    pub async fn open(resource: &Arc<Resource>, source: Source) -> Result<SqliteConnection, EnlistError> {
        let is_reusable = matches!(source, Source::File);
        let file = FileIdentity::at(&resource.address);
        let commands = sqlite_thread::start(resource, source).await?;
        Ok(SqliteConnection { commands, resource: Arc::clone(resource), is_reusable, file })
    }

    /// Takes the write lock at once: a transaction that reads first and writes later may find that it cannot (P15).
    pub async fn begin(&self) -> Result<(), EnlistError> {
        let resource = || self.resource.name.clone();
        match self.call(|reply| Command::Begin { reply }).await {
            Some(begun) => begun.map_err(|cause| EnlistError::Sqlite { resource: resource(), cause }),
            None => Err(EnlistError::Broken { resource: resource() }),
        }
    }

    pub fn resource(&self) -> &Arc<Resource> {
        &self.resource
    }

    /// Whether the next transaction may have it: not where its file is no longer the one at the path.
    pub fn fits(&self, resource: &Resource) -> bool {
        *self.resource == *resource && !self.commands.is_closed() && FileIdentity::at(&resource.address) == self.file
    }

    pub async fn check(self) -> Result<SqliteConnection, Failure> {
        let resource = self.resource.name.clone();
        let (error, blame) = match self.call(|reply| Command::Check { reply }).await {
            Some(Ok(())) => return Ok(self),
            Some(Err(CheckFailed::Sqlite(error))) => (error.to_string(), blame_of_sqlite(&error)),
            Some(Err(error)) => (error.to_string(), Blame::None),
            None => ("its connection broke".to_owned(), Blame::None),
        };
        Err(Failure { cause: RollbackCause::Database { resource, error }, blame })
    }

    pub async fn commit(self, id: GlobalId) -> Decision<SqliteConnection> {
        match self.call(|reply| Command::Commit { id, reply }).await {
            Some(Decision::Committed(())) => Decision::Committed(self),
            Some(Decision::Fenced) => Decision::Fenced,
            Some(Decision::Uncertain { error }) => Decision::Uncertain { error },
            None => Decision::Uncertain { error: None },
        }
    }

    /// Rolls back, and ends it.
    pub async fn roll_back(self) -> Option<SqliteConnection> {
        match self.call(|reply| Command::Rollback { reply }).await {
            Some(Ok(())) => self.end(),
            Some(Err(_)) | None => None,
        }
    }

    /// Its transaction has ended: it is fit for the next one. A lent one is dropped, whereupon its thread gives it back.
    pub fn end(self) -> Option<SqliteConnection> {
        self.is_reusable.then_some(self)
    }

    async fn call<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(command(reply)).await.ok()?;
        answer.await.ok()
    }
}

/// A database that joined a transaction. Dropped with it, the database rolls back.
#[derive(Debug)]
pub struct SqliteBranch {
    connection: SqliteConnection,
    /// One writer at a time: this process's transactions queue up here and not in SQLite's sleeping retries.
    turn: OwnedSemaphorePermit,
    failure: Option<Failure>,
    /// A statement has begun and not ended; where nobody waits for it, it was cancelled.
    is_running: bool,
}

impl SqliteBranch {
    pub(crate) fn new(connection: SqliteConnection, turn: OwnedSemaphorePermit) -> SqliteBranch {
        SqliteBranch { connection, turn, failure: None, is_running: false }
    }

    /// The number of rows that the statement changed.
    pub async fn execute(&mut self, sql: &str, params: &[&(dyn ToSql + Sync)]) -> Result<usize, SqliteStatementError> {
        let (sql, params) = self.prepare(sql, params)?;
        let result = self.connection.call(|reply| Command::Execute { sql, params, reply }).await;
        self.conclude(result)
    }

    pub async fn query(
        &mut self,
        sql: &str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<SqliteRow>, SqliteStatementError> {
        let (sql, params) = self.prepare(sql, params)?;
        let result = self.connection.call(|reply| Command::Query { sql, params, reply }).await;
        let found = self.conclude(result)?;
        let row = |values| SqliteRow { columns: Arc::clone(&found.columns), values };
        Ok(found.rows.into_iter().map(row).collect())
    }

    pub async fn query_opt(
        &mut self,
        sql: &str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Option<SqliteRow>, SqliteStatementError> {
        let mut rows = self.query(sql, params).await?;
        match rows.len() {
            0 | 1 => Ok(rows.pop()),
            found => Err(SqliteStatementError::Rows { found, expected: "none or one" }),
        }
    }

    pub async fn query_one(
        &mut self,
        sql: &str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<SqliteRow, SqliteStatementError> {
        let mut rows = self.query(sql, params).await?;
        match (rows.len(), rows.pop()) {
            (1, Some(row)) => Ok(row),
            (found, _) => Err(SqliteStatementError::Rows { found, expected: "one" }),
        }
    }

    fn prepare(
        &mut self,
        sql: &str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<(String, Vec<Value>), SqliteStatementError> {
        if let Some(failure) = self.failure() {
            return Err(SqliteStatementError::RollbackOnly(failure.cause));
        }
        if check(Dialect::Sqlite, sql)? == Nature::Session {
            self.connection.is_reusable = false;
        }
        let params = params.iter().map(|param| owned(*param)).collect::<rusqlite::Result<Vec<Value>>>();
        let resource = self.resource();
        let params = params.map_err(|cause| self.fail(SqliteStatementError::Database { resource, cause }))?;
        self.is_running = true;
        Ok((sql.to_owned(), params))
    }

    fn conclude<T>(&mut self, result: Option<rusqlite::Result<T>>) -> Result<T, SqliteStatementError> {
        self.is_running = false;
        let resource = self.resource();
        match result {
            Some(Ok(value)) => Ok(value),
            Some(Err(cause)) => Err(self.fail(SqliteStatementError::Database { resource, cause })),
            None => Err(self.fail(SqliteStatementError::Broken { resource })),
        }
    }

    /// P6: after any error of a statement there is only rollback; SQLite may have rolled back by itself.
    fn fail(&mut self, error: SqliteStatementError) -> SqliteStatementError {
        self.failure.get_or_insert(Failure::of_statement(self.resource(), error.to_string(), error.blame()));
        error
    }

    pub(crate) fn failure(&self) -> Option<Failure> {
        let cancelled = || Failure::blameless(RollbackCause::Cancelled { call: "a statement" });
        self.failure.clone().or_else(|| self.is_running.then(cancelled))
    }

    /// For the commit, which owns it from here on.
    pub(crate) fn into_connection(self) -> (SqliteConnection, OwnedSemaphorePermit) {
        (self.connection, self.turn)
    }

    fn resource(&self) -> ResourceName {
        self.connection.resource.name.clone()
    }
}

/// The value itself, so that it can travel to the thread.
fn owned(param: &(dyn ToSql + Sync)) -> rusqlite::Result<Value> {
    match param.to_sql()? {
        ToSqlOutput::Borrowed(value) => Ok(value.into()),
        ToSqlOutput::Owned(value) => Ok(value),
        other => Err(rusqlite::Error::ToSqlConversionFailure(format!("{other:?} cannot be a parameter here").into())),
    }
}
