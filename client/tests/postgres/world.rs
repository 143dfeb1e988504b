//! A database, a scripted coordinator, and a client between them.

use handfast_client::{Handfast, Transaction};
use handfast_private_postgres::{Options, PostgresServer};
use handfast_protocol::GlobalId;
use handfast_wire::v1;
use handfast_wire::v1::transaction_outcome::Kind;
use uuid::Uuid;

use crate::scripted::{Answer, Peer, ScriptedServer, outcome, within};

const ID: Uuid = Uuid::from_u128(0x1234);
pub const SCHEMA: &str = "\"Hand \"\"fast\"";

fn setup() -> String {
    format!(
        "set synchronous_commit = local; create schema {SCHEMA}; \
         create table {SCHEMA}.handfast_outcome(gtrid bytea primary key, \
         outcome text not null check (outcome in ('committed', 'rolled_back')), asked integer not null default 0, \
         decided_at timestamptz not null default now()); \
         create table {SCHEMA}.handfast_resource(one_row boolean primary key default true check (one_row), \
         resource_id uuid not null); insert into {SCHEMA}.handfast_resource(resource_id) values ('{ID}'); \
         create table orders(id int primary key, item text not null, parent int references orders deferrable initially deferred)"
    )
}

pub struct World {
    pub postgres: PostgresServer,
    pub resource: v1::Resource,
    pub server: ScriptedServer,
    pub handfast: Handfast,
    pub peer: Peer,
}

impl World {
    pub async fn new(kind: &str, options: Options) -> World {
        let postgres = tokio::task::spawn_blocking(|| PostgresServer::start(options).unwrap()).await.unwrap();
        postgres.psql(&setup()).unwrap();
        let resource = v1::Resource {
            name: "ledger".into(),
            kind: kind.into(),
            address: postgres.url(),
            resource_id: ID.as_bytes().to_vec().into(),
            schema: SCHEMA.into(),
        };
        let mut server = ScriptedServer::start().await;
        let handfast = Handfast::connect(&server.url()).await.unwrap();
        let peer = server.accept().await;
        World { postgres, resource, server, handfast, peer }
    }

    pub async fn marker() -> World {
        World::new("postgres-marker", Options::default()).await
    }

    pub async fn two_phase() -> World {
        World::new("postgres-two-phase", Options::default()).await
    }

    /// A transaction that has joined the database.
    pub async fn begin(&mut self, id: GlobalId) -> Transaction {
        let tx = tokio::join!(self.peer.expect_begin(id), self.handfast.begin()).1;
        let mut tx = tx.unwrap();
        let joined = tokio::join!(self.peer.expect_enlist(id, &self.resource), tx.postgres("ledger")).1;
        joined.unwrap();
        tx
    }

    /// The same, with one order inserted.
    pub async fn order(&mut self, id: GlobalId) -> Transaction {
        let mut tx = self.begin(id).await;
        let number = i32::try_from(id.sequence).unwrap();
        let ledger = tx.postgres("ledger").await.unwrap();
        let insert = "insert into orders(id, item) values ($1, $2)";
        assert_eq!(ledger.execute(insert, &[&number, &"tea"]).await.unwrap(), 1);
        tx
    }

    pub fn rows(&self) -> String {
        self.postgres.psql("select id from orders order by id").unwrap()
    }

    /// The marker rows: the sequence of each gtrid with its outcome.
    pub fn markers(&self) -> String {
        let sql = format!(
            "select ('x' || encode(substr(gtrid, 33), 'hex'))::bit(64)::bigint, outcome from {SCHEMA}.handfast_outcome order by 1"
        );
        self.postgres.psql(&sql).unwrap()
    }

    pub fn fence(&self, id: GlobalId) -> String {
        format!("insert into {SCHEMA}.handfast_outcome(gtrid, outcome) values ('\\x{}', 'rolled_back')", id.to_gtrid())
    }

    /// Backends of the client, by state.
    pub fn backends(&self) -> String {
        self.postgres
            .psql("select state from pg_stat_activity where application_name = 'handfast ledger' order by 1")
            .unwrap()
    }

    pub async fn wait_until(&self, sql: &str) {
        within(async {
            while self.postgres.psql(sql).unwrap() != "t" {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
}

/// The script of a commit that goes well.
pub async fn decided(peer: &mut Peer, id: GlobalId) {
    let commit = peer.expect_commit(id, &[]).await;
    peer.answer(commit, Answer::Go(v1::Go {})).await;
    let report = peer.expect_report(id, true).await;
    peer.answer(report, outcome(Kind::Committed, "")).await;
}
