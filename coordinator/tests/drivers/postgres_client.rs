//! An application on its own connection to PostgreSQL.

use async_trait::async_trait;
use handfast_coordinator::drivers::conformance::{Client, Written};
use handfast_coordinator_core::Resource;
use handfast_protocol::{GlobalId, Outcome, PreparedName, ResourceName, Xid, marker};
use tokio::task::JoinHandle;
use tokio_postgres::NoTls;

pub struct PostgresClient {
    work: Link,
    /// Looks at the server while the other connection waits.
    look: Link,
    table: String,
}

pub struct Link {
    pub client: tokio_postgres::Client,
    io: JoinHandle<()>,
}

impl Drop for Link {
    fn drop(&mut self) {
        self.io.abort();
    }
}

pub async fn connect(url: &str) -> Link {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    // A test may kill the server.
    let io = tokio::spawn(async move { drop(connection.await) });
    Link { client, io }
}

impl PostgresClient {
    pub async fn of(resource: &Resource) -> PostgresClient {
        PostgresClient {
            work: connect(&resource.address).await,
            look: connect(&resource.address).await,
            table: format!("{}.{}", resource.schema, marker::OUTCOME_TABLE),
        }
    }

    pub async fn run(&self, sql: &str) {
        self.work.client.batch_execute(sql).await.unwrap();
    }

    async fn insert(&self, id: GlobalId) -> Result<u64, tokio_postgres::Error> {
        let insert = format!("INSERT INTO {} (gtrid, outcome) VALUES ($1, 'committed')", self.table);
        self.work.client.execute(&insert, &[&id.to_bytes().as_slice()]).await
    }
}

pub fn prepared_name(xid: &Xid) -> String {
    let resource = String::from_utf8(xid.bqual.as_bytes().to_vec()).unwrap();
    PreparedName { id: xid.try_into().unwrap(), resource: ResourceName::new(resource).unwrap() }.to_string()
}

#[async_trait]
impl Client for PostgresClient {
    async fn reset(&self) {
        self.run(&format!("TRUNCATE {}", self.table)).await;
    }

    async fn write(&self, id: GlobalId) -> Written {
        self.run("ROLLBACK; BEGIN").await;
        match self.insert(id).await {
            Ok(_) => Written::Done,
            Err(error) => {
                assert_eq!(error.code().unwrap().code(), "23505");
                self.run("ROLLBACK").await;
                Written::Conflict
            }
        }
    }

    async fn end(&self, outcome: Outcome) {
        match outcome {
            Outcome::Committed => self.run("COMMIT").await,
            Outcome::RolledBack => self.run("ROLLBACK").await,
        }
    }

    async fn awaited(&self) {
        // Each look is a round trip: the loop is paced by the server.
        let waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted";
        while self.look.client.query_one(waiting, &[]).await.unwrap().get::<_, i64>(0) == 0 {}
    }

    async fn prepare(&self, xid: &Xid) {
        self.run("ROLLBACK; BEGIN").await;
        self.insert(xid.try_into().unwrap()).await.unwrap();
        self.run(&format!("PREPARE TRANSACTION '{}'", prepared_name(xid))).await;
    }

    async fn prepare_foreign(&self, name: &str) {
        self.run(&format!("ROLLBACK; BEGIN; SELECT txid_current(); PREPARE TRANSACTION '{name}'")).await;
    }

    async fn is_prepared(&self, name: &str) -> bool {
        let named = "SELECT count(*) FROM pg_prepared_xacts WHERE gid = $1";
        self.look.client.query_one(named, &[&name]).await.unwrap().get::<_, i64>(0) == 1
    }

    async fn end_by_hand(&self, xid: &Xid, outcome: Outcome) {
        let verb = if outcome == Outcome::Committed { "COMMIT" } else { "ROLLBACK" };
        self.run(&format!("{verb} PREPARED '{}'", prepared_name(xid))).await;
    }

    async fn rows(&self) -> Vec<(GlobalId, Outcome)> {
        let select = format!("SELECT gtrid, outcome FROM {} ORDER BY 1", self.table);
        let read = |row: &tokio_postgres::Row| {
            let outcome = match row.get(1) {
                marker::COMMITTED => Outcome::Committed,
                marker::ROLLED_BACK => Outcome::RolledBack,
                other => panic!("{other}"),
            };
            (GlobalId::from_bytes(row.get(0)).unwrap(), outcome)
        };
        self.look.client.query(&select, &[]).await.unwrap().iter().map(read).collect()
    }
}
