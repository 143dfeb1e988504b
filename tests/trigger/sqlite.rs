//! Triggers with SQLite.

use serde_json::{Value, json};

use crate::harness::Server;
use crate::{dead_letters, run, summary, with_queues};

fn with_ledger(max_attempts: &str, schema: &str) -> (Server, rusqlite::Connection) {
    let server = with_queues(max_attempts);
    let ledger = rusqlite::Connection::open(server.path("ledger.db")).unwrap();
    ledger.execute_batch(schema).unwrap();
    server.run(&["resource", "add", "ledger", "--sqlite", "ledger.db"]).ok();
    (server, ledger)
}

fn rows(ledger: &rusqlite::Connection, sql: &str) -> Vec<Vec<String>> {
    let mut statement = ledger.prepare(sql).unwrap();
    let columns = statement.column_count();
    let text = |row: &rusqlite::Row<'_>, column| match row.get::<_, rusqlite::types::Value>(column).unwrap() {
        rusqlite::types::Value::Text(text) => text,
        other => format!("{other:?}"),
    };
    let mapped = statement.query_map([], |row| Ok((0..columns).map(|column| text(row, column)).collect())).unwrap();
    mapped.map(Result::unwrap).collect()
}

/// Each message is in the database and in the next queue, in order, with its numbers in their own digits.
#[test]
fn every_message_is_booked_and_sent_on() {
    let schema = "create table booking (line integer primary key autoincrement, id text, amount text, note, city text);
        create table total (id integer primary key, orders integer); insert into total values (1, 0)";
    let (server, ledger) = with_ledger("5", schema);
    let bodies = [
        r#"{"id":1,"amount":0.10,"note":null,"customer":{"city":"Köln"}}"#,
        r#"{"id":12345678901234567890,"amount":12.50,"note":true,"customer":{"city":"It's; --"}}"#,
        r#"{"id":"x","amount":1e5,"note":[1, 2.0],"customer":{"city":""}}"#,
    ];
    server.run_with(&["send", "orders", "--lines", "--label", "new"], bodies.join("\n").as_bytes()).ok();
    let statements = [
        "insert into booking (id, amount, note, city) values (:id, :amount, :note, :customer.city)",
        "update total set orders = orders + 1 where id = 1",
    ];
    assert_eq!(run(&server, &statements), summary(3, 0, 0));
    let expected = [
        ["1", "0.10", "Null", "Köln"],
        ["12345678901234567890", "12.50", "Integer(1)", "It's; --"],
        ["x", "1e5", "[1, 2.0]", ""],
    ];
    assert_eq!(rows(&ledger, "select id, amount, note, city from booking order by line"), expected);
    assert_eq!(rows(&ledger, "select orders from total"), [["Integer(3)"]]);
    assert_eq!(server.bodies("shipments"), bodies);
    let sent = server.run(&["peek", "shipments", "--output", "json"]).json();
    let of_all = |name: &str| sent.as_array().unwrap().iter().map(|message| message[name].clone()).collect::<Vec<_>>();
    assert_eq!(of_all("label"), [json!("new"), json!("new"), json!("new")]);
    assert!(of_all("correlation_id").iter().all(|id| id.as_str().is_some_and(|id| !id.is_empty())));
    assert_eq!(server.queue("orders")["messages"], 0);
    assert_eq!(server.run(&["transaction", "list", "--output", "json"]).json(), json!([]));
}

/// P22: what a message causes itself counts, and ends as a dead letter with the reason; the others go on.
#[test]
fn p22_a_message_that_cannot_be_booked_is_a_dead_letter() {
    let schema = "create table booking (id integer primary key, amount integer check (amount > 0))";
    let (server, ledger) = with_ledger("2", schema);
    let bodies =
        [r#"{"id":1,"amount":5}"#, r#"{"id":1,"amount":6}"#, r#"{"id":2}"#, "no json", "[1]", r#"{"id":3,"amount":7}"#];
    server.run_with(&["send", "orders", "--lines"], bodies.join("\n").as_bytes()).ok();
    assert_eq!(run(&server, &["insert into booking values (:id, :amount)"]), summary(2, 4, 8));
    assert_eq!(
        rows(&ledger, "select id, amount from booking"),
        [["Integer(1)", "Integer(5)"], ["Integer(3)", "Integer(7)"]]
    );
    assert_eq!(server.bodies("shipments"), [bodies[0], bodies[5]]);
    let found = dead_letters(&server);
    let facts: Vec<[&str; 3]> =
        found.iter().map(|[body, reason, attempts, _]| [body, reason, attempts].map(String::as_str)).collect();
    assert_eq!(facts, [1, 2, 3, 4].map(|at| [bodies[at], "MaxAttempts", "2"]));
    let parts = [
        "UNIQUE constraint failed: booking.id",
        "the body has no :amount",
        "the body is not JSON",
        "the body is an array",
    ];
    for ([_, _, _, error], part) in found.iter().zip(parts) {
        assert!(error.contains(part), "{error}");
    }
}

/// A trigger without a database, and one that neither books nor sends: every part but the queue is optional.
#[test]
fn every_part_but_the_queue_may_be_left_out() {
    let server = with_queues("5");
    let until_empty = |text: &str| {
        server.run_with(&["send", "orders", "--lines"], b"a\nb\n").ok();
        std::fs::write(server.path("trigger.toml"), text).unwrap();
        let done =
            server.run(&["trigger", "run", "trigger.toml", "--until-empty", "--output", "json", "--workers", "3"]);
        let summary: Value = done.json();
        assert_eq!((done.code, &summary["committed"]), (Some(0), &json!(2)), "{}", done.stderr);
    };
    until_empty("queue = \"orders\"\n[send]\nqueue = \"shipments\"\n");
    let mut sent = server.bodies("shipments");
    sent.sort();
    assert_eq!(sent, ["a", "b"]);
    until_empty("queue = \"orders\"\n");
    assert_eq!((server.bodies("shipments").len(), server.bodies("orders").len()), (2, 0));
}
