//! The values of a statement's parameters, taken from a message's JSON body.
//!
//! A number is its source text, and never goes through a float:
//! - PostgreSQL gets every value as text, to read it in the type that the statement expects: `12.50` is exact in a `numeric`
//!   column, and a mistake of the message's (class 22) in an `integer` one.
//! - SQLite gets an integer of up to 64 bits as one, and any other number as text, which the column's affinity turns into what
//!   it keeps: a TEXT column keeps `12.50`, a NUMERIC one the number. Where no column is beside it, as in `:amount > 10`, the
//!   statement says what it means: `cast(:amount as real) > 10`.
//!
//! null is NULL, a boolean is one (0 or 1 in SQLite), and an object or an array is its JSON text as it was sent.

use std::collections::BTreeMap;
use std::error::Error;

use bytes::{BufMut, BytesMut};
use rusqlite::types::{ToSqlOutput, Value as SqliteValue};
use serde_json::value::RawValue;
use tokio_postgres::types::{Format, IsNull, Kind, ToSql, Type};

use super::statement::Parameter;

/// The members of an object, each as its source text.
type Members<'a> = BTreeMap<String, &'a RawValue>;

/// A body that statements can use.
#[derive(Debug, Clone)]
pub struct Parameters<'a>(Members<'a>);

/// The message's own fault (P22).
#[derive(Debug, thiserror::Error)]
pub enum ParameterError {
    #[error("the body is not JSON: {0}")]
    NotJson(#[from] serde_json::Error),
    #[error("the body is {found}; statements take their parameters from a JSON object")]
    NotObject { found: &'static str },
    #[error("the body has no {0}, which a statement asks for")]
    Missing(Parameter),
}

impl<'a> Parameters<'a> {
    pub fn parse(body: &'a [u8]) -> Result<Parameters<'a>, ParameterError> {
        let body: &RawValue = serde_json::from_slice(body)?;
        let found = match kind(body) {
            JsonKind::Object => return Ok(Parameters(serde_json::from_str(body.get())?)),
            JsonKind::Null => "null",
            JsonKind::Bool => "a boolean",
            JsonKind::Number => "a number",
            JsonKind::String => "a string",
            JsonKind::Array => "an array",
        };
        Err(ParameterError::NotObject { found })
    }

    /// The values of `wanted`, in that order.
    pub fn arguments(&self, wanted: &[Parameter]) -> Result<Vec<Argument<'a>>, ParameterError> {
        let argument = |parameter: &Parameter| {
            let found = self.find(parameter)?;
            Argument::new(found.ok_or_else(|| ParameterError::Missing(parameter.clone()))?)
        };
        wanted.iter().map(argument).collect()
    }

    fn find(&self, parameter: &Parameter) -> Result<Option<&'a RawValue>, ParameterError> {
        let Some((first, others)) = parameter.path.split_first() else { return Ok(None) };
        let mut found = self.0.get(first).copied();
        for name in others {
            let Some(value) = found.filter(|value| kind(value) == JsonKind::Object) else { return Ok(None) };
            let members: Members<'a> = serde_json::from_str(value.get())?;
            found = members.get(name).copied();
        }
        Ok(found)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum JsonKind {
    Null,
    Bool,
    Number,
    String,
    Array,
    Object,
}

fn kind(value: &RawValue) -> JsonKind {
    match value.get().as_bytes() {
        [b'n', ..] => JsonKind::Null,
        [b't' | b'f', ..] => JsonKind::Bool,
        [b'"', ..] => JsonKind::String,
        [b'[', ..] => JsonKind::Array,
        [b'{', ..] => JsonKind::Object,
        _ => JsonKind::Number,
    }
}

/// A value as databases take it.
#[derive(Debug, Clone, PartialEq)]
pub struct Argument<'a> {
    kind: JsonKind,
    source: &'a str,
    /// What a string says.
    string: Option<String>,
}

impl<'a> Argument<'a> {
    fn new(value: &'a RawValue) -> Result<Argument<'a>, ParameterError> {
        let (kind, source) = (kind(value), value.get());
        let string = if kind == JsonKind::String { Some(serde_json::from_str(source)?) } else { None };
        Ok(Argument { kind, source, string })
    }

    fn text(&self) -> &str {
        self.string.as_deref().unwrap_or(self.source)
    }
}

impl ToSql for Argument<'_> {
    fn to_sql(&self, expected: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        if self.kind == JsonKind::Null {
            return Ok(IsNull::Yes);
        }
        out.put_slice(if is_json(expected) { self.source } else { self.text() }.as_bytes());
        Ok(IsNull::No)
    }

    /// PostgreSQL itself says what it cannot read.
    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, _: &Type) -> Format {
        Format::Text
    }

    fn to_sql_checked(&self, expected: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        self.to_sql(expected, out)
    }
}

fn is_json(expected: &Type) -> bool {
    match expected.kind() {
        Kind::Domain(inner) => is_json(inner),
        _ => [Type::JSON, Type::JSONB].contains(expected),
    }
}

impl rusqlite::ToSql for Argument<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Owned(match self.kind {
            JsonKind::Null => SqliteValue::Null,
            JsonKind::Bool => SqliteValue::Integer(i64::from(self.source == "true")),
            JsonKind::Number => integer(self.source),
            JsonKind::String | JsonKind::Array | JsonKind::Object => SqliteValue::Text(self.text().to_owned()),
        }))
    }
}

/// An integer where it says all that the text says.
fn integer(text: &str) -> SqliteValue {
    match text.parse::<i64>() {
        Ok(number) if number.to_string() == text => SqliteValue::Integer(number),
        Ok(_) | Err(_) => SqliteValue::Text(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use handfast_client::Dialect;

    use super::*;
    use crate::statement::Statement;

    fn parameter(text: &str) -> Parameter {
        Statement::parse(Dialect::Postgres, &format!("select {text}")).unwrap().parameters.remove(0)
    }

    /// What both databases get for `:a` of `{"a": JSON}`.
    fn sent(json: &str, expected: &Type) -> (SqliteValue, Option<String>) {
        let body = format!("{{\"a\": {json}}}");
        let parameters = Parameters::parse(body.as_bytes()).unwrap();
        let argument = parameters.arguments(&[parameter(":a")]).unwrap().remove(0);
        let ToSqlOutput::Owned(sqlite) = rusqlite::ToSql::to_sql(&argument).unwrap() else {
            panic!("values are owned");
        };
        let mut out = BytesMut::new();
        assert!(matches!(argument.encode_format(expected), Format::Text));
        let postgres = match argument.to_sql(expected, &mut out).unwrap() {
            IsNull::Yes => None,
            IsNull::No => Some(String::from_utf8(out.to_vec()).unwrap()),
        };
        (sqlite, postgres)
    }

    #[test]
    fn a_value_arrives_as_it_was_written() {
        let text = |text: &str| SqliteValue::Text(text.to_owned());
        let table = [
            ("7", Type::INT4, SqliteValue::Integer(7), Some("7")),
            ("-9223372036854775808", Type::INT8, SqliteValue::Integer(i64::MIN), Some("-9223372036854775808")),
            ("12345678901234567890", Type::NUMERIC, text("12345678901234567890"), Some("12345678901234567890")),
            ("12.50", Type::NUMERIC, text("12.50"), Some("12.50")),
            (
                "0.10000000000000000000001",
                Type::NUMERIC,
                text("0.10000000000000000000001"),
                Some("0.10000000000000000000001"),
            ),
            ("1e5", Type::NUMERIC, text("1e5"), Some("1e5")),
            ("-0", Type::INT4, text("-0"), Some("-0")),
            ("true", Type::BOOL, SqliteValue::Integer(1), Some("true")),
            ("null", Type::TEXT, SqliteValue::Null, None),
            ("null", Type::JSONB, SqliteValue::Null, None),
            ("\"it's\"", Type::TEXT, text("it's"), Some("it's")),
            ("\"x\"", Type::JSONB, text("x"), Some("\"x\"")),
            ("{\"b\": [1, 2.50]}", Type::TEXT, text("{\"b\": [1, 2.50]}"), Some("{\"b\": [1, 2.50]}")),
            ("[1]", Type::JSON, text("[1]"), Some("[1]")),
        ];
        for (json, expected, sqlite, postgres) in table {
            assert_eq!(sent(json, &expected), (sqlite, postgres.map(str::to_owned)), "{json}");
        }
    }

    #[test]
    fn a_path_leads_through_objects() {
        let body = r#"{"customer": {"city": "Ulm", "Zip Code": 1}, "a.b": 2, "tags": []}"#;
        let parameters = Parameters::parse(body.as_bytes()).unwrap();
        let found = |text: &str| {
            let parameter = [parameter(text)];
            let arguments = parameters.arguments(&parameter);
            arguments.map(|arguments| arguments[0].text().to_owned()).map_err(|error| error.to_string())
        };
        let missing = |name: &str| Err(format!("the body has no {name}, which a statement asks for"));
        assert_eq!(found(":customer.city"), Ok("Ulm".to_owned()));
        assert_eq!(found(":customer.\"Zip Code\""), Ok("1".to_owned()));
        assert_eq!(found(":\"a.b\""), Ok("2".to_owned()));
        assert_eq!(found(":a.b"), missing(":a.b"));
        assert_eq!(found(":tags.x"), missing(":tags.x"));
        assert_eq!(found(":customer.street"), missing(":customer.street"));
    }

    #[test]
    fn p22_a_body_without_members_is_the_messages_fault() {
        let error = |body: &str| Parameters::parse(body.as_bytes()).unwrap_err().to_string();
        assert_eq!(error("[1]"), "the body is an array; statements take their parameters from a JSON object");
        assert!(error("tea").starts_with("the body is not JSON: "), "{}", error("tea"));
        assert!(Parameters::parse("[".repeat(100_000).as_bytes()).is_err());
        let lone = Parameters::parse(br#"{"a": "\ud800"}"#).unwrap();
        assert!(matches!(lone.arguments(&[parameter(":a")]), Err(ParameterError::NotJson(_))));
    }
}
