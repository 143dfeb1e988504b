//! `handfast crash-test`, as a user runs it: SIGKILL for everybody, hundreds of times, under load; and what is wrong is found.
//!
//! `HANDFAST_KILLS` (default 130) is how often somebody is killed in each of the four runs, `HANDFAST_SEED` (default 1) chooses whom.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod accomplice;

use std::path::Path;
use std::process::{Command, Output};

use handfast_private_postgres::{Options, PostgresServer};
use serde_json::Value;

use accomplice::Accomplice;

/// Runs a crash test in a directory: its exit code, and its report.
fn crash_test(dir: &Path, args: &[&str]) -> (Option<i32>, Value) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_handfast"));
    command.args(["--output", "json", "crash-test", "--dir", "report"]).args(args).current_dir(dir);
    let Output { status, stdout, stderr } = command.output().unwrap();
    let report = serde_json::from_slice(&stdout);
    (status.code(), report.unwrap_or_else(|_| panic!("{status}: {}", String::from_utf8_lossy(&stderr))))
}

fn wrong(report: &Value) -> Vec<&Value> {
    report["verdicts"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|verdict| verdict["wrong"] != Value::Array(Vec::new()))
        .collect()
}

/// Nothing is wrong after so many kills, and the report says what happened.
fn all_is_well(args: &[&str]) {
    let dir = tempfile::tempdir().unwrap();
    let kills = std::env::var("HANDFAST_KILLS").unwrap_or_else(|_| "130".to_owned());
    let seed = std::env::var("HANDFAST_SEED").unwrap_or_else(|_| "1".to_owned());
    let (code, report) = crash_test(dir.path(), &[&["--kills", &kills, "--seed", &seed], args].concat());
    assert_eq!((code, wrong(&report)), (Some(0), Vec::new()), "{report:#}");
    println!("{}", std::fs::read_to_string(dir.path().join("report/report.txt")).unwrap());
    let killed = |who: &str| report["kills"][who].as_u64().unwrap();
    assert!(killed("server") + killed("trigger") + killed("database") >= kills.parse().unwrap());
    assert!(report["recovered"]["in_doubt"].as_u64().unwrap() > 0, "some kills leave something in doubt");
    assert!(report["dead_letters"].as_u64().unwrap() > 0, "some orders are made to die");
    let mut left: Vec<_> =
        std::fs::read_dir(dir.path().join("report")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["history.jsonl", "report.html", "report.json", "report.txt"]);
}

#[test]
fn sqlite() {
    all_is_well(&[]);
}

#[test]
fn sqlite_with_several_workers() {
    all_is_well(&["--workers", "4"]);
}

#[test]
fn postgres_by_marker_crashes_too() {
    let accomplice =
        Accomplice::new(PostgresServer::start(Options::default()).unwrap(), |server| server.restart().unwrap());
    all_is_well(&["--postgres", accomplice.url(), "--crash-database", accomplice.command()]);
}

#[test]
fn postgres_by_two_phases_crashes_too() {
    let accomplice =
        Accomplice::new(PostgresServer::start(Options::default()).unwrap(), |server| server.restart().unwrap());
    let crash = ["--postgres", accomplice.url(), "--two-phase", "--crash-database", accomplice.command()];
    all_is_well(&[&["--workers", "4"], &crash[..]].concat());
}

/// A database that loses what it has committed: the report names the property, and the smallest history is small.
#[test]
fn what_is_lost_is_found() {
    let loses = |server: &mut PostgresServer| {
        let tables =
            server.psql("select tablename from pg_tables where tablename like 'handfast_crash_test_%'").unwrap();
        let table = tables.trim();
        server.psql(&format!("delete from {table} where position = (select max(position) from {table})")).unwrap();
    };
    let accomplice = Accomplice::new(PostgresServer::start(Options::default()).unwrap(), loses);
    let dir = tempfile::tempdir().unwrap();
    let postgres = ["--postgres", accomplice.url(), "--crash-database", accomplice.command()];
    let (code, report) = crash_test(dir.path(), &[&["--kills", "20", "--seed", "5"], &postgres[..]].concat());
    assert_eq!(code, Some(1));
    let broken: Vec<&str> = wrong(&report).iter().map(|verdict| verdict["id"].as_str().unwrap()).collect();
    assert!(broken.contains(&"A4") && broken.contains(&"A7"), "{broken:?}");
    let smallest = report["smallest"].as_array().unwrap();
    assert!((2..=20).contains(&smallest.len()), "{smallest:#?}");
    let page = std::fs::read_to_string(dir.path().join("report/report.html")).unwrap();
    assert!(page.contains("Something is wrong") && page.contains("The smallest part of the history"));
    assert!(dir.path().join("report/run/data").exists(), "everything is kept");
}

/// A server that is killed and does not start again is what the test looks for: there is a report, and it says so.
#[test]
fn a_server_that_does_not_start_again_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let damage = "for segment in report/run/data/log/*.log; do \
                  printf damage | dd of=\"$segment\" bs=1 seek=100 conv=notrunc status=none; done";
    let (code, report) = crash_test(dir.path(), &["--kills", "20", "--seed", "5", "--crash-database", damage]);
    assert_eq!(code, Some(1));
    let broken: Vec<&str> = wrong(&report).iter().map(|verdict| verdict["id"].as_str().unwrap()).collect();
    assert_eq!(broken, ["A14", "A17"], "{:#?}", wrong(&report));
    let said = wrong(&report)[1]["wrong"][0].as_str().unwrap();
    assert!(said.contains("the server does not start: error: the log cannot be opened"), "{said}");
    let page = std::fs::read_to_string(dir.path().join("report/report.html")).unwrap();
    assert!(page.contains("the server does not start"));
}

/// The user's own trigger, rows and database; what he wrote there stays, and the test's own table goes.
#[test]
fn ones_own_trigger_is_tested() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("shop.sqlite");
    let database = rusqlite::Connection::open(&path).unwrap();
    database.execute_batch("create table sale (id integer primary key, amount text check (amount <> '13'))").unwrap();
    let rows: String = (1..=300).map(|id| format!("{id},{}\n", id % 100)).collect();
    std::fs::write(dir.path().join("sales.csv"), format!("id,amount\n{rows}")).unwrap();
    let trigger = "queue = \"sales\"\n[database]\nresource = \"shop\"\n\
                   statements = [\"insert into sale (id, amount) values (:id, :amount)\"]\n[send]\nqueue = \"sold\"\n";
    std::fs::write(dir.path().join("sales.toml"), trigger).unwrap();
    let own = ["--trigger", "sales.toml", "--csv", "sales.csv", "--sqlite", "shop.sqlite"];
    let (code, report) = crash_test(dir.path(), &[&["--kills", "10", "--seed", "6"], &own[..]].concat());
    assert_eq!((code, wrong(&report)), (Some(0), Vec::new()), "{report:#}");
    assert_eq!((&report["messages"], &report["dead_letters"]), (&Value::from(300), &Value::from(3)));
    let count: i64 = database.query_row("select count(*) from sale", [], |row| row.get(0)).unwrap();
    let tables = "select count(*) from sqlite_master where name like 'handfast_crash_%'";
    let tables: i64 = database.query_row(tables, [], |row| row.get(0)).unwrap();
    assert_eq!((count, tables), (297, 0));
}
