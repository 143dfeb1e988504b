//! Dependencies point inwards (design section 4): which of our crates may name which, and what the pure ones may name at all.

use toml::{Table, Value};

use crate::{Finding, Repository};

/// Each crate and those of ours that it may depend on. A crate that is not here has no place yet.
const ARROWS: &[(&str, &[&str])] = &[
    ("handfast-protocol", &[]),
    ("handfast-wire", &["handfast-protocol"]),
    ("handfast-store", &[]),
    // Mistakes to be made on purpose; in a program that serves there are none.
    ("handfast-mutants", &[]),
    // Whoever acts may be told to die there.
    ("handfast-crash-points", &[]),
    ("handfast-queue", &["handfast-mutants", "handfast-protocol", "handfast-store"]),
    ("handfast-coordinator-core", &["handfast-mutants", "handfast-protocol", "handfast-store"]),
    (
        "handfast-machine",
        &["handfast-mutants", "handfast-protocol", "handfast-store", "handfast-queue", "handfast-coordinator-core"],
    ),
    ("handfast-log", &["handfast-crash-points", "handfast-mutants"]),
    ("handfast-replica", &["handfast-log"]),
    (
        "handfast-coordinator",
        &[
            "handfast-protocol",
            "handfast-wire",
            "handfast-store",
            "handfast-coordinator-core",
            "handfast-machine",
            "handfast-replica",
            "handfast-log",
        ],
    ),
    ("handfast-client", &["handfast-crash-points", "handfast-protocol", "handfast-wire"]),
    // What users write: files of messages, trigger files.
    ("handfast-import", &["handfast-protocol"]),
    ("handfast-trigger", &["handfast-client", "handfast-protocol"]),
    // It judges whoever wrote a history, and knows none of them.
    ("handfast-checker", &[]),
    // What becomes of real processes under the user's own work.
    (
        "handfast-crash-test",
        &["handfast-checker", "handfast-client", "handfast-import", "handfast-protocol", "handfast-trigger"],
    ),
    (
        "handfast",
        &[
            "handfast-protocol",
            "handfast-wire",
            "handfast-store",
            "handfast-queue",
            "handfast-coordinator",
            "handfast-coordinator-core",
            "handfast-crash-points",
            "handfast-crash-test",
            "handfast-machine",
            "handfast-replica",
            "handfast-log",
            "handfast-client",
            "handfast-import",
            "handfast-private-postgres",
            "handfast-trigger",
        ],
    ),
    // Never the root package: the simulated world builds in a minute or two, without RocksDB.
    (
        "handfast-simulation",
        &[
            "handfast-protocol",
            "handfast-store",
            "handfast-queue",
            "handfast-coordinator-core",
            "handfast-machine",
            "handfast-replica",
            "handfast-log",
            "handfast-checker",
            "handfast-mutants",
            "handfast-test-checkout",
        ],
    ),
    // Whatever reads bytes that it did not write, but for the root package and its RocksDB.
    (
        "handfast-fuzz",
        &[
            "handfast-protocol",
            "handfast-wire",
            "handfast-queue",
            "handfast-coordinator-core",
            "handfast-machine",
            "handfast-log",
            "handfast-client",
            "handfast-import",
            "handfast-trigger",
            "handfast-simulation",
        ],
    ),
    (
        "handfast-benches",
        &[
            "handfast-protocol",
            "handfast-queue",
            "handfast-coordinator-core",
            "handfast-machine",
            "handfast-store",
            "handfast-log",
        ],
    ),
    // None of the code that it judges the rules of: a mistake made there must not be made here as well.
    ("handfast-model", &[]),
    ("handfast-fault-env", &[]),
    ("handfast-test-checkout", &[]),
    ("handfast-test-disks", &[]),
    ("handfast-private-postgres", &[]),
    ("handfast-test-tidy", &[]),
];

/// What tests of any crate may use beside that.
const FOR_TESTS: [&str; 4] =
    ["handfast-fault-env", "handfast-test-checkout", "handfast-test-disks", "handfast-private-postgres"];

/// What the tests of a crate may use beside that.
const FOR_TESTS_OF: [(&str, &[&str]); 2] = [
    // Several members replicate the state that they are there for.
    (
        "handfast-replica",
        &["handfast-coordinator-core", "handfast-machine", "handfast-protocol", "handfast-queue", "handfast-store"],
    ),
    // The simulated databases answer the questions that the drivers' conformance tables put to real ones.
    ("handfast-simulation", &["handfast-coordinator"]),
];

/// The crates that decide and do nothing themselves (D3), and the only foreign crates that they may name.
const PURE: [&str; 5] =
    ["handfast-protocol", "handfast-store", "handfast-queue", "handfast-coordinator-core", "handfast-machine"];
const FOREIGN_OF_PURE: [&str; 5] = ["bincode", "bytes", "serde", "thiserror", "uuid"];

pub fn check(repository: &Repository) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in repository.ending("Cargo.toml") {
        match text.parse::<Table>() {
            Ok(manifest) => findings.extend(check_manifest(path, &manifest)),
            Err(error) => findings.push(Finding::new(path, 0, error.to_string())),
        }
    }
    findings
}

fn check_manifest(path: &str, manifest: &Table) -> Vec<Finding> {
    let Some(name) = manifest.get("package").and_then(|package| package.get("name")).and_then(Value::as_str) else {
        return Vec::new();
    };
    if manifest.contains_key("workspace") && name != "handfast" {
        // A workspace of its own, like the build of RocksDB: no crate of this one.
        return Vec::new();
    }
    let Some((_, allowed)) = ARROWS.iter().find(|(crate_name, _)| *crate_name == name) else {
        return vec![Finding::new(path, 0, format!("{name} has no place in the table of arrows yet: give it one"))];
    };
    let pure = PURE.contains(&name);
    let mut findings = Vec::new();
    for (section, for_tests) in [("dependencies", false), ("build-dependencies", false), ("dev-dependencies", true)] {
        let Some(Value::Table(dependencies)) = manifest.get(section) else {
            continue;
        };
        for dependency in dependencies.keys() {
            let ours = dependency.starts_with("handfast");
            let is_of =
                |(crate_name, tools): &(&str, &[&str])| *crate_name == name && tools.contains(&dependency.as_str());
            let of_this_crate = FOR_TESTS_OF.iter().any(is_of);
            let is_tool = for_tests && (of_this_crate || FOR_TESTS.contains(&dependency.as_str()));
            if ours && !allowed.contains(&dependency.as_str()) && !is_tool {
                findings.push(Finding::new(
                    path,
                    0,
                    format!("{name} may not depend on {dependency}: arrows point inwards"),
                ));
            }
            if !ours && pure && !for_tests && !FOREIGN_OF_PURE.contains(&dependency.as_str()) {
                findings.push(Finding::new(path, 0, format!("{name} is pure and may not depend on {dependency} (D3)")));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whats(name: &str, rest: &str) -> Vec<String> {
        let manifest = format!("[package]\nname = \"{name}\"\n{rest}");
        let repository = Repository::of(&[("x/Cargo.toml", &manifest)]);
        check(&repository).into_iter().map(|finding| finding.what).collect()
    }

    #[test]
    fn an_outward_arrow_is_found() {
        assert_eq!(
            whats(
                "handfast-queue",
                "[dependencies]\nhandfast-store.workspace = true\nhandfast-machine.workspace = true"
            ),
            ["handfast-queue may not depend on handfast-machine: arrows point inwards"]
        );
        assert_eq!(
            whats("handfast-simulation", "[dev-dependencies]\nhandfast = { path = \"..\" }"),
            ["handfast-simulation may not depend on handfast: arrows point inwards"]
        );
    }

    #[test]
    fn what_the_tests_of_a_crate_may_use_its_code_may_not() {
        assert_eq!(whats("handfast-replica", "[dev-dependencies]\nhandfast-machine.workspace = true"), [""; 0]);
        assert_eq!(
            whats("handfast-replica", "[dependencies]\nhandfast-machine.workspace = true"),
            ["handfast-replica may not depend on handfast-machine: arrows point inwards"]
        );
        assert_eq!(
            whats("handfast-client", "[dev-dependencies]\nhandfast-machine.workspace = true"),
            ["handfast-client may not depend on handfast-machine: arrows point inwards"]
        );
    }

    #[test]
    fn a_pure_crate_takes_no_foreign_crate_but_in_tests() {
        assert_eq!(
            whats(
                "handfast-machine",
                "[dependencies]\ntokio = \"1\"\nbytes = \"1\"\n[dev-dependencies]\nproptest = \"1\""
            ),
            ["handfast-machine is pure and may not depend on tokio (D3)"]
        );
    }

    #[test]
    fn a_test_server_is_for_tests() {
        assert_eq!(whats("handfast-client", "[dev-dependencies]\nhandfast-private-postgres.workspace = true"), [""; 0]);
        assert_eq!(
            whats("handfast-client", "[dependencies]\nhandfast-private-postgres.workspace = true"),
            ["handfast-client may not depend on handfast-private-postgres: arrows point inwards"]
        );
    }

    #[test]
    fn a_crate_without_a_place_is_found() {
        assert_eq!(whats("handfast-new", ""), ["handfast-new has no place in the table of arrows yet: give it one"]);
    }
}
