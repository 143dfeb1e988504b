//! This checkout keeps its own rules.

#![allow(clippy::unwrap_used, reason = "in a test")]

use std::path::Path;

use handfast_test_tidy::{Repository, rules};

#[test]
fn this_checkout_keeps_the_rules() {
    // Asked when it runs: several checkouts may share one build.
    let root = Path::new(&std::env::var_os("CARGO_MANIFEST_DIR").unwrap()).join("../..");
    let repository = Repository::read(&root).unwrap();
    assert!(repository.text("Cargo.toml").is_some(), "the root is found");
    let mut report = String::new();
    for (name, check) in rules::ALL {
        for finding in check(&repository) {
            report.push_str(&format!("{finding} [{name}]\n"));
        }
    }
    assert!(report.is_empty(), "\n{report}");
}
