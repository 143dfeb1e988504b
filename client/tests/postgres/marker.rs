//! The marker row as the deciding commit (P11-P13, P21).

use handfast_client::{CommitOutcome, Handfast, RollbackCause};
use handfast_private_postgres::Options;
use handfast_protocol::ResourceName;
use handfast_wire::v1;
use handfast_wire::v1::transaction_outcome::Kind;
use tokio_postgres::NoTls;

use crate::scripted::{Answer, Peer, ScriptedServer, gtrid, outcome, within};
use crate::world::{SCHEMA, World, decided};

/// Steps `marker 2` to `7`, as the database and the coordinator see them.
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
    assert_eq!(world.backends(), "idle", "its locks are released");
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

/// The driver writes a parameter only as a type that it knows: COMMIT must never go where the row cannot.
#[tokio::test]
async fn p6_rows_are_never_committed_without_their_marker_whatever_the_table_is_made_of() {
    for gtrid_type in ["octets", "text"] {
        let mut world = World::marker().await;
        let tables = format!(
            "create domain octets as bytea; drop table {SCHEMA}.handfast_outcome; \
             create table {SCHEMA}.handfast_outcome(gtrid {gtrid_type} primary key, outcome text not null)"
        );
        world.postgres.psql(&tables).unwrap();
        let tx = world.order(gtrid(1)).await;
        let (_, end) = tokio::join!(decided(&mut world.peer, gtrid(1)), tx.commit());
        assert!(matches!(end, CommitOutcome::Committed), "{end:?}");
        let markers = world.postgres.psql(&format!("select count(*) from {SCHEMA}.handfast_outcome")).unwrap();
        assert_eq!((world.rows().as_str(), markers.as_str()), ("1", "1"), "{gtrid_type}");
    }
}

#[tokio::test]
async fn p22_a_marker_table_that_is_gone_is_no_messages_fault() {
    let mut world = World::marker().await;
    let tx = world.order(gtrid(1)).await;
    world.postgres.psql(&format!("alter table {SCHEMA}.handfast_outcome rename to elsewhere")).unwrap();
    let (blame, end) = tokio::join!(world.peer.expect_rollback(gtrid(1)), tx.commit());
    assert_eq!(blame, v1::Blame::default());
    let CommitOutcome::RolledBack { why } = end else { panic!("{end:?}") };
    assert!(matches!(&why, RollbackCause::Database { .. }) && why.is_retryable(), "{why:?}");
    assert_eq!(world.rows(), "");
}

#[tokio::test]
async fn statements_that_are_deallocated_are_prepared_anew() {
    let mut world = World::marker().await;
    let tx = world.order(gtrid(1)).await;
    let (_, end) = tokio::join!(decided(&mut world.peer, gtrid(1)), tx.commit());
    assert!(matches!(end, CommitOutcome::Committed), "{end:?}");

    let mut tx = world.order(gtrid(2)).await;
    tx.postgres("ledger").await.unwrap().execute("deallocate all", &[]).await.unwrap();
    let (_, end) = tokio::join!(decided(&mut world.peer, gtrid(2)), tx.commit());
    assert!(matches!(end, CommitOutcome::Committed), "{end:?}");
    assert_eq!(world.rows(), "1\n2");
}
