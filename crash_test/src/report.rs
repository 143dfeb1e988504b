//! What came of a run: for people, for programs, and as a page.

mod page;
mod timeline;

use std::path::Path;
use std::time::Duration;

use handfast_checker::history::{Fact, History, Op, What};
use handfast_checker::{judge, smallest};
use serde::Serialize;

use crate::error::CrashTestError;
use crate::settings::Settings;
use crate::stage::Kills;
use timeline::Timeline;

#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Nothing is wrong.
    pub good: bool,
    /// The same seed kills the same in the same order; processes are never twice at the same place.
    pub seed: u64,
    pub seconds: f64,
    pub kills: Kills,
    pub messages: usize,
    pub commits: usize,
    /// Ends that a worker did not hear of.
    pub unknown: usize,
    pub dead_letters: usize,
    pub recovered: Recovered,
    /// Milliseconds from the start of a server that was killed until it served.
    pub recovery_ms: Spread,
    /// Milliseconds from a receive to the outcome of its commit.
    pub latency_ms: Spread,
    pub verdicts: Vec<Judgement>,
    /// Lines of a part of the history that shows what is wrong.
    pub smallest: Vec<String>,
    #[serde(skip)]
    timeline: Timeline,
    #[serde(skip)]
    history: History,
}

#[derive(Debug, Clone, Serialize)]
pub struct Judgement {
    pub id: &'static str,
    pub name: &'static str,
    /// How many things were looked at; 0: this run says nothing of it.
    pub judged: u64,
    pub wrong: Vec<String>,
}

/// What the servers found that were killed and started again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Recovered {
    /// Starts after which something was in doubt.
    pub starts_in_doubt: u64,
    /// Transactions, over all starts.
    pub in_doubt: u64,
    /// Log entries that were applied again, over all starts.
    pub log_entries: u64,
}

impl Recovered {
    fn of(history: &History) -> Recovered {
        let mut all = Recovered::default();
        for event in &history.events {
            if let What::Info(Fact::Recovered { in_doubt, replayed }) = &event.what {
                all.starts_in_doubt += u64::from(*in_doubt > 0);
                all.in_doubt += in_doubt;
                all.log_entries += replayed;
            }
        }
        all
    }
}

/// Of measurements; zeros where there were none.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Spread {
    pub count: usize,
    pub median: f64,
    pub p99: f64,
    pub longest: f64,
}

impl Spread {
    fn of(mut values: Vec<f64>) -> Spread {
        values.sort_by(f64::total_cmp);
        let at = |part: f64| values.get(((values.len() as f64 * part) as usize).min(values.len().saturating_sub(1)));
        let value = |part: f64| at(part).copied().unwrap_or_default();
        Spread { count: values.len(), median: value(0.5), p99: value(0.99), longest: value(1.0) }
    }
}

impl Report {
    pub(crate) fn new(settings: &Settings, history: History, kills: Kills, took: Duration) -> Report {
        let judged = judge(&history);
        let smallest = judged.violations().next().map(|violation| smallest(&history, violation.id));
        let timeline = Timeline::of(&history);
        let count = |is_it: fn(&What) -> bool| history.events.iter().filter(|event| is_it(&event.what)).count();
        Report {
            good: judged.is_good(),
            seed: settings.seed,
            seconds: took.as_secs_f64(),
            kills,
            messages: count(|what| matches!(what, What::Ok(Op::Send { transaction: None, .. }))),
            commits: count(|what| matches!(what, What::Ok(Op::Commit { .. }))),
            unknown: timeline.unknown,
            dead_letters: timeline.dead_letters,
            recovered: Recovered::of(&history),
            recovery_ms: Spread::of(timeline.recoveries.iter().map(|span| span.milliseconds()).collect()),
            latency_ms: Spread::of(timeline.commits.iter().map(|span| span.milliseconds()).collect()),
            verdicts: judged
                .verdicts
                .into_iter()
                .map(|verdict| Judgement {
                    id: verdict.id,
                    name: verdict.name,
                    judged: verdict.judged,
                    wrong: verdict.wrong,
                })
                .collect(),
            smallest: smallest.map_or_else(Vec::new, |part| part.to_text().lines().map(str::to_owned).collect()),
            timeline,
            history,
        }
    }

    pub fn is_good(&self) -> bool {
        self.good
    }

    /// For people.
    pub fn text(&self) -> String {
        let Kills { server, while_starting, trigger, database } = self.kills;
        let Recovered { starts_in_doubt, in_doubt, log_entries } = self.recovered;
        let mut lines = vec![
            format!("seed:      {}", self.seed),
            format!("time:      {:.1} s", self.seconds),
            format!(
                "killed:    server {server} ({while_starting} of them before it served), trigger {trigger}, database {database}"
            ),
            format!(
                "work:      {} messages, {} commits, {} ends that nobody heard of, {} dead letters",
                self.messages, self.commits, self.unknown, self.dead_letters
            ),
            format!(
                "recovered: {in_doubt} transactions in doubt after {starts_in_doubt} of the kills, {log_entries} log entries"
            ),
            spread("served in", &self.recovery_ms),
            spread("latency", &self.latency_ms),
            String::new(),
        ];
        let (judged, idle): (Vec<&Judgement>, Vec<&Judgement>) =
            self.verdicts.iter().partition(|verdict| verdict.judged > 0 || !verdict.wrong.is_empty());
        for Judgement { id, name, judged, wrong } in judged {
            let verdict = if wrong.is_empty() { "holds".to_owned() } else { format!("BROKEN {} times", wrong.len()) };
            lines.push(format!("{id:>4} {name:<16} {judged:>8} judged  {verdict}"));
            lines.extend(wrong.iter().take(5).map(|wrong| format!("       {wrong}")));
        }
        let idle: Vec<&str> = idle.iter().map(|verdict| verdict.id).collect();
        lines.push(format!("     not judged by such a test: {}", idle.join(", ")));
        lines.push(String::new());
        if !self.smallest.is_empty() {
            lines.push("The smallest part of the history that shows it:".to_owned());
            lines.extend(self.smallest.iter().cloned());
            lines.push(String::new());
        }
        lines.push(if self.good { "Everything holds." } else { "SOMETHING IS WRONG." }.to_owned());
        lines.join("\n")
    }

    /// Writes `report.txt`, `report.json`, `report.html` and `history.jsonl` into a directory.
    pub fn write(&self, directory: &Path) -> Result<(), CrashTestError> {
        let json = serde_json::to_string_pretty(self).expect("its keys are strings");
        for (name, text) in [
            ("report.txt", self.text()),
            ("report.json", json),
            ("report.html", page::page(self)),
            ("history.jsonl", self.history.to_text()),
        ] {
            let path = directory.join(name);
            std::fs::write(&path, text + "\n").map_err(CrashTestError::file(&path))?;
        }
        Ok(())
    }
}

fn spread(name: &str, Spread { count, median, p99, longest }: &Spread) -> String {
    format!("{:<10} {median:.1} ms median, {p99:.1} ms p99, {longest:.1} ms longest, of {count}", format!("{name}:"))
}
