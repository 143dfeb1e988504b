//! One run, from an empty directory to the audit.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use handfast_client::{Handfast, TransactionFilter};
use handfast_crash_test::Program;
use indicatif::{ProgressBar, ProgressStyle};
use tempfile::TempDir;
use tokio::time::timeout;

use crate::audit::{Audit, Course, Found};
use crate::cast::Cast;
use crate::ledger::{Ledger, quoted};
use crate::options::{LINE, Options};
use crate::orders::Orders;

/// Between two looks at how far it is.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Without any progress for so long, it has failed.
const PATIENCE: Duration = Duration::from_secs(120);

/// What was in doubt at the last restart has to be decided within this.
const SETTLE_WITHIN: Duration = Duration::from_secs(30);

/// The longest pause between two kills of a run that is measured in time.
const PAUSE_MAX_MS: u64 = 2_500;

pub async fn run(options: &Options) -> anyhow::Result<Audit> {
    let place = Place::new(options)?;
    let audit = run_in(options, place.path()).await;
    if !audit.as_ref().is_ok_and(|audit| audit.clean) {
        eprintln!("everything is kept in {}", place.keep().display());
    }
    audit
}

async fn run_in(options: &Options, directory: &Path) -> anyhow::Result<Audit> {
    let orders = Orders::read(options, directory)?;
    let ledger = Ledger::start(options, directory)?;
    ledger.create(options, &orders).await?;
    std::fs::write(directory.join("trigger.toml"), trigger_file(options, &orders))?;

    let program = Program::new(&handfast_program(options)?, directory);
    let mut server = program.serve()?;
    program.ready(&mut server).await?;
    program.done("setup", &["queue", "create", "orders"]).await?;
    program.done("setup", &["queue", "create", "shipments"]).await?;
    let [kind, address] = ledger.address();
    let two_phase = options.two_phase.then_some("--two-phase");
    let args: Vec<&str> = ["resource", "add", "ledger", &kind, &address].into_iter().chain(two_phase).collect();
    program.done("setup", &args).await?;

    let handfast = Handfast::connect(&program.url()).await?;
    let seed = options.seed.unwrap_or_else(|| fastrand::u64(..1_000_000));
    let began = Instant::now();
    let mut cast = Cast::start(program, server, ledger, &orders)?;
    let mut play = Play::new(options, seed, orders.lines.len() as u64);
    play.run(&mut cast, &handfast).await?;
    let seconds = began.elapsed().as_secs_f64();
    let seconds_to_settle = settle(&handfast).await?;
    let rows = cast.ledger.rows(options, &orders).await?;
    let found = Found::look(&handfast, rows).await?;
    Audit::new(&orders, &found, &Course { kills: cast.kills, seed, seconds, seconds_to_settle })
}

/// The program that was built with this one, unless another is named.
fn handfast_program(options: &Options) -> anyhow::Result<PathBuf> {
    let path = match &options.handfast {
        Some(path) => path.clone(),
        None => {
            let here = std::env::current_exe()?;
            let profile = here.parent().and_then(Path::parent).context("this program lies in no build directory")?;
            profile.join("handfast")
        }
    };
    if !path.exists() {
        bail!("{} is not there; build it, or name it with --handfast", path.display());
    }
    Ok(path)
}

/// What the trigger does: the user's statements, or one that writes every column.
fn trigger_file(options: &Options, orders: &Orders) -> String {
    let insert = || {
        let names = std::iter::once(LINE).chain(orders.columns.iter().map(String::as_str));
        let (columns, values): (Vec<String>, Vec<String>) =
            names.map(|name| (quoted(name), format!(":{}", quoted(name)))).unzip();
        vec![format!("insert into orders ({}) values ({})", columns.join(", "), values.join(", "))]
    };
    let statements = if options.statement.is_empty() { insert() } else { options.statement.clone() };
    let statements: Vec<String> = statements.iter().map(|sql| toml::Value::from(sql.as_str()).to_string()).collect();
    format!(
        "queue = \"orders\"\n\n[database]\nresource = \"ledger\"\nstatements = [{}]\n\n[send]\nqueue = \"shipments\"\n",
        statements.join(", ")
    )
}

/// When somebody is killed, and who.
struct Play {
    random: fastrand::Rng,
    rows: u64,
    kills: u32,
    until: Option<Instant>,
    next: Instant,
    bar: ProgressBar,
}

impl Play {
    fn new(options: &Options, seed: u64, rows: u64) -> Play {
        let style = ProgressStyle::with_template("{bar:30} {pos}/{len}  {msg}  {elapsed}");
        let bar = ProgressBar::new(rows).with_style(style.expect("the template is well formed"));
        let until = options.kill_for.map(|seconds| Instant::now() + Duration::from_secs(seconds));
        let random = fastrand::Rng::with_seed(seed);
        Play { random, rows, kills: options.kills, until, next: Instant::now(), bar }
    }

    /// Until everything is sent, received, written and sent on.
    async fn run(&mut self, cast: &mut Cast<'_>, handfast: &Handfast) -> anyhow::Result<()> {
        let (mut seen, mut moved_at) = ((0, 0), Instant::now());
        while !cast.look().await? {
            let now_seen = progress(handfast).await.unwrap_or(seen);
            if now_seen != seen {
                (seen, moved_at) = (now_seen, Instant::now());
            } else if moved_at.elapsed() > PATIENCE {
                bail!("no progress for {PATIENCE:?}; the trigger's last words: {}", cast.program.tail("trigger"));
            }
            let (orders, shipments) = seen;
            self.bar.set_position(shipments);
            self.bar.set_message(format!("{} killed", cast.kills.total()));
            if self.is_due(cast, orders + shipments, shipments) {
                let victims = cast.victims();
                let victim = victims[self.random.usize(..victims.len())];
                // Anywhere between two looks, so that it hits any moment.
                tokio::time::sleep(LOOK_EVERY.mul_f64(self.random.f64())).await;
                cast.kill(victim).await?;
                self.next = Instant::now() + Duration::from_millis(self.random.u64(100..PAUSE_MAX_MS));
                moved_at = Instant::now();
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        self.bar.finish_and_clear();
        Ok(())
    }

    /// Spread over the work: a few while it is imported, the others while it is done; or over time.
    fn is_due(&self, cast: &Cast<'_>, imported: u64, done: u64) -> bool {
        if let Some(until) = self.until {
            return Instant::now() < until && Instant::now() >= self.next;
        }
        let killed = u64::from(cast.kills.total());
        let kills = u64::from(self.kills);
        let at_import = kills / 3;
        let further = |part: u64, of: u64, what: u64| what * (of + 1) > self.rows * (part + 1);
        if killed >= kills {
            false
        } else if cast.is_importing() {
            killed < at_import && further(killed, at_import, imported)
        } else {
            let part = killed.saturating_sub(at_import);
            further(part, kills - at_import, done)
        }
    }
}

/// Messages in the two queues; `None` while nobody answers.
async fn progress(handfast: &Handfast) -> Option<(u64, u64)> {
    let ask = async {
        let orders = handfast.queue("orders").await.ok()?.messages;
        Some((orders, handfast.queue("shipments").await.ok()?.messages))
    };
    timeout(Duration::from_secs(1), ask).await.ok().flatten()
}

/// Waits until nothing is in doubt; answers how many seconds that took.
async fn settle(handfast: &Handfast) -> anyhow::Result<f64> {
    let since = Instant::now();
    let in_doubt = TransactionFilter { in_doubt: true, ..TransactionFilter::default() };
    while since.elapsed() < SETTLE_WITHIN {
        if handfast.transactions(in_doubt.clone()).await?.is_empty() {
            break;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(since.elapsed().as_secs_f64())
}

/// The directory of a run.
enum Place {
    Passing(TempDir),
    Kept(PathBuf),
}

impl Place {
    fn new(options: &Options) -> anyhow::Result<Place> {
        Ok(match &options.keep {
            Some(path) => {
                std::fs::create_dir(path).with_context(|| format!("{} cannot be made", path.display()))?;
                Place::Kept(path.canonicalize()?)
            }
            None => Place::Passing(tempfile::Builder::new().prefix("handfast-demo-").tempdir()?),
        })
    }

    fn path(&self) -> &Path {
        match self {
            Place::Passing(directory) => directory.path(),
            Place::Kept(path) => path,
        }
    }

    fn keep(self) -> PathBuf {
        match self {
            Place::Passing(directory) => directory.keep(),
            Place::Kept(path) => path,
        }
    }
}
