//! Transactions with a SQLite file, against a coordinator whose answers are written down (P3, P6, P11-P13, P15, P21, P22).

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod scripted;

use std::path::PathBuf;

use handfast_client::{CommitOutcome, EnlistError, Handfast, RollbackCause, SqliteStatementError, Transaction};
use handfast_protocol::{GlobalId, ResourceName};
use handfast_wire::v1;
use handfast_wire::v1::transaction_outcome::Kind;
use rusqlite::Connection;
use scripted::{Answer, Peer, ScriptedServer, gtrid, outcome, within};
use tempfile::TempDir;
use uuid::Uuid;

const ID: Uuid = Uuid::from_u128(0x1234);
const SETUP: &str = "\
    create table handfast_outcome(gtrid blob not null primary key, outcome text not null \
        check (outcome in ('committed', 'rolled_back')), asked integer not null default 0) without rowid; \
    create table handfast_resource(one_row integer primary key, resource_id text not null); \
    create table orders(id integer primary key, item text not null) strict; \
    insert into handfast_resource values (1, '00000000-0000-0000-0000-000000001234')";

struct World {
    _dir: TempDir,
    file: PathBuf,
    resource: v1::Resource,
    server: ScriptedServer,
    handfast: Handfast,
    peer: Peer,
}

impl World {
    async fn new() -> World {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("ledger.db");
        Connection::open(&file).unwrap().execute_batch(SETUP).unwrap();
        let resource = v1::Resource {
            name: "ledger".into(),
            kind: "sqlite-marker".into(),
            address: file.to_str().unwrap().into(),
            resource_id: ID.as_bytes().to_vec().into(),
            schema: String::new(),
        };
        let mut server = ScriptedServer::start().await;
        let handfast = Handfast::connect(&server.url()).await.unwrap();
        let peer = server.accept().await;
        World { _dir: dir, file, resource, server, handfast, peer }
    }

    async fn begin(&mut self, id: GlobalId) -> Transaction {
        tokio::join!(self.peer.expect_begin(id), self.handfast.begin()).1.unwrap()
    }

    async fn join(&mut self, id: GlobalId) -> (Transaction, Result<(), EnlistError>) {
        let mut tx = self.begin(id).await;
        let joined = tokio::join!(self.peer.expect_enlist(id, &self.resource), tx.sqlite("ledger")).1;
        let joined = joined.map(|_| ());
        (tx, joined)
    }

    async fn order(&mut self, id: GlobalId) -> Transaction {
        let (mut tx, joined) = self.join(id).await;
        joined.unwrap();
        let number = i64::try_from(id.sequence).unwrap();
        let ledger = tx.sqlite("ledger").await.unwrap();
        assert_eq!(ledger.execute("insert into orders values (?1, ?2)", &[&number, &"tea"]).await.unwrap(), 1);
        tx
    }

    fn ask(&self, sql: &str) -> String {
        let connection = Connection::open(&self.file).unwrap();
        let mut statement = connection.prepare(sql).unwrap();
        let rows = statement.query_map([], |row| row.get::<_, String>(0)).unwrap();
        rows.map(Result::unwrap).collect::<Vec<_>>().join(" ")
    }

    fn rows(&self) -> String {
        self.ask("select id || item from orders order by id")
    }

    fn markers(&self) -> String {
        self.ask("select hex(substr(gtrid, 40)) || outcome from handfast_outcome order by gtrid")
    }
}

async fn decided(peer: &mut Peer, id: GlobalId) {
    let commit = peer.expect_commit(id, &[]).await;
    peer.answer(commit, Answer::Go(v1::Go {})).await;
    let report = peer.expect_report(id, true).await;
    peer.answer(report, outcome(Kind::Committed, "")).await;
}

#[tokio::test]
async fn marker_the_row_and_the_work_commit_together_after_go() {
    let mut world = World::new().await;
    for (sequence, rows, markers) in [(1, "1tea", "01committed"), (2, "1tea 2tea", "01committed 02committed")] {
        let tx = world.order(gtrid(sequence)).await;
        let before = world.rows();
        let script = async {
            let commit = world.peer.expect_commit(gtrid(sequence), &[]).await;
            let connection = Connection::open(&world.file).unwrap();
            let count: u64 = connection.query_row("select count(*) from orders", [], |row| row.get(0)).unwrap();
            assert_eq!(count, sequence - 1, "nothing is decided before go");
            world.peer.answer(commit, Answer::Go(v1::Go {})).await;
            let report = world.peer.expect_report(gtrid(sequence), true).await;
            world.peer.answer(report, outcome(Kind::Committed, "")).await;
        };
        let (_, end) = tokio::join!(script, tx.commit());
        assert!(matches!(end, CommitOutcome::Committed), "{end:?}");
        assert_ne!(world.rows(), before);
        assert_eq!((world.rows().as_str(), world.markers().as_str()), (rows, markers));
    }
    assert_eq!(world.ask("select journal_mode from pragma_journal_mode"), "wal");
}

#[tokio::test]
async fn p12_p21_a_fence_that_came_first_makes_the_commit_rolled_back() {
    let mut world = World::new().await;
    let fence = Connection::open(&world.file).unwrap();
    let sql = "insert into handfast_outcome(gtrid, outcome) values (?1, 'rolled_back')";
    fence.execute(sql, [gtrid(1).to_bytes().as_slice()]).unwrap();
    let tx = world.order(gtrid(1)).await;
    let script = async {
        let commit = world.peer.expect_commit(gtrid(1), &[]).await;
        world.peer.answer(commit, Answer::Go(v1::Go {})).await;
        world.peer.expect_report(gtrid(1), false).await;
    };
    let (_, end) = tokio::join!(script, tx.commit());
    let resource = ResourceName::new("ledger").unwrap();
    assert!(matches!(&end, CommitOutcome::RolledBack { why } if *why == RollbackCause::Fenced { resource }), "{end:?}");
    assert_eq!((world.rows().as_str(), world.markers().as_str()), ("", "01rolled_back"));
}

#[tokio::test]
async fn p11_a_commit_that_fails_is_uncertain_and_the_coordinator_is_asked() {
    let mut world = World::new().await;
    let (mut tx, joined) = world.join(gtrid(1)).await;
    joined.unwrap();
    let ledger = tx.sqlite("ledger").await.unwrap();
    // Judged by SQLite at COMMIT only, and then the transaction stays open: it is rolled back here.
    for sql in [
        "pragma defer_foreign_keys = on",
        "create table lines(parent integer references orders deferrable initially deferred)",
    ] {
        ledger.execute(sql, &[]).await.unwrap();
    }
    let enforced = ledger.query_one("pragma foreign_keys", &[]).await.unwrap().get::<i64>(0).unwrap();
    assert_eq!(enforced, 1, "the bundled SQLite enforces foreign keys");
    ledger.execute("insert into lines values (99)", &[]).await.unwrap();
    let script = async {
        let commit = world.peer.expect_commit(gtrid(1), &[]).await;
        world.peer.answer(commit, Answer::Go(v1::Go {})).await;
        let report = world.peer.expect_report(gtrid(1), false).await;
        world.peer.answer(report, outcome(Kind::Undecided, "in doubt")).await;
        let ask = world.peer.expect_ask(gtrid(1)).await;
        world.peer.answer(ask, outcome(Kind::RolledBack, "recovery ended it")).await;
    };
    let (_, end) = tokio::join!(script, tx.commit());
    match end {
        CommitOutcome::RolledBack { why } => {
            assert!(why.to_string().contains("FOREIGN KEY"), "{why}")
        }
        other => panic!("{other:?}"),
    }
    assert_eq!((world.rows().as_str(), world.markers().as_str()), ("", ""));
}

#[tokio::test]
async fn p6_p22_any_error_leaves_rollback_only_and_the_failure_is_blamed() {
    let mut world = World::new().await;
    let table = [
        ("insert into orders values (1, null)", "NOT NULL"),
        ("insert into orders values (1, 'a'), (1, 'b')", "UNIQUE"),
        ("insert or rollback into orders values (7, 'a')", "UNIQUE"),
        ("insert into orders values ('x', 'a')", "mismatch"),
        ("select * from nowhere", "no such table"),
        ("insert into orders values (1, 'a'); commit", "Multiple statements"),
        ("insert into orders values (?1, ?2)", "Wrong number of parameters"),
    ];
    for (sql, text) in table {
        let mut tx = world.order(gtrid(7)).await;
        let ledger = tx.sqlite("ledger").await.unwrap();
        let failed = ledger.execute(sql, &[]).await.unwrap_err();
        assert!(failed.to_string().contains(text), "{sql}: {failed}");
        let after = ledger.execute("insert into orders values (2, 'b')", &[]).await.unwrap_err();
        assert!(matches!(after, SqliteStatementError::RollbackOnly(_)), "{sql}: {after}");
        let (blame, end) = tokio::join!(world.peer.expect_rollback(gtrid(7)), tx.commit());
        assert!(matches!(end, CommitOutcome::RolledBack { why: RollbackCause::Statement { .. } }), "{sql}: {end:?}");
        assert_eq!((blame.kind(), blame.error.contains(text)), (v1::blame::Kind::Message, true), "{sql}: {blame:?}");
        assert_eq!((world.rows().as_str(), world.markers().as_str()), ("", ""), "{sql}");
    }
}

#[tokio::test]
async fn p6_transaction_control_is_refused_and_harms_nothing() {
    let mut world = World::new().await;
    let mut tx = world.order(gtrid(1)).await;
    let ledger = tx.sqlite("ledger").await.unwrap();
    for sql in ["commit", "; end", "/* /* */ rollback", "savepoint a", "attach 'x' as y"] {
        let refused = ledger.execute(sql, &[]).await.unwrap_err();
        assert!(matches!(refused, SqliteStatementError::Control(_)), "{sql}: {refused}");
    }
    let (_, end) = tokio::join!(decided(&mut world.peer, gtrid(1)), tx.commit());
    assert!(matches!(end, CommitOutcome::Committed), "{end:?}");
}

#[tokio::test]
async fn rows_come_back_with_their_values() {
    let mut world = World::new().await;
    let mut tx = world.order(gtrid(3)).await;
    let ledger = tx.sqlite("ledger").await.unwrap();
    let row = ledger.query_one("select id, item, null as missing from orders where id = ?1", &[&3]).await.unwrap();
    assert_eq!(row.columns(), ["id", "item", "missing"]);
    assert_eq!((row.get::<i64>(0), row.get::<String>(1)), (Ok(3), Ok("tea".to_owned())));
    assert_eq!(row.get::<Option<i64>>(2), Ok(None));
    assert!(row.get::<i64>(3).is_err());
    assert_eq!(ledger.query_opt("select 1 from orders where id = 4", &[]).await.unwrap(), None);
    let none = ledger.query_one("select 1 from orders where id = 4", &[]).await.unwrap_err();
    assert!(matches!(none, SqliteStatementError::Rows { found: 0, .. }), "{none}");
}

#[tokio::test]
async fn p21_a_dropped_transaction_rolls_back_and_the_next_has_the_file() {
    let mut world = World::new().await;
    let tx = world.order(gtrid(1)).await;
    drop(tx);
    world.peer.expect_rollback(gtrid(1)).await;
    let tx = world.order(gtrid(2)).await;
    let (_, end) = tokio::join!(decided(&mut world.peer, gtrid(2)), tx.commit());
    assert!(matches!(end, CommitOutcome::Committed), "{end:?}");
    assert_eq!((world.rows().as_str(), world.markers().as_str()), ("2tea", "02committed"));
}

#[tokio::test]
async fn p15_transactions_of_one_process_take_turns() {
    let mut world = World::new().await;
    let tx = world.order(gtrid(1)).await;
    let mut second = world.begin(gtrid(2)).await;
    let joining = async { second.sqlite("ledger").await.map(|_| ()) };
    tokio::pin!(joining);
    let resource = world.resource.clone();
    let script = async {
        world.peer.expect_enlist(gtrid(2), &resource).await;
        decided(&mut world.peer, gtrid(1)).await;
    };
    // The second waits for the first to end, not for SQLite's patience to end.
    let (_, joined, end) = within(async { tokio::join!(script, joining, tx.commit()) }).await;
    joined.unwrap();
    assert!(matches!(end, CommitOutcome::Committed), "{end:?}");
}

#[tokio::test]
async fn p3_p15_a_file_that_is_not_the_registered_one_is_named_and_never_created() {
    let mut world = World::new().await;
    let file = world.file.clone();
    let missing = file.with_file_name("missing.db");
    let other = file.with_file_name("other.db");
    Connection::open(&other).unwrap().execute_batch(SETUP).unwrap();
    Connection::open(&other).unwrap().execute_batch("update handfast_resource set resource_id = 'x'").unwrap();
    let empty = file.with_file_name("empty.db");
    Connection::open(&empty).unwrap().execute_batch("create table a(b)").unwrap();
    for (path, expected) in [
        (missing.to_str().unwrap(), "is not here"),
        ("ledger.db", "is not here"),
        (other.to_str().unwrap(), "is another database"),
        (empty.to_str().unwrap(), "is another database"),
    ] {
        world.resource.address = path.to_owned();
        let (tx, joined) = world.join(gtrid(1)).await;
        let error = joined.unwrap_err();
        assert!(error.to_string().contains(expected), "{path}: {error}");
        let (_, end) = tokio::join!(world.peer.expect_rollback(gtrid(1)), tx.commit());
        assert!(matches!(end, CommitOutcome::RolledBack { why: RollbackCause::Enlist { .. } }), "{path}: {end:?}");
    }
    assert!(!missing.exists());
}

#[tokio::test]
async fn a_connection_of_the_application_is_used_and_given_back() {
    let mut world = World::new().await;
    let connection = Connection::open(&world.file).unwrap();
    let mut tx = world.begin(gtrid(1)).await;
    let enlisting = tx.enlist_sqlite("ledger", connection);
    let lent = tokio::join!(world.peer.expect_enlist(gtrid(1), &world.resource), enlisting).1.unwrap();
    tx.sqlite("ledger").await.unwrap().execute("insert into orders values (1, 'tea')", &[]).await.unwrap();
    let (_, end) = tokio::join!(decided(&mut world.peer, gtrid(1)), tx.commit());
    assert!(matches!(end, CommitOutcome::Committed), "{end:?}");
    let connection = within(lent.back()).await.expect("its transaction has ended for certain");
    assert!(connection.is_autocommit());
    // P13, without WAL: only EXTRA flushes the directory too.
    let durable = connection.pragma_query_value(None, "synchronous", |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!((durable, world.ask("select journal_mode from pragma_journal_mode").as_str()), (3, "delete"));

    let mut tx = world.begin(gtrid(2)).await;
    let enlisting = tx.enlist_sqlite("ledger", connection);
    let lent = tokio::join!(world.peer.expect_enlist(gtrid(2), &world.resource), enlisting).1.unwrap();
    tx.sqlite("ledger").await.unwrap().execute("insert into orders values (2, 'tea')", &[]).await.unwrap();
    drop(tx);
    world.peer.expect_rollback(gtrid(2)).await;
    let connection = within(lent.back()).await.expect("it was rolled back");
    assert_eq!(world.rows(), "1tea");

    for (sql, expected) in [("attach ':memory:' as side", "side attached"), ("begin", "inside a transaction")] {
        let given = Connection::open(&world.file).unwrap();
        given.execute_batch(sql).unwrap();
        let mut tx = world.begin(gtrid(3)).await;
        let enlisting = tx.enlist_sqlite("ledger", given);
        let refused = tokio::join!(world.peer.expect_enlist(gtrid(3), &world.resource), enlisting).1.unwrap_err();
        assert!(refused.to_string().contains(expected), "{sql}: {refused}");
        drop(tx);
        world.peer.expect_rollback(gtrid(3)).await;
    }
    drop((connection, world.server));
}

#[tokio::test]
async fn a_database_of_another_kind_is_told() {
    let mut world = World::new().await;
    let mut tx = world.order(gtrid(1)).await;
    assert!(matches!(tx.postgres("ledger").await, Err(EnlistError::Kind { .. })));
    let (_, end) = tokio::join!(decided(&mut world.peer, gtrid(1)), tx.commit());
    assert!(matches!(end, CommitOutcome::Committed), "{end:?}");
}
