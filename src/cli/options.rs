//! What every command has: the server that it speaks to, and the form of what it prints.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use handfast_client::Handfast;

use super::{CommandError, Ended, OutputFormat};

/// Between two tries while a server is away.
const RETRY_PAUSE: Duration = Duration::from_millis(100);

#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// The server to speak to
    #[arg(long, global = true, value_name = "URL", env = "HANDFAST_SERVER")]
    #[arg(default_value = "http://127.0.0.1:1801", help_heading = "Global options")]
    server: String,
    /// Print for people or for programs
    #[arg(long, global = true, value_name = "FORMAT", value_enum, default_value_t = OutputFormat::Text)]
    #[arg(help_heading = "Global options")]
    pub output: OutputFormat,
}

impl Options {
    /// A client of the server; whether it is there is known when this returns.
    pub async fn connect(&self) -> Result<Handfast, CommandError> {
        Ok(Handfast::connect(&self.server).await?)
    }

    /// Does `work` again while the server is away, for as long as `patience`; says so once.
    pub async fn patiently<T, F>(&self, patience: Duration, mut work: impl FnMut() -> F) -> Result<T, CommandError>
    where
        F: Future<Output = Result<T, CommandError>>,
    {
        let until = Instant::now() + patience;
        let mut is_told = false;
        loop {
            match work().await {
                Err(error) if error.is_away() && Instant::now() < until => {
                    if !std::mem::replace(&mut is_told, true) {
                        tracing::warn!("{error}; trying again for {patience:?}");
                    }
                    tokio::time::sleep(RETRY_PAUSE).await;
                }
                result => return result,
            }
        }
    }

    pub fn server(&self) -> &str {
        &self.server
    }

    /// Runs a command that speaks to a server. What goes wrong on the way is logged from warnings on.
    pub fn block_on(&self, command: impl Future<Output = Result<Ended, CommandError>>) -> Result<Ended, CommandError> {
        start_log();
        let runtime = tokio::runtime::Runtime::new().map_err(CommandError::Process)?;
        runtime.block_on(command)
    }

    /// The same in one thread: for a command that has much to say to a server that it shares the machine with, and would only
    /// hand it from one processor to the other.
    pub fn block_on_one_thread(
        &self,
        command: impl Future<Output = Result<Ended, CommandError>>,
    ) -> Result<Ended, CommandError> {
        start_log();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.map_err(CommandError::Process)?.block_on(command)
    }
}

fn start_log() {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env();
    let filter = filter.unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn"));
    let ansi = std::io::stderr().is_terminal();
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(ansi).init();
}
