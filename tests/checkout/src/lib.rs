//! Which commit is under test: a failing seed means something only together with it.

use std::process::{Command, Stdio};
use std::sync::LazyLock;

/// What is said where git or its records are missing.
const NONE: &str = "unknown: no git checkout";

static COMMIT: LazyLock<String> = LazyLock::new(find);

/// The commit of the checkout that this was built from, with `-dirty` when it was changed since. It is looked up once: what runs
/// for hours asks at its beginning, before somebody commits.
pub fn commit() -> &'static str {
    &COMMIT
}

fn find() -> String {
    let mut git = Command::new("git");
    git.args(["-C", env!("CARGO_MANIFEST_DIR"), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]);
    let said = git.stderr(Stdio::null()).output().ok().filter(|output| output.status.success());
    let said = said.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    said.unwrap_or_else(|| NONE.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commit_is_named_whole() {
        let commit = commit();
        let name = commit.trim_end_matches("-dirty");
        let is_whole = name.len() == 40 && name.chars().all(|letter| letter.is_ascii_hexdigit());
        assert!(is_whole || commit == NONE, "{commit}");
    }
}
