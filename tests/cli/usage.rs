//! What needs no server, and what happens where there is none.

use crate::harness::{Run, handfast, handfast_coordinator};

fn run(args: &[&str]) -> Run {
    Run::of(&mut handfast(args))
}

#[test]
fn help_and_version_are_there_for_every_command() {
    assert_eq!(run(&["--version"]).ok(), format!("handfast {}\n", env!("CARGO_PKG_VERSION")));
    for group in [
        "serve",
        "queue",
        "send",
        "receive",
        "peek",
        "resource",
        "transaction",
        "dead-letter",
        "status",
        "completions",
        "crash-points",
    ] {
        assert!(run(&["--help"]).ok().contains(group), "{group}");
        assert!(run(&[group, "--help"]).ok().contains("Examples:"), "{group}");
    }
}

#[test]
fn wrong_usage_is_told_apart_from_failure() {
    let table: [(&[&str], &str); 12] = [
        (&[], "Usage: handfast"),
        (&["fly"], "unrecognized subcommand 'fly'"),
        (&["queue"], "Usage: handfast queue"),
        (&["queue", "create", "a;b"], "queue name \"a;b\" contains ';'"),
        (&["queue", "create", "orders", "--max-attempts", "0"], "0 is not in 1.."),
        (&["receive", "orders", "--wait", "5"], "\"5\" is not a span of time such as 200ms, 5s, 2m or 1h"),
        (&["send", "orders", "body", "--lines"], "cannot be used with"),
        (&["send", "orders", "--lines", "--csv"], "cannot be used with"),
        (&["send", "orders", "body", "--priority", "8"], "8 is not in 0..=7"),
        (&["send", "orders", "body", "--header", "x"], "\"x\" is not of the form NAME=VALUE"),
        (&["resource", "add", "ledger"], "required arguments were not provided"),
        (&["resource", "add", "ledger", "--sqlite", "a.db", "--two-phase"], "cannot be used with"),
    ];
    for (args, said) in table {
        let refused = run(args);
        assert!(refused.refused(2).contains(said), "{args:?}: {}", refused.stderr);
    }
}

#[test]
fn a_server_that_is_not_there_is_named_with_the_remedy() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let server = format!("http://{free}");
    let commands: [&[&str]; 5] = [
        &["queue", "list"],
        &["send", "orders", "x"],
        &["receive", "orders"],
        &["peek", "orders"],
        &["resource", "list"],
    ];
    for command in commands {
        let refused = run(&[command, &["--server", &server]].concat());
        let refusal = refused.refused(1);
        assert!(refusal.starts_with(&format!("error: cannot reach {server}: ")), "{refusal}");
        assert!(refusal.ends_with("; start one with: handfast serve\n"), "{refusal}");
        assert_eq!(refusal.lines().count(), 1, "{refusal}");
    }
    let refused = run(&["queue", "list", "--server", "not a url"]);
    assert!(refused.refused(1).contains("it looks like http://127.0.0.1:1801"), "{}", refused.stderr);
}

#[test]
fn completions_are_made_for_three_shells() {
    for (shell, mark) in
        [("bash", "complete -F _handfast"), ("zsh", "#compdef handfast"), ("fish", "complete -c handfast")]
    {
        assert!(run(&["completions", shell]).ok().contains(mark), "{shell}");
    }
    assert!(run(&["completions", "tcsh"]).refused(2).contains("possible values: bash, zsh, fish"));
}

#[test]
fn a_server_with_tls_is_not_spoken_to_in_plain_text() {
    let refused = run(&["queue", "list", "--server", "https://127.0.0.1:1801"]);
    assert!(refused.refused(1).contains("asks for TLS, which servers do not have yet"), "{}", refused.stderr);
}

#[test]
fn a_crash_point_that_there_is_not_is_wrong_usage() {
    for mut program in [handfast(&["queue", "list"]), handfast_coordinator(&["serve"])] {
        let run = Run::of(program.env(handfast_crash_points::VARIABLE, "somewhere"));
        let error = "error: HANDFAST_CRASH_AT=somewhere: there is no crash point somewhere; see them with: handfast crash-points\n";
        assert_eq!(run.refused(2), error);
    }
    let listed = Run::of(&mut handfast(&["crash-points", "--output", "json"])).json();
    assert_eq!(listed[0]["name"], "log-recovered");
}
