//! `handfast bench compare`: a server beside a database that does the same work without it.

use std::path::PathBuf;

use serde::Serialize;

use super::bench::{Run, measure, measure_limit};
use super::bench_opponent::Opponent;
use super::output::print_done;
use super::stop_signal::stop_signal;
use super::{CommandError, Ended, Options};
use crate::bench::{COMPARISONS_MAX, Display, Figures, ServerPlace};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// What is done
    #[arg(value_enum)]
    work: Work,
    /// The PostgreSQL to compare with, and the database of a pair [default: a private one, which needs PostgreSQL installed]
    #[arg(long, value_name = "URL")]
    postgres: Option<String>,
    /// The SQLite database of a pair on the server's host, compared with the row changes alone in a file beside it
    #[arg(long, value_name = "FILE", conflicts_with_all = ["postgres", "two_phase"])]
    sqlite: Option<PathBuf>,
    /// Commit a pair with PREPARE TRANSACTION on both sides, in place of a marker row
    #[arg(long)]
    two_phase: bool,
    /// How often everything is measured in turn; the figures are medians
    #[arg(long, value_name = "N", default_value_t = 3)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=i64::from(COMPARISONS_MAX)))]
    runs: u16,
    #[command(flatten)]
    run: Run,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Work {
    /// Send a message
    Send,
    /// Receive one
    Receive,
    /// Receive from one queue and send to another
    Transfer,
    /// The same with a row inserted and a balance updated
    Pair,
}

/// Of one side, over all runs.
#[derive(Debug, Serialize)]
struct Side {
    name: &'static str,
    what: &'static str,
    /// Clients, or connections where the database had fewer.
    workers: usize,
    #[serde(flatten)]
    figures: Figures,
    /// The server's rate by this one's, run by run; 1 for the server itself.
    ratio: f64,
}

#[derive(Debug, Serialize)]
struct Report {
    benchmark: &'static str,
    work: &'static str,
    concurrency: usize,
    size: usize,
    seconds: f64,
    runs: u16,
    /// The database and how durable it is.
    database: String,
    limit: Figures,
    handfast: Side,
    rivals: Vec<Side>,
}

impl Args {
    pub async fn run(self, options: &Options) -> Result<Ended, CommandError> {
        let load = self.run.load();
        let subject = self.run.subject(options).await?;
        let handfast = &subject.handfast;
        let place = ServerPlace::of(&handfast.server().await?);
        let display = Display::start();
        let opponent = match &self.sqlite {
            Some(database) => Opponent::sqlite(database)?,
            None => {
                display.say(|| "starting PostgreSQL".to_owned());
                Opponent::postgres(self.postgres.clone(), self.two_phase)?
            }
        };
        let kind = opponent.kind(self.work)?;
        load.check(&kind)?;
        let database = opponent.describe().await?;
        let stopped = stop_signal().map_err(CommandError::Process)?;
        tokio::pin!(stopped);
        let (limit, _) = measure_limit(&self.run, &load, &place, &display, &mut stopped).await?;

        let sides = opponent.sides(self.work);
        let mut ours = Vec::new();
        let mut theirs = vec![Vec::new(); sides.len()];
        let mut workers = vec![0; sides.len()];
        for _ in 0..self.runs {
            ours.push(measure(handfast, kind.clone(), &load, &display, &mut stopped).await?.figures);
            for side in 0..sides.len() {
                let (count, figures) = opponent.measure((self.work, side), &load, &display, &mut stopped).await?;
                workers[side] = count;
                theirs[side].push(figures);
            }
        }
        drop(display);
        let rivals = sides.iter().zip(&theirs).zip(workers);
        let report = Report {
            benchmark: "compare",
            work: kind.name(),
            concurrency: load.concurrency,
            size: load.size,
            seconds: load.span.as_secs_f64(),
            runs: self.runs,
            database,
            limit,
            handfast: Side::of("handfast", "", load.concurrency, &ours, &ours),
            rivals: rivals.map(|(((name, what), of), workers)| Side::of(name, what, workers, of, &ours)).collect(),
        };
        print_done(options.output, &report, &report.table())?;
        subject.end().await
    }
}

impl Side {
    fn of(name: &'static str, what: &'static str, workers: usize, runs: &[Figures], ours: &[Figures]) -> Side {
        let over = |figure: fn(&Figures) -> f64| median(runs.iter().map(figure).collect());
        let figures =
            Figures { rate: over(|run| run.rate), p50_us: over(|run| run.p50_us), p99_us: over(|run| run.p99_us) };
        let ratio = median(ours.iter().zip(runs).map(|(ours, run)| ours.rate / run.rate).collect());
        Side { name, what, workers, figures, ratio }
    }
}

/// Of at least one number; of an even count the mean of the two in the middle.
fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    let middle = numbers.len() / 2;
    if numbers.len().is_multiple_of(2) { (numbers[middle - 1] + numbers[middle]) / 2.0 } else { numbers[middle] }
}

impl Report {
    fn table(&self) -> String {
        let Report { work, concurrency, size, seconds, runs, .. } = self;
        let mut text = format!(
            "{work}, {concurrency} at a time, {size} bytes, medians of {runs} runs of {seconds:.0} s each in turn\n\n"
        );
        text.push_str("                  a second     p50 us     p99 us\n");
        let line = |name: &str, Figures { rate, p50_us, p99_us }: &Figures| {
            format!("{name:14}  {rate:>10.0}  {p50_us:>9.0}  {p99_us:>9.0}")
        };
        text.push_str(&line(self.handfast.name, &self.handfast.figures));
        for Side { name, figures, ratio, .. } in &self.rivals {
            text.push_str(&format!("\n{}  handfast is {ratio:.2} times as fast", line(name, figures)));
        }
        text.push_str(&format!("\n{}\n", line("disk limit", &self.limit)));
        for Side { name, what, workers, .. } in &self.rivals {
            text.push_str(&format!("\n{name}: {what}, {workers} connections"));
        }
        text.push_str(&format!("\n{}", self.database));
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_medians_and_ratios_are_those_of_each_run() {
        let run = |rate: f64| Figures { rate, p50_us: 1e6 / rate, p99_us: 2e6 / rate };
        let (ours, theirs) = ([100.0, 400.0, 300.0].map(run), [100.0, 100.0, 200.0].map(run));
        let side = Side::of("tables", "", 4, &theirs, &ours);
        assert_eq!((side.figures, side.ratio), (run(100.0), 1.5));
        assert_eq!(median(vec![4.0, 1.0]), 2.5);
    }
}
