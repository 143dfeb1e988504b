//! Every dependency has a line of reason in `docs/dependencies.md`, and the RocksDB that is built once for a machine is the one
//! that the workspace names.

use toml::{Table, Value};

use crate::{Finding, Repository};

const ROOT: &str = "Cargo.toml";
const PAGE: &str = "docs/dependencies.md";
const BUILD: &str = ".ci/rocksdb/Cargo.toml";

pub fn check(repository: &Repository) -> Vec<Finding> {
    let table = |path: &str| repository.text(path).and_then(|text| text.parse::<Table>().ok());
    let Some(root) = table(ROOT) else {
        return vec![Finding::new(ROOT, 0, "it is missing or no manifest")];
    };
    let Some(Value::Table(dependencies)) = root.get("workspace").and_then(|workspace| workspace.get("dependencies"))
    else {
        return vec![Finding::new(ROOT, 0, "it has no [workspace.dependencies]")];
    };
    let mut findings = Vec::new();
    let page = repository.text(PAGE).unwrap_or_default();
    for name in dependencies.keys().filter(|name| !name.starts_with("handfast")) {
        if !page.contains(&format!("| {name} |")) {
            findings.push(Finding::new(
                PAGE,
                0,
                format!("{name} has no line: who keeps it, what it replaces, its licence"),
            ));
        }
    }
    for (at, line) in page.lines().enumerate() {
        let name = line.strip_prefix("| ").and_then(|line| line.split_once(" |")).map(|(name, _)| name);
        if let Some(name) = name
            && name != "crate"
            && !dependencies.contains_key(name)
        {
            findings.push(Finding::new(PAGE, at + 1, format!("{name} is no dependency of the workspace any more")));
        }
    }
    let built = table(BUILD).and_then(|build| build.get("dependencies")?.get("rocksdb").cloned());
    if built.as_ref() != dependencies.get("rocksdb") {
        findings.push(Finding::new(BUILD, 0, "rocksdb is not what the workspace's Cargo.toml names: make them equal"));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dependency_without_a_reason_and_a_reason_without_one_are_found() {
        let findings = check(&Repository::of(&[
            (ROOT, "[workspace.dependencies]\nhandfast-log = {}\nbytes = \"1\"\ntoml = \"1\"\nrocksdb = \"=1\""),
            (PAGE, "| crate | why |\n|---|---|\n| bytes | x |\n| rocksdb | x |\n| gone | x |"),
            (BUILD, "[dependencies]\nrocksdb = \"=2\""),
        ]));
        assert_eq!(
            findings,
            [
                Finding::new(PAGE, 0, "toml has no line: who keeps it, what it replaces, its licence"),
                Finding::new(PAGE, 5, "gone is no dependency of the workspace any more"),
                Finding::new(BUILD, 0, "rocksdb is not what the workspace's Cargo.toml names: make them equal"),
            ]
        );
    }
}
