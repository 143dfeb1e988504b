//! A reader holds it: files and functions have a longest length, which only ever shrinks.

use crate::{Finding, Repository};

const FILE_LINES_MAX: usize = 600;
const FUNCTION_LINES_MAX: usize = 70;

/// A test may hold its table or its story in one piece.
const TEST_LINES_MAX: usize = 100;

/// Files that are longer, and how long. Who shortens one shortens its number; who removes the last empties the table.
const LONGER: [(&str, usize); 0] = [];

pub fn check(repository: &Repository) -> Vec<Finding> {
    check_with(repository, &LONGER)
}

fn check_with(repository: &Repository, longer: &[(&str, usize)]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in repository.sources() {
        let lines = source.text.lines().count();
        let exception = longer.iter().find(|(path, _)| *path == source.path).map(|(_, lines)| *lines);
        match exception {
            Some(allowed) if lines < allowed => {
                let what =
                    format!("it has shrunk from {allowed} lines to {lines}: say so in the table of longer files");
                findings.push(Finding::new(source.path, 0, what));
            }
            _ if lines > exception.unwrap_or(FILE_LINES_MAX) => {
                let what = format!("{lines} lines, of at most {FILE_LINES_MAX}: split it by what it holds");
                findings.push(Finding::new(source.path, 0, what));
            }
            _ => {}
        }
        let lines_max = if source.is_test() { TEST_LINES_MAX } else { FUNCTION_LINES_MAX };
        let words = source.words();
        for (at, word) in words.iter().enumerate().filter(|(_, word)| word.text == "fn") {
            // A function's type has no name behind its `fn`.
            let name = words.get(at + 1).filter(|name| name.at == word.at + "fn ".len());
            let (Some(name), Some(body)) = (name, source.body_behind(word.at)) else {
                continue;
            };
            let length = source.line_at(body.end) - word.line + 1;
            if length > lines_max {
                let what =
                    format!("fn {} has {length} lines, of at most {lines_max}: split it by its steps", name.text);
                findings.push(Finding::new(source.path, word.line, what));
            }
        }
    }
    let stale = longer.iter().filter(|(path, _)| repository.text(path).is_none());
    findings.extend(
        stale.map(|(path, _)| Finding::new(path, 0, "it is in the table of longer files and not in the repository")),
    );
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn function(lines: usize) -> String {
        let body = "    x();\n".repeat(lines - 2);
        format!("type F = fn(u8);\nfn long() {{\n{body}}}\nfn short() {{}}\n")
    }

    #[test]
    fn a_long_function_is_found() {
        let (fits, long) = (function(FUNCTION_LINES_MAX), function(FUNCTION_LINES_MAX + 1));
        let tests = (function(TEST_LINES_MAX), function(TEST_LINES_MAX + 1));
        let files = [("a.rs", &*fits), ("b.rs", &long), ("c_test.rs", &tests.0), ("d_test.rs", &tests.1)];
        let findings = check(&Repository::of(&files));
        assert_eq!(
            findings,
            [
                Finding::new("b.rs", 2, "fn long has 71 lines, of at most 70: split it by its steps"),
                Finding::new("d_test.rs", 2, "fn long has 101 lines, of at most 100: split it by its steps"),
            ]
        );
    }

    #[test]
    fn a_long_file_is_found_and_an_exception_only_shrinks() {
        let (fits, long) = ("\n".repeat(FILE_LINES_MAX), "\n".repeat(FILE_LINES_MAX + 1));
        let repository = Repository::of(&[("a.rs", &fits), ("b.rs", &long)]);
        let whats = |longer: &[(&str, usize)]| -> Vec<String> {
            check_with(&repository, longer).iter().map(ToString::to_string).collect()
        };
        assert_eq!(whats(&[]), ["b.rs:0: 601 lines, of at most 600: split it by what it holds"]);
        assert_eq!(whats(&[("b.rs", 601)]), [""; 0]);
        assert_eq!(
            whats(&[("b.rs", 700), ("c.rs", 700)]),
            [
                "b.rs:0: it has shrunk from 700 lines to 601: say so in the table of longer files",
                "c.rs:0: it is in the table of longer files and not in the repository",
            ]
        );
    }
}
