//! Every page has exactly one title.

use crate::{Finding, Repository};

pub fn check(repository: &Repository) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in repository.ending(".md") {
        let titles = titles(text);
        match titles.as_slice() {
            [_] => {}
            [] => findings.push(Finding::new(path, 0, "the page has no title: a line that begins with one #")),
            [_, second, ..] => {
                findings.push(Finding::new(path, *second, "the page has a second title: use ## below the first"))
            }
        }
    }
    findings
}

/// The lines of the titles; what stands between fences is code.
fn titles(text: &str) -> Vec<usize> {
    let mut fenced = false;
    let mut titles = Vec::new();
    for (at, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if !fenced && line.starts_with("# ") {
            titles.push(at + 1);
        }
    }
    titles
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_without_a_title_or_with_two_is_found() {
        let findings = check(&Repository::of(&[
            ("a.md", "# A\n```sh\n# not a title\n```\n## B\n"),
            ("b.md", "B\n"),
            ("c.md", "# C\n\n# D\n"),
        ]));
        let places: Vec<_> = findings.iter().map(|finding| (finding.path.as_str(), finding.line)).collect();
        assert_eq!(places, [("b.md", 0), ("c.md", 3)]);
    }
}
