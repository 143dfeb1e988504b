//! One run, from an empty directory to the verdict.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use handfast_checker::history::{Event, Fact, Finding, History, Op, Terms, What};
use handfast_client::{Handfast, QueueSettings};
use handfast_protocol::{QueueName, ResourceName};
use handfast_trigger::TriggerFile;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::audit;
use crate::chronicle::Chronicle;
use crate::database::Database;
use crate::error::CrashTestError;
use crate::limits::{
    AGAIN_ONE_IN, AGAIN_WITHIN, ATTEMPTS, KILL_WITHIN, KILLS_THAT_LEAVE_DOUBT, LOOK_EVERY, PATIENCE, STARTS_WITHIN,
};
use crate::messages::{self, Outgoing};
use crate::program::Program;
use crate::report::Report;
use crate::sender::send_all;
use crate::settings::{DatabaseChoice, Settings, Work};
use crate::stage::{DATABASE, SERVER, Stage, TriggerProcess, Victim};
use crate::witness::now;

/// Why a message that its trigger cannot work on dies.
const MAX_ATTEMPTS: &str = "MaxAttempts";

type Sending = JoinHandle<Result<(), CrashTestError>>;

/// Everything of a run that does not change while it lasts.
#[derive(Debug)]
pub struct Run {
    settings: Settings,
    outgoing: Vec<Outgoing>,
    trigger: TriggerFile,
    /// Where it is.
    trigger_path: PathBuf,
    database: Database,
    /// What was prepared in the database before.
    prepared_before: BTreeSet<String>,
}

/// How far a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    pub sent: u64,
    pub messages: u64,
    pub kills: u32,
}

impl std::fmt::Display for Progress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} killed, {} of {} messages", self.kills, self.sent, self.messages)
    }
}

impl Run {
    /// Looks at everything that the user has said, and makes the directory and the tables of the run.
    pub async fn prepare(settings: Settings) -> Result<Run, CrashTestError> {
        let directory = std::path::absolute(&settings.directory).map_err(CrashTestError::file(&settings.directory))?;
        let database = match &settings.database {
            DatabaseChoice::Sqlite { path: Some(path) } => {
                let path = std::path::absolute(path).map_err(CrashTestError::file(path))?;
                DatabaseChoice::Sqlite { path: Some(path) }
            }
            choice => choice.clone(),
        };
        let settings = Settings { directory, database, ..settings };
        let witnesses = settings.directory.join("witnesses");
        std::fs::create_dir_all(&witnesses).map_err(CrashTestError::file(&witnesses))?;
        let name = format!("{:x}", now());
        let database = Database::new(&settings.database, &settings.directory, &name);
        let (trigger_path, outgoing) = match &settings.work {
            Work::BuiltIn => (built_in_trigger(&settings.directory, &database)?, messages::made_up(settings.kills)),
            Work::Own { trigger, csv } => {
                let path = std::path::absolute(trigger).map_err(CrashTestError::file(trigger))?;
                (path, messages::of_csv(csv)?)
            }
        };
        let trigger = TriggerFile::read(&trigger_path)?;
        if trigger.queue == QueueName::dead_letter() {
            return Err(CrashTestError::Queue { queue: trigger.queue.to_string() });
        }
        database.create(settings.work == Work::BuiltIn).await?;
        let prepared_before = database.prepared().await?.into_iter().collect();
        Ok(Run { settings, outgoing, trigger, trigger_path, database, prepared_before })
    }

    /// Runs it, kills on the way, and judges the end. `progress` hears of every step.
    pub async fn run(&self, progress: impl Fn(Progress)) -> Result<Report, CrashTestError> {
        let began = Instant::now();
        let mut chronicle = Chronicle::new();
        chronicle.tell("run", What::Info(Fact::Run(self.terms())));
        let program = Program::new(&self.settings.program, &self.settings.directory);
        chronicle.tell(SERVER, What::Invoke(Op::Start));
        let mut server = program.serve()?;
        program.ready(&mut server).await?;
        let handfast = Handfast::connect(&program.url()).await?;
        self.set_up(&program, &handfast).await?;

        let (allow, allowed) = watch::channel(0);
        let (tell_sent, sent) = watch::channel(0);
        let queue = self.trigger.queue.to_string();
        let (tell_step, mut steps) = mpsc::unbounded_channel();
        let sending = send_all(handfast.clone(), queue, self.outgoing.clone(), allowed, tell_sent, tell_step);
        let sending = tokio::spawn(sending);
        let process = TriggerProcess {
            file: self.trigger_path.clone(),
            workers: self.settings.workers,
            witnesses: self.witnesses(),
            table: self.database.table().to_owned(),
        };
        let crash_database = self.settings.crash_database.clone();
        let mut stage = Stage::enter(program, server, chronicle, process, crash_database)?;
        let mut play = Play { run: self, stage: &mut stage, allow, sent, progress: &progress, handfast: &handfast };
        let played = play.play(sending).await;
        stage.chronicle.add(std::iter::from_fn(|| steps.try_recv().ok()).collect());
        let history = match played {
            Ok(()) => self.audit(&handfast, &mut stage).await?,
            Err(error) if error.is_finding() => self.history_of_failure(&handfast, &mut stage, &error).await?,
            Err(error) => return Err(error),
        };
        let kills = stage.kills;
        drop(stage);
        let report = Report::new(&self.settings, history, kills, began.elapsed());
        if report.is_good() {
            self.database.clear().await?;
        }
        Ok(report)
    }

    /// Somebody ended by himself, did not start or did not get on: that is the finding, and whatever else can be seen.
    async fn history_of_failure(
        &self,
        handfast: &Handfast,
        stage: &mut Stage,
        error: &CrashTestError,
    ) -> Result<History, CrashTestError> {
        let what = error.to_string();
        if stage.serves()
            && let Ok(mut history) = self.audit(handfast, stage).await
        {
            let at = history.events.last().map_or(0, |event| event.at);
            history.events.push(Event { at, process: "run".to_owned(), what: What::Audit(Finding::Broken { what }) });
            return Ok(history);
        }
        stage.chronicle.tell("run", What::Audit(Finding::Broken { what }));
        let mut history = stage.take_chronicle().into_history(&self.witnesses())?;
        // What nobody could look at is not judged.
        for event in &mut history.events {
            if let What::Info(Fact::Run(terms)) = &mut event.what {
                terms.judges.clear();
            }
        }
        Ok(history)
    }

    fn witnesses(&self) -> PathBuf {
        self.settings.directory.join("witnesses")
    }

    async fn set_up(&self, program: &Program, handfast: &Handfast) -> Result<(), CrashTestError> {
        // However often a message is in somebody's hands when he is killed, it is not that which it dies of.
        let max_abandoned = Some(2 * self.settings.kills + 2);
        let max_attempts = (self.settings.work == Work::BuiltIn).then_some(ATTEMPTS);
        let settings = QueueSettings { max_attempts, max_abandoned };
        handfast.create_queue(self.trigger.queue.as_str(), settings).await?;
        if let Some(queue) = self.trigger.send.as_ref().filter(|queue| **queue != self.trigger.queue) {
            handfast.create_queue(queue.as_str(), QueueSettings::default()).await?;
        }
        if let Some(resource) = self.resource() {
            let [kind, address] = self.database.address();
            let mut args = vec!["resource", "add", resource.as_str(), &kind, &address];
            args.extend(self.settings.two_phase.then_some("--two-phase"));
            program.done("setup", &args).await?;
        }
        Ok(())
    }

    fn resource(&self) -> Option<&ResourceName> {
        self.trigger.database.as_ref().map(|database| &database.resource)
    }

    fn queues(&self) -> Vec<QueueName> {
        let queues: BTreeSet<&QueueName> =
            [Some(&self.trigger.queue), self.trigger.send.as_ref()].into_iter().flatten().collect();
        queues.into_iter().cloned().collect()
    }

    /// What the checker is told to expect.
    fn terms(&self) -> Terms {
        let names = |queues: &[QueueName]| queues.iter().map(QueueName::to_string).collect();
        let judges = ["A1", "A3", "A4", "A6", "A7", "A9", "A13", "A14", "A16"];
        Terms {
            plan: format!("crash-test, seed {}", self.settings.seed),
            ordered: if self.settings.workers == 1 { names(&self.queues()) } else { Vec::new() },
            drained: names(std::slice::from_ref(&self.trigger.queue)),
            starts_within: Some(STARTS_WITHIN.as_micros() as u64),
            must_recover: self.settings.work == Work::BuiltIn && self.settings.kills >= KILLS_THAT_LEAVE_DOUBT,
            judges: if self.settings.work == Work::BuiltIn { judges.map(str::to_owned).to_vec() } else { Vec::new() },
            ..Terms::default()
        }
    }

    async fn audit(&self, handfast: &Handfast, stage: &mut Stage) -> Result<History, CrashTestError> {
        let resource = self.resource().map(ResourceName::as_str);
        let found = audit::look(handfast, &self.database, resource, &self.queues(), &self.prepared_before).await?;
        for outgoing in
            self.outgoing.iter().filter(|outgoing| outgoing.is_doomed || self.settings.work != Work::BuiltIn)
        {
            let (message, reason) = (outgoing.key.clone(), MAX_ATTEMPTS.to_owned());
            stage.chronicle.tell("run", What::Info(Fact::Doomed { message, reason, may: !outgoing.is_doomed }));
        }
        let mut chronicle = stage.take_chronicle();
        if self.settings.work == Work::BuiltIn {
            // The row of the test is there because the order's own is.
            let (orders, rows) = (self.database.orders_written().await?, self.database.rows().await?.len() as u64);
            if orders != rows {
                let what = format!("{orders} orders are written beside {rows} rows of the test");
                chronicle.tell(DATABASE, What::Audit(Finding::Broken { what }));
            }
        }
        chronicle.add(found);
        let mut history = chronicle.into_history(&self.witnesses())?;
        let mut answers = audit::ask_outcomes(handfast, &history).await?;
        let end = history.events.last().map_or(0, |event| event.at);
        answers.iter_mut().for_each(|answer| answer.at = end);
        history.events.extend(answers);
        Ok(history)
    }
}

/// The part of a run that is played.
struct Play<'r, P> {
    run: &'r Run,
    stage: &'r mut Stage,
    allow: watch::Sender<u64>,
    sent: watch::Receiver<u64>,
    progress: &'r P,
    handfast: &'r Handfast,
}

impl<P: Fn(Progress)> Play<'_, P> {
    async fn play(&mut self, sending: Sending) -> Result<(), CrashTestError> {
        let stop = sending.abort_handle();
        let played = async {
            self.kill_all(fastrand::Rng::with_seed(self.run.settings.seed)).await?;
            self.finish(sending).await?;
            audit::settle(self.handfast).await
        };
        played.await.inspect_err(|_| stop.abort())
    }

    /// Between two kills a part of the messages is sent; a kill comes at any moment of the work on it.
    async fn kill_all(&mut self, mut random: fastrand::Rng) -> Result<(), CrashTestError> {
        let (kills, messages) = (u64::from(self.run.settings.kills), self.run.outgoing.len() as u64);
        let mut turn = 0;
        while self.stage.kills.total() < self.run.settings.kills {
            turn += 1;
            self.allow.send_replace((messages * turn / (kills + 1)).min(messages));
            tokio::time::sleep(KILL_WITHIN.mul_f64(random.f64())).await;
            self.stage.check()?;
            let victim = self.victim(&mut random);
            let again: Vec<Duration> = std::iter::repeat_with(|| (random.u32(..AGAIN_ONE_IN), random.f64()))
                .take_while(|(one_in, _)| *one_in == 0)
                .map(|(_, part)| AGAIN_WITHIN.mul_f64(part))
                .collect();
            self.stage.kill(victim, &again).await?;
            self.report();
        }
        Ok(())
    }

    fn victim(&self, random: &mut fastrand::Rng) -> Victim {
        let has_database = self.run.settings.crash_database.is_some();
        match random.u32(..if has_database { 13 } else { 10 }) {
            0..5 => Victim::Server,
            5..8 => Victim::Trigger,
            8..10 => Victim::Both,
            _ => Victim::Database,
        }
    }

    /// Sends what is left, and lets the trigger work until nothing is.
    async fn finish(&mut self, sending: Sending) -> Result<(), CrashTestError> {
        self.allow.send_replace(self.run.outgoing.len() as u64);
        sending.await.unwrap_or_else(|error| Err(CrashTestError::Process(error.into())))?;
        self.stage.finish().await?;
        let (mut left, mut moved_at) = (u64::MAX, Instant::now());
        while !self.stage.is_finished()? {
            let now_left =
                self.handfast.queue(self.run.trigger.queue.as_str()).await.map_or(left, |view| view.messages);
            if now_left != left {
                (left, moved_at) = (now_left, Instant::now());
            } else if moved_at.elapsed() > PATIENCE {
                let last_words = self.stage.program.tail("trigger");
                return Err(CrashTestError::Stuck { waited: PATIENCE, last_words });
            }
            self.report();
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    fn report(&self) {
        let (sent, messages) = (*self.sent.borrow(), self.run.outgoing.len() as u64);
        (self.progress)(Progress { sent, messages, kills: self.stage.kills.total() });
    }
}

/// The trigger of the orders that are made up.
fn built_in_trigger(directory: &Path, database: &Database) -> Result<PathBuf, CrashTestError> {
    let path = directory.join("trigger.toml");
    let text = format!(
        "queue = \"orders\"\n\n[database]\nresource = \"ledger\"\n\
         statements = [\"insert into {} (id, amount) values (:id, :amount)\"]\n\n[send]\nqueue = \"shipments\"\n",
        database.orders()
    );
    std::fs::write(&path, text).map_err(CrashTestError::file(&path))?;
    Ok(path)
}
