//! Scenarios as data: each file in `scenarios/` is a play of commands and what the coordinator does at each.
//!
//! ```text
//! # what the scenario shows, with the rule it shows (P11)
//! begin
//! ----
//! <begin> begun T1.1
//!
//! after 61s
//! ----
//! ...
//! ```
//!
//! `UPDATE=1 cargo test -p handfast-coordinator-core --test scenarios` writes the actions anew; read the difference before you
//! keep it.

#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

mod stage;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use stage::Stage;

#[test]
fn every_scenario_plays_as_written() {
    let mut played = 0;
    let mut differing = Vec::new();
    for path in scenarios() {
        let written = fs::read_to_string(&path).unwrap();
        println!("{}", path.display());
        let now = play(&written);
        if now != written && std::env::var_os("UPDATE").is_some() {
            fs::write(&path, &now).unwrap();
        } else if now != written {
            differing.push(difference(&path, &written, &now));
        }
        played += 1;
    }
    assert!(played > 0, "no scenario was found");
    assert!(differing.is_empty(), "{}", differing.join("\n"));
}

fn scenarios() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let mut paths: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

/// The same text with the actions as they are now. A block is commands, `----`, actions, and an empty line.
fn play(written: &str) -> String {
    let mut stage = Stage::default();
    let mut played = String::new();
    let mut in_actions = false;
    for line in written.lines() {
        if in_actions {
            if line.is_empty() {
                in_actions = false;
                played.push('\n');
            }
        } else if line == "----" {
            in_actions = true;
            writeln!(played, "----").unwrap();
            for action in stage.actions() {
                writeln!(played, "{action}").unwrap();
            }
        } else {
            writeln!(played, "{line}").unwrap();
            if !line.is_empty() && !line.starts_with('#') {
                println!("  {line}");
                stage.perform(line);
            }
        }
    }
    played
}

fn difference(path: &Path, written: &str, now: &str) -> String {
    let lines = written.lines().zip(now.lines());
    let (number, (old, new)) =
        lines.enumerate().find(|(_, (old, new))| old != new).unwrap_or((0, ("(a part is missing)", "(see the whole)")));
    format!("{}:{}\n  written: {old}\n  now:     {new}\n", path.display(), number + 1)
}
