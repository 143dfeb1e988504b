//! What a trigger has done: counted by its workers, shown on the way and at the end.

use std::io::IsTerminal;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use super::limits::PROGRESS_EVERY;

#[derive(Debug, Default)]
pub struct Tally {
    pub committed: AtomicU64,
    pub failed_attempts: AtomicU64,
    pub dead_lettered: AtomicU64,
    pub rolled_back: AtomicU64,
    pub heuristic: AtomicU64,
    pub unknown: AtomicU64,
}

pub fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// The work of one run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    pub committed: u64,
    pub dead_lettered: u64,
    /// Attempts that were counted against their messages.
    pub failed_attempts: u64,
    /// Commits that were rolled back, and tried again.
    pub rolled_back: u64,
    /// Transactions that an operator has to look at.
    pub heuristic: u64,
    /// Transactions whose outcome this run did not learn.
    pub unknown: u64,
    pub seconds: f64,
    /// Committed messages a second.
    pub rate: f64,
}

impl Tally {
    /// Whether anything was committed in this run.
    pub fn has_committed(&self) -> bool {
        self.committed.load(Ordering::Relaxed) > 0
    }

    pub fn summary(&self, span: Duration) -> Summary {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let (committed, seconds) = (read(&self.committed), span.as_secs_f64());
        Summary {
            committed,
            dead_lettered: read(&self.dead_lettered),
            failed_attempts: read(&self.failed_attempts),
            rolled_back: read(&self.rolled_back),
            heuristic: read(&self.heuristic),
            unknown: read(&self.unknown),
            seconds,
            rate: committed as f64 / seconds.max(f64::EPSILON),
        }
    }

    /// Shows how far it is, until it is dropped: a line that moves on a terminal, else one every ten seconds.
    pub async fn show(&self, began: Instant) {
        let is_terminal = std::io::stderr().is_terminal();
        let every = if is_terminal { Duration::from_millis(200) } else { PROGRESS_EVERY };
        let bar = Bar(if is_terminal { spinner() } else { ProgressBar::hidden() });
        let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + every, every);
        loop {
            ticks.tick().await;
            let sentence = self.summary(began.elapsed()).sentence();
            if is_terminal {
                bar.0.set_message(sentence);
                bar.0.tick();
            } else {
                eprintln!("{sentence}");
            }
        }
    }
}

struct Bar(ProgressBar);

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

fn spinner() -> ProgressBar {
    let style = ProgressStyle::with_template("{spinner} {msg}  {elapsed}").expect("the template is well formed");
    ProgressBar::new_spinner().with_style(style)
}

impl Summary {
    pub fn sentence(&self) -> String {
        let mut text =
            format!("{} messages committed ({:.0}/s), {} dead-lettered", self.committed, self.rate, self.dead_lettered);
        for (count, what) in [
            (self.failed_attempts, "failed attempts"),
            (self.rolled_back, "rolled back"),
            (self.heuristic, "ended otherwise than decided (see handfast transaction list)"),
            (self.unknown, "of unknown outcome"),
        ] {
            if count > 0 {
                text.push_str(&format!(", {count} {what}"));
            }
        }
        text
    }

    /// No transaction is left that somebody has to look at.
    pub fn is_sound(&self) -> bool {
        self.heuristic == 0 && self.unknown == 0
    }
}
