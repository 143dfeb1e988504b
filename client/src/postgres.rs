//! A transaction's work at a PostgreSQL database. What it cannot do: begin or end the transaction, which is done by the
//! commit of the whole ([`crate::postgres_marker`]).

use handfast_protocol::ResourceName;
use tokio::runtime::Handle;
use tokio_postgres::types::{IsNull, ToSql, Type};
use tokio_postgres::{Row, Statement};

use crate::blame::{Blame, blame_of, postgres_text};
use crate::postgres_connection::{PostgresConnection, TransactionNumber};
use crate::rollback::{Failure, RollbackCause};
use crate::statement::{Dialect, Nature, TransactionControl, check};

/// A statement that was not carried out. All but the first three leave the transaction fit for rollback only (P6).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PostgresStatementError {
    #[error(transparent)]
    Control(#[from] TransactionControl),
    #[error("the transaction can only be rolled back: {0}")]
    RollbackOnly(RollbackCause),
    /// It was carried out, but gave another number of rows.
    #[error("the statement gave {found} rows; {expected} expected")]
    Rows { found: usize, expected: &'static str },
    #[error("the statement has {expected} parameters, {given} were given")]
    Parameters { expected: usize, given: usize },
    #[error("parameter {number} cannot be written as {expected}: {cause}")]
    Parameter { number: usize, expected: Type, cause: Box<dyn std::error::Error + Send + Sync> },
    #[error("{resource}: {}", postgres_text(cause))]
    Database { resource: ResourceName, cause: tokio_postgres::Error },
}

impl PostgresStatementError {
    /// What it says about the messages that the transaction received (P22).
    pub fn blame(&self) -> Blame {
        match self {
            PostgresStatementError::Parameters { .. } | PostgresStatementError::Parameter { .. } => {
                Blame::Message { error: self.to_string() }
            }
            PostgresStatementError::Database { cause, .. } => blame_of(cause),
            PostgresStatementError::Control(_)
            | PostgresStatementError::RollbackOnly(_)
            | PostgresStatementError::Rows { .. } => Blame::None,
        }
    }
}

/// A database that joined a transaction. Dropped with it: the connection is closed, and the database rolls back.
#[derive(Debug)]
pub struct PostgresBranch {
    /// Until the transaction ends.
    connection: Option<PostgresConnection>,
    number: TransactionNumber,
    failure: Option<Failure>,
    /// A statement has begun and not ended; where nobody waits for it, it was cancelled.
    is_running: bool,
    runtime: Handle,
}

impl PostgresBranch {
    pub(crate) fn new(connection: PostgresConnection, number: TransactionNumber, runtime: Handle) -> PostgresBranch {
        PostgresBranch { connection: Some(connection), number, failure: None, is_running: false, runtime }
    }

    /// The number of rows that the statement changed.
    pub async fn execute(&mut self, sql: &str, params: &[&(dyn ToSql + Sync)]) -> Result<u64, PostgresStatementError> {
        let statement = self.prepare(sql, params).await?;
        let result = self.connection().client().execute(&statement, params).await;
        self.conclude(result, &statement, params)
    }

    pub async fn query(
        &mut self,
        sql: &str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, PostgresStatementError> {
        let statement = self.prepare(sql, params).await?;
        let result = self.connection().client().query(&statement, params).await;
        self.conclude(result, &statement, params)
    }

    pub async fn query_opt(
        &mut self,
        sql: &str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Option<Row>, PostgresStatementError> {
        let mut rows = self.query(sql, params).await?;
        match rows.len() {
            0 | 1 => Ok(rows.pop()),
            found => Err(PostgresStatementError::Rows { found, expected: "none or one" }),
        }
    }

    pub async fn query_one(
        &mut self,
        sql: &str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Row, PostgresStatementError> {
        let mut rows = self.query(sql, params).await?;
        match (rows.len(), rows.pop()) {
            (1, Some(row)) => Ok(row),
            (found, _) => Err(PostgresStatementError::Rows { found, expected: "one" }),
        }
    }

    async fn prepare(
        &mut self,
        sql: &str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Statement, PostgresStatementError> {
        if let Some(failure) = self.failure() {
            return Err(PostgresStatementError::RollbackOnly(failure.cause));
        }
        let nature = check(Dialect::Postgres, sql)?;
        self.is_running = true;
        if nature == Nature::Session {
            self.connection_mut().mark_used_otherwise();
        }
        let prepared = self.connection_mut().statement(sql).await;
        let resource = self.resource();
        let statement = prepared.map_err(|cause| self.fail(PostgresStatementError::Database { resource, cause }))?;
        let expected = statement.params().len();
        if expected != params.len() {
            return Err(self.fail(PostgresStatementError::Parameters { expected, given: params.len() }));
        }
        Ok(statement)
    }

    fn conclude<T>(
        &mut self,
        result: Result<T, tokio_postgres::Error>,
        statement: &Statement,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<T, PostgresStatementError> {
        self.is_running = false;
        result.map_err(|cause| {
            let error = unwritable(&cause, statement, params)
                .unwrap_or(PostgresStatementError::Database { resource: self.resource(), cause });
            self.fail(error)
        })
    }

    /// P6: after any error of a statement there is only rollback.
    fn fail(&mut self, error: PostgresStatementError) -> PostgresStatementError {
        self.is_running = false;
        self.failure.get_or_insert(Failure::of_statement(self.resource(), error.to_string(), error.blame()));
        error
    }

    pub(crate) fn failure(&self) -> Option<Failure> {
        let cancelled = || Failure::blameless(RollbackCause::Cancelled { call: "a statement" });
        self.failure.clone().or_else(|| self.is_running.then(cancelled))
    }

    /// For the commit, which owns it from here on.
    pub(crate) fn into_connection(mut self) -> (PostgresConnection, TransactionNumber) {
        (self.connection.take().expect("only this and drop take it"), self.number)
    }

    fn resource(&self) -> ResourceName {
        self.connection().resource().name.clone()
    }

    fn connection(&self) -> &PostgresConnection {
        self.connection.as_ref().expect("only into_connection and drop take it")
    }

    fn connection_mut(&mut self) -> &mut PostgresConnection {
        self.connection.as_mut().expect("only into_connection and drop take it")
    }
}

impl Drop for PostgresBranch {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            connection.discard(&self.runtime);
        }
    }
}

/// The parameter that could not be written, where the error did not come from the database: the driver keeps to itself
/// which errors are of this kind.
fn unwritable(
    error: &tokio_postgres::Error,
    statement: &Statement,
    params: &[&(dyn ToSql + Sync)],
) -> Option<PostgresStatementError> {
    if error.as_db_error().is_some() || error.is_closed() {
        return None;
    }
    let pairs = params.iter().zip(statement.params());
    pairs.zip(1..).find_map(|((param, expected), number)| {
        let mut scratch = bytes::BytesMut::new();
        let written: Result<IsNull, _> = param.to_sql_checked(expected, &mut scratch);
        let cause = written.err()?;
        Some(PostgresStatementError::Parameter { number, expected: expected.clone(), cause })
    })
}
