//! Standard output: tables for people, JSON for programs.
//!
//! Both are made of the same records, so that they cannot tell two stories. A write that fails is the command's failure; a
//! reader that has closed the pipe is none.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::Value;

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum OutputFormat {
    Text,
    Json,
}

/// All of `records`: an array, or a table of `columns`.
pub fn print_list<T: Serialize>(format: OutputFormat, records: &[T], columns: &[&str]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match format {
        OutputFormat::Json => {
            serde_json::to_writer_pretty(&mut out, records)?;
            writeln!(out)?;
        }
        OutputFormat::Text => {
            let mut rows = vec![columns.iter().map(|column| column.replace('_', " ").to_uppercase()).collect()];
            for record in records {
                let fields = serde_json::to_value(record)?;
                rows.push(columns.iter().map(|column| cell(&fields[*column])).collect());
            }
            print_table(&mut out, &rows)?;
        }
    }
    out.flush()
}

/// One record: an object, or a field a line.
pub fn print_one<T: Serialize>(format: OutputFormat, record: &T) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match format {
        OutputFormat::Json => {
            serde_json::to_writer_pretty(&mut out, record)?;
            writeln!(out)?;
        }
        OutputFormat::Text => print_fields(&mut out, &serde_json::to_value(record)?, "")?,
    }
    out.flush()
}

/// What was done: a sentence for people, a record for programs.
pub fn print_done<T: Serialize>(format: OutputFormat, record: &T, sentence: &str) -> io::Result<()> {
    match format {
        OutputFormat::Json => print_one(format, record),
        OutputFormat::Text => {
            let mut out = io::stdout().lock();
            writeln!(out, "{sentence}")?;
            out.flush()
        }
    }
}

/// An array that is printed as its elements come: a list is one array, however long.
#[derive(Debug)]
pub struct JsonArray<W: Write> {
    out: W,
    is_empty: bool,
}

impl<W: Write> JsonArray<W> {
    pub fn begin(mut out: W) -> io::Result<JsonArray<W>> {
        write!(out, "[")?;
        Ok(JsonArray { out, is_empty: true })
    }

    pub fn push<T: Serialize>(&mut self, element: &T) -> io::Result<()> {
        write!(self.out, "{}", if self.is_empty { "\n" } else { ",\n" })?;
        self.is_empty = false;
        Ok(serde_json::to_writer(&mut self.out, element)?)
    }

    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    pub fn end(mut self) -> io::Result<()> {
        writeln!(self.out, "{}]", if self.is_empty { "" } else { "\n" })?;
        self.out.flush()
    }
}

fn print_table(out: &mut impl Write, rows: &[Vec<String>]) -> io::Result<()> {
    let columns = rows.first().map_or(0, Vec::len);
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            line.push_str(&format!("{cell:width$}  "));
        }
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

/// Names beside their values; what is nested stands below, further in.
fn print_fields(out: &mut impl Write, value: &Value, indent: &str) -> io::Result<()> {
    let Value::Object(fields) = value else {
        return writeln!(out, "{indent}{}", cell(value));
    };
    let width = fields.keys().map(String::len).max().unwrap_or(0);
    for (name, value) in fields {
        let name = name.replace('_', " ");
        match value {
            Value::Array(elements) if !elements.is_empty() => {
                writeln!(out, "{indent}{name}")?;
                for (number, element) in elements.iter().enumerate() {
                    if number > 0 && element.is_object() {
                        writeln!(out)?;
                    }
                    print_fields(out, element, &format!("{indent}  "))?;
                }
            }
            value => writeln!(out, "{}", format!("{indent}{name:width$}  {}", cell(value)).trim_end())?,
        }
    }
    Ok(())
}

/// A value on one line; what would break the line or the terminal is escaped.
fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::String(text) if text.is_empty() => "-".to_owned(),
        Value::String(text) => one_line(text),
        Value::Array(elements) if elements.is_empty() => "-".to_owned(),
        Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

fn one_line(text: &str) -> String {
    let escape = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    text.chars().map(escape).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn text(print: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> String {
        let mut out = Vec::new();
        print(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn columns_are_as_wide_as_their_widest() {
        let rows = [["NAME", "MESSAGES"], ["bestell\u{fc}ng", "1"], ["o", "1000000000"]];
        let rows: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(ToString::to_string).collect()).collect();
        let expected = "NAME        MESSAGES\nbestell\u{fc}ng  1\no           1000000000\n";
        assert_eq!(text(|out| print_table(out, &rows)), expected);
    }

    #[test]
    fn a_record_is_a_field_a_line_and_its_parts_below() {
        let record = json!({
            "gtrid": "a", "age_seconds": 1.5, "error": "", "is_odd": true, "none": null, "text": "a\nb\u{1b}[1m",
            "branches": [{"resource": "x", "state": "prepared"}, {"resource": "y", "state": "active"}],
        });
        let expected = "\
gtrid        a
age seconds  1.5
error        -
is odd       yes
none         -
text         a\\nb\\u{1b}[1m
branches
  resource  x
  state     prepared

  resource  y
  state     active
";
        assert_eq!(text(|out| print_fields(out, &record, "")), expected);
    }

    #[test]
    fn an_array_is_whole_at_any_length() {
        for length in 0..3 {
            let written = text(|out| {
                let mut array = JsonArray::begin(out)?;
                (0..length).try_for_each(|element| array.push(&element))?;
                array.end()
            });
            let expected: Vec<i32> = (0..length).collect();
            assert_eq!(serde_json::from_str::<Vec<i32>>(&written).unwrap(), expected, "{written}");
        }
    }
}
