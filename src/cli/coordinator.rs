//! `handfast-coordinator`: the coordinator alone, for several queue managers (D8). Its resources and transactions are seen
//! and resolved with `handfast resource` and `handfast transaction`, with `--server` pointing at it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use handfast_queue::manager::limits::BODY_BYTES_DEFAULT;

use super::serve::{Common, data_directory, serve};
use super::{CommandError, Ended, crash_points, finish};
use crate::server::{Role, ServeOptions};

const EXAMPLES: &str = "\
Examples:
  handfast-coordinator serve --data ./coordinator
  handfast --server http://127.0.0.1:1802 resource add north --service http://127.0.0.1:1801
  handfast --server http://127.0.0.1:1802 transaction list --in-doubt

Exit codes: 0 done, 1 failed, 2 wrong usage.";

/// A two-phase-commit coordinator for several queue managers, databases and services
#[derive(Debug, Parser)]
#[command(name = "handfast-coordinator", version, after_help = EXAMPLES)]
#[command(subcommand_required = true, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a coordinator
    Serve(Args),
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
When it is ready it prints \"listening on http://HOST:PORT\" on standard output; its log goes to standard error, filtered \
by RUST_LOG. SIGTERM and SIGINT stop it cleanly. /health and /metrics are on the same port.

Examples:
  handfast-coordinator serve
  handfast-coordinator serve --data /var/lib/handfast-coordinator --listen 127.0.0.1:1802 --log-format json")]
struct Args {
    /// The directory that holds everything durable; made if it is not there [default:
    /// $XDG_DATA_HOME/handfast-coordinator or ~/.local/share/handfast-coordinator]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// The loopback address to listen on; port 0: any
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:1802")]
    listen: SocketAddr,
    #[command(flatten)]
    common: Common,
}

impl Args {
    fn run(self) -> Result<Ended, CommandError> {
        let data = data_directory(self.data, "handfast-coordinator")?;
        let (role, Common { reserve, log_format }) = (Role::Coordinator, self.common);
        serve(ServeOptions { role, data, listen: self.listen, max_body: BODY_BYTES_DEFAULT, reserve }, log_format)
    }
}

/// Runs the command that the process was given. Wrong usage ends in here, with 2.
pub fn main() -> ExitCode {
    let Command::Serve(args) = Cli::parse().command;
    if let Err(unusable) = crash_points::enable() {
        return unusable;
    }
    finish(args.run())
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
