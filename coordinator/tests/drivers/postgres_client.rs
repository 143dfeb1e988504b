//! An application on its own connection to PostgreSQL.

use async_trait::async_trait;
use handfast_coordinator::drivers::conformance::{Client, Written};
use handfast_coordinator_core::Resource;
use handfast_private_postgres::PostgresServer;
use handfast_protocol::{GlobalId, Outcome, PreparedName, ResourceName, Xid, marker};
use tokio::sync::{Mutex, RwLock};
use tokio::task::JoinHandle;
use tokio_postgres::NoTls;

pub struct PostgresClient {
    address: String,
    links: RwLock<Links>,
    table: String,
    /// Where a case may restart it.
    server: Option<Mutex<PostgresServer>>,
}

struct Links {
    work: Link,
    /// Looks at the server while the other connection waits.
    look: Link,
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
            links: RwLock::new(Links::new(&resource.address).await),
            address: resource.address.clone(),
            table: format!("{}.{}", resource.schema, marker::OUTCOME_TABLE),
            server: None,
        }
    }

    pub async fn with_server(resource: &Resource, server: PostgresServer) -> PostgresClient {
        PostgresClient { server: Some(Mutex::new(server)), ..PostgresClient::of(resource).await }
    }

    pub async fn run(&self, sql: &str) {
        self.links.read().await.work.client.batch_execute(sql).await.unwrap();
    }

    async fn look(&self, sql: &str) {
        self.links.read().await.look.client.batch_execute(sql).await.unwrap();
    }

    async fn insert(&self, id: GlobalId) -> Result<u64, tokio_postgres::Error> {
        let insert = format!("INSERT INTO {} (gtrid, outcome) VALUES ($1, 'committed')", self.table);
        self.links.read().await.work.client.execute(&insert, &[&id.to_bytes().as_slice()]).await
    }

    fn insert_text(&self, id: GlobalId) -> String {
        let hex: String = id.to_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        format!("INSERT INTO {} (gtrid, outcome) VALUES ('\\x{hex}', 'committed')", self.table)
    }
}

impl Links {
    async fn new(address: &str) -> Links {
        Links { work: connect(address).await, look: connect(address).await }
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
        self.mark(id).await
    }

    async fn mark(&self, id: GlobalId) -> Written {
        let Err(error) = self.insert(id).await else { return Written::Done };
        match error.code().unwrap().code() {
            "23505" => {
                self.run("ROLLBACK").await;
                Written::Conflict
            }
            "25P02" => Written::Failed,
            code => panic!("{code}: {error}"),
        }
    }

    async fn fail(&self) {
        let failed = self.links.read().await.work.client.batch_execute("SELECT 1 / 0").await;
        assert_eq!(failed.unwrap_err().code().unwrap().code(), "22012");
    }

    async fn end(&self, outcome: Outcome) {
        match outcome {
            Outcome::Committed => self.run("COMMIT").await,
            Outcome::RolledBack => self.run("ROLLBACK").await,
        }
    }

    async fn write_unflushed(&self, id: GlobalId) {
        let insert = self.insert_text(id);
        self.run(&format!("ROLLBACK; BEGIN; SET LOCAL synchronous_commit = off; {insert}; COMMIT")).await;
    }

    async fn leave(&self) {
        self.links.write().await.work = connect(&self.address).await;
    }

    async fn awaited(&self) {
        // Each look is a round trip: the loop is paced by the server.
        let waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted";
        let links = self.links.read().await;
        while links.look.client.query_one(waiting, &[]).await.unwrap().get::<_, i64>(0) == 0 {}
    }

    async fn prepare(&self, xid: &Xid) {
        self.run("ROLLBACK; BEGIN").await;
        self.insert(xid.try_into().unwrap()).await.unwrap();
        self.run(&format!("PREPARE TRANSACTION '{}'", prepared_name(xid))).await;
    }

    async fn prepare_open(&self, xid: &Xid) -> bool {
        let prepare = format!("PREPARE TRANSACTION '{}'", prepared_name(xid));
        self.links.read().await.work.client.batch_execute(&prepare).await.is_ok()
    }

    /// Its backend waits for a row that somebody else has put in, and goes on when its client is gone.
    async fn prepare_and_leave(&self, xid: &Xid) {
        let (insert, name) = (self.insert_text(xid.try_into().unwrap()), prepared_name(xid));
        self.look(&format!("BEGIN; {insert}")).await;
        let leaving = connect(&self.address).await;
        leaving.client.batch_execute("BEGIN").await.unwrap();
        let prepare = format!("{insert}; PREPARE TRANSACTION '{name}'");
        tokio::select! {
            prepared = leaving.client.batch_execute(&prepare) => {
                panic!("it did not wait: {prepared:?}")
            }
            () = self.awaited() => {}
        }
        drop(leaving);
        self.look("ROLLBACK").await;
        while !self.is_prepared(&name).await {}
    }

    async fn prepare_foreign(&self, name: &str) {
        self.run(&format!("ROLLBACK; BEGIN; SELECT txid_current(); PREPARE TRANSACTION '{name}'")).await;
    }

    async fn is_prepared(&self, name: &str) -> bool {
        let named = "SELECT count(*) FROM pg_prepared_xacts WHERE gid = $1";
        let links = self.links.read().await;
        links.look.client.query_one(named, &[&name]).await.unwrap().get::<_, i64>(0) == 1
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
        self.links.read().await.look.client.query(&select, &[]).await.unwrap().iter().map(read).collect()
    }

    async fn restart(&self) {
        self.server.as_ref().expect("a case that restarts it has it").lock().await.restart().unwrap();
        *self.links.write().await = Links::new(&self.address).await;
    }
}
