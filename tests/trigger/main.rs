//! Triggers as their users meet them: the real program, a real server, real databases.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "../harness/mod.rs"]
mod harness;

mod failures;
mod main_job;
mod postgres;
mod sqlite;

use handfast_client::Handfast;
use serde_json::{Value, json};

use harness::Server;

/// A server with the queues that the triggers here name.
fn with_queues(max_attempts: &str) -> Server {
    let server = Server::start();
    server.run(&["queue", "create", "orders", "--max-attempts", max_attempts]).ok();
    server.run(&["queue", "create", "shipments"]).ok();
    server
}

/// Writes a trigger from the orders to the shipments and runs it until it is empty; what it says at its end.
#[track_caller]
fn run(server: &Server, statements: &[&str]) -> Value {
    write(server, statements);
    let run = server.run(&["trigger", "run", "trigger.toml", "--until-empty", "--output", "json"]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let mut summary = run.json();
    let fields = summary.as_object_mut().unwrap();
    for measured in ["seconds", "rate"] {
        assert!(fields.remove(measured).unwrap().as_f64().unwrap() > 0.0);
    }
    summary
}

/// How many transactions were begun there, by one more: they are counted in their names.
fn begun(server: &Server) -> u64 {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let begin = async { Handfast::connect(&server.url()).await.unwrap().begin().await.unwrap().id() };
    runtime.block_on(begin).sequence
}

fn write(server: &Server, statements: &[&str]) {
    let text = format!(
        "queue = \"orders\"\n[database]\nresource = \"ledger\"\nstatements = {}\n[send]\nqueue = \"shipments\"\n",
        json!(statements)
    );
    std::fs::write(server.path("trigger.toml"), text).unwrap();
}

fn summary(committed: u64, dead_lettered: u64, failed_attempts: u64) -> Value {
    json!({
        "committed": committed, "dead_lettered": dead_lettered, "failed_attempts": failed_attempts,
        "rolled_back": 0, "heuristic": 0, "unknown": 0,
    })
}

/// Body, reason, attempts and error of each dead letter.
fn dead_letters(server: &Server) -> Vec<[String; 4]> {
    let found = server.run(&["dead-letter", "list", "--output", "json"]).json();
    let plain = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let words = |letter: &Value| ["body", "reason", "attempts", "error"].map(|name| plain(&letter[name]));
    found.as_array().unwrap().iter().map(words).collect()
}
