//! Any bytes as an input of many messages. What comes out is what stood there: lines to the byte, fields of CSV as another
//! reader of RFC 4180 finds them, numbers in their own digits; however the bytes come in, and wherever an import goes on.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};

use handfast_import::{
    BATCH_MESSAGES_MAX, Batch, Batches, Content, CsvRows, Digest, ImportError, Lines, Record, Resume,
};
use handfast_protocol::QueueName;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::draws::Draws;

const LINE: &str = "line";

/// What was read, and what was refused after it.
type Read = (Vec<Record>, Option<String>);

/// One byte says how many messages a batch has; the rest is read as lines, as lines of JSON, and as CSV.
pub fn check(bytes: &[u8]) {
    let mut draws = Draws::new(bytes);
    let messages_max = 1 + draws.below(BATCH_MESSAGES_MAX.min(8));
    let input = draws.bytes(bytes.len());
    for content in [Content::Any, Content::Json] {
        check_lines(input, content);
        check_batches(|| Lines::new(input, content), messages_max);
    }
    for line_key in [None, Some(LINE)] {
        check_csv(input, line_key);
        let Ok(_) = CsvRows::new(input, line_key) else { continue };
        check_batches(|| CsvRows::new(input, line_key).expect("it has a header"), messages_max);
    }
}

fn all(records: impl Iterator<Item = Result<Record, ImportError>>) -> Read {
    let mut read = Vec::new();
    for record in records {
        match record {
            Ok(record) => read.push(record),
            Err(refused) => return (read, Some(refused.to_string())),
        }
    }
    (read, None)
}

/// The same bytes, one at a time.
fn trickle(input: &[u8]) -> impl BufRead {
    BufReader::with_capacity(1, input)
}

fn check_lines(input: &[u8], content: Content) {
    let read = all(Lines::new(input, content));
    assert_eq!(all(Lines::new(trickle(input), content)), read, "byte by byte it is something else");
    let mut begin = 0;
    for (number, Record { line, body, offset }) in (1..).zip(&read.0) {
        assert_eq!(*line, number);
        let text = &input[begin..*offset as usize];
        let text = text.strip_suffix(b"\n").map_or(text, |text| text.strip_suffix(b"\r").unwrap_or(text));
        assert_eq!(body, text, "line {line} is not what stands there");
        assert!(content == Content::Any || is_json(body), "line {line} is no JSON");
        begin = *offset as usize;
    }
    let left = &input[begin..];
    if read.1.is_some() {
        let refused = left.split(|byte| *byte == b'\n').next().unwrap_or_default();
        assert!(
            serde_json::from_slice::<Value>(refused).is_err(),
            "a line of JSON is refused: {}",
            refused.escape_ascii()
        );
    } else {
        assert!(left.is_empty(), "{} bytes are left", left.len());
    }
}

/// As another reader of JSON sees it, which refuses what RFC 8259 allows: any depth, and one half of a surrogate pair.
fn is_json(text: &[u8]) -> bool {
    let stricter = ["recursion limit exceeded", "lone leading surrogate", "unexpected end of hex escape"];
    let read = serde_json::from_slice::<Value>(text);
    let is_allowed = |refused: &str| stricter.iter().any(|reason| refused.starts_with(reason));
    std::str::from_utf8(text).is_ok() && read.map_or_else(|refused| is_allowed(&refused.to_string()), |_| true)
}

fn check_csv(input: &[u8], line_key: Option<&str>) {
    let read = |rows: Result<_, ImportError>| rows.map(all).map_err(|refused| refused.to_string());
    let found = read(CsvRows::new(input, line_key).map(|rows| Box::new(rows) as Box<dyn Iterator<Item = _>>));
    let trickled = CsvRows::new(trickle(input), line_key).map(|rows| Box::new(rows) as Box<dyn Iterator<Item = _>>);
    assert_eq!(read(trickled), found, "byte by byte it is something else");
    let Ok((records, refused)) = found else { return };
    let mut other = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(input);
    let mut rows = other.byte_records().map(|row| row.expect("memory can be read"));
    let header = rows.next().expect("it has a header");
    for record in records {
        let row = rows.next().expect("the other reader finds as many rows");
        check_object(&record, &header, &row, line_key);
    }
    assert!(refused.is_some() || rows.next().is_none(), "the other reader finds more rows");
}

/// The object has the header's names in their order, and each value says what its field says.
fn check_object(record: &Record, header: &csv::ByteRecord, row: &csv::ByteRecord, line_key: Option<&str>) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("it was taken as text");
    let object: serde_json::Map<String, Value> = serde_json::from_slice(&record.body).expect("it is a JSON object");
    let names: Vec<String> = line_key.map(str::to_owned).into_iter().chain(header.iter().map(text)).collect();
    assert!(object.keys().eq(&names), "{names:?} became {object:?}");
    let sources: BTreeMap<String, &RawValue> = serde_json::from_slice(&record.body).expect("it is a JSON object");
    if let Some(key) = line_key {
        assert_eq!(sources[key].get(), record.line.to_string());
    }
    for (name, field) in header.iter().zip(row) {
        let (value, source) = (&object[&text(name)], sources[&text(name)].get());
        let said = match value {
            Value::Null => String::new(),
            Value::Number(_) => source.to_owned(),
            Value::String(said) => said.clone(),
            other => panic!("{other} came of a field"),
        };
        assert_eq!(said, text(field), "a field was altered");
    }
}

/// The batches hold the records in their order and nothing of one that is refused; an import that goes on behind its first
/// batch sends the same others.
fn check_batches<I: Iterator<Item = Result<Record, ImportError>>>(records: impl Fn() -> I, messages_max: usize) {
    let empty = Digest::of(&QueueName::dead_letter());
    let batches = |resume: Resume| {
        let read = Batches::new(records(), messages_max, resume, empty);
        read.map_while(Result::ok).collect::<Vec<Batch>>()
    };
    let sent = batches(Resume { first: 0, mark: 0 });
    let (read, refused) = all(records());
    let bodies: Vec<_> = sent.iter().flat_map(|batch| batch.bodies.iter().cloned()).collect();
    let expected: Vec<_> = read.into_iter().map(|record| record.body).collect();
    let whole = if refused.is_some() { &expected[..bodies.len()] } else { &expected[..] };
    assert!(bodies == *whole, "the batches hold something else than the records");
    assert!(bodies.len() + messages_max > expected.len(), "a batch before the refused one is missing");
    if let Some((first, rest)) = sent.split_first() {
        let resume = Resume { first: first.bodies.len() as u64, mark: first.digest.mark() };
        assert_eq!(batches(resume), rest, "an import that goes on sends something else");
    }
}
