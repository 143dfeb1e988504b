//! `handfast serve`: a queue manager in this process, until it is told to stop.

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::runtime::Builder;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing_subscriber::EnvFilter;

use super::{CommandError, Ended, Options};
use crate::server::{ServeOptions, Server};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
When it is ready it prints \"listening on http://HOST:PORT\" on standard output; its log goes to standard error, filtered \
by RUST_LOG. SIGTERM and SIGINT stop it cleanly. /health and /metrics are on the same port.

Examples:
  handfast serve
  handfast serve --data /var/lib/handfast --listen 127.0.0.1:1801 --log-format json")]
pub struct Args {
    /// The directory that holds everything durable; made if it is not there [default: $XDG_DATA_HOME/handfast or
    /// ~/.local/share/handfast]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// The loopback address to listen on; port 0: any
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:1801")]
    listen: SocketAddr,
    /// The form of the log
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = LogFormat::Text)]
    log_format: LogFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum LogFormat {
    Text,
    Json,
}

impl Args {
    pub fn run(self, _options: &Options) -> Result<Ended, CommandError> {
        start_log(self.log_format);
        raise_open_files();
        let data = match self.data {
            Some(data) => data,
            None => data_directory().ok_or(CommandError::NoDataDirectory)?,
        };
        let options = ServeOptions { data, listen: self.listen };
        let runtime = Builder::new_multi_thread().worker_threads(workers()).enable_all().build();
        runtime.map_err(CommandError::Process)?.block_on(serve(options))
    }
}

/// Half of the processors carry sessions and Raft. The core thread, the log's thread and the store's have the others; with as many
/// workers as processors, every message would be handed through more threads than can run.
fn workers() -> usize {
    std::thread::available_parallelism().map_or(1, |processors| processors.get().div_ceil(2))
}

async fn serve(options: ServeOptions) -> Result<Ended, CommandError> {
    let mut stop = Stop::new().map_err(CommandError::Process)?;
    let server = tokio::select! {
        started = Server::start(options) => started?,
        // Nobody has been served yet, and what is on disk is as after any other end.
        () = stop.asked() => return Ok(Ended::Done),
    };
    announce(server.address());
    server.run(stop.asked()).await?;
    Ok(Ended::Done)
}

/// Says that it is ready. A server whose standard output is gone serves all the same.
fn announce(address: SocketAddr) {
    let mut out = std::io::stdout();
    let told = writeln!(out, "listening on http://{address}").and_then(|()| out.flush());
    if let Err(error) = told {
        tracing::warn!(%address, %error, "listening; standard output cannot be written");
    }
}

/// The signals that ask for a clean stop.
struct Stop {
    terminate: Signal,
    interrupt: Signal,
}

impl Stop {
    fn new() -> std::io::Result<Stop> {
        Ok(Stop { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn asked(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

fn start_log(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match format {
        LogFormat::Text => log.init(),
        LogFormat::Json => log.json().init(),
    }
}

/// Connections and the store's files need more than the usual 1,024; the hard limit is what the machine's owner allows.
fn raise_open_files() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum
        && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })
    {
        tracing::warn!(%error, "the limit of open files stays as it is");
    }
}

/// Where a user's programs keep their data.
fn data_directory() -> Option<PathBuf> {
    let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let data = absolute("XDG_DATA_HOME").or_else(|| Some(absolute("HOME")?.join(".local/share")));
    Some(data?.join("handfast"))
}
