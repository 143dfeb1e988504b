//! What a failure says about the messages that its transaction received (P22): whether an attempt is counted.

use handfast_protocol::limits::ERROR_TEXT_BYTES_MAX;
use handfast_wire::v1;
use rusqlite::ErrorCode;

/// Given with a rollback. It decides what becomes of the messages that were received.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Blame {
    /// They had no part in it: back to their places, no attempt is counted.
    #[default]
    None,
    /// They caused it: an attempt is counted, and the last one that their queue allows makes them dead letters.
    Message { error: String },
    /// They will never do: dead letters at once.
    Reject { error: String },
}

impl From<Blame> for v1::Blame {
    fn from(blame: Blame) -> v1::Blame {
        let (kind, error) = match blame {
            Blame::None => (v1::blame::Kind::None, String::new()),
            Blame::Message { error } => (v1::blame::Kind::Message, error),
            Blame::Reject { error } => (v1::blame::Kind::Reject, error),
        };
        v1::Blame { kind: kind.into(), error: cut(error) }
    }
}

/// At most what is kept with a message, cut where a character begins.
fn cut(mut error: String) -> String {
    error.truncate(error.floor_char_boundary(ERROR_TEXT_BYTES_MAX));
    error
}

/// What an error of PostgreSQL says about the message at hand. Its own fault are, by SQLSTATE class, what its values led to, and
/// would lead to again: 21 (a subquery found several rows), 22 (data), 23 (constraint), 44 (a view's check), 54 (too large or too
/// complex) and P0 (a function that refuses it); and 42 (no such table, no permission, wrong SQL), which no message passes.
/// Nothing else is.
pub fn blame_of(error: &tokio_postgres::Error) -> Blame {
    match error.code().map(|code| &code.code()[..2]) {
        Some("21" | "22" | "23" | "42" | "44" | "54" | "P0") => Blame::Message { error: postgres_text(error) },
        _ => Blame::None,
    }
}

/// The error as a person wants to read it: SQLSTATE, message and detail in one line.
pub fn postgres_text(error: &tokio_postgres::Error) -> String {
    let Some(said) = error.as_db_error() else {
        // The driver's own words say only that something failed; why is in its cause.
        let cause = std::error::Error::source(error);
        return cause.map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"));
    };
    let mut text = format!("{} {}: {}", said.severity(), said.code().code(), said.message());
    if let Some(detail) = said.detail() {
        text.push_str(" (");
        text.push_str(detail);
        text.push(')');
    }
    text
}

/// The same for SQLite: a constraint, a type, a value or wrong SQL is the message's own fault; a busy, locked, full,
/// unreadable or unreachable file is not.
pub fn blame_of_sqlite(error: &rusqlite::Error) -> Blame {
    let own_fault = match error {
        rusqlite::Error::SqliteFailure(failure, _) => is_own_fault(failure.code),
        rusqlite::Error::SqlInputError { error, .. } => is_own_fault(error.code),
        rusqlite::Error::InvalidParameterCount(..)
        | rusqlite::Error::InvalidParameterName(_)
        | rusqlite::Error::ToSqlConversionFailure(_)
        | rusqlite::Error::NulError(_)
        | rusqlite::Error::MultipleStatement => true,
        _ => false,
    };
    if own_fault { Blame::Message { error: error.to_string() } } else { Blame::None }
}

fn is_own_fault(code: ErrorCode) -> bool {
    matches!(
        code,
        // `Unknown` is SQLITE_ERROR: wrong SQL, no such table, an arithmetic or JSON error.
        ErrorCode::ConstraintViolation
            | ErrorCode::TypeMismatch
            | ErrorCode::TooBig
            | ErrorCode::ParameterOutOfRange
            | ErrorCode::Unknown
    )
}

#[cfg(test)]
mod tests {
    use rusqlite::ffi;

    use super::*;

    #[test]
    fn p22_sqlite_blames_the_message_for_its_own_faults_only() {
        let table = [
            (ffi::SQLITE_CONSTRAINT_UNIQUE, true),
            (ffi::SQLITE_MISMATCH, true),
            (ffi::SQLITE_ERROR, true),
            (ffi::SQLITE_RANGE, true),
            (ffi::SQLITE_TOOBIG, true),
            (ffi::SQLITE_BUSY, false),
            (ffi::SQLITE_BUSY_SNAPSHOT, false),
            (ffi::SQLITE_LOCKED, false),
            (ffi::SQLITE_IOERR_FSYNC, false),
            (ffi::SQLITE_FULL, false),
            (ffi::SQLITE_CANTOPEN, false),
            (ffi::SQLITE_READONLY, false),
            (ffi::SQLITE_CORRUPT, false),
            (ffi::SQLITE_NOMEM, false),
            (ffi::SQLITE_INTERRUPT, false),
        ];
        for (code, own_fault) in table {
            let error = rusqlite::Error::SqliteFailure(ffi::Error::new(code), None);
            let blame = blame_of_sqlite(&error);
            assert_eq!(blame != Blame::None, own_fault, "{code}: {blame:?}");
        }
        assert_ne!(blame_of_sqlite(&rusqlite::Error::InvalidParameterCount(1, 2)), Blame::None);
    }

    #[test]
    fn an_error_text_is_cut_where_a_character_begins() {
        let blame = v1::Blame::from(Blame::Message { error: "ö".repeat(ERROR_TEXT_BYTES_MAX) + "x" });
        assert_eq!(blame.error, "ö".repeat(ERROR_TEXT_BYTES_MAX / 2));
        let odd = v1::Blame::from(Blame::Reject { error: format!("x{}", "ö".repeat(ERROR_TEXT_BYTES_MAX)) });
        assert_eq!(odd.error.len(), ERROR_TEXT_BYTES_MAX - 1);
        assert_eq!(odd.kind(), v1::blame::Kind::Reject);
    }
}
