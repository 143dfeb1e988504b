//! `handfast serve`: a server in this process, until it is told to stop. `handfast-coordinator serve` runs one as well.

use std::io::{IsTerminal, Write};
use std::net::SocketAddr;
use std::path::PathBuf;

use handfast_protocol::limits::BODY_BYTES_MAX;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::runtime::Builder;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing_subscriber::EnvFilter;

use super::byte_count::parse_byte_count;
use super::{CommandError, Ended, Options};
use crate::server::{RESERVE_BYTES_MIN, Role, ServeOptions, Server};

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
    /// The largest body of a message, up to 64MiB
    #[arg(long, value_name = "SIZE", default_value = "4MiB", value_parser = body_bytes)]
    max_body: u64,
    #[command(flatten)]
    common: Common,
}

/// What a coordinator alone has too.
#[derive(Debug, clap::Args)]
pub struct Common {
    /// Free disk space below which nothing new is taken; what is there can be received and ended
    #[arg(long, value_name = "SIZE", default_value = "512MiB", value_parser = reserve_bytes)]
    pub reserve: u64,
    /// The form of the log
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
}

fn body_bytes(text: &str) -> Result<u64, String> {
    let bytes = parse_byte_count(text).map_err(|error| error.to_string())?;
    if bytes == 0 {
        return Err("at least one byte".to_owned());
    }
    if bytes > BODY_BYTES_MAX as u64 {
        return Err(format!("at most {}MiB", BODY_BYTES_MAX >> 20));
    }
    Ok(bytes)
}

/// As much as the log and a flush of the store may still want (P18).
fn reserve_bytes(text: &str) -> Result<u64, String> {
    let bytes = parse_byte_count(text).map_err(|error| error.to_string())?;
    if bytes < RESERVE_BYTES_MIN {
        return Err(format!("at least {}MiB: the log and the store need them to go on", RESERVE_BYTES_MIN >> 20));
    }
    Ok(bytes)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    Text,
    Json,
}

impl Args {
    pub fn run(self, _options: &Options) -> Result<Ended, CommandError> {
        let data = data_directory(self.data, "handfast")?;
        let (role, Common { reserve, log_format }) = (Role::QueueManager, self.common);
        let max_body = usize::try_from(self.max_body).unwrap_or(BODY_BYTES_MAX);
        serve(ServeOptions { role, data, listen: self.listen, max_body, reserve }, log_format)
    }
}

/// Serves until a signal asks for a clean stop.
pub fn serve(options: ServeOptions, log_format: LogFormat) -> Result<Ended, CommandError> {
    start_log(log_format);
    raise_open_files();
    let runtime = Builder::new_multi_thread().worker_threads(workers()).enable_all().build();
    runtime.map_err(CommandError::Process)?.block_on(serve_until_told(options))
}

/// Half of the processors carry sessions. The core thread, the log's thread and the store's have the others; with as
/// many workers as processors, every message would be handed through more threads than can run.
fn workers() -> usize {
    std::thread::available_parallelism().map_or(1, |processors| processors.get().div_ceil(2))
}

async fn serve_until_told(options: ServeOptions) -> Result<Ended, CommandError> {
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

/// Unless `RUST_LOG` says otherwise. What Raft says of one member interests its developers.
const LOG_FILTER: &str = "info,openraft=error";

fn start_log(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(LOG_FILTER));
    let ansi = std::io::stderr().is_terminal();
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(ansi);
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

/// The given directory, or the one of `program` where a user's programs keep their data.
pub fn data_directory(given: Option<PathBuf>, program: &str) -> Result<PathBuf, CommandError> {
    match given {
        Some(data) => Ok(data),
        None => Ok(users_data().ok_or(CommandError::NoDataDirectory)?.join(program)),
    }
}

fn users_data() -> Option<PathBuf> {
    let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    absolute("XDG_DATA_HOME").or_else(|| Some(absolute("HOME")?.join(".local/share")))
}
