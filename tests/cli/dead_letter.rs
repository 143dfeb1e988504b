//! `handfast dead-letter`.

use serde_json::json;

use crate::harness::{Server, plain, until};

fn with_dead_letters() -> Server {
    let server = Server::start();
    for (queue, lines) in [("orders", "1\n2\n"), ("invoices", "3\n")] {
        server.run(&["queue", "create", queue]).ok();
        server.run_with(&["send", queue, "--lines", "--label", queue], lines.as_bytes()).ok();
        server.run(&["queue", "purge", queue, "--to-dead-letter"]).ok();
    }
    server
}

fn ids(server: &Server) -> Vec<String> {
    let found = server.run(&["dead-letter", "list", "--output", "json"]).json();
    found.as_array().unwrap().iter().map(|letter| letter["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_dead_letter_says_where_it_came_from_and_why() {
    let server = with_dead_letters();
    let letter = |body: &str, queue: &str, lookup_id: u64| {
        json!({
            "id": "ID", "label": queue, "body": body, "attempts": 0, "abandoned": 0, "priority": 3, "correlation_id": "",
            "response_queue": null, "time_to_be_received_ms": null, "drop_expired": false, "headers": [],
            "lookup_id": lookup_id, "sent_at": "TIME", "arrived_at": "TIME", "queue": queue, "reason": "Purged",
            "error": "", "dead_at": "TIME",
        })
    };
    let all = [letter("1", "orders", 0), letter("2", "orders", 1), letter("3", "invoices", 2)];
    assert_eq!(plain(server.run(&["dead-letter", "list", "--output", "json"]).json()), json!(all));
    let of_queue = server.run(&["dead-letter", "list", "--queue", "INVOICES", "--output", "json"]);
    assert_eq!(plain(of_queue.json()), json!([all[2]]));
    let id = &ids(&server)[1];
    assert_eq!(plain(server.run(&["dead-letter", "show", id, "--output", "json"]).json()), all[1]);
    let table = server.run(&["dead-letter", "list", "--queue", "invoices"]);
    let words: Vec<Vec<&str>> = table.ok().lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(words[0], ["ID", "QUEUE", "REASON", "ATTEMPTS", "DEAD", "AT", "LABEL", "ERROR"]);
    assert_eq!(words[1][1..4], ["invoices", "Purged", "0"]);
    assert_eq!(words[1][5..], ["invoices", "-"]);
    assert_eq!(words.len(), 2);
}

#[test]
fn dead_letters_go_back_one_by_one_and_all_together() {
    let server = with_dead_letters();
    let found = ids(&server);
    assert_eq!(
        server.run(&["dead-letter", "return", &found[1], &found[0], &found[1]]).ok(),
        "2 dead letters returned\n"
    );
    assert_eq!(server.bodies("orders"), ["2", "1"]);
    let gone = server.run(&["dead-letter", "return", &found[2], &found[0]]);
    assert_eq!(gone.code, Some(1), "{}", gone.stderr);
    assert!(gone.stderr.contains(&found[0]), "{}", gone.stderr);
    assert_eq!(ids(&server), [found[2].clone()], "all or none");

    server.run(&["queue", "purge", "orders", "--to-dead-letter"]).ok();
    let of_queue = ["dead-letter", "return", "--all", "--queue", "orders", "--to", "invoices", "--output", "json"];
    assert_eq!(server.run(&of_queue).json(), json!({"returned": 2}));
    assert_eq!(server.bodies("invoices"), ["2", "1"]);
    assert_eq!(server.run(&["dead-letter", "return", "--all", "--output", "json"]).json(), json!({"returned": 1}));
    assert_eq!(server.bodies("invoices"), ["2", "1", "3"]);
    assert_eq!(server.run(&["dead-letter", "return", "--all"]).ok(), "0 dead letters returned\n");
}

/// More than one page, of which every other goes.
#[test]
fn return_all_passes_over_what_came_from_elsewhere() {
    let server = Server::start();
    for queue in ["a", "b"] {
        server.run(&["queue", "create", queue]).ok();
    }
    for _ in 0..3 {
        for queue in ["a", "b"] {
            let lines = format!("{queue}\n").repeat(70);
            server.run_with(&["send", queue, "--lines"], lines.as_bytes()).ok();
            server.run(&["queue", "purge", queue, "--to-dead-letter"]).ok();
        }
    }
    assert_eq!(server.run(&["dead-letter", "return", "--all", "--queue", "a"]).ok(), "210 dead letters returned\n");
    assert_eq!(server.bodies("a"), vec!["a"; 210]);
    assert_eq!(server.bodies("dead-letter"), vec!["b"; 210]);
}

#[test]
fn a_message_whose_time_is_over_is_a_dead_letter_or_dropped() {
    let server = Server::start();
    server.run(&["queue", "create", "orders"]).ok();
    server.run(&["send", "orders", "dropped", "--ttbr", "1ms", "--drop-expired"]).ok();
    server.run(&["send", "orders", "kept", "--ttbr", "1ms"]).ok();
    until("both have left the queue", || server.queue("orders")["messages"] == 0);
    let found = server.run(&["dead-letter", "list", "--output", "json"]).json();
    let of = |letter: &serde_json::Value| (letter["body"].clone(), letter["reason"].clone());
    let letters: Vec<_> = found.as_array().unwrap().iter().map(of).collect();
    assert_eq!(letters, [(json!("kept"), json!("ReceiveTimeout"))]);
}

#[test]
fn an_id_that_is_unknown_or_none_is_named() {
    let server = with_dead_letters();
    let refused = server.run(&["dead-letter", "show", "order-1"]);
    assert!(refused.refused(2).contains("\"order-1\" is not a message id"), "{}", refused.stderr);
    let unknown = "0198c5f2a6b77c10b3f1a2b3c4d5e6f7-1";
    for command in ["show", "return"] {
        let refused = server.run(&["dead-letter", command, unknown]);
        assert!(refused.refused(1).contains(unknown), "{}", refused.stderr);
    }
}
