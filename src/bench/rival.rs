//! What a server is compared with: the same work on a PostgreSQL alone, as an application without a queue manager does it.
//!
//! A queue is a table there. A send is an insert; a receive is a delete of the first row that nobody has locked (`FOR UPDATE
//! SKIP LOCKED`), in one local transaction with whatever else is to be done. Each worker has a connection and statements that
//! were prepared, and PostgreSQL is asked to be as durable as it is by default. Everything lies in a schema of its own.

use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, NoTls, Statement};

use super::display::Display;
use super::error::BenchError;
use super::ledger::{Order, sql};
use super::limits::{RIVAL_CONNECTIONS_SPARED, RIVAL_TAKES_A_SECOND};
use super::load::{Load, LoadClient};
use super::noise::Noise;
use super::work::Turn;

const SCHEMA: &str = "handfast_bench_rival";
const INSERT: &str = "insert into target(body) values ($1)";
const TAKE: &str = "delete from source where id = \
                    (select id from source order by id for update skip locked limit 1) returning body";

/// What the rival does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rivalry {
    /// Inserts a message.
    Send,
    /// Takes one.
    Receive,
    /// Takes one, inserts it elsewhere, commits.
    Transfer,
    /// The same with a row inserted and a balance updated.
    Pair,
    /// The row and the balance alone: no queue at all.
    Rows,
    /// The same with PREPARE TRANSACTION and COMMIT PREPARED.
    RowsPrepared,
}

impl Rivalry {
    pub fn name(self) -> &'static str {
        match self {
            Rivalry::Send | Rivalry::Receive | Rivalry::Transfer | Rivalry::Pair => "tables",
            Rivalry::Rows => "rows",
            Rivalry::RowsPrepared => "rows-prepared",
        }
    }

    pub fn what(self) -> &'static str {
        match self {
            Rivalry::Send | Rivalry::Receive | Rivalry::Transfer | Rivalry::Pair => {
                "queues as tables of the same PostgreSQL, one local commit"
            }
            Rivalry::Rows => "the row changes alone, one local commit, no queue",
            Rivalry::RowsPrepared => "the row changes alone, PREPARE TRANSACTION and COMMIT PREPARED, no queue",
        }
    }

    /// Whether it takes messages, which must be there.
    fn takes(self) -> bool {
        matches!(self, Rivalry::Receive | Rivalry::Transfer | Rivalry::Pair)
    }
}

/// A PostgreSQL with everything that the work needs.
#[derive(Debug)]
pub struct Rival {
    rivalry: Rivalry,
    workers: Vec<Worker>,
    next_order: AtomicU64,
    noise: Noise,
    size: usize,
}

#[derive(Debug)]
struct Worker {
    client: Client,
    insert: Statement,
    take: Statement,
    insert_order: Statement,
    update_balance: Statement,
}

/// What the database says of itself: a rate means little without it.
pub async fn describe(url: &str) -> Result<String, BenchError> {
    let row = "select 'PostgreSQL ' || current_setting('server_version') || ', fsync ' || current_setting('fsync') \
               || ', synchronous_commit ' || current_setting('synchronous_commit')";
    Ok(connect(url).await?.query_one(row, &[]).await?.try_get(0)?)
}

impl Rival {
    /// Makes the tables, with the messages that will be taken; what a killed run left goes.
    pub async fn prepare(url: &str, rivalry: Rivalry, load: &Load, display: &Display) -> Result<Rival, BenchError> {
        let setup = connect(url).await?;
        let tables = format!(
            "drop schema if exists {SCHEMA} cascade; create schema {SCHEMA}; set search_path to {SCHEMA}; \
             create table source(id bigserial primary key, body bytea not null); \
             create table target(id bigserial primary key, body bytea not null); \
             {}; {}; {}",
            sql::CREATE_ORDERS,
            sql::CREATE_BALANCES,
            sql::fill_balances("::bigint"),
        );
        setup.batch_execute(&tables).await?;
        let noise = Noise::new(load.size);
        if rivalry.takes() {
            fill(&setup, load, rivalry, &noise, display).await?;
        }
        setup.batch_execute("analyze").await?;
        let mut workers = Vec::new();
        for _ in 0..load.concurrency.min(connections_free(&setup).await?).max(1) {
            workers.push(Worker::new(url).await?);
        }
        Ok(Rival { rivalry, workers, next_order: AtomicU64::new(0), noise, size: load.size })
    }

    /// How many connections work: fewer than the clients where the database has no more.
    pub fn workers(&self) -> usize {
        self.workers.len()
    }

    pub fn clients(&self) -> Vec<RivalClient<'_>> {
        self.workers.iter().map(|worker| RivalClient { rival: self, worker }).collect()
    }

    /// Takes all of it away, whatever of it is there; the workers have gone before.
    pub async fn clear_up(url: &str) -> Result<(), BenchError> {
        Ok(connect(url).await?.batch_execute(&format!("drop schema if exists {SCHEMA} cascade")).await?)
    }

    fn order(&self) -> Order {
        let number = self.next_order.fetch_add(1, Ordering::Relaxed);
        Order::numbered(number)
    }
}

impl Worker {
    async fn new(url: &str) -> Result<Worker, BenchError> {
        let client = connect(url).await?;
        client.batch_execute(&format!("set search_path to {SCHEMA}")).await?;
        let prepare = |text: &'static str| client.prepare(text);
        let (insert, take) = (prepare(INSERT).await?, prepare(TAKE).await?);
        let (insert_order, update_balance) =
            (prepare(sql::POSTGRES_INSERT_ORDER).await?, prepare(sql::POSTGRES_UPDATE_BALANCE).await?);
        Ok(Worker { client, insert, take, insert_order, update_balance })
    }

    async fn enter(&self, order: &Order) -> Result<(), BenchError> {
        self.client.execute(&self.insert_order, &[&order.id, &order.account, &order.cents]).await?;
        self.client.execute(&self.update_balance, &[&order.cents, &order.account]).await?;
        Ok(())
    }

    /// `None`: there is nothing to take.
    async fn take(&self) -> Result<Option<Vec<u8>>, BenchError> {
        let row = self.client.query_opt(&self.take, &[]).await?;
        row.map(|row| row.try_get(0).map_err(BenchError::from)).transpose()
    }
}

/// One of those who work.
#[derive(Debug, Clone, Copy)]
pub struct RivalClient<'r> {
    rival: &'r Rival,
    worker: &'r Worker,
}

impl LoadClient for RivalClient<'_> {
    async fn turn(&self) -> Result<Turn, BenchError> {
        let (Rival { rivalry, noise, size, .. }, Worker { client, insert, .. }) = (self.rival, self.worker);
        match rivalry {
            Rivalry::Send => {
                client.execute(insert, &[&&noise.piece(*size)[..]]).await?;
            }
            Rivalry::Receive => return Ok(self.worker.take().await?.map_or(Turn::Dry, |_| Turn::Done)),
            Rivalry::Transfer | Rivalry::Pair => {
                client.batch_execute("begin").await?;
                let Some(body) = self.worker.take().await? else {
                    client.batch_execute("rollback").await?;
                    return Ok(Turn::Dry);
                };
                if *rivalry == Rivalry::Pair {
                    let order: Order = serde_json::from_slice(&body).map_err(BenchError::RivalOrder)?;
                    self.worker.enter(&order).await?;
                }
                client.execute(insert, &[&body]).await?;
                client.batch_execute("commit").await?;
            }
            Rivalry::Rows => {
                client.batch_execute("begin").await?;
                self.worker.enter(&self.rival.order()).await?;
                client.batch_execute("commit").await?;
            }
            Rivalry::RowsPrepared => {
                let order = self.rival.order();
                let name = format!("{SCHEMA}-{}", order.id);
                client.batch_execute("begin").await?;
                self.worker.enter(&order).await?;
                client.batch_execute(&format!("prepare transaction '{name}'")).await?;
                client.batch_execute(&format!("commit prepared '{name}'")).await?;
            }
        }
        Ok(Turn::Done)
    }
}

async fn connect(url: &str) -> Result<Client, BenchError> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

/// Connections that the rival may take.
async fn connections_free(setup: &Client) -> Result<usize, BenchError> {
    let free =
        "select current_setting('max_connections')::bigint - count(*) from pg_stat_activity where datid is not null";
    let free: i64 = setup.query_one(free, &[]).await?.try_get(0)?;
    Ok(usize::try_from(free).unwrap_or(0).saturating_sub(RIVAL_CONNECTIONS_SPARED))
}

/// Lays in what the run will take.
async fn fill(
    setup: &Client,
    load: &Load,
    rivalry: Rivalry,
    noise: &Noise,
    display: &Display,
) -> Result<(), BenchError> {
    let wanted = load.messages(RIVAL_TAKES_A_SECOND);
    let sink = setup.copy_in("copy source(body) from stdin binary").await?;
    let mut writer = pin!(BinaryCopyInWriter::new(sink, &[Type::BYTEA]));
    for number in 0..wanted {
        match rivalry {
            Rivalry::Pair => writer.as_mut().write(&[&Order::body(number, load.size, noise)]).await?,
            _ => writer.as_mut().write(&[&&noise.piece(load.size)[..]]).await?,
        }
        display.say(|| format!("{number} of {wanted} rows laid in"));
    }
    writer.finish().await?;
    Ok(())
}
