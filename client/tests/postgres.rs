//! Transactions with a real PostgreSQL, against a coordinator whose answers are written down: the marker row as the deciding
//! commit, PREPARE TRANSACTION, and what each failure comes to (P3, P6, P11-P13, P21, P22).

mod scripted;

use std::sync::Arc;

use handfast_client::{CommitOutcome, EnlistError, Handfast, PostgresStatementError, RollbackCause, Transaction};
use handfast_protocol::{GlobalId, PreparedName, ResourceName};
use handfast_test_postgres::{Options, PostgresServer};
use handfast_wire::v1;
use handfast_wire::v1::transaction_outcome::Kind;
use scripted::{Answer, Peer, ScriptedServer, gtrid, outcome, within};
use tokio_postgres::NoTls;
use uuid::Uuid;

const ID: Uuid = Uuid::from_u128(0x1234);
const SCHEMA: &str = "\"Hand \"\"fast\"";

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

struct World {
    postgres: PostgresServer,
    resource: v1::Resource,
    server: ScriptedServer,
    handfast: Handfast,
    peer: Peer,
}

impl World {
    async fn new(kind: &str, options: Options) -> World {
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

    async fn marker() -> World {
        World::new("postgres-marker", Options::default()).await
    }

    async fn two_phase() -> World {
        World::new("postgres-two-phase", Options::default()).await
    }

    /// A transaction that has joined the database.
    async fn begin(&mut self, id: GlobalId) -> Transaction {
        let tx = tokio::join!(self.peer.expect_begin(id), self.handfast.begin()).1;
        let mut tx = tx.unwrap();
        let joined = tokio::join!(self.peer.expect_enlist(id, &self.resource), tx.postgres("ledger")).1;
        joined.unwrap();
        tx
    }

    /// The same, with one order inserted.
    async fn order(&mut self, id: GlobalId) -> Transaction {
        let mut tx = self.begin(id).await;
        let number = i32::try_from(id.sequence).unwrap();
        let ledger = tx.postgres("ledger").await.unwrap();
        let insert = "insert into orders(id, item) values ($1, $2)";
        assert_eq!(ledger.execute(insert, &[&number, &"tea"]).await.unwrap(), 1);
        tx
    }

    fn rows(&self) -> String {
        self.postgres.psql("select id from orders order by id").unwrap()
    }

    /// The marker rows: the sequence of each gtrid with its outcome.
    fn markers(&self) -> String {
        let sql = format!(
            "select ('x' || encode(substr(gtrid, 33), 'hex'))::bit(64)::bigint, outcome from {SCHEMA}.handfast_outcome order by 1"
        );
        self.postgres.psql(&sql).unwrap()
    }

    fn fence(&self, id: GlobalId) -> String {
        format!("insert into {SCHEMA}.handfast_outcome(gtrid, outcome) values ('\\x{}', 'rolled_back')", id.to_gtrid())
    }

    /// Backends of the client, by state.
    fn backends(&self) -> String {
        self.postgres
            .psql("select state from pg_stat_activity where application_name = 'handfast ledger' order by 1")
            .unwrap()
    }

    async fn wait_until(&self, sql: &str) {
        within(async {
            while self.postgres.psql(sql).unwrap() != "t" {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
}

/// The script of a commit that goes well.
async fn decided(peer: &mut Peer, id: GlobalId) {
    let commit = peer.expect_commit(id, &[]).await;
    peer.answer(commit, Answer::Go(v1::Go {})).await;
    let report = peer.expect_report(id, true).await;
    peer.answer(report, outcome(Kind::Committed, "")).await;
}

#[tokio::test]
async fn marker_the_row_and_the_work_commit_together_after_go() {
    let mut world = World::marker().await;
    let tx = world.order(gtrid(1)).await;
    let World { peer, postgres, .. } = &mut world;
    let script = async {
        let commit = peer.expect_commit(gtrid(1), &[]).await;
        assert_eq!(postgres.psql("select count(*) from orders").unwrap(), "0", "nothing is decided before go");
        peer.answer(commit, Answer::Go(v1::Go {})).await;
        let report = peer.expect_report(gtrid(1), true).await;
        assert_eq!(postgres.psql("select count(*) from orders").unwrap(), "1");
        peer.answer(report, outcome(Kind::Committed, "")).await;
    };
    let (_, end) = tokio::join!(script, tx.commit());
    assert!(matches!(end, CommitOutcome::Committed), "{end:?}");
    assert_eq!((world.rows().as_str(), world.markers().as_str()), ("1", "1|committed"));
    assert_eq!(world.backends(), "idle");

    // The next transaction works on the same connection, with statements that are prepared already.
    let tx = world.order(gtrid(2)).await;
    assert_eq!(world.backends(), "idle in transaction");
    let (_, end) = tokio::join!(decided(&mut world.peer, gtrid(2)), tx.commit());
    assert!(matches!(end, CommitOutcome::Committed), "{end:?}");
    assert_eq!((world.rows().as_str(), world.markers().as_str()), ("1\n2", "1|committed\n2|committed"));
}

#[tokio::test]
async fn p12_p21_a_fence_that_came_first_makes_the_commit_rolled_back() {
    let mut world = World::marker().await;
    let tx = world.order(gtrid(1)).await;
    let fence = world.fence(gtrid(1));
    let World { peer, postgres, .. } = &mut world;
    let script = async {
        let commit = peer.expect_commit(gtrid(1), &[]).await;
        postgres.psql(&fence).unwrap();
        peer.answer(commit, Answer::Go(v1::Go {})).await;
        peer.expect_report(gtrid(1), false).await;
    };
    let (_, end) = tokio::join!(script, tx.commit());
    let resource = ResourceName::new("ledger").unwrap();
    assert!(matches!(&end, CommitOutcome::RolledBack { why } if *why == RollbackCause::Fenced { resource }), "{end:?}");
    assert_eq!((world.rows().as_str(), world.markers().as_str()), ("", "1|rolled_back"));
}

#[tokio::test]
async fn p11_p21_a_server_killed_in_commit_is_reported_as_uncertain_and_the_row_decides() {
    // No standby of that name exists: COMMIT is durable here and waits for ever.
    let extra = vec![("synchronous_standby_names".to_owned(), "nobody".to_owned())];
    let mut world = World::new("postgres-marker", Options { extra, ..Options::default() }).await;
    let tx = world.order(gtrid(1)).await;
    let commit = tokio::spawn(tx.commit());
    let id = world.peer.expect_commit(gtrid(1), &[]).await;
    world.peer.answer(id, Answer::Go(v1::Go {})).await;
    world.wait_until("select count(*) = 1 from pg_stat_activity where wait_event = 'SyncRep'").await;
    world.postgres.kill();
    let report = world.peer.expect_report(gtrid(1), false).await;
    world.postgres.set_options(Options::default());
    world.postgres.restart().unwrap();
    assert_eq!((world.rows().as_str(), world.markers().as_str()), ("1", "1|committed"));
    world.peer.answer(report, outcome(Kind::Committed, "")).await;
    let end = commit.await.unwrap();
    assert!(matches!(end, CommitOutcome::Committed), "what the coordinator says is what is told: {end:?}");

    // The pool notices that its connections are dead.
    let tx = world.order(gtrid(2)).await;
    let (_, end) = tokio::join!(decided(&mut world.peer, gtrid(2)), tx.commit());
    assert!(matches!(end, CommitOutcome::Committed), "{end:?}");
}

#[tokio::test]
async fn p12_a_commit_that_waits_for_a_fence_in_flight_is_uncertain_when_the_server_dies() {
    let mut world = World::marker().await;
    let tx = world.order(gtrid(1)).await;
    let (other, driver) = tokio_postgres::connect(&world.postgres.url(), NoTls).await.unwrap();
    let driver = tokio::spawn(driver);
    other.batch_execute(&format!("begin; {}", world.fence(gtrid(1)))).await.unwrap();
    let commit = tokio::spawn(tx.commit());
    let id = world.peer.expect_commit(gtrid(1), &[]).await;
    world.peer.answer(id, Answer::Go(v1::Go {})).await;
    world.wait_until("select count(*) > 0 from pg_locks where not granted").await;
    world.postgres.kill();
    let report = world.peer.expect_report(gtrid(1), false).await;
    world.peer.answer(report, outcome(Kind::RolledBack, "recovery ended it")).await;
    let end = commit.await.unwrap();
    assert!(matches!(end, CommitOutcome::RolledBack { .. }), "{end:?}");
    assert!(driver.await.unwrap().is_err());
    world.postgres.restart().unwrap();
    assert_eq!((world.rows().as_str(), world.markers().as_str()), ("", ""));
}

#[tokio::test]
async fn p21_a_session_lost_before_go_rolls_the_database_back() {
    let mut world = World::marker().await;
    let tx = world.order(gtrid(1)).await;
    let World { peer, server, .. } = &mut world;
    let script = async {
        peer.expect_commit(gtrid(1), &[]).await;
        let lost = std::mem::replace(peer, dummy_peer().await);
        lost.lose();
        let mut peer = server.accept().await;
        let ask = peer.expect_ask(gtrid(1)).await;
        peer.answer(ask, outcome(Kind::RolledBack, "its connection was lost")).await;
        peer
    };
    let (_peer, end) = within(async { tokio::join!(script, tx.commit()) }).await;
    assert!(matches!(end, CommitOutcome::RolledBack { .. }), "{end:?}");
    assert_eq!((world.rows().as_str(), world.markers().as_str()), ("", ""));
}

async fn dummy_peer() -> Peer {
    let mut server = ScriptedServer::start().await;
    drop(Handfast::connect(&server.url()).await.unwrap());
    server.accept().await
}

#[tokio::test]
async fn p11_a_session_lost_after_the_decision_is_reported_on_the_next() {
    let mut world = World::marker().await;
    let tx = world.order(gtrid(1)).await;
    let World { peer, server, .. } = &mut world;
    let script = async {
        let commit = peer.expect_commit(gtrid(1), &[]).await;
        peer.answer(commit, Answer::Go(v1::Go {})).await;
        peer.expect_report(gtrid(1), true).await;
        let lost = std::mem::replace(peer, dummy_peer().await);
        lost.lose();
        let mut peer = server.accept().await;
        let report = peer.expect_report(gtrid(1), true).await;
        peer.answer(report, outcome(Kind::Committed, "")).await;
        peer
    };
    let (_peer, end) = within(async { tokio::join!(script, tx.commit()) }).await;
    assert!(matches!(end, CommitOutcome::Committed), "{end:?}");
}

#[tokio::test]
async fn p6_p22_a_failed_block_never_commits_and_the_failure_is_blamed() {
    let mut world = World::marker().await;
    let table = [
        ("insert into orders(id, item) values (1, null)", v1::blame::Kind::Message, "23502"),
        ("insert into orders(id, item) values (1, 'a'), (1, 'b')", v1::blame::Kind::Message, "23505"),
        ("insert into orders(id, item) values (1/0, 'a')", v1::blame::Kind::Message, "22012"),
        ("select * from nowhere", v1::blame::Kind::Message, "42P01"),
        ("do $$ begin raise serialization_failure; end $$", v1::blame::Kind::None, ""),
        ("do $$ begin raise disk_full; end $$", v1::blame::Kind::None, ""),
        ("do $$ begin raise lock_not_available; end $$", v1::blame::Kind::None, ""),
        ("do $$ begin raise query_canceled; end $$", v1::blame::Kind::None, ""),
        ("do $$ begin raise connection_failure; end $$", v1::blame::Kind::None, ""),
        // P13 and P6: PostgreSQL refuses to end the block from the inside.
        ("do $$ begin commit; end $$", v1::blame::Kind::None, ""),
    ];
    for (sql, kind, code) in table {
        let mut tx = world.order(gtrid(7)).await;
        let ledger = tx.postgres("ledger").await.unwrap();
        let failed = ledger.execute(sql, &[]).await.unwrap_err();
        assert!(matches!(failed, PostgresStatementError::Database { .. }), "{sql}: {failed}");
        let after = ledger.execute("insert into orders(id, item) values (2, 'b')", &[]).await.unwrap_err();
        assert!(matches!(after, PostgresStatementError::RollbackOnly(_)), "{sql}: {after}");
        // Commit and drop say the same.
        let script = world.peer.expect_rollback(gtrid(7));
        let blame = if code == "23505" {
            drop(tx);
            script.await
        } else {
            let (blame, end) = tokio::join!(script, tx.commit());
            assert!(matches!(end, CommitOutcome::RolledBack { why: RollbackCause::Statement { .. } }), "{sql}: {end:?}");
            blame
        };
        assert_eq!((blame.kind(), blame.error.contains(code)), (kind, true), "{sql}: {blame:?}");
        assert_eq!(blame.error.is_empty(), kind == v1::blame::Kind::None, "{sql}: {blame:?}");
    }
    assert_eq!((world.rows().as_str(), world.markers().as_str()), ("", ""));
}

#[tokio::test]
async fn p22_parameters_that_do_not_fit_are_blamed_and_named() {
    let mut world = World::marker().await;
    let mut tx = world.begin(gtrid(1)).await;
    let ledger = tx.postgres("ledger").await.unwrap();
    let missing = ledger.execute("insert into orders(id, item) values ($1, $2)", &[&1_i32]).await.unwrap_err();
    assert!(matches!(missing, PostgresStatementError::Parameters { expected: 2, given: 1 }), "{missing}");
    drop(tx);
    assert_eq!(world.peer.expect_rollback(gtrid(1)).await.kind(), v1::blame::Kind::Message);
    let mut tx = world.begin(gtrid(2)).await;
    let ledger = tx.postgres("ledger").await.unwrap();
    let wrong = ledger.execute("insert into orders(id, item) values ($1, $2)", &[&1_i32, &5_i32]).await.unwrap_err();
    assert!(matches!(&wrong, PostgresStatementError::Parameter { number: 2, .. }), "{wrong}");
    drop(tx);
    assert_eq!(world.peer.expect_rollback(gtrid(2)).await.kind(), v1::blame::Kind::Message);
}

#[tokio::test]
async fn p22_a_deferred_constraint_fails_before_the_coordinator_is_asked() {
    let mut world = World::marker().await;
    let mut tx = world.order(gtrid(1)).await;
    let orphan = "insert into orders(id, item, parent) values (2, 'milk', 77)";
    tx.postgres("ledger").await.unwrap().execute(orphan, &[]).await.unwrap();
    let (blame, end) = tokio::join!(world.peer.expect_rollback(gtrid(1)), tx.commit());
    assert!(matches!(end, CommitOutcome::RolledBack { why: RollbackCause::Statement { .. } }), "{end:?}");
    assert_eq!((blame.kind(), blame.error.contains("23503")), (v1::blame::Kind::Message, true), "{blame:?}");
    assert_eq!(world.markers(), "");
}

#[tokio::test]
async fn p6_transaction_control_is_refused_and_harms_nothing() {
    let mut world = World::marker().await;
    let mut tx = world.order(gtrid(1)).await;
    let ledger = tx.postgres("ledger").await.unwrap();
    for sql in ["commit", "/* a */ ROLLBACK", "prepare transaction 'a'", "set transaction read only"] {
        let refused = ledger.execute(sql, &[]).await.unwrap_err();
        assert!(matches!(refused, PostgresStatementError::Control(_)), "{sql}: {refused}");
    }
    // Several statements in one are PostgreSQL's to refuse, and then the block has failed.
    let (_, end) = tokio::join!(decided(&mut world.peer, gtrid(1)), tx.commit());
    assert!(matches!(end, CommitOutcome::Committed), "{end:?}");
    assert_eq!(world.rows(), "1");
    let mut tx = world.begin(gtrid(2)).await;
    let two = tx.postgres("ledger").await.unwrap().execute("select 1; commit", &[]).await.unwrap_err();
    assert!(matches!(two, PostgresStatementError::Database { .. }), "{two}");
}

#[tokio::test]
async fn rows_come_back_and_are_counted() {
    let mut world = World::marker().await;
    let mut tx = world.order(gtrid(3)).await;
    let ledger = tx.postgres("ledger").await.unwrap();
    let found = ledger.query_one("select id, item from orders where id = $1", &[&3_i32]).await.unwrap();
    assert_eq!((found.get::<_, i32>(0), found.get::<_, &str>("item")), (3, "tea"));
    assert!(ledger.query_opt("select 1 from orders where id = 4", &[]).await.unwrap().is_none());
    let none = ledger.query_one("select 1 from orders where id = 4", &[]).await.unwrap_err();
    assert!(matches!(none, PostgresStatementError::Rows { found: 0, .. }), "{none}");
    assert_eq!(ledger.query("select id from orders", &[]).await.unwrap().len(), 1);
    // A wrong count of rows is the application's to judge: the work goes on.
    let (_, end) = tokio::join!(decided(&mut world.peer, gtrid(3)), tx.commit());
    assert!(matches!(end, CommitOutcome::Committed), "{end:?}");
}

#[tokio::test]
async fn p13_the_deciding_commit_is_flushed_whatever_the_session_says() {
    let mut world = World::marker().await;
    let mut tx = world.order(gtrid(1)).await;
    let ledger = tx.postgres("ledger").await.unwrap();
    ledger.execute("set synchronous_commit = off", &[]).await.unwrap();
    // A trigger on the marker table sees what its row is committed under.
    world
        .postgres
        .psql(&format!(
            "create table seen(setting text); \
             create function see() returns trigger language plpgsql as \
             $$ begin insert into seen values (current_setting('synchronous_commit')); return new; end $$; \
             create trigger see before insert on {SCHEMA}.handfast_outcome for each row execute function see()"
        ))
        .unwrap();
    let (_, end) = tokio::join!(decided(&mut world.peer, gtrid(1)), tx.commit());
    assert!(matches!(end, CommitOutcome::Committed), "{end:?}");
    assert_eq!(world.postgres.psql("select setting from seen").unwrap(), "on");
    // That session was changed: it is not for the next transaction.
    world.wait_until("select count(*) = 0 from pg_stat_activity where application_name = 'handfast ledger'").await;
}

#[tokio::test]
async fn p21_a_dropped_transaction_rolls_the_database_back_also_in_the_midst_of_a_statement() {
    let mut world = World::marker().await;
    let tx = world.order(gtrid(1)).await;
    drop(tx);
    world.peer.expect_rollback(gtrid(1)).await;
    world.wait_until("select count(*) = 0 from pg_stat_activity where application_name = 'handfast ledger'").await;
    let mut tx = world.order(gtrid(2)).await;
    let ledger = tx.postgres("ledger").await.unwrap();
    ledger.query("select 1", &[]).await.unwrap();
    let mut slow = Box::pin(ledger.execute("select pg_sleep(3600)", &[]));
    let asleep = world.wait_until("select count(*) = 1 from pg_stat_activity where wait_event = 'PgSleep'");
    tokio::select! {
        result = &mut slow => panic!("{result:?}"),
        () = asleep => {}
    }
    drop(slow);
    let (blame, end) = tokio::join!(world.peer.expect_rollback(gtrid(2)), tx.commit());
    assert!(matches!(end, CommitOutcome::RolledBack { why: RollbackCause::Cancelled { .. } }), "{end:?}");
    assert_eq!(blame.kind(), v1::blame::Kind::None);
    assert_eq!((world.rows().as_str(), world.markers().as_str()), ("", ""));
}

#[tokio::test]
async fn p3_a_database_that_is_not_the_registered_one_is_named() {
    let mut world = World::marker().await;
    let table = [
        ("update {s}.handfast_resource set resource_id = '00000000-0000-0000-0000-000000000001'", "another id"),
        ("delete from {s}.handfast_resource", "no id"),
        ("drop table {s}.handfast_resource", "no table"),
    ];
    for (sql, case) in table {
        world.postgres.psql(&sql.replace("{s}", SCHEMA)).unwrap();
        let mut tx = tokio::join!(world.peer.expect_begin(gtrid(1)), world.handfast.begin()).1.unwrap();
        let joined = tokio::join!(world.peer.expect_enlist(gtrid(1), &world.resource), tx.postgres("ledger")).1;
        assert!(matches!(&joined, Err(EnlistError::WrongDatabase { .. })), "{case}: {joined:?}");
        // The coordinator counts on a branch that will never be prepared: only rollback is left.
        let (_, end) = tokio::join!(world.peer.expect_rollback(gtrid(1)), tx.commit());
        assert!(matches!(end, CommitOutcome::RolledBack { why: RollbackCause::Enlist { .. } }), "{case}: {end:?}");
    }
}

#[tokio::test]
async fn an_address_that_asks_for_tls_and_a_server_that_is_away_are_told() {
    let mut world = World::marker().await;
    world.resource.address = format!("{}?sslmode=require", world.postgres.url());
    let mut tx = tokio::join!(world.peer.expect_begin(gtrid(1)), world.handfast.begin()).1.unwrap();
    let joined = tokio::join!(world.peer.expect_enlist(gtrid(1), &world.resource), tx.postgres("ledger")).1;
    assert!(matches!(&joined, Err(EnlistError::Tls { .. })), "{joined:?}");
    drop(tx);
    world.peer.expect_rollback(gtrid(1)).await;
    world.resource.address = world.postgres.url();
    world.postgres.kill();
    let mut tx = tokio::join!(world.peer.expect_begin(gtrid(2)), world.handfast.begin()).1.unwrap();
    let joined = tokio::join!(world.peer.expect_enlist(gtrid(2), &world.resource), tx.postgres("ledger")).1;
    match joined {
        Err(error @ EnlistError::Postgres { .. }) => {
            assert!(error.is_retryable());
            assert!(error.to_string().contains("HANDFAST_PASSWORD_LEDGER"), "{error}");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn two_phase_the_branch_is_prepared_under_its_name_with_its_witness() {
    let mut world = World::two_phase().await;
    let tx = world.order(gtrid(1)).await;
    let World { peer, postgres, .. } = &mut world;
    let name = PreparedName { id: gtrid(1), resource: ResourceName::new("ledger").unwrap() };
    let script = async {
        let commit = peer.expect_commit(gtrid(1), &["ledger"]).await;
        assert_eq!(postgres.psql("select gid from pg_prepared_xacts").unwrap(), name.to_string());
        assert_eq!(postgres.psql("select count(*) from orders").unwrap(), "0");
        postgres.psql(&format!("commit prepared '{name}'")).unwrap();
        peer.answer(commit, outcome(Kind::Committed, "")).await;
    };
    let (_, end) = tokio::join!(script, tx.commit());
    assert!(matches!(end, CommitOutcome::Committed), "{end:?}");
    // P7: the row witnesses the commit after the branch is gone.
    assert_eq!((world.rows().as_str(), world.markers().as_str()), ("1", "1|committed"));
    assert_eq!(world.backends(), "idle");
}

#[tokio::test]
async fn p6_two_phase_a_failed_block_is_never_prepared() {
    let mut world = World::two_phase().await;
    let mut tx = world.order(gtrid(1)).await;
    tx.postgres("ledger").await.unwrap().execute("select 1/0", &[]).await.unwrap_err();
    let (blame, end) = tokio::join!(world.peer.expect_rollback(gtrid(1)), tx.commit());
    assert!(matches!(end, CommitOutcome::RolledBack { .. }), "{end:?}");
    assert_eq!(blame.kind(), v1::blame::Kind::Message);
    assert_eq!(world.postgres.psql("select count(*) from pg_prepared_xacts").unwrap(), "0");
}

#[tokio::test]
async fn p9_two_phase_without_slots_rolls_back_and_blames_nobody() {
    let without = Options { max_prepared_transactions: 0, ..Options::default() };
    let mut world = World::new("postgres-two-phase", without).await;
    let tx = world.order(gtrid(1)).await;
    let (blame, end) = tokio::join!(world.peer.expect_rollback(gtrid(1)), tx.commit());
    match end {
        CommitOutcome::RolledBack { why } => assert!(why.to_string().contains("prepared transactions are disabled"), "{why}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(blame.kind(), v1::blame::Kind::None);
    assert_eq!(world.rows(), "");
}

#[tokio::test]
async fn a_connection_of_the_application_is_used_and_given_back() {
    let mut world = World::marker().await;
    let (client, driver) = tokio_postgres::connect(&world.postgres.url(), NoTls).await.unwrap();
    tokio::spawn(driver);
    let mut tx = tokio::join!(world.peer.expect_begin(gtrid(1)), world.handfast.begin()).1.unwrap();
    let enlisting = tx.enlist_postgres("ledger", client);
    let lent = tokio::join!(world.peer.expect_enlist(gtrid(1), &world.resource), enlisting).1.unwrap();
    let ledger = tx.postgres("ledger").await.unwrap();
    ledger.execute("insert into orders(id, item) values (1, 'tea')", &[]).await.unwrap();
    let (_, end) = tokio::join!(decided(&mut world.peer, gtrid(1)), tx.commit());
    assert!(matches!(end, CommitOutcome::Committed), "{end:?}");
    let client = Arc::new(within(lent.back()).await.expect("its transaction has ended for certain"));
    assert_eq!(client.query_one("select count(*) from orders", &[]).await.unwrap().get::<_, i64>(0), 1);

    // Dropped, it is rolled back and comes back too.
    let client = Arc::into_inner(client).unwrap();
    let mut tx = tokio::join!(world.peer.expect_begin(gtrid(2)), world.handfast.begin()).1.unwrap();
    let enlisting = tx.enlist_postgres("ledger", client);
    let lent = tokio::join!(world.peer.expect_enlist(gtrid(2), &world.resource), enlisting).1.unwrap();
    let ledger = tx.postgres("ledger").await.unwrap();
    ledger.execute("insert into orders(id, item) values (2, 'tea')", &[]).await.unwrap();
    drop(tx);
    world.peer.expect_rollback(gtrid(2)).await;
    let client = within(lent.back()).await.expect("it was rolled back");
    assert_eq!(client.query_one("select count(*) from orders", &[]).await.unwrap().get::<_, i64>(0), 1);

    // One that is inside a transaction is refused.
    client.batch_execute("begin").await.unwrap();
    let mut tx = tokio::join!(world.peer.expect_begin(gtrid(3)), world.handfast.begin()).1.unwrap();
    let enlisting = tx.enlist_postgres("ledger", client);
    let refused = tokio::join!(world.peer.expect_enlist(gtrid(3), &world.resource), enlisting).1;
    assert!(matches!(refused, Err(EnlistError::TransactionOpen { .. })), "{refused:?}");
}
