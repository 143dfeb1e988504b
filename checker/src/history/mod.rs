//! What clients asked and were told, what was seen on the way, and what was found at the end, in the order in which it
//! happened: all that the checker knows of a run. Its text is JSON lines.
//!
//! ```json
//! {"at":41,"process":"client-1","type":"invoke","op":{"commit":{"transaction":"t1"}}}
//! {"at":97,"process":"client-1","type":"ok","op":{"commit":{"transaction":"t1"}}}
//! ```

mod event;
mod fact;
mod finding;
mod op;
mod terms;

pub use event::{Event, What};
pub use fact::{Fact, Outcome, State};
pub use finding::{DeadLetter, Finding, Known, Size};
pub use op::{Message, Op, Row};
pub use terms::Terms;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct History {
    pub events: Vec<Event>,
}

/// A text that is no history.
#[derive(Debug, thiserror::Error)]
#[error("line {number} of the history cannot be read: {cause}")]
pub struct Unreadable {
    pub number: usize,
    cause: serde_json::Error,
}

impl History {
    /// Reads JSON lines; empty ones are passed over.
    pub fn of_text(text: &str) -> Result<History, Unreadable> {
        let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        let events = lines.map(|(at, line)| Event::of_line(line).map_err(|cause| Unreadable { number: at + 1, cause }));
        Ok(History { events: events.collect::<Result<_, _>>()? })
    }

    pub fn to_text(&self) -> String {
        self.events.iter().map(|event| event.to_line() + "\n").collect()
    }

    pub fn push(&mut self, at: u64, process: &str, what: What) {
        self.events.push(Event { at, process: process.to_owned(), what });
    }
}
