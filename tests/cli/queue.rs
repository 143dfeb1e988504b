//! `handfast queue`.

use serde_json::json;

use crate::harness::{Server, plain};

fn queue(name: &str, messages: u64, bytes: u64, max_attempts: Option<u32>) -> serde_json::Value {
    let max_abandoned = max_attempts.map(|_| 20);
    json!({
        "name": name, "messages": messages, "bytes": bytes, "locked": 0, "in_doubt": 0, "max_attempts": max_attempts,
        "max_abandoned": max_abandoned, "waiting_receives": 0, "exclusive_reader": false, "created_at": "TIME",
    })
}

#[test]
fn queues_are_created_listed_and_shown() {
    let server = Server::start();
    assert_eq!(server.run(&["queue", "create", "Orders", "--max-attempts", "3"]).ok(), "queue Orders is created\n");
    let again = server.run(&["queue", "create", "orders", "--output", "json", "--if-not-exists"]);
    assert_eq!(again.json(), json!({"queue": "orders", "created": false}));
    let refused = server.run(&["queue", "create", "ORDERS"]);
    assert_eq!(refused.refused(1), "error: a queue named ORDERS exists already\n");
    server.run(&["send", "orders", "12345"]).ok();
    server.run(&["queue", "create", "shipments"]).ok();

    let expected =
        json!([queue("dead-letter", 0, 0, None), queue("Orders", 1, 5, Some(3)), queue("shipments", 0, 0, Some(5))]);
    assert_eq!(plain(server.run(&["queue", "list", "--output", "json"]).json()), expected);
    assert_eq!(plain(server.queue("orders")), queue("Orders", 1, 5, Some(3)));
    let table = "\
NAME         MESSAGES  BYTES  LOCKED  IN DOUBT  MAX ATTEMPTS
dead-letter  0         0      0       0         -
Orders       1         5      0       0         3
shipments    0         0      0       0         5
";
    assert_eq!(server.run(&["queue", "list"]).ok(), table);
    let shown = server.run(&["queue", "show", "shipments"]);
    let (lines, created) = shown.ok().rsplit_once("created at        ").unwrap();
    let expected = "\
name              shipments
messages          0
bytes             0
locked            0
in doubt          0
max attempts      5
max abandoned     20
waiting receives  0
exclusive reader  no
";
    assert_eq!((lines, created.trim_end().len()), (expected, "2026-01-01T00:00:00.000Z".len()));
}

#[test]
fn a_queue_that_is_not_there_is_named_with_the_remedy() {
    let server = Server::start();
    let expected = "error: queue none does not exist; create it with: handfast queue create none\n";
    let commands: [&[&str]; 6] = [
        &["queue", "show", "none"],
        &["queue", "delete", "none"],
        &["queue", "purge", "none"],
        &["send", "none", "x"],
        &["receive", "none", "--output", "json"],
        &["peek", "none", "--output", "json"],
    ];
    for command in commands {
        assert_eq!(server.run(command).refused(1), expected, "{command:?}");
    }
}

#[test]
fn purge_and_delete_discard_or_make_dead_letters() {
    let server = Server::start();
    let fill = |queue: &str| {
        server.run(&["queue", "create", queue, "--if-not-exists"]).ok();
        server.run_with(&["send", queue, "--lines"], b"1\n2\n").ok();
    };
    let dead = || server.queue("dead-letter")["messages"].as_u64().unwrap();
    fill("orders");
    let purged = server.run(&["queue", "purge", "orders", "--output", "json"]);
    assert_eq!((purged.json(), dead()), (json!({"queue": "orders", "removed": 2}), 0));
    fill("orders");
    let purged = server.run(&["queue", "purge", "orders", "--to-dead-letter"]);
    assert_eq!((purged.ok(), dead()), ("2 messages removed from queue orders\n", 2));
    fill("orders");
    assert_eq!(
        (server.run(&["queue", "delete", "orders", "--discard"]).ok(), dead()),
        ("queue orders is deleted\n", 2)
    );
    fill("orders");
    let deleted = server.run(&["queue", "delete", "orders", "--output", "json"]);
    assert_eq!(deleted.json(), json!({"queue": "orders", "deleted": true}));
    crate::harness::until("the deleted queue's messages are dead letters", || dead() == 4);
}
