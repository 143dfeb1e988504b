//! The main job, on a file of your own: each row is sent to a queue, received, put into a database and sent on, the last three
//! in one transaction, while the processes that do it are killed with SIGKILL. At the end an audit looks at the database and at
//! the queues: every row once in each and in order, or a dead letter, and nothing left over. It exits with 1 when that does not
//! add up.
//!
//! `./demo` at the top of the repository builds and runs it.

mod audit;
mod cast;
mod decimal;
mod ledger;
mod options;
mod orders;
mod run;

use std::process::ExitCode;

use clap::Parser;

use crate::options::Options;

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::parse();
    match run::run(&options).await {
        Ok(audit) => {
            audit.print(options.output);
            if audit.clean { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
