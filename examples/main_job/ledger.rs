//! The database of the main job: made, filled by the trigger, read by the audit.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use handfast_private_postgres::{Options as PostgresOptions, PostgresServer};
use tokio_postgres::{NoTls, SimpleQueryMessage};

use crate::options::{LINE, Options};
use crate::orders::Orders;

pub enum Ledger {
    Sqlite {
        path: PathBuf,
    },
    /// The user's own: it is not killed.
    Postgres {
        url: String,
    },
    Private {
        server: Box<PostgresServer>,
    },
}

/// One row that was written: its line, and the value to be added up.
pub type Written = (u64, Option<String>);

impl Ledger {
    pub fn start(options: &Options, directory: &Path) -> anyhow::Result<Ledger> {
        Ok(match &options.postgres {
            None => Ledger::Sqlite { path: directory.join("ledger.db") },
            Some(Some(url)) => Ledger::Postgres { url: url.clone() },
            Some(None) => Ledger::Private { server: Box::new(PostgresServer::start(PostgresOptions::default())?) },
        })
    }

    /// As `handfast resource add` takes it.
    pub fn address(&self) -> [String; 2] {
        match self {
            Ledger::Sqlite { path } => ["--sqlite".to_owned(), path.display().to_string()],
            Ledger::Postgres { url } => ["--postgres".to_owned(), url.clone()],
            Ledger::Private { server } => ["--postgres".to_owned(), server.url()],
        }
    }

    /// Runs the user's SQL, or makes a table of the file's columns. It has no key, so that a row that came twice is there
    /// twice: the audit finds out, not the database.
    pub async fn create(&self, options: &Options, orders: &Orders) -> anyhow::Result<()> {
        let statements = if options.statement.is_empty() { vec![self.table(orders)] } else { options.create.clone() };
        match self {
            Ledger::Sqlite { path } => {
                let database = rusqlite::Connection::open(path)?;
                database.pragma_update(None, "journal_mode", "wal")?;
                for sql in statements {
                    database.execute_batch(&sql).with_context(|| sql.clone())?;
                }
            }
            Ledger::Postgres { .. } | Ledger::Private { .. } => {
                let client = self.connect().await?;
                for sql in statements {
                    client.batch_execute(&sql).await.with_context(|| sql.clone())?;
                }
            }
        }
        Ok(())
    }

    fn table(&self, orders: &Orders) -> String {
        let is_sqlite = matches!(self, Ledger::Sqlite { .. });
        let position = if is_sqlite { "integer primary key autoincrement" } else { "bigserial" };
        let mut columns = vec![format!("handfast_position {position}"), format!("{LINE} bigint not null")];
        for column in &orders.columns {
            let is_sum = orders.sum_column.as_ref() == Some(column);
            // SQLite's numeric is a float where it has a point: a text keeps the digits.
            let kind = if is_sum && !is_sqlite { "numeric" } else { "text" };
            columns.push(format!("{} {kind}", quoted(column)));
        }
        format!("create table orders ({})", columns.join(", "))
    }

    /// Every row that was written, in the order of writing.
    pub async fn rows(&self, options: &Options, orders: &Orders) -> anyhow::Result<Vec<Written>> {
        let sum = orders.sum_column.as_deref().map_or_else(|| "null".to_owned(), quoted);
        let own = || format!("select {LINE}, {sum} from orders order by handfast_position");
        let sql = options.audit.clone().unwrap_or_else(own);
        match self {
            Ledger::Sqlite { path } => sqlite_rows(path, &sql),
            Ledger::Postgres { .. } | Ledger::Private { .. } => {
                let found = self.connect().await?.simple_query(&sql).await.with_context(|| sql.clone())?;
                let mut rows = Vec::new();
                for row in found {
                    if let SimpleQueryMessage::Row(row) = row {
                        rows.push(written(row.try_get(0)?, row.try_get(1)?)?);
                    }
                }
                Ok(rows)
            }
        }
    }

    async fn connect(&self) -> anyhow::Result<tokio_postgres::Client> {
        let url = match self {
            Ledger::Postgres { url } => url.clone(),
            Ledger::Private { server } => server.url(),
            Ledger::Sqlite { .. } => bail!("SQLite has no URL"),
        };
        let (client, connection) = tokio_postgres::connect(&url, NoTls).await.context("the database")?;
        tokio::spawn(connection);
        Ok(client)
    }
}

fn sqlite_rows(path: &Path, sql: &str) -> anyhow::Result<Vec<Written>> {
    let database = rusqlite::Connection::open(path)?;
    let mut statement = database.prepare(sql).with_context(|| sql.to_owned())?;
    let mut found = statement.query([])?;
    let mut rows = Vec::new();
    while let Some(row) = found.next()? {
        let field = |index| {
            Ok::<_, rusqlite::Error>(match row.get_ref(index)? {
                rusqlite::types::ValueRef::Null => None,
                rusqlite::types::ValueRef::Integer(number) => Some(number.to_string()),
                rusqlite::types::ValueRef::Real(number) => Some(number.to_string()),
                rusqlite::types::ValueRef::Text(text) | rusqlite::types::ValueRef::Blob(text) => {
                    Some(String::from_utf8_lossy(text).into_owned())
                }
            })
        };
        rows.push(written(field(0)?.as_deref(), field(1)?.as_deref())?);
    }
    Ok(rows)
}

fn written(line: Option<&str>, value: Option<&str>) -> anyhow::Result<Written> {
    let line = line.context("the audit found a row without a line")?;
    let line = line.parse().with_context(|| format!("the audit found a row whose line is {line:?}"))?;
    Ok((line, value.map(str::to_owned)))
}

/// An SQL name, or the name of a parameter.
pub fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
