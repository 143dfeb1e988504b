//! What is wrong with a trigger is told before the first message, and what is away is waited for.

use rustix::process::Signal;

use crate::harness::{Running, handfast, until};
use crate::with_queues;

/// Name, text, and what the refusal has to say.
const REFUSED: [(&str, &str, &[&str]); 9] = [
    ("an unknown key", "queue = \"orders\"\nqueu = 1\n", &["trigger.toml:2", "queu"]),
    ("a wrong name", "queue = \"no good\\u0001\"\n", &["trigger.toml:1"]),
    ("no queue", "[send]\nqueue = \"shipments\"\n", &["queue"]),
    ("no TOML", "queue = \n", &["trigger.toml:1"]),
    ("a queue that is not there", "queue = \"other\"\n", &["other", "handfast queue create"]),
    ("a next queue that is not there", "queue = \"orders\"\n[send]\nqueue = \"other\"\n", &["other"]),
    (
        "a resource that is not there",
        "queue = \"orders\"\n[database]\nresource = \"nowhere\"\nstatements = [\"select 1\"]\n",
        &["nowhere", "handfast resource add"],
    ),
    (
        "a statement that would end the transaction",
        "queue = \"orders\"\n[database]\nresource = \"ledger\"\nstatements = [\n\"select 1\",\n\"commit\"]\n",
        &["trigger.toml:6", "commit"],
    ),
    (
        "a statement that is cut off",
        "queue = \"orders\"\n[database]\nresource = \"ledger\"\nstatements = [\"select 'a\"]\n",
        &["trigger.toml:4"],
    ),
];

#[test]
fn what_is_wrong_with_a_file_is_told_with_its_place() {
    let server = with_queues("5");
    server.run(&["resource", "add", "ledger", "--sqlite", "ledger.db"]);
    rusqlite::Connection::open(server.path("ledger.db")).unwrap().execute_batch("create table t(a)").unwrap();
    server.run(&["resource", "add", "ledger", "--sqlite", "ledger.db"]);
    server.run(&["send", "orders", "waits"]).ok();
    for (name, text, parts) in REFUSED {
        std::fs::write(server.path("trigger.toml"), text).unwrap();
        let run = server.run(&["trigger", "run", "trigger.toml", "--until-empty"]);
        let refusal = run.refused(1);
        assert!(parts.iter().all(|part| refusal.contains(part)), "{name}: {refusal}");
    }
    assert_eq!(server.bodies("orders"), ["waits"]);
    let missing = server.run(&["trigger", "run", "nowhere.toml"]);
    assert!(missing.refused(1).contains("nowhere.toml cannot be read"), "{}", missing.stderr);
}

#[test]
fn a_server_that_is_not_there_is_named_at_once_and_waited_for() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("trigger.toml");
    std::fs::write(&path, "queue = \"orders\"\n").unwrap();
    let args = ["trigger", "run", path.to_str().unwrap(), "--retry-for", "300ms", "--server", "http://127.0.0.1:9"];
    let run = crate::harness::Run::of(&mut handfast(&args));
    assert_eq!(run.code, Some(1));
    let lines: Vec<&str> = run.stderr.lines().collect();
    assert!(
        lines[0].contains("cannot reach http://127.0.0.1:9") && lines[0].contains("trying again for 300ms"),
        "{lines:?}"
    );
    assert!(lines[1].starts_with("error: cannot reach http://127.0.0.1:9"), "{lines:?}");
}

/// It outlives its server, and a signal ends it after the message in hand.
#[test]
fn a_server_that_goes_away_is_waited_for_and_a_signal_ends_it_cleanly() {
    let mut server = with_queues("5");
    std::fs::write(server.path("trigger.toml"), "queue = \"orders\"\n[send]\nqueue = \"shipments\"\n").unwrap();
    let trigger = Running::start(&mut server.command(&["trigger", "run", "trigger.toml"]));
    server.run(&["send", "orders", "first"]).ok();
    until("the first is sent on", || server.queue("shipments")["messages"] == 1);
    server.kill();
    server.start_again();
    server.run(&["send", "orders", "second"]).ok();
    until("the second is sent on", || server.queue("shipments")["messages"] == 2);
    trigger.signal(Signal::TERM);
    let ended = trigger.end();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(String::from_utf8(ended.stdout).unwrap().starts_with("2 messages committed"), "{}", ended.stderr);
    assert_eq!(server.bodies("shipments"), ["first", "second"]);
}

/// The disk of a SQLite file may be away for a while, as a database may be down.
#[test]
fn p22_a_sqlite_file_that_is_away_is_waited_for_and_costs_no_attempt() {
    let server = with_queues("2");
    rusqlite::Connection::open(server.path("ledger.db")).unwrap().execute_batch("create table t(a)").unwrap();
    server.run(&["resource", "add", "ledger", "--sqlite", "ledger.db"]).ok();
    server.run(&["send", "orders", "{}"]).ok();
    crate::write(&server, &["insert into t values (1)"]);
    std::fs::rename(server.path("ledger.db"), server.path("away.db")).unwrap();
    let mut trigger = Running::start(&mut server.command(&["trigger", "run", "trigger.toml", "--until-empty"]));
    // More tries than a message has attempts.
    std::thread::sleep(std::time::Duration::from_secs(3));
    assert!(trigger.is_running());
    std::fs::rename(server.path("away.db"), server.path("ledger.db")).unwrap();
    let ended = trigger.end();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.stderr.contains("is not here"), "{}", ended.stderr);
    assert_eq!(server.bodies("shipments"), ["{}"]);
}
