//! Which databases and connections may join (P3).

use std::sync::Arc;

use handfast_client::{CommitOutcome, EnlistError, RollbackCause};
use tokio_postgres::NoTls;

use crate::scripted::{gtrid, within};
use crate::world::{SCHEMA, World, decided};

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
