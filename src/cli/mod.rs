//! The command line: what each command asks of a server, and how people and programs read the answer.
//!
//! A group of commands is a file here with an `Args` type and its `run`, a variant of [`Command`] and a line of
//! [`Command::run`]. What goes to standard output with `--output json` is a contract, written down in `docs/json.md`.

mod bench;
mod bench_compare;
mod bench_opponent;
mod byte_count;
mod completions;
pub mod coordinator;
mod crash_points;
mod crash_test;
mod dead_letter;
mod duration;
mod error;
mod messages;
mod options;
mod output;
mod peek;
mod progress;
mod queue;
mod receive;
mod records;
mod resource;
mod send;
mod send_many;
mod serve;
mod status;
mod stop_signal;
mod transaction;
mod trigger;

use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub use duration::{DurationError, parse_duration};
pub use error::CommandError;
pub use options::Options;
pub use output::OutputFormat;

const EXAMPLES: &str = "\
Examples:
  handfast serve --data ./data
  handfast queue create orders
  handfast send orders '{\"id\": 1, \"amount\": 9.90}'
  handfast send orders --csv --producer orders-2026 < orders.csv
  handfast receive orders --wait 5s

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 no message (receive).";

/// A transactional message queue and two-phase-commit coordinator
#[derive(Debug, Parser)]
#[command(name = "handfast", version, after_help = EXAMPLES)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub struct Cli {
    #[command(flatten)]
    options: Options,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a queue manager
    Serve(serve::Args),
    /// Create, look at, empty and delete queues
    Queue(queue::Args),
    /// Send messages
    Send(send::Args),
    /// Receive messages: print them, then take them out of their queue
    Receive(receive::Args),
    /// Print messages and leave them where they are
    Peek(peek::Args),
    /// Register the databases and services that transactions take along
    Resource(resource::Args),
    /// Do with each message of a queue what a file says
    Trigger(trigger::Args),
    /// See transactions, and resolve what is in doubt
    Transaction(transaction::Args),
    /// See dead letters, and send them back
    DeadLetter(dead_letter::Args),
    /// Show what a server has taken of memory and disk, beside its bounds
    Status(status::Args),
    /// Measure a running server, beside what its disk allows
    Bench(bench::Args),
    /// Print a completion script for a shell
    Completions(completions::Args),
    /// List the places at which a test can end these programs
    CrashPoints(crash_points::Args),
    /// Kill a server and a trigger at work, again and again, and judge what comes of it
    CrashTest(crash_test::Args),
}

impl Command {
    fn run(self, options: &Options) -> Result<Ended, CommandError> {
        match self {
            Command::Serve(args) => args.run(options),
            Command::Queue(args) => options.block_on(args.run(options)),
            Command::Send(args) => options.block_on(args.run(options)),
            Command::Receive(args) => options.block_on(args.run(options)),
            Command::Peek(args) => options.block_on(args.run(options)),
            Command::Resource(args) => options.block_on(args.run(options)),
            Command::Trigger(args) => options.block_on(args.run(options)),
            Command::Transaction(args) => options.block_on(args.run(options)),
            Command::DeadLetter(args) => options.block_on(args.run(options)),
            Command::Status(args) => options.block_on(args.run(options)),
            Command::Bench(args) => args.run(options),
            Command::Completions(args) => args.run(),
            Command::CrashPoints(args) => args.run(options),
            Command::CrashTest(args) => options.block_on(args.run(options)),
        }
    }
}

/// How a command ended that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    Done,
    /// What it looked at is not as it should be; it has said so.
    Unsound,
    /// There was no message to receive.
    NoMessage,
}

impl From<Ended> for ExitCode {
    fn from(ended: Ended) -> ExitCode {
        ExitCode::from(match ended {
            Ended::Done => 0,
            Ended::Unsound => 1,
            Ended::NoMessage => 3,
        })
    }
}

/// Runs the command that the process was given. Wrong usage ends in here, with 2.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    if let Err(unusable) = crash_points::enable() {
        return unusable;
    }
    finish(cli.command.run(&cli.options))
}

/// The exit code of a command; what failed is told on standard error.
fn finish(result: Result<Ended, CommandError>) -> ExitCode {
    match result {
        Ok(ended) => ended.into(),
        // Whoever read has read enough.
        Err(error) if error.is_broken_pipe() => ExitCode::SUCCESS,
        Err(error) => {
            // Without a standard error there is nobody to tell.
            writeln!(std::io::stderr(), "error: {error}").ok();
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_tree_is_sound() {
        Cli::command().debug_assert();
    }
}
