//! The history of a run, as the test itself tells it and as its workers have written it down.

use std::path::Path;

use handfast_checker::history::{Event, History, What};

use crate::error::CrashTestError;
use crate::witness::now;

/// What the test itself tells. Times are those of the machine's clock until the run is over.
#[derive(Debug)]
pub struct Chronicle {
    began: u64,
    events: Vec<Event>,
}

impl Chronicle {
    pub fn new() -> Chronicle {
        Chronicle { began: now(), events: Vec::new() }
    }

    /// What was told so far; whoever goes on tells a new one of the same run.
    pub fn take(&mut self) -> Chronicle {
        Chronicle { began: self.began, events: std::mem::take(&mut self.events) }
    }

    pub fn tell(&mut self, process: &str, what: What) {
        self.events.push(Event { at: now(), process: process.to_owned(), what });
    }

    pub fn add(&mut self, events: Vec<Event>) {
        self.events.extend(events);
    }

    /// With what the workers have written into files of this directory: in the order of time, from the beginning of the run.
    pub fn into_history(mut self, witnesses: &Path) -> Result<History, CrashTestError> {
        let entries = std::fs::read_dir(witnesses).map_err(CrashTestError::file(witnesses))?;
        for entry in entries {
            let path = entry.map_err(CrashTestError::file(witnesses))?.path();
            let text = std::fs::read_to_string(&path).map_err(CrashTestError::file(&path))?;
            // Whoever is killed while it writes leaves half a line, which nobody has acted on.
            let whole = text.rfind('\n').map_or("", |end| &text[..end]);
            let told = History::of_text(whole);
            let told = told.map_err(|error| CrashTestError::History { path, what: error.to_string() })?;
            self.events.extend(told.events);
        }
        // What the test tells of a run comes first and what it finds comes last, at the same time or not.
        self.events.sort_by_key(|event| (matches!(event.what, What::Audit(_)), event.at));
        for event in &mut self.events {
            event.at = event.at.saturating_sub(self.began);
        }
        Ok(History { events: self.events })
    }
}
