//! What a PostgreSQL server can do to its drivers: go away, come back, forget, be another one, refuse.

use handfast_coordinator::drivers::conformance::{Client, Written};
use handfast_coordinator::drivers::driver;
use handfast_coordinator_core::{Ask, CallFailed, Resource, ResourceId, Told};
use handfast_private_postgres::Options;
use handfast_protocol::{Outcome, ResourceKind};
use uuid::Uuid;

use crate::postgres_client::{PostgresClient, connect, prepared_name};
use crate::world::{ATTACH, add, drivers, fence, id, ledger, postgres, secrets, xid};

fn refusal(answer: Result<Told, CallFailed>) -> String {
    match answer {
        Err(CallFailed::Refused { resource, cause }) if resource == ledger() => cause,
        other => panic!("{other:?}"),
    }
}

fn wrong(resource: &Resource, found: Option<ResourceId>) -> Result<Told, CallFailed> {
    Err(CallFailed::WrongResource { resource: ledger(), expected: resource.resource_id, found })
}

/// P12: "a row can be visible and not durable". The client commits without a flush; the fence that reads its row flushes it.
#[tokio::test]
async fn p12_what_a_fence_told_survives_the_server() {
    let mut server = postgres(&[("wal_writer_delay", "10s")]);
    let drivers = drivers();
    let resource = add(&drivers, ResourceKind::PostgresMarker, &server.url()).await;
    let client = PostgresClient::of(&resource).await;
    client.run("SET synchronous_commit = off").await;
    assert_eq!(client.write(id(1)).await, Written::Done);
    client.end(Outcome::Committed).await;
    assert_eq!(drivers.call(&resource, fence(1)).await, Ok(Told::Fenced(Outcome::Committed)));
    server.restart().unwrap();
    // By a driver that remembers no connection.
    let drivers = crate::world::drivers();
    assert_eq!(drivers.call(&resource, fence(1)).await, Ok(Told::Fenced(Outcome::Committed)));
}

#[tokio::test]
async fn a_server_that_is_down_is_unreachable_and_works_again_when_it_is_back() {
    let mut server = postgres(&[]);
    let drivers = drivers();
    let resource = add(&drivers, ResourceKind::PostgresTwoPhase, &server.url()).await;
    assert_eq!(drivers.call(&resource, ATTACH).await, Ok(Told::Attached { slots: Some(64) }));
    PostgresClient::of(&resource).await.prepare(&xid(1)).await;
    server.kill();
    for _ in 0..3 {
        match drivers.call(&resource, ATTACH).await {
            Err(CallFailed::Unreachable { resource, .. }) => assert_eq!(resource, ledger()),
            other => panic!("{other:?}"),
        }
    }
    server.restart().unwrap();
    assert_eq!(drivers.call(&resource, ATTACH).await, Ok(Told::Attached { slots: Some(64) }));
    assert_eq!(drivers.call(&resource, Ask::Commit { xid: xid(1) }).await, Ok(Told::Done));
    let commit = || drivers.call(&resource, Ask::Commit { xid: xid(1) });
    let done = Ok(Told::Done);
    let at_once = tokio::join!(commit(), commit(), commit(), commit());
    assert_eq!(at_once, (done.clone(), done.clone(), done.clone(), done.clone()));
    server.restart().unwrap();
    // Four sessions are idle in the pool. If one is met before its loss was noticed, the others go with it.
    drop(commit().await);
    assert_eq!(commit().await, done, "P7: done once, for ever");
}

#[tokio::test]
async fn p3_another_or_an_empty_database_at_the_address_is_a_named_error() {
    let server = postgres(&[]);
    let drivers = drivers();
    let ours = add(&drivers, ResourceKind::PostgresMarker, &server.url()).await;
    server.psql("CREATE DATABASE other").unwrap();
    let address = server.url().trim_end_matches("postgres").to_owned() + "other";

    let moved = Resource { address: address.clone(), ..ours.clone() };
    for ask in [ATTACH, fence(1)] {
        assert_eq!(drivers.call(&moved, ask).await, wrong(&ours, None), "an empty one");
    }
    let other = add(&drivers, ResourceKind::PostgresMarker, &address).await;
    for ask in [ATTACH, fence(1)] {
        assert_eq!(drivers.call(&moved, ask).await, wrong(&ours, Some(other.resource_id)));
    }
    let rows = PostgresClient::of(&other).await.rows().await;
    assert_eq!(rows, [], "nothing was fenced in the wrong database");
}

#[tokio::test]
async fn p3_a_database_that_is_exchanged_under_an_open_connection_is_noticed() {
    let server = postgres(&[]);
    let resource = add(&drivers(), ResourceKind::PostgresMarker, &server.url()).await;
    let driver = driver(&resource, &secrets(&[]));
    assert_eq!(driver.call(fence(1)).await, Ok(Told::Fenced(Outcome::RolledBack)));
    let other = ResourceId(Uuid::from_u128(7));
    server.psql(&format!("UPDATE handfast_resource SET resource_id = '{}'", other.0)).unwrap();
    for ask in [fence(1), ATTACH] {
        assert_eq!(driver.call(ask).await, wrong(&resource, Some(other)));
    }
    server.psql(&format!("UPDATE handfast_resource SET resource_id = '{}'", resource.resource_id.0)).unwrap();
    assert_eq!(driver.call(fence(1)).await, Ok(Told::Fenced(Outcome::RolledBack)));
    server.psql("DROP TABLE handfast_outcome").unwrap();
    assert_eq!(driver.call(fence(1)).await, wrong(&resource, None));
}

#[tokio::test]
async fn adding_again_keeps_the_resource_id_and_the_rows() {
    let server = postgres(&[]);
    let drivers = drivers();
    let first = add(&drivers, ResourceKind::PostgresMarker, &server.url()).await;
    assert_eq!(drivers.call(&first, fence(1)).await, Ok(Told::Fenced(Outcome::RolledBack)));
    assert_eq!(add(&drivers, ResourceKind::PostgresMarker, &server.url()).await, first);
    assert_eq!(PostgresClient::of(&first).await.rows().await, [(id(1), Outcome::RolledBack)]);
}

/// P12: busy is still in doubt. The server gives the wait up before the call does, and fences nothing afterwards.
#[tokio::test]
async fn p12_a_fence_that_waits_too_long_is_asked_again() {
    let server = postgres(&[]);
    let resource = add(&drivers(), ResourceKind::PostgresMarker, &server.url()).await;
    let driver = driver(&resource, &secrets(&[]));
    let client = PostgresClient::of(&resource).await;
    assert_eq!(client.write(id(1)).await, Written::Done);
    assert_eq!(driver.call(fence(1)).await, Err(CallFailed::TimedOut { resource: ledger() }));
    assert_eq!(server.psql("SELECT count(*) FROM pg_locks WHERE NOT granted").unwrap(), "0");
    client.end(Outcome::Committed).await;
    assert_eq!(driver.call(fence(1)).await, Ok(Told::Fenced(Outcome::Committed)));
}

/// A call that is dropped in the middle leaves no session behind that somebody else might get.
#[tokio::test]
async fn a_cancelled_call_closes_its_connection() {
    let server = postgres(&[]);
    let resource = add(&drivers(), ResourceKind::PostgresMarker, &server.url()).await;
    let driver = driver(&resource, &secrets(&[]));
    let client = PostgresClient::of(&resource).await;
    assert_eq!(client.write(id(1)).await, Written::Done);
    tokio::select! {
        answer = driver.call(fence(1)) => panic!("{answer:?}"),
        () = client.awaited() => {}
    }
    client.end(Outcome::Committed).await;
    let look = connect(&server.url()).await;
    let left = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'handfast'";
    while look.client.query_one(left, &[]).await.unwrap().get::<_, i64>(0) != 0 {}
    assert_eq!(driver.call(fence(1)).await, Ok(Told::Fenced(Outcome::Committed)));
}

#[tokio::test]
async fn p9_a_server_that_prepares_nothing_is_not_attached() {
    let mut server = postgres(&[]);
    let drivers = drivers();
    let resource = add(&drivers, ResourceKind::PostgresTwoPhase, &server.url()).await;
    server.set_options(Options { max_prepared_transactions: 0, extra: Vec::new() });
    server.restart().unwrap();
    let text = refusal(drivers.call(&resource, ATTACH).await);
    assert_eq!(
        text,
        "max_prepared_transactions is 0: PostgreSQL refuses PREPARE TRANSACTION; run ALTER SYSTEM SET \
         max_prepared_transactions = 64, restart it, or add the resource without --two-phase"
    );
}

/// P12: only on a primary that accepts writes.
#[tokio::test]
async fn p12_a_read_only_database_is_refused_with_the_remedy() {
    let server = postgres(&[]);
    let drivers = drivers();
    let resource = add(&drivers, ResourceKind::PostgresMarker, &server.url()).await;
    server.psql("ALTER DATABASE postgres SET default_transaction_read_only = on").unwrap();
    let text = refusal(drivers.call(&resource, fence(1)).await);
    assert_eq!(text, "the server is a standby or the database is read-only; give the address of the primary");
}

#[tokio::test]
async fn a_branch_of_another_user_is_refused_in_the_servers_words() {
    let server = postgres(&[]);
    let drivers = drivers();
    let resource = add(&drivers, ResourceKind::PostgresTwoPhase, &server.url()).await;
    PostgresClient::of(&resource).await.prepare(&xid(1)).await;
    server.psql("CREATE ROLE app LOGIN; GRANT ALL ON ALL TABLES IN SCHEMA public TO app").unwrap();
    let address = server.url().replace("handfast@", "app@");
    let text = refusal(drivers.call(&Resource { address, ..resource.clone() }, Ask::Commit { xid: xid(1) }).await);
    assert_eq!(
        text,
        "permission denied to finish prepared transaction (SQLSTATE 42501); Must be superuser or the user that prepared \
         the transaction."
    );
    let rollback = format!("ROLLBACK PREPARED '{}'", prepared_name(&xid(1)));
    server.psql(&rollback).unwrap();
}
