//! Three members, their network, their clients and what befalls them: one run from one seed.

mod messages;
mod strikes;

use std::collections::BTreeMap;

use handfast_log::disk::{Crash, SplitMix64};
use handfast_protocol::Timestamp;
use tokio::sync::oneshot;

use super::clients::{self, Client};
use super::counts::Counts;
use super::judge::{Judge, Violation};
use super::member::Member;
use super::network::{Call, Reply};
use super::plan::{Plan, any_power_loss};
use super::shell::Ended;
use super::trace::Trace;
use super::{MEMBERS, Mistake, TICK};
use crate::error::{StartError, StopReason};

/// Ticks with faults.
const CHAOS: u64 = 20_000;

/// Ticks that the members have, once nothing goes wrong any more, to agree and to go on.
const RECOVERY: u64 = 6_000;

const CLIENTS: u64 = 4;

/// A member that has died is away for so many ticks at most.
const AWAY_MAX: u64 = 600;

/// A cut of the network lasts so many ticks at most.
const CUT_MAX: u64 = 1_200;

/// What comes later.
#[derive(Debug)]
enum Coming {
    Call { from: usize, to: usize, call: Call, id: u64 },
    Reply { from: usize, to: usize, life: u64, id: u64, reply: Reply },
    Restart { member: usize },
}

pub(super) struct World {
    plan: Plan,
    mistake: Option<Mistake>,
    random: SplitMix64,
    now: u64,
    members: Vec<Member>,
    lives: u64,
    coming: BTreeMap<(u64, u64), Coming>,
    sequence: u64,
    /// Callers that wait, with their life and who was asked.
    callers: BTreeMap<u64, (usize, u64, oneshot::Sender<Reply>)>,
    /// Directions in which nothing passes, and until when.
    cuts: BTreeMap<(usize, usize), u64>,
    clients: Vec<Client>,
    judge: Judge,
    /// Of each member the last entry that the judge has heard of, in its present life.
    heard: Vec<u64>,
    /// Of each member how long its log was when last seen.
    last_index: Vec<u64>,
    /// Nothing goes wrong any more.
    calm: bool,
    /// Clients begin nothing new.
    closing: bool,
    pub counts: Counts,
    pub trace: Trace,
}

impl World {
    pub fn new(plan: Plan, mistake: Option<Mistake>, trace: Trace) -> World {
        let random = SplitMix64::new(plan.seed);
        let mut world = World {
            plan,
            mistake,
            random,
            now: 0,
            members: MEMBERS.iter().map(|&id| Member::new(id, mistake)).collect(),
            lives: 0,
            coming: BTreeMap::new(),
            sequence: 0,
            callers: BTreeMap::new(),
            cuts: BTreeMap::new(),
            clients: (1..=CLIENTS).map(Client::new).collect(),
            judge: Judge::default(),
            heard: vec![0; MEMBERS.len()],
            last_index: vec![0; MEMBERS.len()],
            calm: false,
            closing: false,
            counts: Counts::default(),
            trace,
        };
        for member in 0..MEMBERS.len() {
            world.later(1, Coming::Restart { member });
        }
        world
    }

    /// Faults, then none; then what must hold at the end.
    pub fn run(&mut self) -> Result<(), Violation> {
        while self.now < CHAOS {
            self.strike();
            self.tick()?;
        }
        self.heal();
        let deadline = self.now + RECOVERY;
        let enough = self.operations() + 10 * CLIENTS;
        while !(self.closing && self.agree()) {
            if self.now > deadline {
                return Err(Violation(format!("the members did not recover: {}", self.standing())));
            }
            self.closing = self.operations() >= enough;
            self.tick()?;
        }
        self.count();
        let lives: Vec<_> = self.members.iter().filter_map(|member| member.life.as_ref()).collect();
        let leader = lives.iter().find(|life| life.shell.desk().node.identity().is_some());
        let left = clients::left(&leader.expect("they agree on one").shell)?;
        let desks: Vec<_> = lives.iter().map(|life| life.shell.desk()).collect();
        let stores: Vec<_> = desks.iter().map(|desk| desk.node.store()).collect();
        self.judge.settled(&stores, &left)
    }

    fn count(&mut self) {
        self.counts.add("terms led", self.judge.terms());
        self.counts.add("entries committed", self.judge.committed());
        self.counts.add("sends acknowledged", self.judge.acknowledged());
        self.counts.add("operations", self.operations());
    }

    fn operations(&self) -> u64 {
        self.clients.iter().map(|client| client.done).sum()
    }

    /// All run, one leads, and all have applied everything that anybody has; no client waits.
    fn agree(&self) -> bool {
        let all = |last: u64| last == self.judge.committed();
        let lives = self.members.iter().filter_map(|member| member.life.as_ref());
        let agreeing = lives.filter(|life| all(life.shell.desk().last)).count();
        let led = self.members.iter().filter_map(|member| member.life.as_ref());
        let leaders = led.filter(|life| life.shell.desk().node.identity().is_some()).count();
        agreeing == MEMBERS.len() && leaders == 1 && self.clients.iter().all(Client::is_idle)
    }

    fn standing(&self) -> String {
        let of = |member: &Member| match &member.life {
            Some(life) => format!("{}: at {}", member.id, life.shell.desk().last),
            None => format!("{}: away", member.id),
        };
        let members: Vec<String> = self.members.iter().map(of).collect();
        format!("{} committed, members {members:?}, {} operations", self.judge.committed(), self.operations())
    }

    fn heal(&mut self) {
        self.calm = true;
        self.cuts.clear();
        let seed = self.plan.seed;
        self.plan = Plan { flushes: self.plan.flushes, ..Plan::calm(seed) };
        self.trace.tell(self.now, || "nothing goes wrong any more".to_owned());
    }

    fn later(&mut self, ticks: u64, coming: Coming) {
        self.sequence += 1;
        self.coming.insert((self.now + ticks, self.sequence), coming);
    }

    fn tick(&mut self) -> Result<(), Violation> {
        self.now += 1;
        while let Some(entry) = self.coming.first_entry().filter(|entry| entry.key().0 <= self.now) {
            match entry.remove() {
                Coming::Restart { member } => self.restart(member)?,
                Coming::Call { from, to, call, id } => self.deliver_call(from, to, call, id),
                Coming::Reply { from, to, life, id, reply } => self.deliver_reply(from, to, life, id, reply),
            }
        }
        self.clients_act();
        for member in 0..MEMBERS.len() {
            self.run_member(member)?;
        }
        self.flush_stores();
        Ok(())
    }

    fn run_member(&mut self, at: usize) -> Result<(), Violation> {
        let now = Timestamp(self.now * TICK.as_millis() as u64);
        let Some(life) = &mut self.members[at].life else { return Ok(()) };
        life.run(now).map_err(|cause| Violation(format!("member {}: {cause}", at + 1)))?;
        self.hear(at)?;
        let Some(life) = &mut self.members[at].life else { return Ok(()) };
        let end = life.writer.last_index();
        self.counts.add("uncommitted ends taken back", u64::from(end < self.last_index[at]));
        self.last_index[at] = end;
        if life.turn_at <= self.now {
            let busy = if self.members[at].turn() { self.time(self.plan.slow_disks) } else { 1 };
            if let Some(life) = &mut self.members[at].life {
                life.turn_at = self.now + busy;
            }
        }
        self.carry(at);
        self.bury(at)
    }

    /// What the member did in this tick, to the judge and the clients.
    fn hear(&mut self, at: usize) -> Result<(), Violation> {
        let Some(life) = &self.members[at].life else { return Ok(()) };
        let mut desk = life.shell.desk();
        let (applied, terms) = (std::mem::take(&mut desk.applied), std::mem::take(&mut desk.terms_led));
        let answers = std::mem::take(&mut desk.answers);
        drop(desk);
        let shell = life.shell.clone();
        for term in terms {
            self.trace.tell(self.now, || format!("member {} leads term {term}", at + 1));
            self.judge.leads(at as u64 + 1, term)?;
        }
        let durable = life.durable;
        for entry in applied {
            self.counts.add("entries applied before the own log was durable", u64::from(entry.index > durable));
            self.trace.tell(self.now, || format!("member {} applies {} of term {}", at + 1, entry.index, entry.term));
            self.trace.note(&entry.payload);
            self.judge.applied(at as u64 + 1, self.heard[at], &entry)?;
            self.heard[at] = entry.index;
        }
        for (request, answer) in answers {
            for client in &mut self.clients {
                client.answered(request, answer.clone(), &shell, &mut self.judge)?;
            }
        }
        Ok(())
    }

    fn clients_act(&mut self) {
        self.callers.retain(|_, (.., answer)| !answer.is_closed());
        for at in 0..self.clients.len() {
            let client = &mut self.clients[at];
            if let Some((member, life)) = client.waits_for() {
                let running = self.members[member].life.as_ref();
                let lives = running.is_some_and(|running| running.number == life);
                client.give_up(self.now, lives, running.map(|life| &life.shell), &mut self.judge);
            } else if client.is_idle() && !self.closing && self.random.below(8) == 0 {
                client.begin(&mut self.random);
            }
            let client = &mut self.clients[at];
            match self.members[client.member()].life.as_ref() {
                Some(life) => client.ask(self.now, life.number, &life.shell),
                None => client.turn_away(),
            }
        }
    }

    fn flush_stores(&mut self) {
        for member in 0..MEMBERS.len() {
            if self.happens(self.plan.flushes) {
                self.members[member].begin_flush();
            }
        }
        // Every member has it for good, and the leader knows: else it would send what it has purged as a snapshot.
        let safe = self.members.iter().map(|member| member.safe).min().unwrap_or(0);
        let lives = self.members.iter().filter_map(|member| member.life.as_ref());
        let spread = lives.filter_map(|life| life.shell.spread()).max().map_or(0, |(_, everywhere)| everywhere);
        let spare = if self.mistake == Some(Mistake::PurgesUnconfirmed) { safe } else { safe.min(spread) };
        for at in 0..MEMBERS.len() {
            if let Some(index) = self.members[at].end_flush(spare) {
                self.counts.add("purges", 1);
                self.trace.tell(self.now, || format!("member {} has flushed {index}", at + 1));
            }
        }
    }

    /// A process that cannot go on has ended; that is right only if its disk has failed.
    fn bury(&mut self, at: usize) -> Result<(), Violation> {
        let ended = self.members[at].life.as_ref().and_then(|life| life.shell.desk().ended.take());
        match ended {
            None => Ok(()),
            Some(
                Ended::Stopped(StopReason::Log(error)) | Ended::Start(StartError::Stopped(StopReason::Log(error))),
            ) if self.members[at].is_struck => {
                self.trace.tell(self.now, || format!("member {} has failed: {error}", at + 1));
                self.counts.add("disks failed", 1);
                let crash = if self.random.coin() { Crash::ProcessKill } else { any_power_loss(&mut self.random) };
                self.crash(at, crash);
                Ok(())
            }
            Some(ended) => Err(Violation(format!("member {}: {ended}", at + 1))),
        }
    }
}
