//! What is wrong with a trigger is told before the first message, and what is away is waited for.

use rustix::process::Signal;

use crate::harness::{Running, handfast, until};
use crate::{begun, with_queues};

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

/// The disk of a SQLite file may go away for a while, as a database may be down. A file that was never there is a mistake.
#[test]
fn p22_a_sqlite_file_that_went_away_is_waited_for_and_costs_no_attempt() {
    let server = with_queues("2");
    rusqlite::Connection::open(server.path("ledger.db")).unwrap().execute_batch("create table t(a)").unwrap();
    server.run(&["resource", "add", "ledger", "--sqlite", "ledger.db"]).ok();
    server.run(&["send", "orders", "1"]).ok();
    crate::write(&server, &["insert into t values (1)"]);
    let run = ["trigger", "run", "trigger.toml"];
    let trigger = Running::start(&mut server.command(&run));
    until("the first is done", || server.bodies("shipments") == ["1"]);
    let rename = |from: &str, to: &str| std::fs::rename(server.path(from), server.path(to)).unwrap();
    rename("ledger.db", "away.db");
    server.run(&["send", "orders", "2"]).ok();
    // More transactions than a message has attempts; transactions are counted in their names.
    let (before, mut ours) = (begun(&server), 0);
    until("the trigger has tried often enough", || {
        ours += 1;
        begun(&server) > before + ours + 6
    });
    rename("away.db", "ledger.db");
    until("the second is done", || server.bodies("shipments") == ["1", "2"]);
    trigger.signal(Signal::TERM);
    let ended = trigger.end();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.stderr.contains("is not here") && ended.stderr.contains("working again"), "{}", ended.stderr);

    rename("ledger.db", "away.db");
    server.run(&["send", "orders", "3"]).ok();
    assert!(server.run(&run).refused(1).contains("is not here"));
    assert_eq!(server.bodies("orders"), ["3"]);
}
