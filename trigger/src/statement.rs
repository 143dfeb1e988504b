//! A statement of a trigger: SQL with named parameters, turned into what its database takes.
//!
//! - `:name` is the member `name` of the message's JSON object, `:customer.city` a member of a member, and `:"Order No."` any
//!   name. The colon stands directly before its name: an array slice is written `a[1 : n]`.
//! - What stands in string literals, quoted names and comments is left alone, and so are `::type` and `:=`.
//!
//! What it is not: no SQL parser. It finds the parameters, and refuses what cannot be one statement of a transaction.

use std::fmt;

use handfast_client::{Dialect, TransactionControl, check_statement};

use super::limits::PARAMETERS_MAX;

/// The names on the way from the body to a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    pub path: Vec<String>,
}

/// As it is written in the statement.
impl fmt::Display for Parameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, name) in self.path.iter().enumerate() {
            f.write_str(if index == 0 { ":" } else { "." })?;
            if name.starts_with(is_name_start) && name.chars().all(is_name) {
                f.write_str(name)?;
            } else {
                write!(f, "\"{}\"", name.replace('"', "\"\""))?;
            }
        }
        Ok(())
    }
}

/// A statement as the database takes it, with `$1` or `?1` for its first parameter. A name that comes again has the same
/// number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    pub sql: String,
    pub parameters: Vec<Parameter>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StatementError {
    #[error(transparent)]
    Control(#[from] TransactionControl),
    #[error("the statement is empty")]
    Empty,
    #[error("these are several statements; give each a string of its own in the list")]
    Several,
    #[error("the {what} that begins with {begin:?} is never closed")]
    Unclosed { what: &'static str, begin: String },
    #[error("{text} has no name; write :name, for the value of that name in the message's JSON body")]
    Nameless { text: String },
    #[error("the statement has more than {PARAMETERS_MAX} parameters")]
    TooManyParameters,
}

impl Statement {
    pub fn parse(dialect: Dialect, text: &str) -> Result<Statement, StatementError> {
        check_statement(dialect, text)?;
        let mut scanner = Scanner {
            text,
            at: 0,
            dialect,
            statement: Statement { sql: String::with_capacity(text.len()), parameters: Vec::new() },
            stage: Stage::Before,
        };
        while scanner.step()? {}
        match scanner.stage {
            Stage::Before => Err(StatementError::Empty),
            Stage::Inside | Stage::Behind => Ok(scanner.statement),
        }
    }
}

/// Where the scanner is, as a semicolon divides statements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Before,
    Inside,
    Behind,
}

struct Scanner<'a> {
    text: &'a str,
    /// What is left begins here.
    at: usize,
    dialect: Dialect,
    statement: Statement,
    stage: Stage,
}

impl<'a> Scanner<'a> {
    /// Takes one token, and says whether there was one.
    fn step(&mut self) -> Result<bool, StatementError> {
        let rest = self.rest();
        let Some(first) = rest.chars().next() else { return Ok(false) };
        let postgres = self.dialect == Dialect::Postgres;
        // U+FEFF: SQLite reads a byte order mark as a blank.
        if first.is_whitespace() || first == '\u{feff}' {
            self.copy(first.len_utf8());
            return Ok(true);
        }
        if let Some(length) = self.comment(rest)? {
            self.copy(length);
            return Ok(true);
        }
        if first == ';' {
            if self.stage == Stage::Inside {
                self.stage = Stage::Behind;
            }
            self.copy(1);
            return Ok(true);
        }
        if self.stage == Stage::Behind {
            return Err(StatementError::Several);
        }
        self.stage = Stage::Inside;
        match first {
            '\'' => self.copy_quoted(0, '\'', "string"),
            '"' => self.copy_quoted(0, '"', "quoted name"),
            '`' if !postgres => self.copy_quoted(0, '`', "quoted name"),
            '[' if !postgres => {
                let end = rest.find(']').ok_or_else(|| unclosed("quoted name", rest))?;
                self.copy(end + 1);
                Ok(())
            }
            '$' if postgres => self.copy_dollar(),
            '$' | '@' | '?' | '#' if !postgres => Err(nameless(rest)),
            ':' => self.colon(),
            first if is_name(first) => self.copy_word(),
            first => {
                self.copy(first.len_utf8());
                Ok(())
            }
        }?;
        Ok(true)
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    /// Passes `length` bytes over, which end where a character does.
    fn skip(&mut self, length: usize) -> &'a str {
        let passed = &self.rest()[..length];
        self.at += length;
        passed
    }

    fn copy(&mut self, length: usize) {
        let passed = self.skip(length);
        self.statement.sql.push_str(passed);
    }

    /// The length of the comment at the beginning of `rest`, if one is there. PostgreSQL's nest, SQLite's do not.
    fn comment(&self, rest: &str) -> Result<Option<usize>, StatementError> {
        if rest.starts_with("--") {
            let ends: &[char] = if self.dialect == Dialect::Postgres { &['\n', '\r'] } else { &['\n'] };
            return Ok(Some(rest.find(ends).unwrap_or(rest.len())));
        }
        if !rest.starts_with("/*") {
            return Ok(None);
        }
        let (mut at, mut depth) = (2, 1);
        while depth > 0 {
            let inner = &rest[at..];
            let Some(end) = inner.find("*/") else { return Err(unclosed("comment", rest)) };
            match inner[..end].find("/*") {
                Some(begin) if self.dialect == Dialect::Postgres => {
                    at += begin + 2;
                    depth += 1;
                }
                Some(_) | None => {
                    at += end + 2;
                    depth -= 1;
                }
            }
        }
        Ok(Some(at))
    }

    /// What is quoted begins behind `before` bytes; a doubled mark is part of it.
    fn copy_quoted(&mut self, before: usize, mark: char, what: &'static str) -> Result<(), StatementError> {
        let rest = self.rest();
        let length = quoted_length(&rest[before..], mark, false).ok_or_else(|| unclosed(what, rest))?;
        self.copy(before + length);
        Ok(())
    }

    /// A name, a keyword or a number, and with it the string that `E` begins: in that a backslash escapes the mark.
    fn copy_word(&mut self) -> Result<(), StatementError> {
        let rest = self.rest();
        let is_word = |c: char| is_name(c) || c == '$';
        let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
        let is_escaping = self.dialect == Dialect::Postgres && rest[..end].eq_ignore_ascii_case("e");
        if is_escaping && rest[end..].starts_with('\'') {
            let length = quoted_length(&rest[end..], '\'', true).ok_or_else(|| unclosed("string", rest))?;
            self.copy(end + length);
        } else {
            self.copy(end);
        }
        Ok(())
    }

    /// `$tag$ ... $tag$`, or what only looks like it.
    fn copy_dollar(&mut self) -> Result<(), StatementError> {
        let rest = self.rest();
        let tag = &rest[1..];
        if tag.starts_with(|c: char| c.is_ascii_digit()) {
            return Err(nameless(rest));
        }
        let length = tag.find(|c| !is_name(c)).unwrap_or(tag.len());
        if !tag[length..].starts_with('$') {
            self.copy(1);
            return Ok(());
        }
        let mark = &rest[..length + 2];
        let end = rest[mark.len()..].find(mark).ok_or_else(|| unclosed("string", rest))?;
        self.copy(mark.len() + end + mark.len());
        Ok(())
    }

    fn colon(&mut self) -> Result<(), StatementError> {
        let behind = &self.rest()[1..];
        if behind.starts_with([':', '=']) {
            self.copy(2);
        } else if behind.starts_with(is_path_start) {
            self.skip(1);
            let path = self.path()?;
            self.place(Parameter { path })?;
        } else if self.dialect == Dialect::Sqlite && behind.starts_with(is_sqlite_name) {
            return Err(nameless(self.rest()));
        } else {
            self.copy(1);
        }
        Ok(())
    }

    /// Names with dots between them. A dot behind which no name stands is SQL's own.
    fn path(&mut self) -> Result<Vec<String>, StatementError> {
        let mut path = Vec::new();
        loop {
            let rest = self.rest();
            if rest.starts_with('"') {
                let length = quoted_length(rest, '"', false).ok_or_else(|| unclosed("name of a parameter", rest))?;
                let name = self.skip(length);
                path.push(name[1..length - 1].replace("\"\"", "\""));
            } else {
                let length = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
                path.push(self.skip(length).to_owned());
            }
            let more = self.rest().strip_prefix('.');
            if !more.is_some_and(|more| more.starts_with(is_path_start)) {
                return Ok(path);
            }
            self.skip(1);
        }
    }

    /// Writes the number of `parameter` into the statement, apart from what stands beside it.
    fn place(&mut self, parameter: Parameter) -> Result<(), StatementError> {
        let parameters = &mut self.statement.parameters;
        let known = parameters.iter().position(|known| *known == parameter);
        let number = known.unwrap_or(parameters.len()) + 1;
        if known.is_none() {
            if number > PARAMETERS_MAX {
                return Err(StatementError::TooManyParameters);
            }
            parameters.push(parameter);
        }
        let sign = if self.dialect == Dialect::Postgres { '$' } else { '?' };
        let joins = |c: char| is_name(c) || c == '$';
        if self.statement.sql.ends_with(joins) {
            self.statement.sql.push(' ');
        }
        self.statement.sql.push_str(&format!("{sign}{number}"));
        if self.rest().starts_with(joins) {
            self.statement.sql.push(' ');
        }
        Ok(())
    }
}

fn is_name_start(c: char) -> bool {
    c.is_alphabetic() || c == '_'
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn is_path_start(c: char) -> bool {
    is_name_start(c) || c == '"'
}

/// Behind a colon SQLite takes each of these for the name of a parameter, which nobody would give a value to.
fn is_sqlite_name(c: char) -> bool {
    is_name(c) || c == '$' || !c.is_ascii()
}

/// The length of what `mark` quotes at the beginning of `text`, both marks included.
fn quoted_length(text: &str, mark: char, backslash_escapes: bool) -> Option<usize> {
    let mut chars = text.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        if c == mark {
            if chars.next_if(|(_, next)| *next == mark).is_none() {
                return Some(at + 1);
            }
        } else if c == '\\' && backslash_escapes {
            chars.next();
        }
    }
    None
}

fn unclosed(what: &'static str, rest: &str) -> StatementError {
    StatementError::Unclosed { what, begin: rest.chars().take(20).collect() }
}

fn nameless(rest: &str) -> StatementError {
    let length = rest[1..].find(|c| !is_sqlite_name(c)).map_or(rest.len(), |end| end + 1);
    StatementError::Nameless { text: rest[..length].to_owned() }
}

#[cfg(test)]
#[path = "statement_test.rs"]
mod tests;
