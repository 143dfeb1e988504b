//! Any text as a trigger file, as one of its statements, and as the message that the statement takes its values from.
//!
//! What it does not check: that PostgreSQL reads a statement as we do; SQLite, which is at hand, is asked.

use std::path::Path;

use bytes::BytesMut;
use handfast_client::Dialect;
use handfast_trigger::{Argument, Parameter, Parameters, Statement, TriggerFile};
use rusqlite::Connection;
use rusqlite::types::{ToSqlOutput, Value as SqliteValue};
use serde_json::Value;
use tokio_postgres::types::{IsNull, ToSql, Type};

const DIALECTS: [Dialect; 2] = [Dialect::Postgres, Dialect::Sqlite];

/// A statement, a zero byte, a message's body; and the whole as a trigger file.
pub fn check(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Ok(file) = TriggerFile::parse(Path::new("trigger.toml"), text)
        && let Some(database) = file.database
    {
        for dialect in DIALECTS {
            let statements = database.statements(dialect).unwrap_or_default();
            if dialect == Dialect::Sqlite {
                statements.iter().for_each(check_against_sqlite);
            }
        }
    }
    let mut parts = bytes.splitn(2, |byte| *byte == 0);
    let (text, body) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let Ok(text) = std::str::from_utf8(text) else { return };
    for dialect in DIALECTS {
        if let Ok(statement) = Statement::parse(dialect, text) {
            assert!(!statement.parameters.is_empty() || statement.sql == text, "{text:?} became {:?}", statement.sql);
            if dialect == Dialect::Sqlite {
                check_against_sqlite(&statement);
            }
            check_values(body, &statement.parameters);
        }
    }
}

/// What SQLite takes, it takes with as many parameters as we found.
fn check_against_sqlite(statement: &Statement) {
    let database = Connection::open_in_memory().expect("memory is there");
    if let Ok(prepared) = database.prepare(&statement.sql) {
        assert_eq!(prepared.parameter_count(), statement.parameters.len(), "{:?}", statement.sql);
    }
}

/// The values are those that another reader of JSON finds at their paths.
fn check_values(body: &[u8], wanted: &[Parameter]) {
    let parameters = match Parameters::parse(body) {
        Ok(parameters) => parameters,
        Err(_) => return assert!(!serde_json::from_slice::<Value>(body).is_ok_and(|body| body.is_object())),
    };
    let Ok(arguments) = parameters.arguments(wanted) else { return };
    let body: Value = serde_json::from_slice(body).expect("it was read as an object");
    for (parameter, argument) in wanted.iter().zip(&arguments) {
        let found = parameter.path.iter().try_fold(&body, |value, name| value.get(name));
        check_value(found.unwrap_or_else(|| panic!("there is no {parameter}")), argument);
    }
}

fn check_value(value: &Value, argument: &Argument<'_>) {
    let postgres = as_postgres_takes_it(argument);
    match (value, &postgres) {
        (Value::Null, None) => {}
        (Value::String(text), Some(found)) => assert_eq!(found, text),
        (value, Some(found)) => assert_eq!(serde_json::from_str::<Value>(found).ok().as_ref(), Some(value)),
        (value, None) => panic!("{value} became NULL"),
    }
    let ToSqlOutput::Owned(sqlite) = rusqlite::ToSql::to_sql(argument).expect("every value can be stored") else {
        panic!("a value is not owned");
    };
    match (value, sqlite) {
        (Value::Null, SqliteValue::Null) => {}
        (Value::Bool(is), SqliteValue::Integer(number)) => assert_eq!(number, i64::from(*is)),
        (Value::Number(_), SqliteValue::Integer(number)) => assert_eq!(Some(number.to_string()), postgres),
        (_, SqliteValue::Text(text)) => assert_eq!(Some(text), postgres),
        (value, stored) => panic!("{value} became {stored:?}"),
    }
}

/// As a text column gets it; None is NULL.
fn as_postgres_takes_it(argument: &Argument<'_>) -> Option<String> {
    let mut sent = BytesMut::new();
    match argument.to_sql(&Type::TEXT, &mut sent).expect("every value can be sent") {
        IsNull::Yes => None,
        IsNull::No => Some(String::from_utf8(sent.to_vec()).expect("it was text")),
    }
}
