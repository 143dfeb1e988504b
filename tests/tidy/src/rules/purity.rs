//! The cores decide and do nothing themselves (D3): no clock, no randomness, no file, no thread, no order of a hash table. So a
//! seed replays them.

use crate::source::{Source, Word};
use crate::{Finding, Repository};

/// Where the pure crates keep their code.
const PURE: [&str; 5] = ["protocol/src/", "store/src/", "queue/src/", "coordinator/core/src/", "machine/src/"];

/// Words that a core never says, and why.
const FORBIDDEN: [(&str, &str); 10] = [
    ("tokio", "a core waits for nothing"),
    ("tracing", "a core answers, it does not log"),
    ("Instant", "time comes in with the event"),
    ("SystemTime", "time comes in with the event"),
    ("now_v7", "identities come in with the event"),
    ("new_v4", "identities come in with the event"),
    ("getrandom", "randomness comes in with the event"),
    ("HashMap", "its order differs from run to run: use BTreeMap"),
    ("HashSet", "its order differs from run to run: use BTreeSet"),
    ("println", "a core answers, it does not print"),
];

/// Modules of `std` that reach out of the process.
const OUTSIDE: [&str; 6] = ["fs", "thread", "net", "env", "process", "io"];

pub fn check(repository: &Repository) -> Vec<Finding> {
    let mut findings = Vec::new();
    let pure = |path: &str| PURE.iter().any(|folder| path.starts_with(folder));
    for source in repository.sources().filter(|source| pure(source.path)) {
        for word in source.shipped_words() {
            if let Some((_, why)) = FORBIDDEN.iter().find(|(forbidden, _)| *forbidden == word.text) {
                findings.push(Finding::new(source.path, word.line, format!("{} in a core: {why}", word.text)));
            }
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
        let text = "use std::{collections::{BTreeMap, HashMap}, fs, time::Duration};\nuse std::thread::spawn;\n// Instant, tokio\n\
                    fn fs(now: Instant) { let net = fs; tokio::spawn(\"SystemTime\"); std::env::args() }\n\
                    #[cfg(test)]\nmod tests { use std::fs; }";
        let findings = check(&Repository::of(&[("machine/src/lib.rs", text), ("replica/src/lib.rs", text)]));
        let found: Vec<_> =
            findings.iter().map(|each| (each.path.as_str(), each.line, each.what.split(' ').next())).collect();
        let expected =
            [(1, "HashMap"), (1, "std::fs"), (2, "std::thread"), (4, "Instant"), (4, "tokio"), (4, "std::env")];
        assert_eq!(found, expected.map(|(line, what)| ("machine/src/lib.rs", line, Some(what))));
    }
}
