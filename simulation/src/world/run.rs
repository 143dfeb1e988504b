//! The loop: what happens next, and how a run ends.

use super::happening::{Happening, Lane};
use super::{Ran, Stuck, World};
use crate::limits::{LIVENESS, STEPS_MAX};
use crate::names;
use crate::plan::{Mutant, Plan};
use crate::probes::Probe;
use crate::server::{Chore, Failure, ServerId};

impl World {
    /// Runs the plan to its end. With `traced` every step is told in a line.
    pub fn run(plan: &Plan, traced: bool) -> Result<Ran, (Stuck, String)> {
        let mut world = World::set_scene(plan);
        world.trace = traced.then(String::new);
        match world.live() {
            Ok(()) => Ok(world.end()),
            Err(stuck) => Err((stuck, world.trace.take().unwrap_or_default())),
        }
    }

    fn live(&mut self) -> Result<(), Stuck> {
        self.arm();
        loop {
            self.expose();
            self.strike_due();
            self.stir();
            if !self.take_step()? {
                if self.is_over() {
                    return Ok(());
                }
                self.pass_time()?;
            }
        }
    }

    /// One thing happens; false when nothing can before time passes.
    fn take_step(&mut self) -> Result<bool, Stuck> {
        let Some(number) = self.choose() else { return Ok(false) };
        let happening = self.pending.remove(&number).expect("it was chosen among the pending ones");
        self.steps += 1;
        if self.steps > STEPS_MAX {
            return Err(Stuck::TooManySteps(STEPS_MAX));
        }
        let (step, now) = (self.steps, self.now.0);
        self.note(|| format!("{step:5} {now:7} {happening:?}"));
        self.happen(happening)?;
        Ok(true)
    }

    /// The oldest thing that can happen, or in turmoil any that its stream lets go first. Who is paused does nothing.
    fn choose(&mut self) -> Option<u64> {
        if !self.turmoil.as_ref().is_some_and(|turmoil| turmoil.lasts(self.steps)) {
            return self.pending.iter().find(|(_, happening)| !self.is_held_up(happening)).map(|(number, _)| *number);
        }
        // A handful: looking through them is cheaper than any index.
        let mut begun: Vec<Lane> = Vec::with_capacity(self.pending.len());
        let mut leads = |happening: &Happening| {
            happening.lane().is_none_or(|lane| {
                let is_first = !begun.contains(&lane);
                begun.extend(is_first.then_some(lane));
                is_first
            })
        };
        let holds_up = self.plan.scene.mutant != Mutant::None
            || !self.stalled.is_empty()
            || !self.cuts.is_empty()
            || self.desks.iter().any(|desk| desk.is_paused);
        let heads = self.pending.iter().filter(|(_, happening)| leads(happening));
        let is_free = |happening: &Happening| !(holds_up && self.is_held_up(happening));
        let free: Vec<u64> = heads.filter(|(_, happening)| is_free(happening)).map(|(number, _)| *number).collect();
        let is_slow = |number| {
            let chosen: Option<&Happening> = self.pending.get(&number);
            matches!(chosen, Some(Happening::Chore { chore: Chore::Sync | Chore::Apply, .. }))
        };
        self.turmoil.as_mut().and_then(|turmoil| turmoil.pick(&free, is_slow))
    }

    fn is_held_up(&self, happening: &Happening) -> bool {
        if !self.cuts.is_empty() && self.is_cut_off(happening) {
            return true;
        }
        let server = match happening {
            Happening::Frame { session, .. }
            | Happening::KeepAlive { session }
            | Happening::Disconnected { session, .. } => self.sessions.get(session).map(|session| session.server),
            Happening::Chore { server, .. } | Happening::Tick { server } | Happening::Barrier { server, .. } => {
                Some(*server)
            }
            Happening::Called { caller, .. } => Some(caller.server),
            Happening::Call { resource, .. } if resource.name.as_str() == names::QUEUES => Some(ServerId::Queues),
            Happening::CallGoesOn { .. } => Some(ServerId::Queues),
            _ => None,
        };
        // The mistake's server takes no request while a database is away (A24).
        let waits = self.plan.scene.mutant == Mutant::WaitsForEverybody
            && matches!(happening, Happening::Frame { .. })
            && self.database.as_ref().is_some_and(|database| !database.is_up);
        waits || server.is_some_and(|server| self.stalled.contains(&server)) || self.waits_for_client(happening)
    }

    fn waits_for_client(&self, happening: &Happening) -> bool {
        let client = match happening {
            Happening::Answer { session, .. } | Happening::SessionLost { session, .. } => {
                self.sessions.get(session).map(|session| session.client.0)
            }
            Happening::Reply { connection, .. } => {
                self.desks.iter().position(|desk| desk.connection == Some(*connection))
            }
            Happening::Wake { client, .. } | Happening::KeepAliveDue { client, .. } => Some(client.0),
            // SQLite runs inside its client.
            Happening::Statement { connection, .. } if self.is_sqlite() => {
                self.desks.iter().position(|desk| desk.connection == Some(*connection))
            }
            Happening::FlushDatabase if self.is_sqlite() => {
                let writer = self.database.as_ref().and_then(|database| database.flushing_client());
                writer.and_then(|writer| self.desks.iter().position(|desk| desk.connection == Some(writer)))
            }
            _ => None,
        };
        client.is_some_and(|client| self.desks[client].is_paused)
    }

    /// Nothing can happen now: on to the next moment at which something does, if that is not too late.
    fn pass_time(&mut self) -> Result<(), Stuck> {
        let stays = !self.advance();
        let passed = self.now.since(self.last_trouble);
        if stays || passed > LIVENESS { Err(Stuck::NotDone(passed)) } else { Ok(()) }
    }

    /// Time goes on to its next event; false when there is none.
    pub(super) fn advance(&mut self) -> bool {
        let moving = self.servers.iter().filter(|(id, _)| !self.stalled.contains(id));
        let ticks = moving.filter_map(|(_, server)| server.process.as_ref()?.next_tick());
        let timers = self.due.first_key_value().map(|((at, _), _)| *at);
        let Some(next) = ticks.chain(timers).min() else { return false };
        self.now = self.now.max(next);
        self.notice_overdue();
        while let Some(entry) = self.due.first_entry().filter(|entry| entry.key().0 <= self.now) {
            let happening = entry.remove();
            self.push(happening);
        }
        let is_due = |id: &ServerId| {
            let tick = self.servers[id].process.as_ref().and_then(|process| process.next_tick());
            tick.is_some_and(|tick| tick <= self.now) && !self.stalled.contains(id)
        };
        let ticking: Vec<ServerId> = self.servers.keys().copied().filter(is_due).collect();
        ticking.into_iter().for_each(|server| self.push(Happening::Tick { server }));
        true
    }

    /// All orders are done and nothing is in doubt any more; what is left after the deadline the checker will find.
    fn is_over(&self) -> bool {
        let trouble_is_over = self.struck_at.len() >= self.plan.strikes.len() || self.has_missed();
        let is_done = self.desks.iter().all(|desk| desk.is_up && desk.client.is_finished());
        // Somebody may still have to hear, or to come back.
        let is_late_enough = self.now >= self.last_trouble;
        trouble_is_over
            && is_late_enough
            && is_done
            && (self.is_clean() || self.now.since(self.last_trouble) > LIVENESS / 2)
    }

    /// The next strike never comes down: the run ends before its moment.
    fn has_missed(&self) -> bool {
        self.desks.iter().all(|desk| desk.is_up && desk.client.is_finished()) && self.is_clean()
    }

    fn is_clean(&self) -> bool {
        let prepared = self.database.as_ref().is_some_and(|database| !database.image().prepared.is_empty());
        let in_doubt = |process: &crate::server::Process| {
            let state = process.node().state();
            // What ended in more than one way stays until an operator has seen it.
            state.coordinator.transactions().any(|kept| kept.ended().is_none())
                || state.queue.branches().next().is_some()
        };
        let doubtful = self.originals().iter().any(|id| self.servers[id].process.as_ref().is_none_or(in_doubt));
        !prepared && !doubtful && self.database.as_ref().is_none_or(|database| database.is_up)
    }

    pub(super) fn is_sqlite(&self) -> bool {
        self.plan.scene.way == crate::plan::Way::MarkerSqlite
    }

    /// What a server's failure means: the plan's strike on its disk, or the end of the run.
    pub(super) fn failed(&mut self, id: ServerId, failure: Failure) -> Result<(), Stuck> {
        match failure {
            Failure::Halted => {
                self.strike_halted();
                Ok(())
            }
            Failure::Poisoned => {
                self.probes[Probe::Poisoned] += 1;
                self.die(id);
                Ok(())
            }
            Failure::Broken(why) => Err(Stuck::Broken(id, why)),
        }
    }
}
