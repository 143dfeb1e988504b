//! A file is named for what is in it.

use crate::{Finding, Repository};

const DRAWERS: [&str; 6] = ["utils", "util", "helpers", "helper", "common", "misc"];

pub fn check(repository: &Repository) -> Vec<Finding> {
    let drawer = |path: &str| path.split(['/', '.']).find(|part| DRAWERS.contains(part)).map(str::to_owned);
    let named = repository.paths().filter(|path| path.ends_with(".rs"));
    named
        .filter_map(|path| {
            let drawer = drawer(path)?;
            Some(Finding::new(path, 0, format!("{drawer} is a drawer without an owner: name the thing that is in it")))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drawer_is_found() {
        let files =
            ["queue/src/utils.rs", "client/src/helpers/retry.rs", "queue/src/commons.rs", "client/src/common/mod.rs"];
        let files = files.map(|path| (path, ""));
        let found: Vec<_> = check(&Repository::of(&files)).into_iter().map(|finding| finding.path).collect();
        assert_eq!(found, ["client/src/common/mod.rs", "client/src/helpers/retry.rs", "queue/src/utils.rs"]);
    }
}
