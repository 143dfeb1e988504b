//! One JSON object a row of CSV, with the header's names as keys.
//!
//! A field that is a JSON number by its grammar stays a number, in its own digits; an empty one is null; every other is a
//! string. The keys have the header's order.

use std::collections::BTreeMap;
use std::io::BufRead;

use bytes::Bytes;

use super::rows::{Row, Rows};
use super::{ImportError, Record, is_json_number};

#[derive(Debug)]
pub struct CsvRows<R> {
    rows: Rows<R>,
    row: Row,
    /// Before the value of the line's number; empty where it was not asked for.
    line_key: Vec<u8>,
    /// `"name":` for each column, with what comes before it.
    keys: Vec<Vec<u8>>,
}

impl<R: BufRead> CsvRows<R> {
    /// Reads the header. With `line_key` each object begins with the number of its line under that key.
    pub fn new(input: R, line_key: Option<&str>) -> Result<CsvRows<R>, ImportError> {
        let mut rows = Rows::new(input)?;
        let mut row = Row::default();
        if !rows.read(&mut row)? {
            return Err(ImportError::NoHeader);
        }
        let names = header(&row)?;
        if let Some(key) = line_key.filter(|key| names.contains(key)) {
            return Err(ImportError::LineKeyTaken { name: key.to_owned() });
        }
        let mut opening = b'{';
        let mut key = |name: &str| {
            let mut key = vec![std::mem::replace(&mut opening, b',')];
            push_string(&mut key, name);
            key.push(b':');
            key
        };
        let line_key = line_key.map(&mut key).unwrap_or_default();
        let keys = names.into_iter().map(key).collect();
        Ok(CsvRows { rows, row, line_key, keys })
    }

    fn read(&mut self) -> Result<Option<Record>, ImportError> {
        if !self.rows.read(&mut self.row)? {
            return Ok(None);
        }
        let line = self.row.line;
        let (found, expected) = (self.row.len(), self.keys.len());
        if found != expected {
            return Err(ImportError::FieldCount { line, found, expected });
        }
        let mut body = Vec::new();
        if !self.line_key.is_empty() {
            body.extend_from_slice(&self.line_key);
            body.extend_from_slice(line.to_string().as_bytes());
        }
        for (at, (key, field)) in self.keys.iter().zip(self.row.fields()).enumerate() {
            body.extend_from_slice(key);
            if field.is_empty() {
                body.extend_from_slice(b"null");
            } else if is_json_number(field) {
                body.extend_from_slice(field);
            } else {
                let text = std::str::from_utf8(field);
                push_string(&mut body, text.map_err(|_| ImportError::NotText { line, column: at + 1 })?);
            }
        }
        body.push(b'}');
        Ok(Some(Record { line, body: Bytes::from(body), offset: self.rows.offset }))
    }
}

impl<R: BufRead> Iterator for CsvRows<R> {
    type Item = Result<Record, ImportError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read().transpose()
    }
}

/// The names of the columns; each has one, and no two the same.
fn header(row: &Row) -> Result<Vec<&str>, ImportError> {
    let mut names = Vec::with_capacity(row.len());
    let mut columns = BTreeMap::new();
    for (column, field) in (1..).zip(row.fields()) {
        let name = std::str::from_utf8(field).map_err(|_| ImportError::NotText { line: row.line, column })?;
        if name.is_empty() {
            return Err(ImportError::UnnamedColumn { column });
        }
        if let Some(first) = columns.insert(name, column) {
            return Err(ImportError::RepeatedColumn { first, second: column, name: name.to_owned() });
        }
        names.push(name);
    }
    Ok(names)
}

fn push_string(json: &mut Vec<u8>, text: &str) {
    serde_json::to_writer(json, text).expect("writing a string to memory cannot fail");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bodies(input: &[u8], line_key: Option<&str>) -> Result<Vec<(u64, String)>, String> {
        let rows = CsvRows::new(input, line_key).map_err(|error| error.to_string())?;
        let text = |record: Record| (record.line, String::from_utf8(record.body.to_vec()).unwrap());
        rows.map(|record| record.map(text).map_err(|error| error.to_string())).collect()
    }

    #[test]
    fn a_row_is_an_object_whose_numbers_keep_their_digits() {
        let input = "id,amount,name,note\r\n\
                     1,0.10,\"Smith, \"\"Jo\"\"\",\r\n\
                     007,-0,\"two\r\nlines\",1e5\r\n\
                     12345678901234567890,1.00, 1,\"\"\r\n";
        let expected = [
            (2, r#"{"id":1,"amount":0.10,"name":"Smith, \"Jo\"","note":null}"#.to_owned()),
            (3, r#"{"id":"007","amount":-0,"name":"two\r\nlines","note":1e5}"#.to_owned()),
            (5, r#"{"id":12345678901234567890,"amount":1.00,"name":" 1","note":null}"#.to_owned()),
        ];
        assert_eq!(bodies(input.as_bytes(), None).unwrap(), expected);
    }

    #[test]
    fn the_line_of_a_row_goes_first_under_its_key() {
        let input = b"a\n1\n\n\"x\ny\"\nz\n";
        let expected = [
            (2, r#"{"line":2,"a":1}"#.to_owned()),
            (4, r#"{"line":4,"a":"x\ny"}"#.to_owned()),
            (6, r#"{"line":6,"a":"z"}"#.to_owned()),
        ];
        assert_eq!(bodies(input, Some("line")).unwrap(), expected);
    }

    #[test]
    fn what_is_malformed_is_refused_by_name_and_place() {
        let table: [(&[u8], &str); 8] = [
            (b"", "the input is empty"),
            (b"a,,c\n", "column 2 of the header has no name"),
            (b"a,b,a\n", "columns 1 and 3 of the header are both named \"a\""),
            (b"a,line\n", "the header has a column \"line\" already"),
            (b"a,\xff\n", "line 1, column 2 is not UTF-8"),
            (b"a,b\n1,2\n1\n", "line 3 has 1 fields, and the header has 2"),
            (b"a,b\n1,2,3\n", "line 2 has 3 fields, and the header has 2"),
            (b"a,b\n1,x\xff\n", "line 2, column 2 is not UTF-8"),
        ];
        for (input, refusal) in table {
            let refused = bodies(input, Some("line")).unwrap_err();
            assert!(refused.starts_with(refusal), "{refused}");
        }
    }
}
