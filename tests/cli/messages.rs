//! `handfast send`, `receive` and `peek`.

use std::process::Command;

use serde_json::json;

use crate::harness::{Run, Running, Server, handfast, plain, until};

fn with_queue() -> Server {
    let server = Server::start();
    server.run(&["queue", "create", "orders"]).ok();
    server
}

#[test]
fn a_message_comes_back_as_it_was_sent() {
    let server = with_queue();
    let args = [
        "send",
        "orders",
        "{\"id\": 1.10}",
        "--label",
        "new",
        "--priority",
        "5",
        "--ttbr",
        "1h",
        "--drop-expired",
        "--correlation-id",
        "abc",
        "--response-queue",
        "answers",
        "--header",
        "tenant=a=b",
        "--header",
        "tenant=c",
        "--json",
    ];
    let id = server.run(&args).ok().trim_end().to_owned();
    let received = server.run(&["receive", "orders", "--output", "json"]);
    let found = received.json();
    assert_eq!(found[0]["id"], id.as_str());
    let expected = json!([{
        "id": "ID", "label": "new", "body": "{\"id\": 1.10}", "attempts": 0, "abandoned": 0, "priority": 5,
        "correlation_id": "abc", "response_queue": "answers", "time_to_be_received_ms": 3_600_000, "drop_expired": true,
        "headers": [{"name": "tenant", "value": "a=b"}, {"name": "tenant", "value": "c"}], "lookup_id": 0,
        "sent_at": "TIME", "arrived_at": "TIME",
    }]);
    assert_eq!((plain(found), received.code), (expected, Some(0)));
    assert_eq!(server.queue("orders")["messages"], 0);
}

#[test]
fn bodies_come_from_standard_input_whole_and_as_lines() {
    let server = with_queue();
    server.run_with(&["send", "orders"], b"two\nlines\n").ok();
    let sent = server.run_with(&["send", "orders", "--lines", "--output", "json"], b"a\r\n\n b \nlast");
    assert_eq!(sent.json(), json!({"queue": "orders", "sent": 4, "skipped": 0}));
    assert_eq!(server.bodies("orders"), ["two\nlines\n", "a", "", " b ", "last"]);
    assert_eq!(server.run(&["receive", "orders", "--count", "9"]).ok(), "two\nlines\n\na\n\n b \nlast\n");
}

#[test]
fn what_is_not_text_is_base64_in_json_and_itself_otherwise() {
    let server = with_queue();
    let body = b"\xff\x00\n\xfe";
    server.run_with(&["send", "orders"], body).ok();
    let found = server.run(&["peek", "orders", "--output", "json"]).json();
    assert_eq!((&found[0]["body"], &found[0]["body_encoding"]), (&json!("/wAK/g=="), &json!("base64")));
    assert_eq!(server.run(&["receive", "orders"]).stdout, body);
}

#[test]
fn a_large_body_travels_in_parts() {
    let server = with_queue();
    let body: Vec<u8> = (0..1_500_000_u32).map(|at| b"0123456789abcde\n"[(at as usize * 7) % 16]).collect();
    server.run_with(&["send", "orders"], &body).ok();
    assert_eq!(server.bodies("orders")[0].as_bytes(), body);
    let received = server.run(&["receive", "orders"]);
    assert_eq!((received.code, &received.stdout[..body.len()]), (Some(0), body.as_slice()));
}

#[test]
fn receive_answers_by_its_exit_code_whether_there_was_a_message() {
    let server = with_queue();
    assert_eq!(server.run(&["receive", "orders"]).refused(3), "");
    let none = server.run(&["receive", "orders", "--wait", "20ms", "--output", "json"]);
    assert_eq!((none.code, none.text()), (Some(3), "[]\n"));
    assert_eq!(server.run(&["peek", "orders", "--output", "json"]).ok(), "[]\n");
    server.run_with(&["send", "orders", "--lines"], b"1\n2\n3\n").ok();
    assert_eq!(server.run(&["peek", "orders", "--count", "2"]).ok(), "1\n2\n");
    assert_eq!(server.run(&["receive", "orders", "--count", "2"]).ok(), "1\n2\n");
    assert_eq!(server.run(&["receive", "orders", "--count", "2"]).ok(), "3\n");
}

#[test]
fn receive_waits_for_what_is_sent_meanwhile() {
    let server = with_queue();
    let waiting = Running::start(&mut server.command(&["receive", "orders", "--wait", "1m"]));
    until("somebody waits", || server.queue("orders")["waiting_receives"] == 1);
    server.run(&["send", "orders", "at last"]).ok();
    assert_eq!(waiting.finish().ok(), "at last\n");
}

/// More than one transaction's worth.
#[test]
fn many_messages_keep_their_order_over_pages_and_transactions() {
    let server = with_queue();
    let lines: String = (0..250).map(|line| format!("{line}\n")).collect();
    server.run_with(&["send", "orders", "--lines", "--batch", "7"], lines.as_bytes()).ok();
    assert_eq!(server.run(&["peek", "orders"]).ok(), lines);
    assert_eq!(server.run(&["receive", "orders", "--count", "250"]).ok(), lines);
    assert_eq!(server.run(&["receive", "orders"]).code, Some(3));
}

/// Printed, flushed, then committed: what nobody read stays.
#[test]
fn a_reader_that_has_gone_leaves_the_message_in_its_queue() {
    let server = with_queue();
    let mut waiting = Running::start(&mut server.command(&["receive", "orders", "--wait", "1m"]));
    until("somebody waits", || server.queue("orders")["waiting_receives"] == 1);
    waiting.close_stdout();
    server.run(&["send", "orders", "unread"]).ok();
    let run = waiting.finish();
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""));
    let found = server.run(&["receive", "orders", "--output", "json"]).json();
    assert_eq!((&found[0]["body"], &found[0]["attempts"]), (&json!("unread"), &json!(0)));
}

#[test]
fn a_receiver_that_is_killed_leaves_the_message_in_its_queue() {
    let server = with_queue();
    let waiting = Running::start(&mut server.command(&["receive", "orders", "--wait", "1m"]));
    until("somebody waits", || server.queue("orders")["waiting_receives"] == 1);
    waiting.kill();
    until("nobody waits", || server.queue("orders")["waiting_receives"] == 0);
    server.run(&["send", "orders", "kept"]).ok();
    assert_eq!(server.run(&["receive", "orders", "--wait", "5s"]).ok(), "kept\n");
}

#[test]
fn what_is_no_message_is_refused_and_nothing_is_sent() {
    let server = with_queue();
    let long = "x".repeat(250);
    let refused = server.run(&["send", "orders", "x", "--label", &long]);
    assert!(refused.refused(1).contains("the label has 250 characters; at most 249 are allowed"), "{}", refused.stderr);
    let refused = server.run(&["send", "orders", "{", "--json"]);
    assert!(refused.refused(1).starts_with("error: line 1 is not JSON: EOF"), "{}", refused.stderr);
    let refused = server.run(&["send", "dead-letter", "x"]);
    assert_eq!(refused.code, Some(1), "{}", refused.stderr);
    assert_eq!(server.queue("orders")["messages"], 0);
}

fn serve_with(options: &[&str], args: &[&str]) -> Command {
    handfast(&[&args[..1], options, &args[1..]].concat())
}

#[test]
fn bodies_have_a_limit_that_the_operator_sets() {
    let program = |args: &[&str]| serve_with(&["--max-body", "5MiB"], args);
    let larger = Server::start_on(program, tempfile::tempdir().unwrap());
    larger.run(&["queue", "create", "orders"]).ok();
    let (body, too_large) = (vec![b'x'; 5 << 20], vec![b'x'; (5 << 20) + 1]);
    larger.run_with(&["send", "orders"], &body).ok();
    let refused = larger.run_with(&["send", "orders"], &too_large);
    assert!(refused.refused(1).contains("at most 5242880; it takes larger ones with: handfast serve --max-body"));

    let server = with_queue();
    let refused = server.run_with(&["send", "orders"], &body);
    assert!(refused.refused(1).contains("at most 4194304"), "{}", refused.stderr);
    assert_eq!(server.queue("orders")["messages"], 0);
    let wrong = Run::of(&mut handfast(&["serve", "--max-body", "65MiB"]));
    assert!(wrong.refused(2).contains("at most 64MiB"), "{}", wrong.stderr);
}

/// P18: what is received gives its space back while no send is taken, without a restart.
#[test]
fn p18_what_is_received_from_a_full_disk_makes_room() {
    const BODIES: u64 = 24;
    let server = with_queue();
    for seed in 0..BODIES {
        let mut generator = fastrand::Rng::with_seed(seed);
        let body: Vec<u8> = std::iter::repeat_with(|| generator.u8(..)).take(1 << 20).collect();
        server.run_with(&["send", "orders"], &body).ok();
    }
    let full = |args: &[&str]| serve_with(&["--reserve", "8000000GiB"], args);
    let server = Server::start_on(full, server.into_directory());
    let bytes = || -> u64 {
        let files = std::fs::read_dir(server.data().join("store")).unwrap();
        // A file that a compaction has just removed takes nothing.
        files.map(|file| file.unwrap().metadata().map_or(0, |metadata| metadata.len())).sum()
    };
    assert!(bytes() > 8 << 20, "{}", bytes());
    server.run_with(&["receive", "orders", "--count", "1000"], b"");
    assert_eq!(server.queue("orders")["messages"], 0);
    until("the store has given the space back", || bytes() < 4 << 20);
}

/// P18: a full disk refuses sends by its name; what is there can be received.
#[test]
fn p18_without_disk_space_nothing_new_is_taken_and_the_rest_goes_on() {
    let server = with_queue();
    server.run(&["send", "orders", "first"]).ok();
    let full = |args: &[&str]| serve_with(&["--reserve", "8000000GiB"], args);
    let server = Server::start_on(full, server.into_directory());
    until("the disk is found full", || server.run(&["send", "orders", "more"]).code == Some(1));
    let refused = server.run(&["send", "orders", "more"]);
    assert!(
        refused.stderr.contains("no disk space left for new messages; receives and commits go on"),
        "{}",
        refused.stderr
    );
    assert!(server.run(&["receive", "orders"]).ok().starts_with("first\n"));
}
