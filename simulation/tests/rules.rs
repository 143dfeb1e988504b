//! Rules of docs/protocol.md tell what would go wrong without them ("Else: ..."). For each such word there is a mistake that lets it
//! go wrong, and that `tests/mutants.rs` sees; or the reason why the simulation cannot, and the test that shows it.

#![allow(clippy::unwrap_used, reason = "in a test")]

use std::fs;
use std::path::Path;

use handfast_simulation::plan::Mutant;

enum Shown {
    By(&'static [&'static str]),
    Elsewhere { why: &'static str, by: &'static str },
}

use Shown::{By, Elsewhere};

const RULES: [(&str, &str, Shown); 14] = [
    ("P1", "a late message about an old transaction ends a new one", By(&["names-again"])),
    (
        "P2",
        "leader 1 proposes a decision and does not learn its fate; leader 2 sweeps the transaction; the decision is proposed \
         again: message consumed, row rolled back",
        By(&["applies-stale-epochs"]),
    ),
    ("P3", "a staging copy rolls back production's branches", By(&["adopts-unasked"])),
    (
        "P3",
        "an old `committed` row decides a new transaction of the same number",
        Elsewhere {
            why: "a directory that is set back has lost what was promised, and no run with one could be judged",
            by: "coordinator/core/tests/scenarios/p3_attach.txt",
        },
    ),
    (
        "P6",
        "a message is consumed, and its row was rolled back without a word",
        By(&["takes-rollback-for-commit", "goes-on-after-error"]),
    ),
    (
        "P8",
        "a client stopped for an hour prepares long after the recovery scan, and its locks stay",
        By(&["sweeps-once"]),
    ),
    ("P8", "so do those of a backend that runs PREPARE when its connection is gone", By(&["sweeps-once"])),
    ("P10", "the shipment is visible before the order's row", By(&["shows-held-sends"])),
    (
        "P11",
        "the queue is told \"rolled back\" while the row is committed",
        By(&["presumes-delegated", "takes-silence-for-rollback"]),
    ),
    (
        "P12",
        "a row is seen that a power cut then takes away",
        By(&["looks-without-fence", "takes-doubt-for-rollback", "takes-unreachable-for-rollback"]),
    ),
    (
        "P17",
        "expiry takes a message between PREPARE and the decision: dead letter and row both exist",
        By(&["expires-held"]),
    ),
    (
        "P19",
        "a transaction was answered, and the next one overtakes it: order is inverted, and nobody finds what he was told of",
        By(&["tells-out-of-order", "answers-before-services"]),
    ),
    ("P22", "PostgreSQL is down for five retries and a good order is dead", By(&["blames-for-outages"])),
    (
        "P24",
        "another input under the same name passes for sent",
        Elsewhere {
            why: "an import of the simulation always has the same file",
            by: "queue/tests/scenarios/12_producers.txt",
        },
    ),
];

/// Each `*Else:*` of the rules, with the rule that it belongs to.
fn told() -> Vec<(String, String)> {
    let text = fs::read_to_string(root().join("docs/protocol.md")).unwrap();
    let rules = text.split_once("## Rules").unwrap().1;
    let first = |text: &str| text.split(". ").next().unwrap().trim_end_matches('.').to_owned();
    let words = |text: &str| first(&text.split_whitespace().collect::<Vec<_>>().join(" "));
    let mut told = Vec::new();
    for rule in rules.split("\n- **").skip(1) {
        let name = rule.split([' ', '*']).next().unwrap();
        let rule = rule.split("\n\n").next().unwrap();
        told.extend(rule.split("*Else:*").skip(1).map(|text| (name.to_owned(), words(text))));
    }
    told
}

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

#[test]
fn every_else_of_the_rules_has_its_mistake() {
    let known = RULES.map(|(rule, words, _)| (rule.to_owned(), words.to_owned()));
    assert_eq!(told(), known);
}

#[test]
fn what_shows_them_is_there() {
    for (rule, _, shown) in RULES {
        match shown {
            By(mutants) => {
                let missing: Vec<&&str> = mutants.iter().filter(|name| Mutant::of_name(name).is_none()).collect();
                assert_eq!(missing, Vec::<&&str>::new(), "{rule}");
            }
            Elsewhere { why, by } => assert!(!why.is_empty() && root().join(by).is_file(), "{rule}: {by}"),
        }
    }
}
