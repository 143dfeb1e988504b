//! Commit, rollback and a client that goes away, over two queue managers and a database.

use std::time::Duration;

use handfast_client::{Blame, CommitOutcome, EnlistError, Handfast, Message, NotCommitted};

use crate::harness::{Run, Server, handfast, handfast_coordinator, http_get, until};
use crate::world::{World, transactions};

/// Receive in the north, a row in the ledger, send in the south.
async fn ship(handfast: &Handfast) -> handfast_client::Transaction {
    let mut tx = handfast.begin().await.unwrap();
    let order = tx.queues("north").await.unwrap().receive("orders").await.unwrap();
    let body = order.text().unwrap().to_owned();
    let ledger = tx.sqlite("ledger").await.unwrap();
    ledger.execute("insert into rows(body) values (?1)", &[&body]).await.unwrap();
    tx.queues("south").await.unwrap().send("shipments", Message::text(body)).await.unwrap();
    tx
}

/// Steps `standalone 1` to `7`, with a last resource.
#[tokio::test(flavor = "multi_thread")]
async fn all_of_it_commits() {
    let world = World::start();
    world.north.run(&["send", "orders", "one"]).ok();
    let handfast = world.client().await;
    let tx = ship(&handfast).await;
    assert_eq!((world.north.queue("orders")["locked"].as_u64(), world.south.bodies("shipments").len()), (Some(1), 0));
    assert!(matches!(tx.commit().await, CommitOutcome::Committed));
    // P19: whoever was told sees it.
    assert_eq!(world.south.bodies("shipments"), ["one"]);
    assert_eq!((world.north.bodies("orders"), world.rows()), (Vec::new(), vec!["one".to_owned()]));
    until("it is over", || world.is_quiet());
}

/// `standalone 5` without one, and `branch 2` with its read-only vote.
#[tokio::test(flavor = "multi_thread")]
async fn without_a_last_resource_the_coordinator_decides() {
    let world = World::start();
    world.north.run(&["send", "orders", "one"]).ok();
    let handfast = world.client().await;
    let mut tx = handfast.begin().await.unwrap();
    let order = tx.queues("north").await.unwrap().receive("orders").await.unwrap();
    tx.queues("south").await.unwrap().send("shipments", Message::text(order.text().unwrap())).await.unwrap();
    // It only looked: its branch is read-only.
    assert!(tx.queues("south").await.unwrap().receive_within("orders", Duration::ZERO).await.unwrap().is_none());
    assert!(matches!(tx.commit().await, CommitOutcome::Committed));
    assert_eq!((world.north.bodies("orders").len(), world.south.bodies("shipments")), (0, vec!["one".to_owned()]));

    let mut empty = handfast.begin().await.unwrap();
    empty.queues("north").await.unwrap();
    assert!(matches!(empty.commit().await, CommitOutcome::Committed));
    until("it is over", || world.is_quiet());
}

/// P22: the blame goes to where the message is.
#[tokio::test(flavor = "multi_thread")]
async fn p22_all_of_it_rolls_back_and_the_message_has_its_attempt() {
    let world = World::start();
    world.north.run(&["send", "orders", "one"]).ok();
    let handfast = world.client().await;
    ship(&handfast).await.rollback(Blame::Message { error: "no stock".to_owned() }).await.unwrap();
    until("it is over", || world.is_quiet());
    let left = world.north.run(&["peek", "orders", "--output", "json"]).json();
    assert_eq!((&left[0]["body"], &left[0]["attempts"]), (&"one".into(), &1.into()));
    assert_eq!((world.south.bodies("shipments").len(), world.rows().len()), (0, 0));
}

/// P21: dropped before its commit, it rolls back, and no attempt is counted.
#[tokio::test(flavor = "multi_thread")]
async fn p21_dropping_it_rolls_back_everywhere() {
    let world = World::start();
    world.north.run(&["send", "orders", "one"]).ok();
    let handfast = world.client().await;
    drop(ship(&handfast).await);
    until("it is over", || world.is_quiet());
    let left = world.north.run(&["peek", "orders", "--output", "json"]).json();
    assert_eq!((&left[0]["body"], &left[0]["attempts"]), (&"one".into(), &0.into()));
    assert_eq!((world.south.bodies("shipments").len(), world.rows().len()), (0, 0));
}

/// A queue manager that restarts takes the work of active transactions along: they can only roll back.
#[tokio::test(flavor = "multi_thread")]
async fn a_participant_that_restarted_before_the_commit_rolls_all_of_it_back() {
    let mut world = World::start();
    world.north.run(&["send", "orders", "one"]).ok();
    let handfast = world.client().await;
    let tx = ship(&handfast).await;
    world.south.kill();
    world.south.start_again();
    let outcome = tx.commit().await.into_result();
    assert!(matches!(outcome, Err(NotCommitted::RolledBack { .. })), "{outcome:?}");
    until("it is over", || world.is_quiet());
    assert_eq!((world.north.bodies("orders"), world.rows().len()), (vec!["one".to_owned()], 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_registered_queue_manager_is_named() {
    let mut world = World::start();
    let handfast = world.client().await;
    let mut tx = handfast.begin().await.unwrap();
    let unknown = tx.queues("west").await.unwrap_err().to_string();
    assert!(unknown.contains("resource west is not registered"), "{unknown}");
    let mut tx = handfast.begin().await.unwrap();
    let kind = tx.queues("ledger").await.unwrap_err().to_string();
    assert_eq!(kind, "ledger is registered as sqlite-marker, which queues is not for");

    // P3: another queue manager stands at the address.
    let address = world.south.address().to_owned();
    world.south.kill();
    let other = Server::start_at(&address);
    let mut tx = handfast.begin().await.unwrap();
    let wrong = tx.queues("south").await;
    assert!(matches!(wrong, Err(EnlistError::Request(_) | EnlistError::WrongQueueManager { .. })), "{wrong:?}");
    drop(other);
}

#[test]
fn a_coordinator_keeps_no_queues_and_says_so() {
    let coordinator = Server::start_coordinator();
    let expected = "error: this is a coordinator; it keeps no queues: give --server of a queue manager\n";
    for command in [["queue", "list"].as_slice(), &["send", "orders", "x"], &["receive", "orders"], &["peek", "orders"]]
    {
        assert_eq!(coordinator.run(command).refused(1), expected, "{command:?}");
    }
    assert_eq!(transactions(&coordinator), serde_json::json!([]));
    assert!(http_get(coordinator.address(), "/health").ends_with("serving\n"));
    let metrics = http_get(coordinator.address(), "/metrics");
    assert!(metrics.contains("handfast_transactions_in_doubt 0") && !metrics.contains("handfast_queues"), "{metrics}");

    let refused = coordinator.run(&["resource", "add", "self", "--service", &coordinator.url()]);
    assert!(refused.refused(1).contains("does not answer as a resource manager"), "{refused:?}");
    let server = Server::start();
    let refused = server.run(&["resource", "add", "self", "--service", &server.url()]);
    assert!(refused.refused(1).contains("takes part in its own coordinator's transactions by itself"), "{refused:?}");
}

/// A data directory says whose it is.
#[test]
fn a_directory_of_the_other_kind_is_refused_by_name() {
    let mut coordinator = Server::start_coordinator();
    coordinator.kill();
    let data = coordinator.data();
    let data = data.to_str().unwrap();
    let refused = Run::of(&mut handfast(&["serve", "--listen", "127.0.0.1:0", "--data", data]));
    let expected = format!(
        "error: {data} belongs to a coordinator, not to a queue manager; serve it with handfast-coordinator serve, or choose \
         another --data\n"
    );
    assert_eq!(refused.refused(1), expected);
    let mut server = Server::start();
    server.kill();
    let data = server.data();
    let refused =
        Run::of(&mut handfast_coordinator(&["serve", "--listen", "127.0.0.1:0", "--data", data.to_str().unwrap()]));
    assert!(refused.refused(1).contains("belongs to a queue manager, not to a coordinator"), "{refused:?}");
}
