//! `handfast transaction`: what is under way, and what an operator may do about it.

use handfast_client::{Blame, CommitOutcome, Handfast, Message};
use handfast_wire::v1;
use handfast_wire::v1::reply::Answer;
use handfast_wire::v1::request::Ask;
use serde_json::{Value, json};

use crate::harness::{Server, plain, until};
use crate::session::Session;

/// A transaction that has received a message and joined a database.
async fn begin(server: &Server) -> (Handfast, handfast_client::Transaction) {
    let handfast = Handfast::connect(&server.url()).await.unwrap();
    let mut transaction = handfast.begin().await.unwrap();
    transaction.receive("orders").await.unwrap();
    transaction.sqlite("ledger").await.unwrap();
    transaction.send("orders", Message::text("next")).await.unwrap();
    (handfast, transaction)
}

fn with_queue_and_database() -> Server {
    let server = Server::start();
    rusqlite::Connection::open(server.path("ledger.db")).unwrap().execute("create table orders(id)", []).unwrap();
    server.run(&["resource", "add", "ledger", "--sqlite", "ledger.db"]).ok();
    server.run(&["queue", "create", "orders"]).ok();
    server.run(&["send", "orders", "first"]).ok();
    server
}

fn without_age(mut transaction: Value) -> Value {
    let age = transaction["age_seconds"].take();
    assert!(age.as_f64().is_some_and(|age| (0.0..60.0).contains(&age)), "{age}");
    plain(transaction)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_under_way_is_listed_shown_and_rolled_back() {
    let server = with_queue_and_database();
    assert_eq!(server.run(&["transaction", "list", "--output", "json"]).json(), json!([]));
    let (_handfast, transaction) = begin(&server).await;
    let gtrid = transaction.id().to_string();

    let listed = server.run(&["transaction", "list", "--output", "json"]).json();
    assert_eq!(listed.as_array().unwrap().len(), 1);
    let shown = server.run(&["transaction", "show", &gtrid, "--output", "json"]).json();
    let fields: Vec<&String> = shown.as_object().unwrap().keys().collect();
    let expected = ["gtrid", "state", "outcome", "age_seconds", "began_at", "suggestion", "branches"];
    assert_eq!(fields, expected);
    let shown = without_age(shown);
    assert_eq!((without_age(listed[0].clone()), &shown["gtrid"]), (shown.clone(), &json!(gtrid)));
    assert_eq!((&shown["state"], &shown["outcome"]), (&json!("active"), &json!("")));
    let branches = shown["branches"].as_array().unwrap();
    let ledger = branches.iter().find(|branch| branch["resource"] == "ledger").unwrap();
    assert_eq!((&ledger["error"], &ledger["heuristic"]), (&json!(""), &Value::Null));
    let queues = branches.iter().find(|branch| branch["resource"] == "queues").unwrap();
    assert_eq!(queues["state"], "active: 1 received messages are locked");
    assert_eq!(server.run(&["transaction", "list", "--in-doubt", "--output", "json"]).json(), json!([]));
    assert_eq!(server.queue("orders")["locked"], 1);

    transaction.rollback(Blame::None).await.unwrap();
    assert_eq!(server.run(&["transaction", "list", "--output", "json"]).json(), json!([]));
    assert_eq!(server.bodies("orders"), ["first"]);
}

/// A transaction whose database was told to decide, by a client that vanished before it did. Its gtrid.
async fn leave_in_doubt(server: &Server) -> String {
    let mut session = Session::open(server.url()).await;
    let Answer::Begun(begun) = session.ask(Ask::Begin(v1::Begin { timeout_ms: 60_000 })).await else { panic!() };
    let gtrid = begun.gtrid;
    let enlist = v1::Enlist { gtrid: gtrid.clone(), resource: "ledger".to_owned() };
    assert!(matches!(session.ask(Ask::Enlist(enlist)).await, Answer::Enlisted(_)));
    let transaction = Some(v1::Transaction { name: Some(v1::transaction::Name::Gtrid(gtrid.clone())) });
    let receive = v1::Receive { transaction, queue: "orders".to_owned(), wait_ms: 0, begin: None };
    assert!(matches!(session.ask(Ask::Receive(receive)).await, Answer::Received(_)));
    let commit = v1::Commit { gtrid: gtrid.clone(), prepared: Vec::new(), messages: Vec::new() };
    assert!(matches!(session.ask(Ask::Commit(commit)).await, Answer::Go(_)));
    gtrid
}

/// G6: nothing in doubt is hidden. P16: the database is asked first.
#[tokio::test(flavor = "multi_thread")]
async fn p16_what_is_in_doubt_is_shown_and_only_its_database_decides() {
    let server = with_queue_and_database();
    let busy = rusqlite::Connection::open(server.path("ledger.db")).unwrap();
    busy.execute_batch("begin immediate").unwrap();
    let gtrid = leave_in_doubt(&server).await;

    let in_doubt = || server.run(&["transaction", "list", "--in-doubt", "--output", "json"]).json();
    until("it is in doubt", || in_doubt()[0]["state"] == "in-doubt");
    let shown = server.run(&["transaction", "show", &gtrid, "--output", "json"]).json();
    assert_eq!((&shown["gtrid"], &shown["outcome"]), (&json!(gtrid), &json!("")));
    assert_ne!(shown["suggestion"], "");
    let queues = "prepared: 1 received messages stay locked, 0 sent ones invisible";
    assert_eq!((&shown["branches"][1]["resource"], &shown["branches"][1]["state"]), (&json!("queues"), &json!(queues)));
    assert_eq!(server.queue("orders")["in_doubt"], 1);
    assert_eq!(server.run(&["peek", "orders"]).ok(), "");
    let refused = server.run(&["resource", "remove", "ledger"]);
    assert_eq!(refused.code, Some(1), "{}", refused.stderr);
    let refused = server.run(&["transaction", "resolve", &gtrid, "commit"]);
    assert_eq!(refused.code, Some(1), "{}", refused.stderr);

    busy.execute_batch("rollback").unwrap();
    until("the database has said that it did not commit", || in_doubt() == json!([]));
    assert_eq!(server.bodies("orders"), ["first"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn p16_force_is_for_a_database_that_is_gone_and_is_recorded() {
    let server = with_queue_and_database();
    let lost = rusqlite::Connection::open(server.path("ledger.db")).unwrap();
    lost.execute_batch("begin immediate").unwrap();
    let gtrid = leave_in_doubt(&server).await;
    for file in ["ledger.db", "ledger.db-wal", "ledger.db-shm"] {
        std::fs::remove_file(server.path(file)).unwrap();
    }
    drop(lost);
    let in_doubt = || server.run(&["transaction", "list", "--in-doubt", "--output", "json"]).json();
    until("it is in doubt", || in_doubt()[0]["state"] == "in-doubt");

    let forced = server.run(&["transaction", "resolve", &gtrid, "commit", "--force", "--output", "json"]);
    assert_eq!(forced.json(), json!({"gtrid": gtrid, "outcome": "committed", "reason": ""}));
    assert_eq!(server.bodies("orders"), [""; 0], "the receive is committed");
    let shown = server.run(&["transaction", "show", &gtrid, "--output", "json"]).json();
    assert_eq!((&shown["state"], &shown["outcome"]), (&json!("forced"), &json!("committed")));
    let branches = json!([{
        "resource": "ledger", "state": "heuristic hazard", "error": "", "heuristic": "hazard",
    }]);
    assert_eq!(shown["branches"], branches);
    let suggestion = shown["suggestion"].as_str().unwrap();
    assert!(suggestion.contains("by hand") && suggestion.contains("forget"), "{suggestion}");
    let listed = server.run(&["transaction", "list", "--output", "json"]).json();
    assert_eq!((listed.as_array().unwrap().len(), &listed[0]["gtrid"]), (1, &json!(gtrid)));

    assert_eq!(
        server.run(&["transaction", "resolve", &gtrid, "forget"]).ok(),
        format!("transaction {gtrid} is forgotten\n")
    );
    assert_eq!(server.run(&["transaction", "list", "--output", "json"]).json(), json!([]));
}

/// Of what has ended nothing is told that is not remembered.
#[tokio::test(flavor = "multi_thread")]
async fn what_has_ended_is_shown_by_its_outcome_alone() {
    let server = with_queue_and_database();
    let (_handfast, transaction) = begin(&server).await;
    let gtrid = transaction.id().to_string();
    assert!(matches!(transaction.commit().await, CommitOutcome::Committed));
    let show = || server.run(&["transaction", "show", &gtrid, "--output", "json"]).json();
    until("it has ended", || show()["state"] == "ended");
    let expected = json!({
        "gtrid": gtrid, "state": "ended", "outcome": "committed", "age_seconds": null, "began_at": null,
        "suggestion": "", "branches": [],
    });
    assert_eq!(show(), expected);
}

#[test]
fn a_transaction_that_is_unknown_is_named() {
    let server = Server::start();
    let refused = server.run(&["transaction", "show", "nonsense"]);
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
    let unknown = server.run(&["transaction", "resolve", UNKNOWN, "commit"]);
    assert_eq!(unknown.code, Some(1), "{}", unknown.stderr);
    assert!(unknown.stderr.contains(UNKNOWN), "{}", unknown.stderr);
}

const UNKNOWN: &str = "0198c5f2a6b77c10b3f1a2b3c4d5e6f7-0000000000000001-1-1";
