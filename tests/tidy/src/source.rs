//! A Rust file, read as far as the rules need it.

use std::ops::Range;

use crate::lexer::{Split, split};

/// A word of the code that the rules may object to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Word<'a> {
    pub text: &'a str,
    /// From 1.
    pub line: usize,
    /// Where it begins in the code.
    pub at: usize,
}

#[derive(Debug, Clone)]
pub struct Source<'a> {
    pub path: &'a str,
    pub text: &'a str,
    split: Split,
}

impl<'a> Source<'a> {
    pub fn new(path: &'a str, text: &'a str) -> Source<'a> {
        Source { path, text, split: split(text) }
    }

    /// Comments and the insides of literals are blank.
    pub fn code(&self) -> &str {
        &self.split.code
    }

    /// Everything but comments is blank.
    pub fn comments(&self) -> &str {
        &self.split.comments
    }

    /// The identifiers and keywords of the code, in order.
    pub fn words(&self) -> Vec<Word<'_>> {
        words(self.code())
    }

    /// The words that users run: not those of tests.
    pub fn shipped_words(&self) -> Vec<Word<'_>> {
        if self.is_test() {
            return Vec::new();
        }
        let tests = self.test_regions();
        let inside = |word: &Word<'_>| tests.iter().any(|region| region.contains(&word.at));
        self.words().into_iter().filter(|word| !inside(word)).collect()
    }

    /// The whole file is a test: by its folder or by its name.
    pub fn is_test(&self) -> bool {
        let mut folders = self.path.split('/').rev();
        let name = folders.next().unwrap_or_default();
        name == "tests.rs"
            || name.ends_with("_test.rs")
            || folders.any(|folder| matches!(folder, "tests" | "fuzz" | "benches") || folder.ends_with("_test"))
    }

    /// Where the braces that open at or behind `from` close, before a `;` at their level ends the item without any.
    pub fn body_behind(&self, from: usize) -> Option<Range<usize>> {
        let mut depth = 0;
        let mut opened = None;
        for (at, byte) in self.code().bytes().enumerate().skip(from) {
            match byte {
                b'{' | b'(' | b'[' => {
                    if byte == b'{' && depth == 0 {
                        opened = Some(at);
                    }
                    depth += 1;
                }
                b'}' | b')' | b']' => {
                    depth -= 1;
                    if let (b'}', 0, Some(start)) = (byte, depth, opened) {
                        return Some(start..at + 1);
                    }
                }
                b';' if depth == 0 => return None,
                _ => {}
            }
        }
        None
    }

    pub fn line_at(&self, at: usize) -> usize {
        line_at(self.code(), at)
    }

    fn test_regions(&self) -> Vec<Range<usize>> {
        const MARK: &str = "#[cfg(test)]";
        let marks = self.code().match_indices(MARK);
        marks.filter_map(|(at, _)| self.body_behind(at + MARK.len()).map(|body| at..body.end)).collect()
    }
}

pub fn line_at(text: &str, at: usize) -> usize {
    1 + text.bytes().take(at).filter(|byte| *byte == b'\n').count()
}

/// Identifiers, keywords and what else consists of letters, digits and `_`.
pub fn words(text: &str) -> Vec<Word<'_>> {
    let mut words = Vec::new();
    let (mut line, mut start) = (1, None);
    for (at, char) in text.char_indices().chain([(text.len(), ' ')]) {
        let inside = char.is_alphanumeric() || char == '_';
        match (start, inside) {
            (None, true) => start = Some(at),
            (Some(begin), false) => {
                words.push(Word { text: &text[begin..at], line, at: begin });
                start = None;
            }
            (None, false) | (Some(_), true) => {}
        }
        if char == '\n' {
            line += 1;
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shipped(path: &str, text: &str) -> Vec<String> {
        Source::new(path, text).shipped_words().into_iter().map(|word| word.text.to_owned()).collect()
    }

    #[test]
    fn words_of_tests_are_not_shipped() {
        let text = "fn a() {}\n#[cfg(test)]\nmod tests {\n fn b() { {} } }\nfn c() {}";
        assert_eq!(shipped("queue/src/lib.rs", text), ["fn", "a", "fn", "c"]);
        for path in [
            "queue/tests/all.rs",
            "queue/src/state_test.rs",
            "queue/src/state/tests.rs",
            "queue/src/state/state_test/refusals.rs",
            "tests/x/src/lib.rs",
        ] {
            assert_eq!(shipped(path, text), [""; 0], "{path}");
        }
        assert_eq!(
            shipped("a.rs", "#[cfg(test)]\nmod state_test;\nfn d() {}"),
            ["cfg", "test", "mod", "state_test", "fn", "d"]
        );
    }

    #[test]
    fn a_body_is_found_behind_its_signature() {
        let source = Source::new("a.rs", "fn a(x: [u8; 2]) -> T where T: F { if x { } }\nfn b();");
        let body = source.body_behind(0).unwrap();
        assert_eq!(&source.code()[body.clone()], "{ if x { } }");
        assert_eq!(source.body_behind(body.end), None);
    }

    #[test]
    fn a_word_knows_its_line() {
        let found: Vec<_> = words("a_1 b::c\n  d").into_iter().map(|word| (word.text, word.line)).collect();
        assert_eq!(found, [("a_1", 1), ("b", 1), ("c", 1), ("d", 2)]);
    }
}
