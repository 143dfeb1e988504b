//! The cores decide and do nothing themselves (D3), so that a seed replays them. What they must not name is in `clippy.toml`, and
//! clippy finds it however it is written. Here is what it cannot do: it bans no module as a whole, and does not miss the line
//! that turns its bans on.

use crate::source::{Source, Word};
use crate::{Finding, Repository};

/// Where the pure crates keep their code.
const PURE: [&str; 5] = ["protocol/src/", "store/src/", "queue/src/", "coordinator/core/src/", "machine/src/"];

/// These reach out as well, in rooms that say so: the log's thread and its real disk, the programs of the tests.
const PURE_BUT_FOR_ROOMS: [&str; 4] = ["replica/log/src/", "simulation/src/", "model/src/", "checker/src/"];

/// At the head of each of them. Its own tests may use what they like.
const BANS: &str =
    "#![cfg_attr(not(test), deny(clippy::disallowed_types, clippy::disallowed_methods, clippy::disallowed_macros))]";

/// Modules of `std` that reach out of the process.
const OUTSIDE: [&str; 6] = ["fs", "thread", "net", "env", "process", "io"];

pub fn check(repository: &Repository) -> Vec<Finding> {
    let mut findings = Vec::new();
    for folder in PURE.iter().chain(&PURE_BUT_FOR_ROOMS) {
        let path = format!("{folder}lib.rs");
        if repository.text(&path).is_some_and(|text| !text.lines().any(|line| line == BANS)) {
            findings.push(Finding::new(
                &path,
                0,
                format!("it lacks the line that turns on clippy.toml's bans: {BANS}"),
            ));
        }
    }
    let pure = |path: &str| PURE.iter().any(|folder| path.starts_with(folder));
    for source in repository.sources().filter(|source| pure(source.path)) {
        for word in source.shipped_words() {
            if OUTSIDE.contains(&word.text) && is_of_std(&source, &word) {
                let what = format!("std::{} in a core: only the shell reaches out (D3)", word.text);
                findings.push(Finding::new(source.path, word.line, what));
            }
        }
    }
    findings
}

/// `std::fs`, or `fs` at the first level of `use std::{..}`.
fn is_of_std(source: &Source<'_>, word: &Word<'_>) -> bool {
    let before = source.code()[..word.at].trim_end();
    if before.ends_with("std::") {
        return true;
    }
    let Some((outer, inner)) = before.rsplit_once("std::{") else {
        return false;
    };
    let nested = inner.matches('{').count() != inner.matches('}').count();
    let first = inner.is_empty() || inner.ends_with(',') || inner.ends_with('{');
    let import = outer
        .rsplit([';', '}'])
        .next()
        .is_some_and(|start| start.trim_end().ends_with("use") || start.contains("use "));
    import && !inner.contains(';') && !nested && first
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_reaches_out_of_a_core_is_found() {
        let text = "use std::{collections::{BTreeMap, HashMap}, fs, time::Duration};\nuse std::thread::spawn;\n// std::net\n\
                    fn fs(now: Instant) { let net = fs; \"std::io\"; std::env::args() }\n\
                    #[cfg(test)]\nmod tests { use std::fs; }";
        let findings = check(&Repository::of(&[("machine/src/node.rs", text), ("replica/src/node.rs", text)]));
        let found: Vec<_> =
            findings.iter().map(|each| (each.path.as_str(), each.line, each.what.split(' ').next())).collect();
        let expected = [(1, "std::fs"), (2, "std::thread"), (4, "std::env")];
        assert_eq!(found, expected.map(|(line, what)| ("machine/src/node.rs", line, Some(what))));
    }

    #[test]
    fn a_core_without_the_bans_is_found() {
        let with = format!("//! A core.\n\n{BANS}\n\nmod node;\n");
        let without = format!("// {BANS}\nmod node;\n");
        let files = [("machine/src/lib.rs", with.as_str()), ("model/src/lib.rs", &without), ("src/lib.rs", &without)];
        let found: Vec<_> = check(&Repository::of(&files)).into_iter().map(|finding| finding.path).collect();
        assert_eq!(found, ["model/src/lib.rs"]);
    }
}
