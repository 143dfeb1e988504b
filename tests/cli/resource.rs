//! `handfast resource`, with the database that is always there: SQLite.

use serde_json::json;

use crate::harness::Server;

fn with_database() -> Server {
    let server = Server::start();
    rusqlite::Connection::open(server.path("ledger.db")).unwrap().execute("create table orders(id)", []).unwrap();
    server
}

#[test]
fn a_database_is_added_by_its_absolute_path_and_tested_and_removed() {
    let server = with_database();
    // The command's directory is not the server's.
    assert_eq!(server.run(&["resource", "add", "ledger", "--sqlite", "ledger.db"]).ok(), "resource ledger is added\n");
    let mut listed = server.run(&["resource", "list", "--output", "json"]).json();
    let id = listed[0]["resource_id"].take();
    assert_eq!(id.as_str().unwrap().len(), 36);
    let expected = json!([{
        "name": "ledger", "kind": "sqlite-marker", "address": server.path("ledger.db"), "attached": true, "in_doubt": 0,
        "problem": "", "resource_id": null,
    }]);
    assert_eq!(listed, expected);

    let tested = server.run(&["resource", "test", "ledger", "--output", "json"]);
    let findings = tested.json();
    assert_eq!(tested.code, Some(0));
    assert!(findings.as_array().unwrap().iter().all(|finding| finding["ok"] == true), "{findings}");

    let removed = server.run(&["resource", "remove", "ledger", "--output", "json"]);
    assert_eq!(removed.json(), json!({"resource": "ledger", "action": "removed"}));
    assert_eq!(server.run(&["resource", "list", "--output", "json"]).json(), json!([]));
}

#[test]
fn what_is_missing_is_said_in_plain_words() {
    let server = with_database();
    server.run(&["resource", "add", "ledger", "--sqlite", "ledger.db"]).ok();
    for file in ["ledger.db", "ledger.db-wal", "ledger.db-shm"] {
        std::fs::remove_file(server.path(file)).ok();
    }
    let tested = server.run(&["resource", "test", "ledger", "--output", "json"]);
    assert_eq!(tested.code, Some(1));
    let findings = tested.json();
    let missing: Vec<_> = findings.as_array().unwrap().iter().filter(|finding| finding["ok"] == false).collect();
    assert!(!missing.is_empty() && missing.iter().all(|finding| finding["what"] != ""), "{findings}");
    let unknown = server.run(&["resource", "test", "other"]);
    assert_eq!(unknown.refused(1), "error: resource other is not registered; see: handfast resource list\n");
}

#[test]
fn an_address_that_does_not_do_is_refused() {
    let server = with_database();
    let refused = server.run(&["resource", "add", "ledger", "--postgres", "postgres://app:secret@127.0.0.1/shop"]);
    let refusal = refused.refused(1);
    assert!(refusal.contains("the address holds a password") && !refusal.contains("secret"), "{refusal}");
    let refused = server.run(&["resource", "add", "ledger", "--service", "http://127.0.0.1:1"]);
    assert!(refused.refused(1).starts_with("error: resource ledger cannot be added: "), "{}", refused.stderr);
    let refused = server.run(&["resource", "add", "Ledger", "--sqlite", "ledger.db"]);
    assert!(refused.refused(2).contains("\"Ledger\" is not 1 to 48 of the characters"), "{}", refused.stderr);
    let refused = server.run(&["resource", "remove", "ledger"]);
    assert_eq!(refused.code, Some(1), "{}", refused.stderr);
    assert_eq!(server.run(&["resource", "list", "--output", "json"]).json(), json!([]));
}
