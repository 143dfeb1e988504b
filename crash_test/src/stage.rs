//! The processes of a run: whoever is killed is started again at once, and the chronicle hears of both.

use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::time::Duration;

use handfast_checker::history::{Fact, Op, What};
use handfast_client::Handfast;
use rustix::process::{Pid, Signal, kill_process};
use serde::Serialize;
use tokio::process::{Child, Command};

use crate::chronicle::Chronicle;
use crate::error::CrashTestError;
use crate::program::Program;

/// The server and the database, as the history calls them.
pub const SERVER: &str = "server";
pub const DATABASE: &str = "database";

/// How often each was killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Kills {
    pub server: u32,
    /// Of those of the server, the ones before it served again.
    pub while_starting: u32,
    pub trigger: u32,
    pub database: u32,
}

impl Kills {
    pub fn total(&self) -> u32 {
        self.server + self.trigger + self.database
    }
}

/// Who is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Victim {
    Server,
    Trigger,
    Both,
    Database,
}

/// What the trigger's process is started with.
#[derive(Debug, Clone)]
pub struct TriggerProcess {
    pub file: PathBuf,
    pub workers: u16,
    /// Where its workers' histories go.
    pub witnesses: PathBuf,
    /// Where its workers leave their rows.
    pub table: String,
}

#[derive(Debug)]
pub struct Stage {
    pub program: Program,
    pub kills: Kills,
    pub chronicle: Chronicle,
    server: Child,
    trigger_process: TriggerProcess,
    trigger: Child,
    /// How often the trigger was started.
    lives: u32,
    crash_database: Option<String>,
}

impl Stage {
    /// Beside a server that serves.
    pub fn enter(
        program: Program,
        server: Child,
        mut chronicle: Chronicle,
        trigger_process: TriggerProcess,
        crash_database: Option<String>,
    ) -> Result<Stage, CrashTestError> {
        chronicle.tell(SERVER, What::Ok(Op::Start));
        let trigger = start_trigger(&program, &trigger_process, 1, false)?;
        let kills = Kills::default();
        Ok(Stage { program, kills, chronicle, server, trigger_process, trigger, lives: 1, crash_database })
    }

    pub fn serves(&mut self) -> bool {
        matches!(self.server.try_wait(), Ok(None))
    }

    /// What was told so far.
    pub fn take_chronicle(&mut self) -> Chronicle {
        self.chronicle.take()
    }

    /// Nobody has ended by himself.
    pub fn check(&mut self) -> Result<(), CrashTestError> {
        for (name, child) in [("serve", &mut self.server), ("trigger", &mut self.trigger)] {
            if let Some(status) = child.try_wait().map_err(CrashTestError::Process)? {
                let last_words = self.program.tail(name);
                return Err(CrashTestError::Ended { name: name.to_owned(), status, last_words });
            }
        }
        Ok(())
    }

    /// A server is killed again so long after each of its next starts.
    pub async fn kill(&mut self, victim: Victim, again: &[Duration]) -> Result<(), CrashTestError> {
        match victim {
            Victim::Server => self.kill_server(again).await,
            Victim::Trigger => self.kill_trigger().await,
            Victim::Both => {
                self.kill_trigger().await?;
                self.kill_server(again).await
            }
            Victim::Database => self.kill_database().await,
        }
    }

    async fn kill_server(&mut self, again: &[Duration]) -> Result<(), CrashTestError> {
        self.chronicle.tell(SERVER, What::Info(Fact::Away));
        for within in again.iter().map(Some).chain([None]) {
            self.server.kill().await.map_err(CrashTestError::Process)?;
            self.kills.server += 1;
            self.chronicle.tell(SERVER, What::Info(Fact::Crashed { how: "killed".to_owned() }));
            self.chronicle.tell(SERVER, What::Invoke(Op::Start));
            self.server = self.program.serve()?;
            let Some(within) = within else { break };
            tokio::time::sleep(*within).await;
            self.kills.while_starting += 1;
        }
        self.program.ready(&mut self.server).await?;
        self.chronicle.tell(SERVER, What::Ok(Op::Start));
        self.chronicle.tell(SERVER, What::Info(Fact::Back));
        let recovered = self.recovered().await?;
        self.chronicle.tell(SERVER, What::Info(recovered));
        Ok(())
    }

    /// What the server says that it found.
    async fn recovered(&self) -> Result<Fact, CrashTestError> {
        let gauges = Handfast::connect(&self.program.url()).await?.status().await?;
        let value = |name| gauges.iter().find(|gauge| gauge.name == name).map_or(0, |gauge| gauge.value);
        let in_doubt = value("recovered_transactions").max(value("recovered_branches"));
        Ok(Fact::Recovered { in_doubt, replayed: value("recovered_log_entries") })
    }

    async fn kill_trigger(&mut self) -> Result<(), CrashTestError> {
        self.trigger.kill().await.map_err(CrashTestError::Process)?;
        self.kills.trigger += 1;
        let name = trigger_name(self.lives);
        self.chronicle.tell(&name, What::Info(Fact::Crashed { how: "killed".to_owned() }));
        self.restart_trigger(false)
    }

    fn restart_trigger(&mut self, until_empty: bool) -> Result<(), CrashTestError> {
        self.lives += 1;
        self.trigger = start_trigger(&self.program, &self.trigger_process, self.lives, until_empty)?;
        Ok(())
    }

    async fn kill_database(&mut self) -> Result<(), CrashTestError> {
        let Some(command) = &self.crash_database else { return Ok(()) };
        self.chronicle.tell(DATABASE, What::Info(Fact::Away));
        self.chronicle.tell(DATABASE, What::Info(Fact::Crashed { how: "by its command".to_owned() }));
        let status = Command::new("sh").args(["-c", command]).status().await.map_err(CrashTestError::Process)?;
        if !status.success() {
            return Err(CrashTestError::CrashDatabase { command: command.clone(), status });
        }
        self.kills.database += 1;
        self.chronicle.tell(DATABASE, What::Info(Fact::Back));
        Ok(())
    }

    /// From now on the trigger ends when nothing is left.
    pub async fn finish(&mut self) -> Result<(), CrashTestError> {
        let pid = self.trigger.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        if let Some(pid) = pid {
            kill_process(pid, Signal::TERM).map_err(|error| CrashTestError::Process(error.into()))?;
        }
        let status = self.trigger.wait().await.map_err(CrashTestError::Process)?;
        // One that has only just started dies of it.
        if status.signal() != Some(Signal::TERM.as_raw()) {
            self.program.expect("trigger", status)?;
        }
        self.restart_trigger(true)
    }

    /// Whether the trigger has ended, as it was told to.
    pub fn is_finished(&mut self) -> Result<bool, CrashTestError> {
        match self.trigger.try_wait().map_err(CrashTestError::Process)? {
            Some(status) => self.program.expect("trigger", status).map(|()| true),
            None => Ok(false),
        }
    }
}

fn trigger_name(life: u32) -> String {
    format!("trigger-{life}")
}

fn start_trigger(
    program: &Program,
    process: &TriggerProcess,
    life: u32,
    until_empty: bool,
) -> Result<Child, CrashTestError> {
    let witness = process.witnesses.join(format!("{}.jsonl", trigger_name(life)));
    let (file, witness, workers) =
        (process.file.display().to_string(), witness.display().to_string(), process.workers.to_string());
    let mut args = vec!["trigger", "run", &file, "--workers", &workers];
    args.extend(["--witness", &witness, "--witness-table", &process.table]);
    args.extend(until_empty.then_some("--until-empty"));
    program.start("trigger", &args, None)
}
