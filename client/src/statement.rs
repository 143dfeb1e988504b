//! What a user's statement must not be: transaction control (P6). Looks at the first words only; everything else is the
//! database's to judge.

/// Whose comments and words are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    Postgres,
    Sqlite,
}

/// What running a statement means for its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nature {
    /// Reads or writes rows: it leaves nothing behind in its session.
    Rows,
    /// Anything else, such as SET or LISTEN: the connection is not shared with another transaction afterwards.
    Session,
}

/// A statement that would end or divide the transaction, which is the coordinator's to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{words} is transaction control, which Handfast does itself; leave it out, and end the transaction with commit or rollback"
)]
pub struct TransactionControl {
    /// The words that gave it away, in capitals.
    pub words: String,
}

/// Words that begin transaction control in both dialects, whatever follows. In SQLite ATTACH is one as well: a commit over
/// several files in WAL mode is not atomic.
const CONTROL: [&str; 8] = ["BEGIN", "COMMIT", "END", "ROLLBACK", "SAVEPOINT", "RELEASE", "ABORT", "START"];
const CONTROL_SQLITE: [&str; 2] = ["ATTACH", "DETACH"];
/// Two words that are control together and harmless apart.
const CONTROL_PAIRS: [(&str, &str); 2] = [("PREPARE", "TRANSACTION"), ("SET", "TRANSACTION")];
const ROWS: [&str; 9] = ["SELECT", "INSERT", "UPDATE", "DELETE", "MERGE", "WITH", "VALUES", "REPLACE", "TABLE"];

/// Refuses transaction control; says what else the statement is.
pub fn check(dialect: Dialect, sql: &str) -> Result<Nature, TransactionControl> {
    let mut words = Words { rest: sql, dialect };
    let first = words.next_word();
    let is_control =
        CONTROL.contains(&first.as_str()) || (dialect == Dialect::Sqlite && CONTROL_SQLITE.contains(&first.as_str()));
    if is_control {
        return Err(TransactionControl { words: first });
    }
    if CONTROL_PAIRS.iter().any(|(one, _)| *one == first) {
        let second = words.next_word();
        if CONTROL_PAIRS.contains(&(first.as_str(), second.as_str())) {
            return Err(TransactionControl { words: format!("{first} {second}") });
        }
    }
    Ok(if ROWS.contains(&first.as_str()) { Nature::Rows } else { Nature::Session })
}

struct Words<'a> {
    rest: &'a str,
    dialect: Dialect,
}

impl Words<'_> {
    /// The next word in capitals; empty where something else stands.
    fn next_word(&mut self) -> String {
        self.skip_blanks();
        let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
        let end = self.rest.find(|c| !is_word(c)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word.to_ascii_uppercase()
    }

    /// Blanks, comments, empty statements and the parentheses that may stand before a SELECT.
    fn skip_blanks(&mut self) {
        // U+FEFF: SQLite reads a byte order mark as a blank.
        let is_blank = |c: char| c.is_ascii_whitespace() || matches!(c, '\u{b}' | '\u{feff}' | ';' | '(');
        loop {
            self.rest = self.rest.trim_start_matches(is_blank);
            if let Some(comment) = self.rest.strip_prefix("--") {
                let ends: &[char] = if self.dialect == Dialect::Postgres { &['\n', '\r'] } else { &['\n'] };
                self.rest = comment.find(ends).map_or("", |end| &comment[end..]);
            } else if let Some(comment) = self.rest.strip_prefix("/*") {
                self.rest = after_comment(comment, self.dialect);
            } else {
                return;
            }
        }
    }
}

/// What follows a block comment. PostgreSQL's nest, SQLite's do not.
fn after_comment(mut text: &str, dialect: Dialect) -> &str {
    let mut depth = 1_usize;
    while depth > 0 {
        let Some(end) = text.find("*/") else {
            return "";
        };
        let inner = if dialect == Dialect::Postgres { text[..end].find("/*") } else { None };
        let (step, change): (usize, isize) = match inner {
            Some(begin) => (begin + 2, 1),
            None => (end + 2, -1),
        };
        depth = depth.saturating_add_signed(change);
        text = &text[step..];
    }
    text
}

#[cfg(test)]
mod tests {
    use super::Dialect::{Postgres, Sqlite};
    use super::*;

    #[test]
    fn p6_transaction_control_is_refused_however_it_is_dressed() {
        let both = [
            ("commit", "COMMIT"),
            ("COMMIT;", "COMMIT"),
            ("  \t\r\n Rollback to savepoint a", "ROLLBACK"),
            ("/* a */-- b\n end", "END"),
            ("/**/commit", "COMMIT"),
            (";;  begin immediate", "BEGIN"),
            ("savepoint a", "SAVEPOINT"),
            ("release a", "RELEASE"),
            ("commit prepared 'x'", "COMMIT"),
            ("abort", "ABORT"),
            ("start transaction", "START"),
            ("prepare/**/transaction 'a'", "PREPARE TRANSACTION"),
            ("set transaction isolation level serializable", "SET TRANSACTION"),
            ("commit/**/work", "COMMIT"),
            ("\u{feff}commit", "COMMIT"),
        ];
        for (sql, words) in both {
            for dialect in [Postgres, Sqlite] {
                assert_eq!(check(dialect, sql), Err(TransactionControl { words: words.to_owned() }), "{sql}");
            }
        }
        let one = [
            (Sqlite, "attach 'a' as b", Err("ATTACH")),
            (Postgres, "attach 'a' as b", Ok(Nature::Session)),
            // SQLite's comment ends at the first `*/`; PostgreSQL's goes on.
            (Sqlite, "/* /* */ commit", Err("COMMIT")),
            (Postgres, "/* /* */ commit", Ok(Nature::Session)),
            (Postgres, "/* /* */ */ commit", Err("COMMIT")),
            (Postgres, "-- a\rcommit", Err("COMMIT")),
        ];
        for (dialect, sql, expected) in one {
            let expected = expected.map_err(|words: &str| TransactionControl { words: words.to_owned() });
            assert_eq!(check(dialect, sql), expected, "{sql}");
        }
    }

    #[test]
    fn everything_else_is_the_databases_to_judge() {
        let table = [
            ("insert into commit values (1)", Nature::Rows),
            ("  with a as (select 1) select * from a", Nature::Rows),
            ("((select 1))", Nature::Rows),
            ("/* commit */ update a set b = 1", Nature::Rows),
            ("-- commit\nDELETE from a", Nature::Rows),
            ("committed", Nature::Session),
            ("commit_log", Nature::Session),
            ("prepare a as select 1", Nature::Session),
            ("set search_path = a", Nature::Session),
            ("set local statement_timeout = 1", Nature::Session),
            ("\"commit\"", Nature::Session),
            ("/* never closed", Nature::Session),
            ("", Nature::Session),
        ];
        for (sql, nature) in table {
            assert_eq!(check(Postgres, sql), Ok(nature), "{sql}");
            assert_eq!(check(Sqlite, sql), Ok(nature), "{sql}");
        }
    }
}
