//! The database of a run: a table of the test beside the user's own, by which every message whose statements took effect is known.

use std::path::{Path, PathBuf};
use std::time::Instant;

use handfast_checker::history::Row;
use handfast_client::Dialect;
use rusqlite::Connection;
use tokio_postgres::{Client, NoTls};

use crate::error::CrashTestError;
use crate::limits::{DATABASE_WAIT, LOOK_EVERY};
use crate::settings::DatabaseChoice;

#[derive(Debug, Clone)]
pub struct Database {
    place: Place,
    /// The table of the test: no key is in it, so that a row that came twice is there twice.
    table: String,
    /// The table of the orders that are made up.
    orders: String,
}

#[derive(Debug, Clone)]
enum Place {
    Sqlite(PathBuf),
    Postgres(String),
}

impl Database {
    /// `name` tells its tables from those of other runs.
    pub fn new(choice: &DatabaseChoice, directory: &Path, name: &str) -> Database {
        let place = match choice {
            DatabaseChoice::Sqlite { path } => {
                Place::Sqlite(path.clone().unwrap_or_else(|| directory.join("database.sqlite")))
            }
            DatabaseChoice::Postgres { url } => Place::Postgres(url.clone()),
        };
        Database {
            place,
            table: format!("handfast_crash_test_{name}"),
            orders: format!("handfast_crash_orders_{name}"),
        }
    }

    pub fn table(&self) -> &str {
        &self.table
    }

    /// Where orders that are made up go.
    pub fn orders(&self) -> &str {
        &self.orders
    }

    pub fn dialect(&self) -> Dialect {
        match self.place {
            Place::Sqlite(_) => Dialect::Sqlite,
            Place::Postgres(_) => Dialect::Postgres,
        }
    }

    /// As `handfast resource add` takes it.
    pub fn address(&self) -> [String; 2] {
        match &self.place {
            Place::Sqlite(path) => ["--sqlite".to_owned(), path.display().to_string()],
            Place::Postgres(url) => ["--postgres".to_owned(), url.clone()],
        }
    }

    /// Makes the table of the test, and with `orders` the one for orders that are made up.
    pub async fn create(&self, orders: bool) -> Result<(), CrashTestError> {
        let position = match self.place {
            Place::Sqlite(_) => "integer primary key autoincrement",
            Place::Postgres(_) => "bigserial",
        };
        let mut sql = format!("create table {} (position {position}, message text, transaction_id text);", self.table);
        if orders {
            sql += &format!("create table {} (id bigint not null, amount numeric not null);", self.orders);
        }
        match &self.place {
            Place::Sqlite(path) => {
                let database = Connection::open(path)?;
                database.pragma_update(None, "journal_mode", "wal")?;
                database.execute_batch(&sql)?;
            }
            Place::Postgres(_) => self.connect().await?.batch_execute(&sql).await?,
        }
        Ok(())
    }

    /// Takes the tables of the test away.
    pub async fn clear(&self) -> Result<(), CrashTestError> {
        let sql = format!("drop table if exists {}; drop table if exists {};", self.table, self.orders);
        match &self.place {
            Place::Sqlite(path) => Connection::open(path)?.execute_batch(&sql)?,
            Place::Postgres(_) => self.connect().await?.batch_execute(&sql).await?,
        }
        Ok(())
    }

    /// The rows that workers have left, in the order in which they were written.
    pub async fn rows(&self) -> Result<Vec<Row>, CrashTestError> {
        let sql = format!("select message, transaction_id from {} order by position", self.table);
        let row = |key: String, by: String| Row { key, by, tokens: 0 };
        match &self.place {
            Place::Sqlite(path) => {
                let database = Connection::open(path)?;
                let mut statement = database.prepare(&sql)?;
                let rows = statement.query_map([], |found| Ok(row(found.get(0)?, found.get(1)?)))?;
                Ok(rows.collect::<Result<_, _>>()?)
            }
            Place::Postgres(_) => {
                let rows = self.connect().await?.query(&sql, &[]).await?;
                rows.iter().map(|found| Ok(row(found.try_get(0)?, found.try_get(1)?))).collect()
            }
        }
    }

    /// Rows of the orders' table.
    pub async fn orders_written(&self) -> Result<u64, CrashTestError> {
        let sql = format!("select count(*) from {}", self.orders);
        let count: i64 = match &self.place {
            Place::Sqlite(path) => Connection::open(path)?.query_row(&sql, [], |row| row.get(0))?,
            Place::Postgres(_) => self.connect().await?.query_one(&sql, &[]).await?.try_get(0)?,
        };
        Ok(count.unsigned_abs())
    }

    /// What is prepared in it. SQLite prepares nothing.
    pub async fn prepared(&self) -> Result<Vec<String>, CrashTestError> {
        if self.dialect() == Dialect::Sqlite {
            return Ok(Vec::new());
        }
        let sql = "select gid from pg_prepared_xacts where database = current_database()";
        let rows = self.connect().await?.query(sql, &[]).await?;
        rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
    }

    /// A database that was crashed needs a while.
    async fn connect(&self) -> Result<Client, CrashTestError> {
        let Place::Postgres(url) = &self.place else { unreachable!("SQLite is opened, not connected to") };
        let since = Instant::now();
        loop {
            match tokio_postgres::connect(url, NoTls).await {
                Ok((client, connection)) => {
                    tokio::spawn(connection);
                    return Ok(client);
                }
                Err(error) if since.elapsed() > DATABASE_WAIT => return Err(error.into()),
                Err(_) => tokio::time::sleep(LOOK_EVERY * 10).await,
            }
        }
    }
}
