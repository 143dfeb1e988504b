//! The rows of a pair alone in a SQLite file, as an application without a queue manager writes them: one connection, as durable
//! as a resource of the server has to be.

use std::cell::{Cell, RefCell};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, TransactionBehavior};

use super::error::BenchError;
use super::ground::remove_database;
use super::ledger::{Order, sql};
use super::load::LoadClient;
use super::work::Turn;

#[derive(Debug)]
pub struct SqliteRival {
    connection: RefCell<Connection>,
    next_order: Cell<u64>,
}

impl SqliteRival {
    pub const NAME: &str = "rows";
    pub const WHAT: &str = "the row changes alone in a SQLite file, one local commit, no queue";

    /// The file that it works in, beside the database of the pair and of this run alone.
    pub fn file_beside(database: &Path) -> PathBuf {
        let mut name = database.as_os_str().to_owned();
        name.push(format!("-rival-{}", std::process::id()));
        name.into()
    }

    /// What it is, and how durable.
    pub fn describe() -> String {
        format!("SQLite {}, journal_mode WAL, synchronous FULL", rusqlite::version())
    }

    /// Makes the file with its tables.
    pub fn prepare(file: &Path) -> Result<SqliteRival, BenchError> {
        let connection = Connection::open(file)?;
        let tables = format!(
            "pragma journal_mode = wal; pragma synchronous = full; begin; {}; {}; {}; commit",
            sql::CREATE_ORDERS,
            sql::CREATE_BALANCES,
            sql::fill_balances(""),
        );
        connection.execute_batch(&tables)?;
        Ok(SqliteRival { connection: RefCell::new(connection), next_order: Cell::new(0) })
    }

    /// One: SQLite has one writer at a time.
    pub fn client(&self) -> SqliteRivalClient<'_> {
        SqliteRivalClient { rival: self }
    }

    pub fn clear_up(file: &Path) -> Result<(), BenchError> {
        remove_database(file).map_err(|cause| BenchError::File { path: file.to_owned(), cause })
    }

    fn enter(&self, order: &Order) -> Result<(), rusqlite::Error> {
        let mut connection = self.connection.borrow_mut();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.prepare_cached(sql::SQLITE_INSERT_ORDER)?.execute((order.id, order.account, order.cents))?;
        transaction.prepare_cached(sql::SQLITE_UPDATE_BALANCE)?.execute((order.cents, order.account))?;
        transaction.commit()
    }
}

#[derive(Debug, Clone, Copy)]
pub struct SqliteRivalClient<'r> {
    rival: &'r SqliteRival,
}

impl LoadClient for SqliteRivalClient<'_> {
    async fn turn(&self) -> Result<Turn, BenchError> {
        let number = self.rival.next_order.get();
        self.rival.next_order.set(number + 1);
        self.rival.enter(&Order::numbered(number))?;
        // It waits for the disk on this thread, which has nothing else to do but to show how far it is.
        tokio::task::yield_now().await;
        Ok(Turn::Done)
    }
}
