//! `handfast bench` against a real server: every kind prints what its contract says, and leaves nothing behind.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "harness/mod.rs"]
mod harness;

use std::time::{Duration, Instant};

use handfast_private_postgres::{Options, PostgresServer};
use harness::{Running, Server, until};
use rustix::process::Signal;
use serde_json::Value;

/// What every benchmark prints, in its order.
const FIELDS: [&str; 14] = [
    "benchmark",
    "concurrency",
    "window",
    "size",
    "seconds",
    "count",
    "rate",
    "p50_us",
    "p99_us",
    "limit",
    "limit_dir",
    "ratio",
    "cost_us",
    "memory_peak",
];

/// One second of it, as JSON, after a look at what must hold for any figures.
#[track_caller]
fn bench(server: &Server, arguments: &[&str]) -> Value {
    let tail = ["--concurrency", "4", "--size", "200", "--seconds", "1", "--output", "json"];
    let arguments: Vec<&str> = ["bench"].iter().chain(arguments).chain(&tail).copied().collect();
    let run = server.run(&arguments);
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{}", run.text());
    let found = run.json();
    check(&found);
    assert_eq!((&found["concurrency"], &found["size"]), (&4.into(), &200.into()));
    found
}

#[track_caller]
fn check(found: &Value) {
    let names: Vec<&str> = found.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names, FIELDS);
    let number = |value: &Value| value.as_f64().unwrap_or_else(|| panic!("{value} is no number: {found}"));
    for figures in [found, &found["limit"]] {
        let [rate, p50, p99] = ["rate", "p50_us", "p99_us"].map(|name| number(&figures[name]));
        assert!(rate > 0.0 && p50 > 0.0 && p50 <= p99, "{found}");
    }
    let [rate, seconds, limit] = [&found["rate"], &found["seconds"], &found["limit"]["rate"]].map(number);
    let near = |name: &str, expected: f64| {
        assert!((number(&found[name]) - expected).abs() <= 1e-6 * expected.abs(), "{name} is not {expected}: {found}");
    };
    near("count", rate * seconds);
    near("ratio", rate / limit);
    near("cost_us", 1e6 / rate - 1e6 / limit);
}

/// Nothing of a benchmark is left on the server.
#[track_caller]
fn assert_clean(server: &Server) {
    let queues = server.run(&["queue", "list", "--output", "json"]).json();
    let names: Vec<&str> = queues.as_array().unwrap().iter().map(|queue| queue["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["dead-letter"]);
    assert_eq!(server.run(&["resource", "list", "--output", "json"]).json(), Value::Array(Vec::new()));
    assert_eq!(server.run(&["transaction", "list", "--output", "json"]).json(), Value::Array(Vec::new()));
    let logs = std::fs::read_dir(server.data().join("log")).unwrap();
    let names: Vec<String> = logs.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert!(!names.iter().any(|name| name.starts_with("bench")), "{names:?}");
}

#[test]
fn queues_are_measured_beside_the_disk_of_the_server() {
    let server = Server::start();
    for kind in ["send", "receive", "transfer"] {
        let found = bench(&server, &[kind]);
        assert_eq!(found["benchmark"], kind);
        assert_eq!(found["limit_dir"], server.data().join("log").to_str().unwrap());
        assert!(found["memory_peak"].as_u64().unwrap() > 1 << 20, "{found}");
        assert_clean(&server);
    }
}

#[test]
fn a_producer_need_not_wait_for_each_answer() {
    let server = Server::start();
    let found = bench(&server, &["send", "--window", "100"]);
    assert_eq!((&found["benchmark"], &found["window"]), (&"send".into(), &100.into()));
    assert_clean(&server);
}

#[test]
fn a_queue_manager_in_the_process_is_measured_without_a_server() {
    let server = Server::start();
    let found = bench(&server, &["transfer", "--in-process", "within"]);
    assert_eq!(found["benchmark"], "transfer");
    assert_eq!(found["limit_dir"], server.path("within").join("log").to_str().unwrap());
    assert_eq!(compare(&server, &["send", "--in-process", "within"], POSTGRES), ["tables"]);
    assert_clean(&server);
}

#[test]
fn a_pair_with_sqlite_removes_the_file_that_it_made() {
    let server = Server::start();
    let found = bench(&server, &["pair", "--sqlite", "bench.db"]);
    assert_eq!(found["benchmark"], "pair");
    assert_clean(&server);
    for name in ["bench.db", "bench.db-wal", "bench.db-shm"] {
        assert!(!server.path(name).exists(), "{name}");
    }
}

#[test]
fn a_pair_with_a_registered_sqlite_database_leaves_it_as_it_was() {
    let server = Server::start();
    let ledger = server.path("ledger.db");
    rusqlite::Connection::open(&ledger).unwrap().execute_batch("create table orders(id integer)").unwrap();
    server.run(&["resource", "add", "ledger", "--sqlite", "ledger.db"]).ok();
    bench(&server, &["pair", "--sqlite", "ledger.db"]);
    let resources = server.run(&["resource", "list", "--output", "json"]).json();
    assert_eq!(resources.as_array().unwrap().len(), 1, "{resources}");
    assert_eq!(resources[0]["name"], "ledger");
    let connection = rusqlite::Connection::open(&ledger).unwrap();
    let mut tables = connection.prepare("select name from sqlite_schema where type = 'table' order by name").unwrap();
    let tables: Vec<String> = tables.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    assert_eq!(tables, ["handfast_coordinator", "handfast_outcome", "handfast_resource", "orders"]);
}

#[test]
fn a_pair_with_postgres_leaves_no_table_of_its_own() {
    let (server, postgres) = (Server::start(), PostgresServer::start(Options::default()).unwrap());
    let url = postgres.url();
    for way in [&["pair", "--postgres", &url][..], &["pair", "--postgres", &url, "--two-phase"]] {
        let found = bench(&server, way);
        assert_eq!(found["benchmark"], "pair");
        assert_clean(&server);
        assert_eq!(
            postgres.psql("select tablename from pg_tables where tablename like 'handfast_bench%'").unwrap(),
            ""
        );
    }
}

/// What the databases say of themselves.
const POSTGRES: &str = "fsync on, synchronous_commit on";
const SQLITE: &str = "journal_mode WAL, synchronous FULL";

/// A comparison with its rivals, a second of each; their names.
#[track_caller]
fn compare(server: &Server, arguments: &[&str], database: &str) -> Vec<String> {
    let tail = ["--runs", "1", "--concurrency", "4", "--size", "200", "--seconds", "1", "--output", "json"];
    let run = server.run(&[&["bench", "compare"], arguments, &tail].concat());
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{}", run.text());
    let found = run.json();
    assert_eq!((&found["benchmark"], &found["work"]), (&"compare".into(), &arguments[0].into()));
    assert!(found["database"].as_str().unwrap().contains(database), "{found}");
    let number = |value: &Value| value.as_f64().unwrap_or_else(|| panic!("{value} is no number: {found}"));
    let rivals = found["rivals"].as_array().unwrap();
    for side in rivals.iter().chain([&found["handfast"]]) {
        let [rate, p50, p99, ratio] = ["rate", "p50_us", "p99_us", "ratio"].map(|name| number(&side[name]));
        assert!(rate > 0.0 && p50 > 0.0 && p50 <= p99 && ratio > 0.0, "{found}");
        assert!(side["workers"] == 4 || database == SQLITE && side["workers"] == 1, "{found}");
    }
    assert_eq!(number(&found["handfast"]["ratio"]), 1.0);
    assert_clean(server);
    rivals.iter().map(|rival| rival["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_comparison_does_the_same_on_postgres_and_leaves_nothing_there() {
    let (server, postgres) = (Server::start(), PostgresServer::start(Options::default()).unwrap());
    let url = postgres.url();
    let table: [(&[&str], &[&str]); 5] = [
        (&["send"], &["tables"]),
        (&["receive"], &["tables"]),
        (&["transfer"], &["tables"]),
        (&["pair"], &["tables", "rows"]),
        (&["pair", "--two-phase"], &["tables", "rows-prepared"]),
    ];
    for (work, rivals) in table {
        assert_eq!(compare(&server, &[work, &["--postgres", &url]].concat(), POSTGRES), rivals);
        let left = "select nspname from pg_namespace where nspname like 'handfast_bench%' union all \
                    select tablename from pg_tables where tablename like 'handfast_bench%' union all \
                    select gid from pg_prepared_xacts";
        assert_eq!(postgres.psql(left).unwrap(), "", "{work:?}");
    }
}

#[test]
fn a_comparison_with_sqlite_removes_its_files() {
    let server = Server::start();
    assert_eq!(compare(&server, &["pair", "--sqlite", "bench.db"], SQLITE), ["rows"]);
    let left = std::fs::read_dir(server.data().parent().unwrap()).unwrap();
    let left: Vec<_> =
        left.map(|entry| entry.unwrap().file_name()).filter(|name| name != "data" && name != "serve.log").collect();
    assert!(left.is_empty(), "{left:?}");
    let no_pair = server.run(&["bench", "compare", "send", "--sqlite", "bench.db"]);
    assert!(no_pair.refused(1).contains("say: handfast bench compare pair --sqlite FILE"), "{}", no_pair.stderr);
}

#[test]
fn without_a_database_a_comparison_starts_its_own() {
    let server = Server::start();
    assert_eq!(compare(&server, &["send"], POSTGRES), ["tables"]);
    let people = server.run(&["bench", "compare", "transfer", "--runs", "1", "--seconds", "1", "--concurrency", "4"]);
    let text = people.ok();
    assert!(text.contains("\ntables ") && text.contains(" times as fast\n"), "{text}");
    assert!(
        text.contains("\ntables: queues as tables of the same PostgreSQL, one local commit, 4 connections\n"),
        "{text}"
    );
}

#[test]
fn an_interrupt_prints_what_was_measured_until_then() {
    let server = Server::start();
    let mut command = server.command(&["bench", "send", "--seconds", "3600", "--limit-dir", ".", "--output", "json"]);
    let running = Running::start(&mut command);
    let sent = || {
        let queues = server.run(&["queue", "list", "--output", "json"]).json();
        let found =
            queues.as_array().unwrap().iter().find(|queue| queue["name"].as_str().unwrap().starts_with("bench"));
        found.map_or(0, |queue| queue["messages"].as_u64().unwrap())
    };
    until("something is sent", || sent() > 0);
    // The warm-up began before that.
    let since = Instant::now();
    until("the warm-up is over", || since.elapsed() > Duration::from_secs(1));
    let before = sent();
    until("a client has sent a message since", || sent() > before + 64);
    running.signal(Signal::INT);
    let run = running.end();
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{}", run.text());
    let found = run.json();
    check(&found);
    assert!(found["seconds"].as_f64().unwrap() < 60.0, "{found}");
    assert_clean(&server);
}

#[test]
fn what_cannot_be_measured_is_refused_with_a_remedy() {
    let server = Server::start();
    let too_much = server.run(&["bench", "send", "--size", "1048576", "--concurrency", "1000"]);
    assert_eq!(
        too_much.refused(1),
        "error: 1000 messages of 1048576 bytes are more than the 268435456 bytes that may be under way; choose a smaller \
         --size or --concurrency\n"
    );
    let no_directory = server.run(&["bench", "send", "--limit-dir", "/nowhere"]);
    assert!(no_directory.refused(1).contains("choose a directory on the server's disk with --limit-dir"));
    let no_database = server.run(&["bench", "pair", "--seconds", "1"]);
    assert!(no_database.refused(2).contains("--postgres <URL>|--sqlite <FILE>"), "{}", no_database.stderr);
    let unreachable = server.run(&["bench", "pair", "--seconds", "1", "--postgres", "postgres://x@127.0.0.1:1/x"]);
    assert!(unreachable.refused(1).contains("resource bench cannot be added"), "{}", unreachable.stderr);
    let no_rival = server.run(&["bench", "compare", "send", "--postgres", "postgres://x@127.0.0.1:1/x"]);
    assert!(no_rival.refused(1).starts_with("error: the PostgreSQL that is compared with: "), "{}", no_rival.stderr);
    assert_clean(&server);
}
