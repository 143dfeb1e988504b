//! The main job as `./demo` runs it: killed on the way, audited at the end.

use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};

use crate::harness::Run;

fn demo(args: &[&str]) -> Run {
    let mut path = PathBuf::from(env!("CARGO_BIN_EXE_handfast"));
    path.pop();
    path.push("examples/main_job");
    Run::of(Command::new(path).args(["--output", "json"]).args(args))
}

#[track_caller]
fn audit(args: &[&str]) -> Value {
    let run = demo(args);
    assert_eq!(run.code, Some(0), "{}{}", run.text(), run.stderr);
    run.json()
}

/// G1-G5: whatever was killed when, each order is in the database once, in the next queue once, and in order.
#[test]
fn every_order_is_there_once_whatever_is_killed() {
    let modes: [&[&str]; 3] = [&[], &["--postgres"], &["--postgres", "--two-phase"]];
    for mode in modes {
        let found = audit(&[mode, &["--rows", "200", "--kills", "9"]].concat());
        let killed = found["kills"].as_object().unwrap();
        assert_eq!(killed.values().map(|count| count.as_u64().unwrap()).sum::<u64>(), 9, "{found}");
        for (name, expected) in [
            ("orders", 200),
            ("rows", 200),
            ("sent", 200),
            ("lost", 0),
            ("duplicated", 0),
            ("out_of_order", 0),
            ("dead_letters", 0),
            ("in_doubt", 0),
            ("left", 0),
        ] {
            assert_eq!(found[name], json!(expected), "{mode:?} {name}: {found}");
        }
        assert_eq!(found["sum"], found["sum_expected"]);
    }
}

/// A file and SQL of the user's own, with a table that the demo knows nothing of.
#[test]
fn a_file_with_other_columns_and_tables_is_run_as_well() {
    let directory = tempfile::tempdir().unwrap();
    let csv = directory.path().join("sales.csv");
    let rows: String = (0..40).map(|row| format!("S-{row},\"a \"\"b\"\",\nc\",{row}.05\r\n")).collect();
    std::fs::write(&csv, format!("Sale No.,what,Total\r\n{rows}")).unwrap();
    let file = ["--csv", csv.to_str().unwrap(), "--sum", "Total", "--kills", "2"];
    let found = audit(&file);
    assert_eq!((&found["rows"], &found["sum"]), (&json!(40), &json!("782")));

    let own = [
        "--create",
        "create table sale (number text, line integer, total text)",
        "--statement",
        "insert into sale values (:\"Sale No.\", :handfast_line, :Total)",
        "--audit",
        "select line, total from sale order by rowid",
    ];
    let found = audit(&[&file[..], &own[..]].concat());
    assert_eq!((&found["rows"], &found["sum"]), (&json!(40), &json!("782")));
}

/// What does not add up is told, and is a failure.
#[test]
fn an_audit_that_does_not_add_up_fails() {
    let statements = [
        ("insert into sale select :handfast_line, :amount where :id % 2", ["lost", "duplicated"], [5, 0]),
        (
            "insert into sale values (:handfast_line, :amount), (:handfast_line, :amount)",
            ["lost", "duplicated"],
            [0, 10],
        ),
    ];
    for (statement, names, counts) in statements {
        let own = [
            "--rows",
            "10",
            "--kills",
            "0",
            "--create",
            "create table sale (line integer, total text)",
            "--statement",
            statement,
            "--audit",
            "select line, total from sale order by rowid",
        ];
        let run = demo(&own);
        assert_eq!(run.code, Some(1), "{}", run.stderr);
        let found = run.json();
        assert_eq!(
            (names.map(|name| found[name].clone()), &found["clean"]),
            (counts.map(|count| json!(count)), &json!(false))
        );
        let (_, kept) = run.stderr.split_once("everything is kept in ").unwrap();
        std::fs::remove_dir_all(kept.trim()).unwrap();
    }
}
