//! Tells code, comments and literals of a Rust file apart.

/// A file split into two texts of the same shape: everywhere in each, what belongs to the other (or is a literal's inside) is
/// blank, and the lines are the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    pub code: String,
    pub comments: String,
}

#[derive(Clone, Copy)]
enum Part {
    Code,
    Comment,
    Literal,
}

pub fn split(text: &str) -> Split {
    let chars: Vec<char> = text.chars().collect();
    let mut split = Split { code: String::new(), comments: String::new() };
    let mut at = 0;
    while at < chars.len() {
        let (part, end) = next(&chars, at);
        for &char in &chars[at..end] {
            let blank = if char == '\n' { '\n' } else { ' ' };
            let (code, comment) = match part {
                Part::Code => (char, blank),
                Part::Comment => (blank, char),
                Part::Literal => (blank, blank),
            };
            split.code.push(code);
            split.comments.push(comment);
        }
        at = end;
    }
    split
}

/// The part that begins at `at`, and where it ends.
fn next(chars: &[char], at: usize) -> (Part, usize) {
    let rest = &chars[at..];
    match rest {
        ['/', '/', ..] => (Part::Comment, at + rest.iter().position(|char| *char == '\n').unwrap_or(rest.len())),
        ['/', '*', ..] => (Part::Comment, at + block_comment(rest)),
        ['"', ..] => (Part::Literal, at + string(rest)),
        ['\'', ..] if lifetime(rest) => (Part::Code, at + 1),
        ['\'', ..] => (Part::Literal, at + char_literal(rest)),
        ['r', '"' | '#', ..] if !within_word(chars, at) => match raw_string(&rest[1..]) {
            Some(length) => (Part::Literal, at + 1 + length),
            None => (Part::Code, at + 1),
        },
        _ => (Part::Code, at + 1),
    }
}

/// The character before belongs to the same identifier. The `b` of `br".."` does not: it is no identifier by itself.
fn within_word(chars: &[char], at: usize) -> bool {
    let word = |back: usize| {
        let before = at.checked_sub(back).map(|index| chars[index]);
        before.filter(|char| char.is_alphanumeric() || *char == '_')
    };
    match word(1) {
        Some('b' | 'c') => word(2).is_some(),
        before => before.is_some(),
    }
}

fn block_comment(rest: &[char]) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < rest.len() {
        match &rest[at..] {
            ['/', '*', ..] => (depth, at) = (depth + 1, at + 2),
            ['*', '/', ..] => {
                (depth, at) = (depth - 1, at + 2);
                if depth == 0 {
                    break;
                }
            }
            _ => at += 1,
        }
    }
    at
}

fn string(rest: &[char]) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            '\\' => at += 2,
            '"' => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

/// `#*".."#*`, or none if it is a raw identifier.
fn raw_string(rest: &[char]) -> Option<usize> {
    let hashes = rest.iter().take_while(|char| **char == '#').count();
    if rest.get(hashes) != Some(&'"') {
        return None;
    }
    let mut at = hashes + 1;
    while at < rest.len() {
        let closes =
            rest[at] == '"' && rest[at + 1..].iter().take(hashes).filter(|char| **char == '#').count() == hashes;
        if closes {
            return Some(at + 1 + hashes);
        }
        at += 1;
    }
    Some(rest.len())
}

/// `'a` that no quote closes.
fn lifetime(rest: &[char]) -> bool {
    match rest {
        ['\'', '\\', ..] | ['\'', _, '\'', ..] => false,
        ['\'', ..] => true,
        _ => false,
    }
}

fn char_literal(rest: &[char]) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            '\\' => at += 2,
            '\'' => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_comments_and_literals_are_told_apart() {
        let cases = [
            ("a // b\nc", "a     \nc", "  // b\n "),
            ("a /* b /* c */ d */ e", "a                   e", "  /* b /* c */ d */  "),
            (r#"f("// no \" {") g"#, "f(            ) g", "                 "),
            (r##"r#"x " y"# z"##, "           z", "            "),
            ("r#type", "r#type", "      "),
            (r#"br"\" x"#, "b     x", "       "),
            ("'{' '\\'' &'a T", "         &'a T", "              "),
            ("/// `a`\nfn", "       \nfn", "/// `a`\n  "),
        ];
        for (text, code, comments) in cases {
            let Split { code: found, comments: found_comments } = split(text);
            assert_eq!((found.as_str(), found_comments.as_str()), (code, comments), "{text}");
        }
    }
}
