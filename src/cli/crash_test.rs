//! `handfast crash-test`: what a suspicious user runs before anything else.

use std::path::PathBuf;

use handfast_crash_test::{CrashTestError, DatabaseChoice, Run, Settings, Work, draw_seed};

use super::output::print_done;
use super::progress::Progress;
use super::{CommandError, Ended, Options};
use crate::trigger::WORKERS_MAX;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
A server of its own and a trigger work on messages, and are killed with SIGKILL again and again: both, one of them, the server \
while it recovers. At the end everything that they and their clients said is judged: nothing lost, doubled, half done, out of \
order, dead without a cause, in doubt or locked. The verdict, a page with a timeline, and the whole history go to --dir. Exit \
code 1: something is wrong, and the smallest part of the history that shows it is among it.

It needs no privileges. It cannot test what a power cut does: SIGKILL loses nothing that was written, synced or not.

With --trigger your own statements run, on the rows of your --csv, at the database that you name; use a test database, as what \
they write stays there. Beside them the test keeps a table handfast_crash_test_..., and takes it away when all is well.

Examples:
  handfast crash-test
  handfast crash-test --kills 500 --seed 7
  handfast crash-test --trigger orders.toml --csv orders.csv --postgres postgres://test@localhost/ledger
  handfast crash-test --postgres postgres://test@localhost/ledger --two-phase --crash-database 'docker restart -t 0 ledger'")]
pub struct Args {
    /// Your own trigger file, in place of orders that are made up
    #[arg(long, value_name = "FILE", requires = "csv")]
    trigger: Option<PathBuf>,
    /// The rows that become the messages of its queue
    #[arg(long, value_name = "FILE", requires = "trigger")]
    csv: Option<PathBuf>,
    /// The SQLite database [default: a new one]
    #[arg(long, value_name = "FILE", conflicts_with = "postgres")]
    sqlite: Option<PathBuf>,
    /// The PostgreSQL database, in place of SQLite
    #[arg(long, value_name = "URL")]
    postgres: Option<String>,
    /// Commit PostgreSQL by PREPARE TRANSACTION in place of the marker row
    #[arg(long, requires = "postgres")]
    two_phase: bool,
    /// A shell command that crashes the database and starts it again, to be run as often as somebody is killed
    #[arg(long, value_name = "COMMAND")]
    crash_database: Option<String>,
    /// Messages at a time; with one their order is judged, too
    #[arg(long, value_name = "N", default_value_t = 1)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=i64::from(WORKERS_MAX)))]
    workers: u16,
    /// How often somebody is killed
    #[arg(long, value_name = "N", default_value_t = 20)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    kills: u32,
    /// Chooses who is killed and when [default: drawn, and printed]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Where the report goes [default: handfast-crash-test-SEED, here]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Keep data, database and logs of the run also when all is well
    #[arg(long)]
    keep: bool,
}

impl Args {
    pub async fn run(self, options: &Options) -> Result<Ended, CommandError> {
        let seed = self.seed.unwrap_or_else(draw_seed);
        let directory = self.dir.unwrap_or_else(|| PathBuf::from(format!("handfast-crash-test-{seed}")));
        let run_directory = directory.join("run");
        if run_directory.exists() {
            return Err(CrashTestError::NotEmpty { path: run_directory }.into());
        }
        let database = match self.postgres {
            Some(url) => DatabaseChoice::Postgres { url },
            None => DatabaseChoice::Sqlite { path: self.sqlite },
        };
        let work = match (self.trigger, self.csv) {
            (Some(trigger), Some(csv)) => Work::Own { trigger, csv },
            _ => Work::BuiltIn,
        };
        let program = std::env::current_exe().map_err(CommandError::Process)?;
        let settings = Settings {
            work,
            database,
            two_phase: self.two_phase,
            workers: self.workers,
            kills: self.kills,
            seed,
            crash_database: self.crash_database,
            program,
            directory: run_directory.clone(),
        };
        let run = Run::prepare(settings).await?;
        let progress = Progress::of_messages(u64::from(self.kills));
        let told = run.run(|at| progress.tell(u64::from(at.kills), at.to_string())).await;
        drop(progress);
        let report = told.inspect_err(|_| eprintln!("everything is kept in {}", run_directory.display()))?;
        report.write(&directory)?;
        if report.is_good() && !self.keep {
            std::fs::remove_dir_all(&run_directory).map_err(CommandError::Process)?;
        }
        let sentence = format!("{}\nThe report is in {}.", report.text(), directory.display());
        print_done(options.output, &report, &sentence)?;
        Ok(if report.is_good() { Ended::Done } else { Ended::Unsound })
    }
}
