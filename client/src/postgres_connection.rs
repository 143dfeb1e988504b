//! A connection to PostgreSQL: made, checked (P3), begun on, and kept or closed when its transaction has ended.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::join;
use handfast_protocol::marker;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::AbortHandle;
use tokio::time::Instant;
use tokio_postgres::config::SslMode;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Config, NoTls, Row, SimpleQueryMessage, SimpleQueryRow, Statement};

use crate::enlist::EnlistError;
use crate::limits::{DATABASE_CONNECT_WITHIN, IDLE_CONNECTION_AGE_MAX, STATEMENTS_KEPT_MAX};
use crate::password;
use crate::resource::Resource;

/// READ COMMITTED, so that a message sees what the one before it wrote.
const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE";

/// The id is drawn at the begin, because the marker row is only written under the same one (P6).
const DRAW_NUMBER: &str = "SELECT pg_catalog.pg_current_xact_id()::text";

#[derive(Debug)]
pub struct PostgresConnection {
    resource: Arc<Resource>,
    client: Client,
    /// The task that moves the bytes. Aborting it closes the socket at once, whatever is under way.
    driver: Option<AbortHandle>,
    /// Present on the application's own connection: where it goes afterwards.
    lent: Option<oneshot::Sender<Client>>,
    statements: BTreeMap<String, Statement>,
    /// Nothing but rows was asked of it: the next transaction finds a session like a new one.
    is_clean: bool,
    idle_since: Instant,
}

/// The id that PostgreSQL gave the transaction at its begin: 64 bits, never reused within a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransactionNumber(pub u64);

impl PostgresConnection {
    pub async fn connect(resource: &Arc<Resource>) -> Result<PostgresConnection, EnlistError> {
        let name = &resource.name;
        let config: Result<Config, _> = resource.address.parse();
        let mut config = config.map_err(|cause| EnlistError::Address { resource: name.clone(), cause })?;
        if config.get_ssl_mode() == SslMode::Require {
            return Err(EnlistError::Tls { resource: name.clone(), mode: "require" });
        }
        if config.get_password().is_none()
            && let Some(password) = password::find(name, &config).await
        {
            config.password(password);
        }
        config.application_name(format!("handfast {name}")).connect_timeout(DATABASE_CONNECT_WITHIN);
        let connecting = tokio::time::timeout(DATABASE_CONNECT_WITHIN, config.connect(NoTls)).await;
        let timed_out = |_| EnlistError::TimedOut { resource: name.clone(), within: DATABASE_CONNECT_WITHIN };
        let (client, driver) =
            connecting.map_err(timed_out)?.map_err(|cause| EnlistError::Postgres { resource: name.clone(), cause })?;
        // Ends when the client is dropped or the connection breaks; every call on the client tells of the latter.
        let driver = tokio::spawn(async move { drop(driver.await) }).abort_handle();
        let connection = PostgresConnection::new(resource, client, Some(driver), None);
        connection.check().await?;
        Ok(connection)
    }

    /// Takes the application's own connection.
    pub async fn lend(
        resource: &Arc<Resource>,
        client: Client,
        back: oneshot::Sender<Client>,
    ) -> Result<PostgresConnection, EnlistError> {
        let connection = PostgresConnection::new(resource, client, None, Some(back));
        connection.check().await?;
        Ok(connection)
    }

    fn new(
        resource: &Arc<Resource>,
        client: Client,
        driver: Option<AbortHandle>,
        lent: Option<oneshot::Sender<Client>>,
    ) -> PostgresConnection {
        PostgresConnection {
            resource: Arc::clone(resource),
            client,
            driver,
            lent,
            statements: BTreeMap::new(),
            is_clean: true,
            idle_since: Instant::now(),
        }
    }

    /// The registered database (P3), one that takes writes, and no transaction open: outside of one, the transaction that
    /// runs this statement began with it.
    async fn check(&self) -> Result<(), EnlistError> {
        let resource = || self.resource.name.clone();
        let sql = format!(
            "SELECT (SELECT resource_id::text FROM {}), pg_catalog.pg_is_in_recovery() \
             OR pg_catalog.current_setting('transaction_read_only') = 'on', \
             pg_catalog.transaction_timestamp() = pg_catalog.statement_timestamp()",
            self.resource.table(marker::RESOURCE_TABLE)
        );
        let wrong = |found| EnlistError::WrongDatabase { resource: resource(), expected: self.resource.id, found };
        let row = match self.row(&sql).await {
            Ok(row) => row,
            Err(error) => {
                return Err(match error.code() {
                    Some(&SqlState::UNDEFINED_TABLE | &SqlState::INVALID_SCHEMA_NAME) => wrong(None),
                    Some(&SqlState::IN_FAILED_SQL_TRANSACTION) => EnlistError::TransactionOpen { resource: resource() },
                    _ => EnlistError::Postgres { resource: resource(), cause: error },
                });
            }
        };
        let Some(row) = row else {
            return Err(EnlistError::Broken { resource: resource() });
        };
        match row.get(0) {
            Some(found) if found == self.resource.id.to_string() => {}
            found => return Err(wrong(found.map(str::to_owned))),
        }
        if row.get(1) != Some("f") {
            return Err(EnlistError::ReadOnly { resource: resource() });
        }
        if row.get(2) != Some("t") {
            return Err(EnlistError::TransactionOpen { resource: resource() });
        }
        Ok(())
    }

    pub async fn begin(&mut self) -> Result<TransactionNumber, EnlistError> {
        let row = self.row_after(BEGIN, DRAW_NUMBER).await;
        let resource = || self.resource.name.clone();
        let row = row.map_err(|cause| EnlistError::Postgres { resource: resource(), cause })?;
        let number = row.try_get::<_, &str>(0).ok().and_then(|number| number.parse().ok());
        number.map(TransactionNumber).ok_or_else(|| EnlistError::Broken { resource: resource() })
    }

    /// Runs `first`, statements without rows, and right behind it `then`, which gives one row and is prepared once for the
    /// connection. Both are sent before the first is answered; where the first fails, the second is of no account.
    pub async fn row_after(&mut self, first: &str, then: &str) -> Result<Row, tokio_postgres::Error> {
        let then = self.statement(then).await?;
        let (first, row) = join(self.client.batch_execute(first), self.client.query_one(&then, &[])).await;
        first.and(row)
    }

    /// The last row that these statements give.
    async fn row(&self, sql: &str) -> Result<Option<SimpleQueryRow>, tokio_postgres::Error> {
        let messages = self.client.simple_query(sql).await?;
        Ok(messages.into_iter().rev().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(row),
            _ => None,
        }))
    }

    pub fn client(&self) -> &Client {
        &self.client
    }

    pub fn resource(&self) -> &Arc<Resource> {
        &self.resource
    }

    /// Something stays in the session: it is not for others afterwards. What was prepared in it may be gone (DEALLOCATE).
    pub fn mark_used_otherwise(&mut self) {
        self.is_clean = false;
        self.statements.clear();
    }

    /// Prepared once for each connection and text.
    pub async fn statement(&mut self, sql: &str) -> Result<Statement, tokio_postgres::Error> {
        if let Some(statement) = self.statements.get(sql) {
            return Ok(statement.clone());
        }
        let statement = self.client.prepare(sql).await?;
        if self.statements.len() >= STATEMENTS_KEPT_MAX {
            // Texts that are made anew each time would fill it: it begins anew as well.
            self.statements.clear();
        }
        self.statements.insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }

    /// Whether another transaction may begin on it at `resource`, as it is registered now.
    pub fn fits(&self, resource: &Resource) -> bool {
        !self.client.is_closed() && *self.resource == *resource && self.idle_since.elapsed() < IDLE_CONNECTION_AGE_MAX
    }

    /// Its transaction has ended for certain: it goes back to the application, or is fit for the next one.
    pub fn end(mut self) -> Option<PostgresConnection> {
        if let Some(back) = self.lent.take() {
            // An application that no longer wants it lets it close.
            drop(back.send(self.client));
            return None;
        }
        self.idle_since = Instant::now();
        self.is_clean.then_some(self)
    }

    /// Rolls back, and ends it.
    pub async fn roll_back(mut self) -> Option<PostgresConnection> {
        // A statement may have failed because its plan is stale.
        self.statements.clear();
        match self.client.batch_execute("ROLLBACK").await {
            Ok(()) => self.end(),
            Err(_) => None,
        }
    }

    /// Ends it from where nobody can wait: the socket is closed, and the database rolls back. The application's own is
    /// rolled back and goes back.
    pub fn discard(self, runtime: &Handle) {
        if self.lent.is_some() {
            runtime.spawn(self.roll_back());
        } else {
            self.abort();
        }
    }

    /// Closes it in the midst of whatever is under way (P21).
    pub fn abort(self) {
        if let Some(driver) = self.driver {
            driver.abort();
        }
    }
}
