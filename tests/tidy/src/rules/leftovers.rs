//! Nothing is left for later: no marks of unfinished work, no debugging, no `unwrap` in what users run.

use crate::source::{Word, words};
use crate::{Finding, Repository};

const MARKS: [&str; 2] = ["TODO", "FIXME"];
const MACROS: [&str; 3] = ["todo", "unimplemented", "dbg"];

pub fn check(repository: &Repository) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in repository.sources() {
        let mut found = |word: &Word<'_>, what: String| findings.push(Finding::new(source.path, word.line, what));
        for word in words(source.comments()).iter().chain(&source.words()) {
            if MARKS.contains(&word.text) {
                found(word, format!("{}: finish it, or give it an issue", word.text));
            }
        }
        for word in &source.words() {
            if MACROS.contains(&word.text) && behind(source.code(), word).starts_with('!') {
                found(word, format!("{}! has no place here", word.text));
            }
        }
        for word in &source.shipped_words() {
            let called = source.code()[..word.at].trim_end().ends_with('.');
            if word.text == "unwrap" && called && behind(source.code(), word).starts_with("()") {
                found(word, "unwrap outside tests: return the error, or say in an expect why it cannot be".to_owned());
            }
        }
    }
    for suffix in [".toml", ".md", ".sh"] {
        for (path, text) in repository.ending(suffix) {
            let marked = words(text).into_iter().filter(|word| MARKS.contains(&word.text));
            findings.extend(marked.map(|word| Finding::new(path, word.line, format!("{}: finish it", word.text))));
        }
    }
    findings
}

fn behind<'a>(code: &'a str, word: &Word<'_>) -> &'a str {
    &code[word.at + word.text.len()..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_macros_and_unwraps_are_found() {
        let text = "// TODO later\nfn a() { todo!(); let todo = dbg!(1); }\nfn b() { x\n.unwrap(); unwrap(); y.unwrap_or(1); \"TODO\" }\n\
                    #[cfg(test)] mod tests { fn c() { x.unwrap(); unimplemented!() } }";
        let found = check(&Repository::of(&[("queue/src/lib.rs", text), ("docs/a.md", "\nFIXME")]));
        let places: Vec<_> =
            found.iter().map(|finding| (finding.line, finding.what.split([' ', ':']).next())).collect();
        assert_eq!(
            places,
            [
                (1, Some("TODO")),
                (2, Some("todo!")),
                (2, Some("dbg!")),
                (5, Some("unimplemented!")),
                (4, Some("unwrap")),
                (2, Some("FIXME")),
            ]
        );
    }
}
