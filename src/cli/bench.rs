//! `handfast bench`: how fast a running server is, beside what its disk allows.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use handfast_client::Handfast;
use handfast_protocol::ResourceKind;
use handfast_protocol::limits::BODY_BYTES_MAX;
use serde::Serialize;

use super::bench_compare;
use super::output::print_done;
use super::resource::absolute;
use super::stop_signal::stop_signal;
use super::{CommandError, Ended, Options};
use crate::bench::{
    BenchError, CONCURRENCY_MAX, Compared, Database, DiskLimit, Display, Figures, Ground, Kind, Load, Measured,
    SECONDS_MAX, ServerPlace, WINDOW_MAX, measure_disk, run_load,
};
use crate::server::{RESERVE_BYTES_MIN, Role, ServeOptions, Server};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
A benchmark measures the server that --server names, from this process; each client waits for its answer before it asks again. \
One second of warm-up does not count. In the same run it measures the limit of the disk: as many logical writers of records as \
large, one thread that appends whatever is pending to a file that was written before, and calls fdatasync. It prints both, \
the ratio, and the cost of a message beyond the limit: 1 / rate - limit cycle / clients.

A server on this machine tells where its data is: the disk's limit is measured there, and its memory is read (the peak since \
it was started). Otherwise name a directory with --limit-dir; without one it is the current directory.

It works in queues of its own, named bench-*, and removes them, after Ctrl-C as well, which prints what was measured until then. \
Killed with SIGKILL it leaves them; remove them with: handfast queue delete NAME --discard

Examples:
  handfast bench send
  handfast bench send --concurrency 1 --seconds 5
  handfast bench pair --sqlite bench.db
  handfast bench pair --postgres postgres://app@127.0.0.1/shop --concurrency 16 --output json")]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Send messages, each in a transaction of its own
    Send {
        /// Messages that each client sends without waiting for the answer to the first
        #[arg(long, value_name = "N", default_value_t = 1)]
        #[arg(value_parser = clap::value_parser!(u16).range(1..=i64::from(WINDOW_MAX)))]
        window: u16,
        #[command(flatten)]
        run: Run,
    },
    /// Receive messages, each in a transaction of its own
    Receive {
        #[command(flatten)]
        run: Run,
    },
    /// Receive from one queue and send to another, in one transaction
    Transfer {
        #[command(flatten)]
        run: Run,
    },
    /// Receive, insert a row, update one of 10,000 balances, send on, in one transaction
    ///
    /// The tables handfast_bench_orders and handfast_bench_balances are made in the database and dropped at the end. A database
    /// that is not registered is so as resource bench meanwhile; the tables that registering makes stay.
    Pair {
        #[command(flatten)]
        database: DatabaseArgs,
        /// Commit with PREPARE TRANSACTION, in place of a marker row
        #[arg(long, requires = "postgres", conflicts_with = "sqlite")]
        two_phase: bool,
        #[command(flatten)]
        run: Run,
    },
    /// Measure beside a database that does the same alone, and the ratio
    ///
    /// The same work is done in turn by the server and by a PostgreSQL whose tables are the queues: a send is an insert, a receive a delete of the
    /// first row that nobody has locked (FOR UPDATE SKIP LOCKED), all of one transaction in one local commit. A pair is compared
    /// with its row changes alone as well; beside SQLite, with those alone, in FILE-rival-PID. What it needs in PostgreSQL lies in
    /// the schema handfast_bench_rival; all of it is removed.
    Compare(bench_compare::Args),
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct DatabaseArgs {
    /// A PostgreSQL database, such as postgres://app@127.0.0.1/shop
    #[arg(long, value_name = "URL")]
    postgres: Option<String>,
    /// A SQLite database on the server's host; a file that is not there is made, and removed
    #[arg(long, value_name = "FILE")]
    sqlite: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub struct Run {
    /// Clients at a time
    #[arg(long, value_name = "K", default_value_t = 64)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=i64::from(CONCURRENCY_MAX)))]
    concurrency: u16,
    /// Bytes of a message's body
    #[arg(long, value_name = "BYTES", default_value_t = 1024)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=BODY_BYTES_MAX as u64))]
    size: u64,
    /// How long to measure
    #[arg(long, value_name = "N", default_value_t = 10)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=i64::from(SECONDS_MAX)))]
    seconds: u16,
    /// Where to measure the disk's limit [default: the log's directory of a server on this machine, else the current one]
    #[arg(long, value_name = "DIR")]
    limit_dir: Option<PathBuf>,
    /// Measure a queue manager in this very process, as an application has it, with its data in this directory, where
    /// it stays
    #[arg(long, value_name = "DIR")]
    in_process: Option<PathBuf>,
}

#[derive(Debug, Serialize)]
struct Report<'a> {
    benchmark: &'static str,
    concurrency: usize,
    window: usize,
    size: usize,
    /// How long it counted.
    seconds: f64,
    count: u64,
    #[serde(flatten)]
    figures: Figures,
    limit: Figures,
    limit_dir: &'a Path,
    #[serde(flatten)]
    compared: Option<Compared>,
    memory_peak: Option<u64>,
}

impl Args {
    pub fn run(self, options: &Options) -> Result<Ended, CommandError> {
        let (kind, run, window) = match self.action {
            Action::Compare(compare) => return options.block_on_one_thread(compare.run(options)),
            Action::Send { run, window } => (Kind::Send, run, usize::from(window)),
            Action::Receive { run } => (Kind::Receive, run, 1),
            Action::Transfer { run } => (Kind::Transfer, run, 1),
            Action::Pair { database, two_phase, run } => (Kind::Pair(database.named(two_phase)?), run, 1),
        };
        let load = Load { window, ..run.load() };
        options.block_on_one_thread(run.run(options, kind, load))
    }
}

impl DatabaseArgs {
    fn named(self, two_phase: bool) -> Result<Database, CommandError> {
        let postgres = if two_phase { ResourceKind::PostgresTwoPhase } else { ResourceKind::PostgresMarker };
        Ok(match self.sqlite {
            Some(file) => Database { kind: ResourceKind::SqliteMarker, address: absolute(&file)? },
            None => Database { kind: postgres, address: self.postgres.unwrap_or_default() },
        })
    }
}

impl Run {
    async fn run(self, options: &Options, kind: Kind, load: Load) -> Result<Ended, CommandError> {
        load.check(&kind)?;
        let stopped = stop_signal().map_err(CommandError::Process)?;
        tokio::pin!(stopped);
        let subject = self.subject(options).await?;
        let handfast = &subject.handfast;
        let place = ServerPlace::of(&handfast.server().await?);
        let display = Display::start();
        let (limit, limit_dir) = measure_limit(&self, &load, &place, &display, &mut stopped).await?;
        let name = kind.name();
        let measured = measure(handfast, kind, &load, &display, stopped).await?;
        drop(display);
        let report = Report {
            benchmark: name,
            concurrency: load.concurrency,
            window: load.window,
            size: load.size,
            seconds: measured.span.as_secs_f64(),
            count: measured.count,
            figures: measured.figures,
            limit,
            limit_dir: &limit_dir,
            compared: Compared::of(&measured.figures, &limit),
            memory_peak: place.memory_peak(),
        };
        print_done(options.output, &report, &report.table())?;
        subject.end().await
    }

    /// Whom it measures.
    pub async fn subject(&self, options: &Options) -> Result<Subject, CommandError> {
        let Some(data) = &self.in_process else {
            return Ok(Subject { handfast: options.connect().await?, own: None });
        };
        let server = Server::start(serve_options(data)).await?;
        Ok(Subject { handfast: server.client().await?, own: Some(server) })
    }

    pub fn load(&self) -> Load {
        Load {
            concurrency: usize::from(self.concurrency),
            window: 1,
            size: usize::try_from(self.size).unwrap_or(usize::MAX),
            span: Duration::from_secs(u64::from(self.seconds)),
        }
    }

    /// The log is what waits for the disk.
    fn limit_dir(&self, place: &ServerPlace) -> PathBuf {
        match (&self.limit_dir, &place.data_directory) {
            (Some(named), _) => named.clone(),
            (None, Some(data)) => data.join("log"),
            (None, None) => PathBuf::from("."),
        }
    }
}

/// A server somewhere, or a queue manager of the benchmark's own.
#[allow(missing_debug_implementations, reason = "a server has no useful debug form")]
pub struct Subject {
    pub handfast: Handfast,
    own: Option<Server>,
}

impl Subject {
    /// Stops what is the benchmark's own.
    pub async fn end(self) -> Result<Ended, CommandError> {
        if let Some(server) = self.own {
            server.run(async {}).await?;
        }
        Ok(Ended::Done)
    }
}

/// Of a queue manager in the process of the benchmark, as they are by default; the port is any.
fn serve_options(data: &Path) -> ServeOptions {
    ServeOptions {
        role: Role::QueueManager,
        data: data.to_owned(),
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        max_body: BODY_BYTES_MAX,
        reserve: RESERVE_BYTES_MIN,
    }
}

/// Of the disk, and where that was.
pub async fn measure_limit(
    run: &Run,
    load: &Load,
    place: &ServerPlace,
    display: &Display,
    stopped: impl Future<Output = ()>,
) -> Result<(Figures, PathBuf), BenchError> {
    let directory = run.limit_dir(place);
    display.say(|| format!("measuring the disk at {}", directory.display()));
    let limit = DiskLimit {
        directory: directory.clone(),
        writers: load.under_way() as u64,
        record_bytes: load.size,
        span: load.limit_span(),
    };
    tokio::select! {
        limit = measure_disk(limit) => Ok((limit?, directory)),
        () = stopped => Err(BenchError::Interrupted),
    }
}

/// Lays the ground, runs, and clears it whatever happened.
pub async fn measure(
    handfast: &Handfast,
    kind: Kind,
    load: &Load,
    display: &Display,
    mut stopped: impl Future<Output = ()> + Unpin,
) -> Result<Measured, BenchError> {
    let mut ground = Ground::new(handfast.clone(), kind);
    let laid = tokio::select! {
        laid = ground.lay(load, display) => laid,
        () = &mut stopped => Err(BenchError::Interrupted),
    };
    let measured = match laid {
        Ok(work) => run_load(work.clients(handfast, load), load, display, stopped).await,
        Err(error) => Err(error),
    };
    display.say(|| "clearing up".to_owned());
    let cleared = ground.clear().await;
    let measured = measured?;
    cleared.map(|()| measured)
}

impl Report<'_> {
    fn table(&self) -> String {
        let line = |name: &str, figures: &Figures| {
            let Figures { rate, p50_us, p99_us } = figures;
            format!("{name:10}  {rate:>12.0}  {p50_us:>9.0}  {p99_us:>9.0}\n")
        };
        let Report { benchmark, concurrency, window, size, seconds, .. } = self;
        let window = if *window > 1 { format!(" with {window} unanswered each") } else { String::new() };
        let mut text = format!("{benchmark}, {concurrency} at a time{window}, {size} bytes, {seconds:.1} s\n\n");
        text.push_str("                a second     p50 us     p99 us\n");
        text.push_str(&line("handfast", &self.figures));
        text.push_str(&line("disk limit", &self.limit));
        text.push('\n');
        if let Some(Compared { ratio, cost_us }) = self.compared {
            text.push_str(&format!("{ratio:.3} of the limit, {cost_us:.1} us a message beyond it\n"));
        }
        text.push_str(&format!("the limit is that of {}", self.limit_dir.display()));
        if let Some(bytes) = self.memory_peak {
            text.push_str(&format!("\nthe server's memory at its peak: {} MiB", bytes >> 20));
        }
        text
    }
}
