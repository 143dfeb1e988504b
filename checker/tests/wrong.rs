//! Each property sees what is wrong. `good.jsonl` is a history in which all is well and every property has something to judge;
//! each file of `wrong` belongs to one property and spoils it in several ways, each with all that the checker then says.
//!
//! `UPDATE=1 cargo test -p handfast-checker` writes down what it says now.

#![allow(clippy::unwrap_used, reason = "in a test")]

use std::path::{Path, PathBuf};

use handfast_checker::history::History;
use handfast_checker::{judge, smallest};

const GOOD: &str = include_str!("good.jsonl");

/// One way to spoil the good history.
struct Case {
    title: String,
    /// `remove TEXT`, `replace TEXT => TEXT`, `add LINE` at the end, `before TEXT add LINE`.
    changes: Vec<String>,
    /// What the checker says.
    says: Vec<String>,
}

fn wrong(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/wrong").join(name)
}

fn cases(text: &str) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        if let Some(title) = line.strip_prefix("# ") {
            cases.push(Case { title: title.to_owned(), changes: Vec::new(), says: Vec::new() });
        } else {
            let case = cases.last_mut().expect("a case begins with its title");
            match line.strip_prefix("! ") {
                Some(said) => case.says.push(said.to_owned()),
                None => case.changes.push(line.to_owned()),
            }
        }
    }
    cases
}

impl Case {
    fn text(&self) -> String {
        let lines =
            |what: &str, lines: &[String]| -> String { lines.iter().map(|line| format!("{what}{line}\n")).collect() };
        format!("# {}\n{}{}", self.title, lines("", &self.changes), lines("! ", &self.says))
    }

    fn spoil(&self) -> String {
        self.changes.iter().fold(GOOD.to_owned(), |text, change| {
            let (verb, rest) = change.split_once(' ').unwrap_or((change, ""));
            match verb {
                "remove" => {
                    let line = only_line(&text, rest).to_owned();
                    text.replace(&format!("{line}\n"), "")
                }
                "replace" => {
                    let (old, new) = rest.split_once(" =>").unwrap();
                    only_line(&text, old);
                    text.replacen(old, new.trim_start(), 1)
                }
                "add" => text + rest + "\n",
                "before" => {
                    let (place, added) = rest.split_once(" add ").unwrap();
                    let line = only_line(&text, place).to_owned();
                    text.replace(&line, &format!("{added}\n{line}"))
                }
                "empty" => String::new(),
                other => panic!("{other} changes nothing"),
            }
        })
    }
}

/// The one line that has this text.
fn only_line<'a>(text: &'a str, part: &str) -> &'a str {
    let lines: Vec<&str> = text.lines().filter(|line| line.contains(part)).collect();
    assert_eq!(lines.len(), 1, "{part:?} is to be on one line, and is on: {lines:#?}");
    lines[0]
}

#[test]
fn a_good_history_is_good_and_leaves_nothing_unjudged() {
    let report = judge(&History::of_text(GOOD).unwrap());
    assert_eq!(report.violations().map(|wrong| wrong.to_string()).collect::<Vec<_>>(), Vec::<String>::new());
    let idle: Vec<_> = report.verdicts.iter().filter(|verdict| verdict.judged == 0).map(|verdict| verdict.id).collect();
    assert_eq!(idle, Vec::<&str>::new());
}

#[test]
fn a_history_is_written_as_it_was_read() {
    assert_eq!(History::of_text(GOOD).unwrap().to_text(), GOOD);
}

#[test]
fn a_line_that_is_none_is_named() {
    let refused = History::of_text(&format!("{GOOD}\n{{\"at\":1}}")).unwrap_err();
    assert_eq!(refused.number, GOOD.lines().count() + 2);
}

/// Whatever a broken program writes down is judged, and ends no checker.
#[test]
fn nonsense_is_judged() {
    let lines: Vec<&str> = GOOD.lines().collect();
    let extreme =
        |line: &str| line.replace(":10}", &format!(":{}}}", i64::MAX)).replace(":60,", &format!(":{},", u64::MAX));
    let backwards = lines.iter().rev().map(|line| line.to_string());
    let greater = lines.iter().map(|line| extreme(line));
    for text in [backwards.collect::<Vec<String>>().join("\n"), greater.collect::<Vec<String>>().join("\n")] {
        assert!(!judge(&History::of_text(&text).unwrap()).is_good());
    }
}

#[test]
fn each_property_sees_what_is_wrong() {
    let report = judge(&History::of_text(GOOD).unwrap());
    for verdict in &report.verdicts {
        let path = wrong(&format!("{}.txt", verdict.id.to_lowercase()));
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let mut cases = cases(&text);
        assert!(cases.len() >= 2, "{} has fewer than two wrong histories", verdict.id);
        for case in &mut cases {
            let history = History::of_text(&case.spoil()).unwrap_or_else(|error| panic!("{}: {error}", case.title));
            let says: Vec<String> = judge(&history).violations().map(|wrong| wrong.to_string()).collect();
            let is_seen = says.iter().any(|said| said.starts_with(&format!("{} ({})", verdict.name, verdict.id)));
            assert!(is_seen, "{} does not see: {}; said is {says:#?}", verdict.id, case.title);
            if std::env::var_os("UPDATE").is_some() {
                case.says = says;
            } else {
                assert_eq!(says, case.says, "{}: {}", verdict.id, case.title);
            }
        }
        if std::env::var_os("UPDATE").is_some() {
            let texts: Vec<String> = cases.iter().map(Case::text).collect();
            std::fs::write(&path, texts.join("\n")).unwrap();
        }
    }
}

/// A part shows what the whole shows, and little else.
#[test]
fn the_smallest_part_of_a_history_shows_what_is_wrong() {
    let mut sizes = Vec::new();
    for path in std::fs::read_dir(wrong("")).unwrap() {
        for case in cases(&std::fs::read_to_string(path.unwrap().path()).unwrap()) {
            let history = History::of_text(&case.spoil()).unwrap();
            for violation in judge(&history).violations() {
                let part = smallest(&history, violation.id);
                let breaks = |part: &History| judge(part).violations().any(|other| other.id == violation.id);
                assert!(breaks(&part), "{}: the part shows nothing: {}", case.title, part.to_text());
                sizes.push((part.events.len(), violation.id, case.title.clone(), part));
            }
        }
    }
    sizes.sort_by_key(|(size, ..)| *size);
    // An atomic transaction that is half there needs its begin, two deeds, and what is found.
    let (median, largest) = (sizes[sizes.len() / 2].0, sizes.last().unwrap());
    assert!(median <= 4 && largest.0 <= 16, "{median}, {}: {}\n{}", largest.1, largest.2, largest.3.to_text());
}
