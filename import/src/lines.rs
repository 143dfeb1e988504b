//! One message a line.

use std::io::{BufRead, Read};

use bytes::Bytes;
use serde_json::value::RawValue;

use super::limits::RECORD_BYTES_MAX;
use super::{ImportError, Record};

/// What a line may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    Any,
    /// Each line is checked; its text stays as it is.
    Json,
}

/// The lines of an input, without their ends (LF or CRLF). An empty line is an empty message: nothing is left out.
#[derive(Debug)]
pub struct Lines<R> {
    input: R,
    content: Content,
    line: u64,
    offset: u64,
}

impl<R: BufRead> Lines<R> {
    pub fn new(input: R, content: Content) -> Lines<R> {
        Lines { input, content, line: 0, offset: 0 }
    }

    fn read(&mut self) -> Result<Option<Record>, ImportError> {
        self.line += 1;
        let line = self.line;
        let mut body = Vec::new();
        // Room for the end of the longest line.
        let mut limited = (&mut self.input).take(RECORD_BYTES_MAX as u64 + 2);
        let read = limited.read_until(b'\n', &mut body).map_err(ImportError::Read)?;
        if read == 0 {
            return Ok(None);
        }
        self.offset += read as u64;
        if body.ends_with(b"\n") {
            body.pop();
            if body.ends_with(b"\r") {
                body.pop();
            }
        }
        if body.len() > RECORD_BYTES_MAX {
            return Err(ImportError::LineTooLong { line });
        }
        if self.content == Content::Json {
            check_json(&body).map_err(|cause| ImportError::NotJson { line, cause })?;
        }
        Ok(Some(Record { line, body: Bytes::from(body), offset: self.offset }))
    }
}

/// Whether a body is JSON, whatever it says.
pub fn check_json(body: &[u8]) -> Result<(), serde_json::Error> {
    // Unlike what is ignored altogether, what is kept is checked to be UTF-8.
    serde_json::from_slice::<&RawValue>(body).map(|_| ())
}

impl<R: BufRead> Iterator for Lines<R> {
    type Item = Result<Record, ImportError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read().transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(line: u64, body: &'static str, offset: u64) -> Record {
        Record { line, body: Bytes::from(body), offset }
    }

    #[test]
    fn every_line_is_a_message() {
        let lines = Lines::new(&b"one\r\ntwo\n\n fo\rur \nlast"[..], Content::Any);
        let expected = [
            record(1, "one", 5),
            record(2, "two", 9),
            record(3, "", 10),
            record(4, " fo\rur ", 18),
            record(5, "last", 22),
        ];
        assert_eq!(lines.collect::<Result<Vec<_>, _>>().unwrap(), expected);
        assert_eq!(Lines::new(&b""[..], Content::Any).count(), 0);
    }

    #[test]
    fn json_is_checked_and_kept_as_it_is() {
        let mut lines = Lines::new(&b"{\"a\": 1.10}\n{\"a\":\n"[..], Content::Json);
        assert_eq!(lines.next().unwrap().unwrap(), record(1, "{\"a\": 1.10}", 12));
        let refused = lines.next().unwrap().unwrap_err().to_string();
        assert!(refused.starts_with("line 2 is not JSON: EOF"), "{refused}");
    }

    /// RFC 8259, section 8.1. Whoever reads the message later would be the first to find out.
    #[test]
    fn json_is_utf_8() {
        assert!(check_json(" \"ü\" ".as_bytes()).is_ok());
        for text in [&b"\"\xFC\""[..], b"{\"\x80\": 1}", b"[\"\xED\xA0\x80\"]"] {
            assert!(check_json(text).is_err(), "{}", text.escape_ascii());
        }
    }

    #[test]
    fn a_line_over_the_limit_is_refused_with_its_number() {
        let mut input = vec![b'x'; RECORD_BYTES_MAX + 1];
        input.splice(0..0, *b"short\n");
        let mut lines = Lines::new(input.as_slice(), Content::Any);
        assert_eq!(lines.next().unwrap().unwrap(), record(1, "short", 6));
        assert!(matches!(lines.next(), Some(Err(ImportError::LineTooLong { line: 2 }))));
        input.pop();
        assert_eq!(Lines::new(input.as_slice(), Content::Any).nth(1).unwrap().unwrap().body.len(), RECORD_BYTES_MAX);
    }
}
