//! The rows of CSV as RFC 4180 has them, strictly: a quotation mark in the wrong place is refused and not guessed at, since a
//! guess could swallow the rows behind it. Rows end with LF or CRLF; a byte order mark and empty lines are skipped.

use std::io::{BufRead, Chain, Cursor, Read};

use super::ImportError;
use super::limits::RECORD_BYTES_MAX;

const BYTE_ORDER_MARK: [u8; 3] = [0xEF, 0xBB, 0xBF];

/// One row. It is filled again and again, so that a row costs no allocation.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Row {
    bytes: Vec<u8>,
    /// Where each field ends in `bytes`.
    ends: Vec<usize>,
    /// The line on which it begins.
    pub line: u64,
    was_quoted: bool,
}

impl Row {
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    pub fn fields(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, end)| &self.bytes[start..*end])
    }

    fn begin(&mut self, line: u64) {
        self.bytes.clear();
        self.ends.clear();
        self.line = line;
        self.was_quoted = false;
    }

    fn end_field(&mut self) {
        self.ends.push(self.bytes.len());
    }

    fn is_empty_line(&self) -> bool {
        self.bytes.is_empty() && self.ends.len() == 1 && !self.was_quoted
    }
}

/// Where the reader is within a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    FieldStart,
    Plain,
    Quoted,
    /// Behind a quotation mark inside quotes: it is doubled, or it closes the field.
    MarkInQuotes,
    /// Behind a carriage return outside quotes.
    Return,
}

/// Whether a byte ended the row.
#[derive(PartialEq, Eq)]
enum Step {
    Within,
    RowEnd,
}

#[derive(Debug)]
pub struct Rows<R> {
    input: Chain<Cursor<Vec<u8>>, R>,
    place: Place,
    /// The line of the next byte.
    line: u64,
    /// The line of the last opening quotation mark.
    opened: u64,
    /// Bytes read so far.
    pub offset: u64,
}

impl<R: BufRead> Rows<R> {
    pub fn new(mut input: R) -> Result<Rows<R>, ImportError> {
        let mut first = Vec::new();
        let mark = BYTE_ORDER_MARK.len() as u64;
        (&mut input).take(mark).read_to_end(&mut first).map_err(ImportError::Read)?;
        let offset = if first == BYTE_ORDER_MARK { mark } else { 0 };
        if offset > 0 {
            first.clear();
        }
        let input = Cursor::new(first).chain(input);
        Ok(Rows { input, place: Place::FieldStart, line: 1, opened: 1, offset })
    }

    /// Reads the next row into `row`; false at the end of the input.
    pub fn read(&mut self, row: &mut Row) -> Result<bool, ImportError> {
        loop {
            row.begin(self.line);
            let found = self.read_line(row)?;
            if !found || !row.is_empty_line() {
                return Ok(found);
            }
        }
    }

    fn read_line(&mut self, row: &mut Row) -> Result<bool, ImportError> {
        loop {
            let bytes = self.input.fill_buf().map_err(ImportError::Read)?;
            if bytes.is_empty() {
                return self.end(row);
            }
            let mut reader = Machine { place: self.place, line: self.line, opened: self.opened };
            let mut used = 0;
            let mut ended = Step::Within;
            for byte in bytes {
                used += 1;
                ended = reader.take(*byte, row)?;
                if ended == Step::RowEnd {
                    break;
                }
            }
            (self.place, self.line, self.opened) = (reader.place, reader.line, reader.opened);
            self.input.consume(used);
            self.offset += used as u64;
            if row.bytes.len() > RECORD_BYTES_MAX {
                return Err(ImportError::RowTooLong { line: row.line });
            }
            if ended == Step::RowEnd {
                return Ok(true);
            }
        }
    }

    /// The input has ended: its last row needs no line end.
    fn end(&mut self, row: &mut Row) -> Result<bool, ImportError> {
        let place = std::mem::replace(&mut self.place, Place::FieldStart);
        match place {
            Place::Quoted => Err(ImportError::UnclosedQuote { line: self.opened }),
            Place::Return => Err(ImportError::StrayReturn { line: self.line }),
            Place::FieldStart if row.ends.is_empty() => Ok(false),
            Place::FieldStart | Place::Plain | Place::MarkInQuotes => {
                row.end_field();
                Ok(true)
            }
        }
    }
}

struct Machine {
    place: Place,
    line: u64,
    opened: u64,
}

impl Machine {
    fn take(&mut self, byte: u8, row: &mut Row) -> Result<Step, ImportError> {
        self.place = match (self.place, byte) {
            (Place::Quoted, b'"') => Place::MarkInQuotes,
            (Place::Quoted, _) => {
                self.line += u64::from(byte == b'\n');
                row.bytes.push(byte);
                Place::Quoted
            }
            (Place::MarkInQuotes, b'"') => {
                row.bytes.push(byte);
                Place::Quoted
            }
            (Place::Return, b'\n') | (Place::FieldStart | Place::Plain | Place::MarkInQuotes, b'\n') => {
                row.end_field();
                self.line += 1;
                self.place = Place::FieldStart;
                return Ok(Step::RowEnd);
            }
            (Place::Return, _) => return Err(ImportError::StrayReturn { line: self.line }),
            (Place::FieldStart | Place::Plain | Place::MarkInQuotes, b',') => {
                row.end_field();
                Place::FieldStart
            }
            (Place::FieldStart | Place::Plain | Place::MarkInQuotes, b'\r') => Place::Return,
            (Place::MarkInQuotes, _) => return Err(ImportError::TextBehindQuote { line: self.line }),
            (Place::FieldStart, b'"') => {
                row.was_quoted = true;
                self.opened = self.line;
                Place::Quoted
            }
            (Place::Plain, b'"') => return Err(ImportError::StrayQuote { line: self.line }),
            (Place::FieldStart | Place::Plain, _) => {
                row.bytes.push(byte);
                Place::Plain
            }
        };
        Ok(Step::Within)
    }
}

#[cfg(test)]
#[path = "rows_test.rs"]
mod tests;
