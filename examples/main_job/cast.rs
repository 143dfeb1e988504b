//! Everybody on the stage: the server, the import, the trigger and the database. Whoever is killed is started again at once.

use std::fs::File;
use std::os::unix::process::ExitStatusExt;

use anyhow::Context;
use handfast_crash_test::Program;
use rustix::process::{Pid, Signal, kill_process};
use serde::Serialize;
use tokio::process::Child;

use crate::ledger::Ledger;
use crate::options::LINE;
use crate::orders::Orders;

/// How often each was killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Kills {
    pub server: u32,
    pub trigger: u32,
    pub import: u32,
    pub database: u32,
}

impl Kills {
    pub fn total(&self) -> u32 {
        self.server + self.trigger + self.import + self.database
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Victim {
    Server,
    Trigger,
    Import,
    Database,
}

pub struct Cast<'a> {
    pub program: Program,
    pub ledger: Ledger,
    pub kills: Kills,
    orders: &'a Orders,
    server: Child,
    /// `None`: it has sent everything.
    import: Option<Child>,
    trigger: Child,
    /// The trigger ends when the queue is empty; until the import is done it may not.
    until_empty: bool,
}

impl<'a> Cast<'a> {
    pub fn start(program: Program, server: Child, ledger: Ledger, orders: &'a Orders) -> anyhow::Result<Cast<'a>> {
        let import = Some(start_import(&program, orders)?);
        let trigger = start_trigger(&program, false)?;
        Ok(Cast { program, ledger, kills: Kills::default(), orders, server, import, trigger, until_empty: false })
    }

    pub fn is_importing(&self) -> bool {
        self.import.is_some()
    }

    pub fn victims(&self) -> Vec<Victim> {
        let mut victims = vec![Victim::Server, Victim::Trigger];
        if self.is_importing() {
            victims = vec![Victim::Import, Victim::Server, Victim::Import, Victim::Trigger];
        }
        if matches!(self.ledger, Ledger::Private { .. }) {
            victims.push(Victim::Database);
        }
        victims
    }

    /// Looks after whoever has ended by itself; true when all work is done.
    pub async fn look(&mut self) -> anyhow::Result<bool> {
        if let Some(status) = self.server.try_wait()? {
            anyhow::bail!("the server ended by itself with {status}: {}", self.program.tail("serve"));
        }
        if let Some(import) = &mut self.import
            && let Some(status) = import.try_wait()?
        {
            self.program.expect("import", status)?;
            self.import = None;
        }
        if let Some(status) = self.trigger.try_wait()? {
            self.program.expect("trigger", status)?;
            if self.until_empty {
                return Ok(true);
            }
            self.until_empty = self.import.is_none();
            self.trigger = start_trigger(&self.program, self.until_empty)?;
        } else if self.import.is_none() && !self.until_empty {
            // It finishes the message in hand; then another one is started that knows when to end.
            let pid = self.trigger.id().and_then(|id| Pid::from_raw(id.cast_signed()));
            kill_process(pid.context("the trigger runs")?, Signal::TERM)?;
            let status = self.trigger.wait().await?;
            // One that has only just started dies of it.
            if status.signal() != Some(Signal::TERM.as_raw()) {
                self.program.expect("trigger", status)?;
            }
            self.until_empty = true;
            self.trigger = start_trigger(&self.program, true)?;
        }
        Ok(false)
    }

    pub async fn kill(&mut self, victim: Victim) -> anyhow::Result<()> {
        match victim {
            Victim::Server => {
                self.server.kill().await?;
                self.server = self.program.serve()?;
                self.program.ready(&mut self.server).await?;
                self.kills.server += 1;
            }
            Victim::Trigger => {
                self.trigger.kill().await?;
                self.until_empty = self.import.is_none();
                self.trigger = start_trigger(&self.program, self.until_empty)?;
                self.kills.trigger += 1;
            }
            Victim::Import => {
                if let Some(import) = &mut self.import {
                    import.kill().await?;
                    self.import = Some(start_import(&self.program, self.orders)?);
                    self.kills.import += 1;
                }
            }
            Victim::Database => {
                if let Ledger::Private { server } = &mut self.ledger {
                    tokio::task::block_in_place(|| server.restart())?;
                    self.kills.database += 1;
                }
            }
        }
        Ok(())
    }
}

fn start_import(program: &Program, orders: &Orders) -> anyhow::Result<Child> {
    let args = ["send", "orders", "--csv", "--line-key", LINE, "--producer", "main-job", "--batch", "50"];
    Ok(program.start("import", &args, Some(File::open(&orders.path)?))?)
}

fn start_trigger(program: &Program, until_empty: bool) -> anyhow::Result<Child> {
    let args = ["trigger", "run", "trigger.toml", "--until-empty"];
    Ok(program.start("trigger", if until_empty { &args } else { &args[..3] }, None)?)
}
