//! `handfast trigger`: what is done with each message of a queue, as a file says it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use handfast_crash_test::witness::Witness;
use handfast_trigger::TriggerFile;

use super::output::print_done;
use super::stop_signal::stop_signal;
use super::{CommandError, Ended, Options, parse_duration};
use crate::trigger::{Runner, Settings, TriggerError, WORKERS_MAX};

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// For each message, in one transaction: run SQL statements, send the message on, commit
    #[command(after_help = "\
The file, in which every part but the queue may be left out:
  queue = \"orders\"
  [database]
  resource = \"ledger\"
  statements = [\"insert into orders(id, amount) values (:id, :amount)\"]
  [send]
  queue = \"shipments\"

:name is the member of the message's JSON object, :customer.city a member of a member, :\"Order No.\" any name. In SQLite a \
number that is no integer arrives as its text, for the column to convert.

A statement that fails counts an attempt; a message that has used up its attempts is a dead letter. One worker keeps strict \
order. SIGTERM and Ctrl-C finish the message in hand.")]
    Run {
        /// The trigger file
        file: PathBuf,
        /// End when the queue has no message, locked ones included, and nothing is in doubt, here or at the database
        #[arg(long)]
        until_empty: bool,
        /// Messages at a time; with more than one they are in no order
        #[arg(long, value_name = "N", default_value_t = 1)]
        #[arg(value_parser = clap::value_parser!(u16).range(1..=i64::from(WORKERS_MAX)))]
        workers: u16,
        /// How long a server that is away at the start is waited for; once it has worked, it is waited for without end
        #[arg(long, value_name = "TIME", default_value = "60s", value_parser = parse_duration)]
        retry_for: Duration,
        #[command(flatten)]
        witness: WitnessArgs,
    },
}

/// What a crash test has a trigger's process write down.
#[derive(Debug, clap::Args)]
struct WitnessArgs {
    #[arg(long, value_name = "FILE", hide = true, requires = "witness_table")]
    witness: Option<PathBuf>,
    #[arg(long, value_name = "TABLE", hide = true, requires = "witness")]
    witness_table: Option<String>,
}

impl WitnessArgs {
    fn create(self) -> Result<Option<Arc<Witness>>, CommandError> {
        match (self.witness, self.witness_table) {
            (Some(path), Some(table)) => Ok(Some(Witness::create(&path, table)?)),
            _ => Ok(None),
        }
    }
}

impl Args {
    pub async fn run(self, options: &Options) -> Result<Ended, CommandError> {
        let Action::Run { file, until_empty, workers, retry_for, witness } = self.action;
        let file = TriggerFile::read(&file).map_err(TriggerError::from)?;
        let stopped = stop_signal().map_err(TriggerError::Signal)?;
        let settings = Settings { until_empty, workers };
        let witness = witness.create()?;
        let start =
            || async { Ok(Runner::new(options.connect().await?, file.clone(), settings, witness.clone()).await?) };
        let runner = options.patiently(retry_for, start).await?;
        let summary = runner.run(stopped).await?;
        print_done(options.output, &summary, &summary.sentence())?;
        Ok(if summary.is_sound() { Ended::Done } else { Ended::Unsound })
    }
}
