//! What failing statements come to, and whom they blame (P6, P22).

use handfast_client::{CommitOutcome, PostgresStatementError, RollbackCause};
use handfast_wire::v1;

use crate::scripted::gtrid;
use crate::world::{World, decided};

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
            assert!(
                matches!(end, CommitOutcome::RolledBack { why: RollbackCause::Statement { .. } }),
                "{sql}: {end:?}"
            );
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
