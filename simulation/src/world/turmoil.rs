//! Trouble drawn from a seed: things happen in any order that their streams allow, members are struck, sessions break, calls to
//! resources are lost, late or made twice, time jumps. Each kind is absent in a third of the seeds. A few seeds have nothing but
//! long absences, one at a time: they show who waits for somebody he has nothing to do with. After a drawn number of steps all is
//! well: from then on everything must be done within its time.

use std::collections::BTreeSet;

use handfast_checker::history::Fact;
use handfast_coordinator_core::{self as coordinator, CallFailed, CallId};
use handfast_log::disk::SplitMix64;
use handfast_machine::{Event, Request};
use handfast_protocol::Outcome;
use handfast_queue::manager::Space;

use super::happening::Happening;
use super::links::{Cut, Direction};
use super::{ClientId, SessionId, World};
use crate::limits::AWAY;
use crate::names;
use crate::plan::{Back, Ending, KINDS_OF_ENDING, Messages, Moment, Strike, Trouble, Victim, Worded};
use crate::probes::Probe;
use crate::server::{Caller, ServerId};
use crate::watcher::outcome_of;

/// How many steps of turmoil there may be for each order of the scene.
const STEPS_AN_ORDER: u64 = 40;

/// Steps between two strikes of a storm, about; and how often it strikes in other turmoil, one in so many steps.
const STORM_STRIKES: u64 = 16;
const STRIKES: [u64; 4] = [15, 30, 60, 120];

/// One in so many seeds is lonely; and how often somebody goes away there, when all are back and somebody commits.
const LONELY: u64 = 8;
const LONELY_STRIKES: u64 = 4;
const LONELY_VICTIMS: [Victim; 2] = [Victim::Database, Victim::Client];

/// A thread that dawdles does so all but one time in so many.
const DAWDLING: u64 = 8;

/// Whoever asked does not listen any more: the number of no call.
const NOBODYS_CALL: CallId = CallId(u64::MAX);

#[derive(Debug)]
pub(super) struct Turmoil {
    generator: SplitMix64,
    /// The step with which all is well again.
    ends: u64,
    is_storm: bool,
    /// Whoever is struck stays away for long, and until he is back nothing else goes wrong.
    is_lonely: bool,
    strike_one_in: u64,
    /// How members end, of all ways.
    endings: Vec<Ending>,
    break_one_in: u64,
    spoil_call_one_in: u64,
    jump_one_in: u64,
    depose_one_in: u64,
    rot_one_in: u64,
    cramp_one_in: u64,
    force_one_in: u64,
    copy_one_in: u64,
    cut_one_in: u64,
    purge_one_in: u64,
    cancel_one_in: u64,
    shuffles: bool,
    /// Syncs are slow, and core threads slow to take up what is committed: several entries come to them at once.
    dawdles: bool,
    has_ended: bool,
    /// Drawn so far, and the numbers of those that come down, if not all do.
    blows: u64,
    only: Option<BTreeSet<u64>>,
}

/// What becomes of a call that goes wrong; who asked is told that no answer came.
#[derive(Debug, Clone, Copy)]
enum Spoiling {
    /// It never arrives.
    Lost,
    /// It arrives when nobody expects it any more.
    Late,
    /// It arrives, and once more later; the first answer counts.
    Twice,
}

impl Turmoil {
    pub fn new(trouble: &Trouble, orders: u32) -> Turmoil {
        let mut generator = SplitMix64::new(trouble.seed);
        let strikes = STRIKES[generator.below(STRIKES.len() as u64) as usize];
        let mut rate = |usual: u64| if generator.below(3) == 0 { 0 } else { usual / 2 + generator.below(usual) };
        let (strikes, break_one_in, spoil_call_one_in, jump_one_in) = (rate(strikes), rate(100), rate(15), rate(40));
        let strike_one_in = if trouble.is_storm { STORM_STRIKES } else { strikes };
        let (depose_one_in, rot_one_in, cramp_one_in, force_one_in) = (rate(150), rate(500), rate(200), rate(70));
        let copy_one_in = if trouble.is_storm { 0 } else { rate(300) };
        let (cut_one_in, purge_one_in) = if trouble.is_storm { (0, 0) } else { (rate(120), rate(200)) };
        let cancel_one_in = if trouble.is_storm { 0 } else { rate(60) };
        let (shuffles, dawdles) = (generator.below(3) > 0, generator.below(3) > 0);
        let is_lonely = !trouble.is_storm && generator.below(LONELY) == 0;
        let has_all = trouble.is_storm || is_lonely;
        let kinds = KINDS_OF_ENDING.iter().filter(|_| has_all || generator.below(3) > 0);
        let endings = kinds.copied().flatten().copied().collect();
        let longest = 600 + STEPS_AN_ORDER * u64::from(orders);
        let ends = if trouble.is_storm { longest } else { 40 + generator.below(longest) };
        let turmoil = Turmoil {
            generator,
            ends,
            is_storm: trouble.is_storm,
            is_lonely,
            strike_one_in,
            endings,
            break_one_in,
            spoil_call_one_in,
            jump_one_in,
            depose_one_in,
            rot_one_in,
            cramp_one_in,
            force_one_in,
            copy_one_in,
            cut_one_in,
            purge_one_in,
            cancel_one_in,
            shuffles,
            dawdles,
            has_ended: false,
            blows: 0,
            only: trouble.only.clone(),
        };
        if is_lonely { turmoil.with_absences_alone() } else { turmoil }
    }

    fn with_absences_alone(self) -> Turmoil {
        Turmoil {
            strike_one_in: LONELY_STRIKES,
            break_one_in: 0,
            spoil_call_one_in: 0,
            jump_one_in: 0,
            depose_one_in: 0,
            rot_one_in: 0,
            cramp_one_in: 0,
            force_one_in: 0,
            copy_one_in: 0,
            cut_one_in: 0,
            purge_one_in: 0,
            cancel_one_in: 0,
            ..self
        }
    }

    /// Counts a blow that is drawn; says whether it comes down.
    fn falls(&mut self) -> bool {
        self.blows += 1;
        self.only.as_ref().is_none_or(|only| only.contains(&self.blows))
    }

    pub fn lasts(&self, step: u64) -> bool {
        step < self.ends
    }

    pub fn pick(&mut self, free: &[u64], is_slow: impl Fn(u64) -> bool) -> Option<u64> {
        let mut at = if self.shuffles { self.below(free.len()) } else { 0 };
        if self.dawdles && free.get(at).is_some_and(|number| is_slow(*number)) && !self.chance(DAWDLING) {
            at = self.below(free.len());
        }
        free.get(at).copied()
    }

    /// An index below the bound; 0 where there is none.
    fn below(&mut self, bound: usize) -> usize {
        self.generator.below(bound.max(1) as u64) as usize
    }

    fn chance(&mut self, one_in: u64) -> bool {
        one_in > 0 && self.generator.below(one_in) == 0
    }

    /// Every other strike, and in a storm each, is aimed at a server; in lonely seeds each at somebody without whom others can go on.
    fn victim(&mut self, has_coordinator: bool) -> Victim {
        if self.is_lonely {
            return LONELY_VICTIMS[self.below(LONELY_VICTIMS.len())];
        }
        match (self.is_storm || self.generator.coin(), has_coordinator && self.generator.coin()) {
            (true, false) => Victim::Server,
            (true, true) => Victim::Coordinator,
            (false, _) => self.word(),
        }
    }

    fn ending(&mut self) -> Option<Ending> {
        let at = self.below(self.endings.len());
        self.endings.get(at).copied()
    }

    fn word<T: Worded>(&mut self) -> T {
        let all: Vec<T> = T::all().collect();
        all[self.below(all.len())]
    }
}

impl World {
    /// What goes wrong before the next step.
    pub(super) fn stir(&mut self) {
        let steps = self.steps;
        let is_lonely = self.turmoil.as_ref().is_some_and(|turmoil| turmoil.is_lonely);
        let may_strike = !is_lonely || (self.last_trouble <= self.now && self.committing_client().is_some());
        let Some(turmoil) = &mut self.turmoil else { return };
        if !turmoil.lasts(steps) {
            if !turmoil.has_ended {
                turmoil.has_ended = true;
                self.last_trouble = self.last_trouble.max(self.now);
                self.note(|| "      all is well".to_owned());
                self.drop_copy();
                std::mem::take(&mut self.cramped).into_iter().for_each(|id| self.has_space(id, Space::Ample));
            }
            return;
        }
        let strikes = may_strike && turmoil.chance(turmoil.strike_one_in);
        let breaks = turmoil.chance(turmoil.break_one_in);
        let (spoils, jumps) = (turmoil.chance(turmoil.spoil_call_one_in), turmoil.chance(turmoil.jump_one_in));
        let (deposes, rots) = (turmoil.chance(turmoil.depose_one_in), turmoil.chance(turmoil.rot_one_in));
        let (cramps, forces) = (turmoil.chance(turmoil.cramp_one_in), turmoil.chance(turmoil.force_one_in));
        let (copies, cuts) = (turmoil.chance(turmoil.copy_one_in), turmoil.chance(turmoil.cut_one_in));
        let (purges, cancels) = (turmoil.chance(turmoil.purge_one_in), turmoil.chance(turmoil.cancel_one_in));
        self.last_trouble = self.last_trouble.max(self.now);
        if strikes {
            self.strike_somebody();
        }
        if breaks {
            self.break_some_session();
        }
        if spoils {
            self.spoil_call();
        }
        if cancels {
            self.cancel_statement();
        }
        if deposes {
            self.depose_somebody();
        }
        if rots {
            self.rot_somebody();
        }
        if cramps {
            self.cramp_somebody();
        }
        if forces {
            self.force_some_branch();
        }
        if cuts {
            self.cut_some_link();
        }
        if purges && self.turmoil.as_mut().is_some_and(Turmoil::falls) {
            self.purge_orders();
        }
        if copies && self.turmoil.as_mut().is_some_and(Turmoil::falls) {
            self.copy_coordinator();
        }
        if jumps && self.turmoil.as_mut().is_some_and(Turmoil::falls) {
            self.everybody_falters();
            self.advance();
        }
    }

    /// The client whose database has answered it, or whose request to commit is on its way.
    fn committing_client(&self) -> Option<ClientId> {
        let of = |happening: &Happening| match happening {
            Happening::Frame { session, ask: Request::Coordinator(coordinator::Request::Commit { .. }), .. } => {
                self.sessions.get(session).map(|session| session.client)
            }
            Happening::Reply { connection, .. } => {
                self.desks.iter().position(|desk| desk.connection == Some(*connection)).map(ClientId)
            }
            _ => None,
        };
        self.pending.values().find_map(of)
    }

    fn strike_somebody(&mut self) {
        let moment = Moment::Step(self.steps);
        let standalone = self.plan.scene.way.is_standalone();
        let committing = self.committing_client();
        let turmoil = self.turmoil.as_mut().expect("only turmoil strikes so");
        let (victim, messages) = (turmoil.victim(standalone), turmoil.word());
        let Some(drawn) = turmoil.ending() else { return };
        // A client has no disk: it dies, or it stands still.
        let pauses = turmoil.endings.contains(&Ending::Pause) && turmoil.generator.coin();
        let ending = match victim {
            Victim::Client | Victim::Importer if turmoil.is_lonely || pauses => Ending::Pause,
            _ => drawn,
        };
        let back = if turmoil.is_lonely || turmoil.chance(4) { Back::Late } else { Back::AtOnce };
        let drawn = ClientId(turmoil.below(self.desks.len()));
        let client = committing.filter(|_| turmoil.is_lonely).unwrap_or(drawn);
        let has_host = self.is_sqlite();
        let has_database = self.database.is_some() && !has_host;
        let is_there = match victim {
            Victim::Server | Victim::Client | Victim::Session => true,
            Victim::Coordinator => standalone,
            Victim::Importer => self.plan.scene.imported > 0,
            Victim::Database => has_database,
            Victim::Host => has_host,
        };
        let falls = self.turmoil.as_mut().is_some_and(Turmoil::falls);
        if is_there && falls {
            self.come_down(Strike { moment, victim, ending, messages, back }, client);
        }
    }

    fn some_server(&mut self) -> ServerId {
        let originals = self.originals();
        let at = self.turmoil.as_mut().map_or(0, |turmoil| turmoil.below(originals.len()));
        originals[at]
    }

    /// A server's leadership ends, and it leads again.
    fn depose_somebody(&mut self) {
        let id = self.some_server();
        let turmoil = self.turmoil.as_mut().expect("only turmoil deposes so");
        let (late, falls) = (turmoil.chance(2), turmoil.falls());
        if falls {
            self.depose(id, late);
        }
    }

    /// A server ends, and while it is down a bit of its log changes.
    fn rot_somebody(&mut self) {
        let id = self.some_server();
        let turmoil = self.turmoil.as_mut().expect("only turmoil rots so");
        let (draw, falls) = (turmoil.generator.next_u64(), turmoil.falls());
        if falls {
            self.rot(id, draw);
        }
    }

    /// A server's space becomes low, or ample again (P18).
    fn cramp_somebody(&mut self) {
        let id = self.some_server();
        if !self.turmoil.as_mut().is_some_and(Turmoil::falls) {
            return;
        }
        if self.cramped.remove(&id) {
            self.has_space(id, Space::Ample);
        } else {
            self.cramped.insert(id);
            self.has_space(id, Space::Low);
        }
    }

    fn has_space(&mut self, id: ServerId, space: Space) {
        self.note(|| format!("      {id:?} has {space:?} space"));
        self.step_server(id, Event::Space(space)).expect("nothing fails when space is measured");
    }

    /// An operator of the database ends a branch that is prepared there, as he sees fit (P7).
    fn force_some_branch(&mut self) {
        let turmoil = self.turmoil.as_mut().expect("only turmoil forces so");
        let outcome = if turmoil.generator.coin() { Outcome::Committed } else { Outcome::RolledBack };
        let falls = turmoil.falls();
        let Some(database) = self.database.as_mut().filter(|_| falls) else { return };
        let Some(id) = database.end_by_hand(outcome) else { return };
        self.probes[Probe::Forced] += 1;
        let (transaction, outcome) = (id.to_string(), outcome_of(outcome));
        self.inform(names::LEDGER, Fact::Forced { transaction, outcome });
        self.collect_database();
    }

    fn cut_some_link(&mut self) {
        let links = self.links();
        let turmoil = self.turmoil.as_mut().expect("only turmoil cuts links");
        let at = turmoil.below(links.len());
        let direction = [Direction::There, Direction::Back, Direction::Both][turmoil.below(3)];
        let (breaks, seconds) = (turmoil.generator.coin(), 1 + turmoil.generator.below(AWAY.as_secs()));
        let falls = turmoil.falls();
        if let Some(link) = links.get(at).copied().filter(|_| falls) {
            self.cut(Cut { link, direction, breaks }, seconds);
        }
    }

    /// Each end hears of it in its time.
    fn break_some_session(&mut self) {
        let open: Vec<SessionId> = self.desks.iter().flat_map(|desk| desk.links.values().copied()).collect();
        let turmoil = self.turmoil.as_mut().expect("only turmoil breaks sessions");
        let messages: Messages = turmoil.word();
        let at = turmoil.below(open.len());
        let server_hears: Back = turmoil.word();
        let falls = turmoil.falls();
        if let Some(broken) = open.get(at).copied().filter(|_| falls) {
            self.note(|| format!("      {broken:?} breaks"));
            self.break_session(broken, messages, server_hears);
        }
    }

    /// The next statement of some connection is cancelled while it runs (P6): by an operator, or a limit of the database's own.
    fn cancel_statement(&mut self) {
        let turmoil = self.turmoil.as_mut().expect("only turmoil cancels statements");
        let falls = turmoil.falls() && self.database.is_some() && !self.is_sqlite();
        let is_statement = |happening: &Happening| matches!(happening, Happening::Statement { .. });
        let found = self.pending.iter().find(|(_, happening)| is_statement(happening)).map(|(number, _)| *number);
        if let Some(number) = found.filter(|_| falls)
            && let Some(Happening::Statement { connection, statement }) = self.pending.remove(&number)
        {
            self.note(|| format!("      {statement:?} of {connection:?} is cancelled"));
            self.database_mut().cancel(connection, statement);
            self.collect_database();
        }
    }

    fn spoil_call(&mut self) {
        let calls: Vec<u64> = self
            .pending
            .iter()
            .filter(|(_, happening)| matches!(happening, Happening::Call { .. }))
            .map(|(number, _)| *number)
            .collect();
        let turmoil = self.turmoil.as_mut().expect("only turmoil spoils calls");
        let at = turmoil.below(calls.len());
        let how = [Spoiling::Lost, Spoiling::Late, Spoiling::Twice][turmoil.below(3)];
        let falls = turmoil.falls();
        let Some(number) = calls.get(at).filter(|_| falls) else { return };
        let Some(Happening::Call { caller, resource, ask }) = self.pending.get(number).cloned() else { return };
        self.note(|| format!("      {how:?}: {ask:?} of {caller:?}"));
        self.falters(resource.name.as_str());
        let from = names::of(&resource);
        let of_nobody = Caller { call: NOBODYS_CALL, ..caller };
        let unheard = Err(CallFailed::TimedOut { resource: resource.name.clone() });
        match how {
            Spoiling::Lost => {
                self.pending.insert(*number, Happening::Called { from, caller, result: unheard });
            }
            Spoiling::Late => {
                self.pending.insert(*number, Happening::Called { from, caller, result: unheard });
                self.push(Happening::Call { caller: of_nobody, resource, ask });
            }
            Spoiling::Twice => self.push(Happening::Call { caller: of_nobody, resource, ask }),
        }
    }
}
