//! A run in the order of time: who was away, who was killed, how long each commit took.

use std::collections::BTreeMap;

use handfast_checker::history::{Fact, Finding, History, Op, What};

use crate::stage::{DATABASE, SERVER};

/// From one moment to another, in microseconds from the beginning of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    pub from: u64,
    pub to: u64,
}

impl Span {
    pub fn milliseconds(&self) -> f64 {
        self.to.saturating_sub(self.from) as f64 / 1_000.0
    }
}

#[derive(Debug, Clone, Default)]
pub struct Timeline {
    pub end: u64,
    /// Kills, by who was killed: the server, the trigger, the database.
    pub kills: BTreeMap<&'static str, Vec<u64>>,
    /// When the server was away, and the database.
    pub away: BTreeMap<&'static str, Vec<Span>>,
    /// From the last start of a server to its service.
    pub recoveries: Vec<Span>,
    /// From a receive to the outcome of its commit.
    pub commits: Vec<Span>,
    pub unknown: usize,
    pub dead_letters: usize,
}

/// The lanes of the picture.
pub const LANES: [&str; 3] = [SERVER, "trigger", DATABASE];

fn lane(process: &str) -> Option<&'static str> {
    LANES.into_iter().find(|lane| process.starts_with(lane))
}

impl Timeline {
    pub fn of(history: &History) -> Timeline {
        let mut timeline = Timeline::default();
        let mut gone: BTreeMap<&str, u64> = BTreeMap::new();
        let mut starting: Option<(u64, bool)> = None;
        let mut received: BTreeMap<&str, u64> = BTreeMap::new();
        let mut committing: BTreeMap<&str, &str> = BTreeMap::new();
        for event in &history.events {
            let (at, process) = (event.at, event.process.as_str());
            if !matches!(event.what, What::Audit(_)) {
                timeline.end = timeline.end.max(at);
            }
            match &event.what {
                What::Info(Fact::Crashed { .. }) => {
                    lane(process).into_iter().for_each(|lane| timeline.kills.entry(lane).or_default().push(at));
                }
                What::Info(Fact::Away) => drop(gone.insert(process, at)),
                What::Info(Fact::Back) => {
                    if let (Some(from), Some(lane)) = (gone.remove(process), lane(process)) {
                        timeline.away.entry(lane).or_default().push(Span { from, to: at });
                    }
                }
                // The first start of a run recovers nothing.
                What::Invoke(Op::Start) => starting = Some((at, starting.is_some())),
                What::Ok(Op::Start) => {
                    if let Some((from, true)) = starting {
                        timeline.recoveries.push(Span { from, to: at });
                    }
                }
                What::Ok(Op::Receive { transaction: Some(transaction), message: Some(_), .. }) => {
                    received.insert(transaction, at);
                }
                What::Invoke(Op::Commit { transaction }) => drop(committing.insert(process, transaction)),
                What::Ok(Op::Commit { transaction }) => {
                    committing.remove(process);
                    let from = received.get(transaction.as_str()).copied();
                    timeline.commits.extend(from.map(|from| Span { from, to: at }));
                }
                What::Fail(Op::Commit { .. }) => drop(committing.remove(process)),
                What::Audit(Finding::DeadLetters { letters }) => timeline.dead_letters += letters.len(),
                _ => {}
            }
        }
        timeline.unknown = committing.len();
        timeline
    }
}
