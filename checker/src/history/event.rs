//! One line of a history.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{Fact, Finding, Op};

/// Who did, saw or was found with something, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Microseconds since the run began, by one clock for all processes. The order of the lines is the order of events; times
    /// are for deadlines.
    pub at: u64,
    /// A client, a server or a database. A client that was restarted is another process.
    pub process: String,
    pub what: What,
}

/// What happened. Whoever asks for something says so first, and then, once, what became of it; a process asks for one thing
/// at a time. An operation without an answer is unknown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    Invoke(Op),
    /// It was done.
    Ok(Op),
    /// It was certainly not done, and never will be.
    Fail(Op),
    /// It may have been done.
    Unknown(Op),
    /// Seen while the run lasted.
    Info(Fact),
    /// Found at its end, when all was well again.
    Audit(Finding),
}

/// The text form: one JSON object a line. `op` is read when `type` is known.
#[derive(Deserialize)]
struct Line<'a> {
    at: u64,
    process: String,
    #[serde(rename = "type")]
    kind: Kind,
    #[serde(borrow)]
    op: &'a RawValue,
}

#[derive(Serialize)]
struct LineOut<'a, T: Serialize> {
    at: u64,
    process: &'a str,
    #[serde(rename = "type")]
    kind: Kind,
    op: &'a T,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Invoke,
    Ok,
    Fail,
    Unknown,
    Info,
    Audit,
}

impl Event {
    /// Reads one line.
    pub fn of_line(line: &str) -> Result<Event, serde_json::Error> {
        let Line { at, process, kind, op } = serde_json::from_str(line)?;
        let op = op.get();
        let what = match kind {
            Kind::Invoke => What::Invoke(serde_json::from_str(op)?),
            Kind::Ok => What::Ok(serde_json::from_str(op)?),
            Kind::Fail => What::Fail(serde_json::from_str(op)?),
            Kind::Unknown => What::Unknown(serde_json::from_str(op)?),
            Kind::Info => What::Info(serde_json::from_str(op)?),
            Kind::Audit => What::Audit(serde_json::from_str(op)?),
        };
        Ok(Event { at, process, what })
    }

    /// Its line, without the line's end.
    pub fn to_line(&self) -> String {
        match &self.what {
            What::Invoke(op) => self.line(Kind::Invoke, op),
            What::Ok(op) => self.line(Kind::Ok, op),
            What::Fail(op) => self.line(Kind::Fail, op),
            What::Unknown(op) => self.line(Kind::Unknown, op),
            What::Info(fact) => self.line(Kind::Info, fact),
            What::Audit(finding) => self.line(Kind::Audit, finding),
        }
    }

    fn line<T: Serialize>(&self, kind: Kind, op: &T) -> String {
        let line = LineOut { at: self.at, process: &self.process, kind, op };
        serde_json::to_string(&line).expect("names and numbers are always JSON")
    }
}
