//! The database of a pair: orders that are inserted, and balances that are updated, in tables of the benchmark's own.

use std::path::PathBuf;
use std::time::Instant;

use handfast_client::{Handfast, RefusalCode, ResourceView, Transaction};
use handfast_protocol::ResourceKind;
use serde::{Deserialize, Serialize};

use super::error::BenchError;
use super::limits::{ACCOUNTS, CLEARING_PAUSE, CLEARING_WITHIN};
use super::noise::Noise;

/// The resource that a run adds, where the database is not registered yet.
const RESOURCE: &str = "bench";

/// A database as its user names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Database {
    pub kind: ResourceKind,
    pub address: String,
}

/// What a pair's message says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    pub id: i64,
    pub account: i64,
    pub cents: i64,
}

/// A registered database with the tables of the benchmark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ledger {
    resource: String,
    database: Database,
}

/// What is done with the tables, for a database that is a resource and for one that is not.
pub(super) mod sql {
    use super::ACCOUNTS;

    pub const CREATE_ORDERS: &str =
        "create table handfast_bench_orders(id bigint primary key, account bigint not null, cents bigint not null)";
    pub const CREATE_BALANCES: &str =
        "create table handfast_bench_balances(account bigint primary key, balance bigint not null)";
    pub const POSTGRES_INSERT_ORDER: &str = "insert into handfast_bench_orders(id, account, cents) values ($1, $2, $3)";
    pub const SQLITE_INSERT_ORDER: &str = "insert into handfast_bench_orders(id, account, cents) values (?1, ?2, ?3)";
    pub const POSTGRES_UPDATE_BALANCE: &str =
        "update handfast_bench_balances set balance = balance + $1 where account = $2";
    pub const SQLITE_UPDATE_BALANCE: &str =
        "update handfast_bench_balances set balance = balance + ?1 where account = ?2";

    /// Every balance, 0; `cast` makes a literal a long number.
    pub fn fill_balances(cast: &str) -> String {
        format!(
            "with recursive numbers(n) as (select 0{cast} union all select n + 1 from numbers where n + 1 < {ACCOUNTS}) \
             insert into handfast_bench_balances(account, balance) select n, 0 from numbers"
        )
    }
}

impl Order {
    /// The order with this number.
    pub fn numbered(number: u64) -> Order {
        // Knuth's multiplier sends one number after another to accounts far apart.
        let account = number.wrapping_mul(2_654_435_761) % ACCOUNTS;
        let long = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        Order { id: long(number), account: long(account), cents: long(1 + number % 100_000) }
    }

    /// The order with this number, as JSON of at least `bytes`.
    pub fn body(number: u64, bytes: usize, noise: &Noise) -> Vec<u8> {
        let Order { id, account, cents } = Order::numbered(number);
        let text = format!(r#"{{"id":{id},"account":{account},"cents":{cents},"note":""#);
        let note = noise.piece(bytes.saturating_sub(text.len() + 2));
        [text.as_bytes(), &note, b"\"}"].concat()
    }
}

impl Ledger {
    /// Under the name that it is registered with, or under one that is free and [`Self::add`] takes.
    pub async fn find(handfast: &Handfast, database: &Database) -> Result<(Ledger, Registered), BenchError> {
        let is_it =
            |view: &&ResourceView| view.resource.kind == database.kind && view.resource.address == database.address;
        let resources = handfast.resources().await?;
        let ledger = |name: &str| Ledger { resource: name.to_owned(), database: database.clone() };
        if let Some(view) = resources.iter().find(is_it) {
            return Ok((ledger(view.resource.name.as_str()), Registered::Before));
        }
        if resources.iter().any(|view| view.resource.name.as_str() == RESOURCE) {
            return Err(BenchError::ResourceTaken { name: RESOURCE.to_owned() });
        }
        Ok((ledger(RESOURCE), Registered::Now))
    }

    pub async fn add(&self, handfast: &Handfast) -> Result<(), BenchError> {
        Ok(handfast.add_resource(&self.resource, self.database.kind, &self.database.address).await?)
    }

    /// The file of the database, where it is one that adding it would make.
    pub fn missing_file(&self) -> Option<PathBuf> {
        let path = PathBuf::from(&self.database.address);
        (self.database.kind == ResourceKind::SqliteMarker && !path.exists()).then_some(path)
    }

    /// Makes the tables; what a killed run left of them goes.
    pub async fn make_tables(&self, handfast: &Handfast) -> Result<(), BenchError> {
        self.drop_tables(handfast).await?;
        let fill = sql::fill_balances(if self.is_sqlite() { "" } else { "::bigint" });
        let mut transaction = handfast.begin().await?;
        for sql in [sql::CREATE_ORDERS, sql::CREATE_BALANCES, &fill] {
            self.execute(&mut transaction, sql, &[]).await?;
        }
        Ok(transaction.commit().await.into_result()?)
    }

    /// The work of one pair.
    pub async fn enter(&self, transaction: &mut Transaction, order: &Order) -> Result<(), BenchError> {
        let (insert, update) = if self.is_sqlite() {
            (sql::SQLITE_INSERT_ORDER, sql::SQLITE_UPDATE_BALANCE)
        } else {
            (sql::POSTGRES_INSERT_ORDER, sql::POSTGRES_UPDATE_BALANCE)
        };
        self.execute(transaction, insert, &[order.id, order.account, order.cents]).await?;
        self.execute(transaction, update, &[order.cents, order.account]).await
    }

    fn is_sqlite(&self) -> bool {
        self.database.kind == ResourceKind::SqliteMarker
    }

    pub async fn drop_tables(&self, handfast: &Handfast) -> Result<(), BenchError> {
        let mut transaction = handfast.begin().await?;
        for table in ["handfast_bench_orders", "handfast_bench_balances"] {
            self.execute(&mut transaction, &format!("drop table if exists {table}"), &[]).await?;
        }
        Ok(transaction.commit().await.into_result()?)
    }

    /// Undoes [`Self::add`], as soon as the last transaction has ended there.
    pub async fn remove(&self, handfast: &Handfast) -> Result<(), BenchError> {
        let since = Instant::now();
        loop {
            match handfast.remove_resource(&self.resource).await {
                Err(error) if error.code() == Some(RefusalCode::InDoubt) && since.elapsed() < CLEARING_WITHIN => {
                    tokio::time::sleep(CLEARING_PAUSE).await;
                }
                Err(error) if error.code() == Some(RefusalCode::NotFound) => return Ok(()),
                ended => return Ok(ended?),
            }
        }
    }

    /// Waits until it can be used.
    pub async fn attached(&self, handfast: &Handfast) -> Result<(), BenchError> {
        let since = Instant::now();
        loop {
            let resources = handfast.resources().await?;
            let view = resources.into_iter().find(|view| view.resource.name.as_str() == self.resource);
            let problem = match view {
                Some(view) if view.is_attached => return Ok(()),
                Some(view) => view.problem,
                None => "it was removed meanwhile".to_owned(),
            };
            if since.elapsed() >= CLEARING_WITHIN {
                return Err(BenchError::NotAttached { name: self.resource.clone(), problem });
            }
            tokio::time::sleep(CLEARING_PAUSE).await;
        }
    }

    async fn execute(&self, transaction: &mut Transaction, sql: &str, numbers: &[i64]) -> Result<(), BenchError> {
        match self.database.kind {
            ResourceKind::SqliteMarker => {
                let numbers: Vec<&(dyn rusqlite::ToSql + Sync)> = numbers.iter().map(|number| number as _).collect();
                transaction.sqlite(&self.resource).await?.execute(sql, &numbers).await?;
            }
            _ => {
                let numbers: Vec<&(dyn tokio_postgres::types::ToSql + Sync)> =
                    numbers.iter().map(|number| number as _).collect();
                transaction.postgres(&self.resource).await?.execute(sql, &numbers).await?;
            }
        }
        Ok(())
    }
}

/// When a database was registered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Registered {
    Before,
    /// By this run, which removes it again.
    Now,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::limits::ORDER_BYTES_MIN;

    #[test]
    fn an_order_is_as_long_as_it_was_asked_to_be() {
        let noise = Noise::new(1024);
        for number in [0, 7, 3_999_999] {
            for bytes in [ORDER_BYTES_MIN + 16, 1024] {
                let body = Order::body(number, bytes, &noise);
                let order: Order = serde_json::from_slice(&body).unwrap();
                assert_eq!((body.len(), order.id), (bytes, i64::try_from(number).unwrap()));
                assert!((0..10_000).contains(&order.account) && order.cents > 0, "{order:?}");
            }
        }
    }
}
