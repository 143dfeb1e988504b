//! Strikes: how members end, and what becomes of what is on its way.

use handfast_checker::history::Fact;
use handfast_log::disk::{Crash, Fault, Survival};

use super::carry::queues_unreachable;
use super::happening::Happening;
use super::{ClientId, SessionId, World};
use crate::client::Role;
use crate::limits::AWAY;
use crate::names;
use crate::plan::{Back, Ending, Messages, Moment, Strike, Victim, Worded};
use crate::probes::Probe;
use crate::server::{Caller, Process, ServerId, Waiter};

/// How much of a torn write is there.
const TORN_BYTES: usize = 100;

/// How often other things go before a server that hears soon of a broken stream: long enough for the client to ask for
/// commit over a new one, too short for the log to have it.
const HEARS_AFTER: u32 = 2;

impl World {
    /// Lets the disk of the next strike stand still at its change, if that is its moment.
    pub(super) fn arm(&mut self) {
        if let Some(Strike { moment: Moment::Change(change), victim, .. }) = self.plan.strikes.get(self.struck_at.len())
            && let Some(id) = server_of(*victim)
            && let Some(server) = self.servers.get(&id)
        {
            server.halt_before(*change);
        }
    }

    /// The strikes whose step has come.
    pub(super) fn strike_due(&mut self) {
        while let Some(strike) = self.plan.strikes.get(self.struck_at.len()).copied() {
            match strike.moment {
                Moment::Step(step) if step <= self.steps => self.strike_planned(strike),
                Moment::Step(_) | Moment::Change(_) => return,
            }
        }
    }

    /// The disk of this server stands still: its strike comes down.
    pub(super) fn strike_halted(&mut self) {
        let strike = self.plan.strikes.get(self.struck_at.len()).copied();
        self.strike_planned(strike.expect("only a strike makes a disk stand still"));
    }

    fn strike_planned(&mut self, strike: Strike) {
        self.struck_at.push(self.steps);
        self.come_down(strike, ClientId(0));
        self.arm();
    }

    pub(super) fn come_down(&mut self, strike: Strike, client: ClientId) {
        self.probes[Probe::Strikes] += 1;
        self.last_trouble = self.last_trouble.max(self.now);
        self.note(|| format!("      strike {strike}"));
        match strike.victim {
            Victim::Server => self.strike_server(ServerId::Queues, strike),
            Victim::Coordinator => self.strike_server(ServerId::Coordinator, strike),
            Victim::Database => self.strike_database(strike),
            Victim::Client => self.strike_client(client, strike),
            Victim::Importer => {
                let importer = self.desks.iter().position(|desk| matches!(desk.role, Role::Import(_)));
                importer.into_iter().for_each(|at| self.strike_client(ClientId(at), strike));
            }
            Victim::Session => {
                let links: Vec<SessionId> = self.desks[client.0].links.values().copied().collect();
                links.into_iter().for_each(|session| self.break_session(session, strike.messages, strike.back));
            }
            Victim::Host => {
                for client in 0..self.desks.len() {
                    self.strike_client(ClientId(client), strike);
                }
                self.strike_server(ServerId::Queues, strike);
                self.strike_database(strike);
            }
        }
    }

    fn strike_server(&mut self, id: ServerId, strike: Strike) {
        let Some(server) = self.servers.get_mut(&id) else { return };
        let Some(process) = &server.process else {
            // It is down, or its start was cut short.
            return self.strike_down_server(id, strike);
        };
        match strike.ending {
            Ending::SyncError => return server.fail_next(Fault::SyncError { nth: 0 }),
            Ending::ShortWrite => return server.fail_next(Fault::ShortWrite { nth: 0, bytes: TORN_BYTES }),
            Ending::WriteError => return server.fail_next(Fault::WriteError { nth: 0 }),
            Ending::DiskFull => return server.is_full(),
            Ending::Pause => return self.stall(id),
            _ => {}
        }
        // What is durable the next life must find, unless the end of it was written as well.
        let in_doubt = self.watchers.get(&id).map_or(0, |watcher| watcher.in_doubt());
        self.must_recover |= in_doubt > 0 && !process.has_unsynced();
        let waiting: Vec<Waiter> = process.waiters().cloned().collect();
        let pending = server.pending_changes();
        let crash = crash_of(strike.ending, pending, self.steps);
        let server = self.server(id);
        // A store flushes by itself when its memory is full: what a crash finds may be newer than the last flush asked for.
        let kept = if strike.ending == Ending::Everything { server.unflushed_writes() } else { 0 };
        server.crash(crash, kept);
        self.stalled.remove(&id);
        self.inform(id.name(), Fact::Crashed { how: strike.ending.word().to_owned() });
        self.goes_away(id.name());
        self.pending.retain(|_, happening| !happening.is_inside(id));
        self.close_sessions(id, strike.messages);
        self.cut_calls(id, strike.messages, waiting);
        if self.is_sqlite() {
            self.database_mut().server_gone(id);
            self.collect_database();
        }
        self.schedule(strike, Happening::RestartServer { server: id });
    }

    /// All streams to this server end; answers that had left may arrive.
    fn close_sessions(&mut self, id: ServerId, messages: Messages) {
        // Those that both ends have given up are not heard of again.
        self.sessions.retain(|id, session| {
            session.is_open || self.desks[session.client.0].links.get(&session.server) == Some(id)
        });
        let sessions: Vec<SessionId> =
            self.sessions.iter().filter(|(_, session)| session.server == id).map(|(id, _)| *id).collect();
        for session in sessions {
            self.close(session);
            if messages == Messages::Lost {
                let is_answer = |happening: &Happening| matches!(happening, Happening::Answer { session: of, .. } if *of == session);
                self.pending.retain(|_, happening| !is_answer(happening));
            }
            self.push(Happening::SessionLost { session, was_there: true });
        }
    }

    /// A machine without a process can lose power as well; a start that was cut short is made again.
    fn strike_down_server(&mut self, id: ServerId, strike: Strike) {
        let server = self.server(id);
        let crash = crash_of(strike.ending, server.pending_changes(), id as u64);
        server.crash(crash, 0);
        self.inform(id.name(), Fact::Crashed { how: strike.ending.word().to_owned() });
        self.goes_away(id.name());
        let back = Happening::RestartServer { server: id };
        let is_coming = self.pending.values().any(|happening| *happening == back)
            || self.due.values().any(|happening| *happening == back);
        if !is_coming {
            self.schedule(strike, back);
        }
    }

    /// A server's leadership ends, and with it all that its clients have there; it leads again at once.
    pub(super) fn depose(&mut self, id: ServerId, late: bool) {
        let now = self.now;
        let leads = |process: &&mut Process| process.node().identity().is_some();
        let Some(process) = self.server(id).process.as_mut().filter(leads) else { return };
        let result = process.lead_again(now, late);
        self.probes[Probe::Deposed] += 1;
        self.note(|| format!("      {id:?} is deposed, and leads again; its proposals are late: {late}"));
        self.falters(id.name());
        self.settle(id, result).expect("nothing fails when a leadership ends");
        self.close_sessions(id, Messages::Arrive);
    }

    /// A server is killed, and a bit of its log changes below what is synced: it must not start (P28). Then the bit is put back.
    pub(super) fn rot(&mut self, id: ServerId, draw: u64) {
        let Some(process) = &self.servers[&id].process else { return };
        let Some(entry) = process.settled_entry(draw) else { return };
        if self.stalled.contains(&id) {
            return;
        }
        self.die(id);
        if self.servers[&id].flip(&entry) {
            self.probes[Probe::Rotted] += 1;
            self.inform(id.name(), Fact::Rotted);
            self.rotten.insert(id, entry);
        }
    }

    /// It stands still, and whoever waits for it waits.
    fn stall(&mut self, id: ServerId) {
        if self.stalled.insert(id) {
            let until = self.now.after(AWAY);
            self.goes_away(id.name());
            self.probes[Probe::Stalls] += 1;
            self.last_trouble = self.last_trouble.max(until);
            self.push_at(until, Happening::ResumeServer { server: id });
        }
    }

    /// It ends by itself, and is started again.
    pub(super) fn die(&mut self, id: ServerId) {
        let moment = Moment::Step(self.steps);
        let (ending, messages, back) = (Ending::Kill, Messages::Arrive, Back::AtOnce);
        let victim = match id {
            ServerId::Queues => Victim::Server,
            ServerId::Coordinator => Victim::Coordinator,
            ServerId::Copy => panic!("nothing is wrong with the disk of a copy"),
        };
        self.last_trouble = self.last_trouble.max(self.now);
        self.strike_server(id, Strike { moment, victim, ending, messages, back });
    }

    /// Questions that the server had asked may still be answered to nobody; questions that it was asked were lost.
    fn cut_calls(&mut self, id: ServerId, messages: Messages, waiting: Vec<Waiter>) {
        if messages == Messages::Lost {
            let is_of =
                |happening: &Happening| matches!(happening, Happening::Call { caller, .. } if caller.server == id);
            self.pending.retain(|_, happening| !is_of(happening));
        }
        if id != ServerId::Queues {
            return;
        }
        for waiter in waiting {
            if let Waiter::Caller { caller, .. } = waiter {
                self.push(queues_lost(caller));
            }
        }
        let on_the_way = |happening: &Happening| match happening {
            Happening::Call { caller, resource, .. } if resource.name.as_str() == names::QUEUES => Some(*caller),
            Happening::CallGoesOn { caller, .. } => Some(*caller),
            _ => None,
        };
        let cut: Vec<(u64, _)> = self
            .pending
            .iter()
            .filter_map(|(number, happening)| on_the_way(happening).map(|caller| (*number, caller)))
            .collect();
        for (number, caller) in cut {
            self.pending.insert(number, queues_lost(caller));
        }
    }

    fn strike_client(&mut self, id: ClientId, strike: Strike) {
        let desk = &mut self.desks[id.0];
        if !desk.is_up || desk.client.is_finished() {
            return;
        }
        if strike.ending == Ending::Pause {
            if !desk.is_paused {
                desk.is_paused = true;
                let name = self.client_name(id);
                self.goes_away(&name);
                self.last_trouble = self.last_trouble.max(self.now.after(AWAY));
                self.push_at(self.now.after(AWAY), Happening::Resume { client: id });
            }
            return;
        }
        desk.is_up = false;
        desk.is_paused = false;
        if let Role::Work(_) = desk.role {
            desk.asked = None;
        }
        desk.awaiting_body = None;
        let is_open = desk.client.open_attempt().is_some();
        let links: Vec<SessionId> = desk.links.values().copied().collect();
        let connection = desk.connection;
        let name = self.client_name(id);
        self.inform(&name, Fact::Crashed { how: strike.ending.word().to_owned() });
        self.goes_away(&name);
        self.probes[Probe::ToldUnknown] += u64::from(is_open);
        let is_lost = strike.messages == Messages::Lost;
        let sqlite = self.is_sqlite();
        self.pending.retain(|_, happening| match happening {
            Happening::Answer { session, .. } => !links.contains(session),
            Happening::Frame { session, .. } | Happening::KeepAlive { session } => {
                !(is_lost && links.contains(session))
            }
            // SQLite runs in its client: with that its statements end.
            Happening::Statement { connection: of, .. } => !((is_lost || sqlite) && Some(*of) == connection),
            Happening::Reply { connection: of, .. } => Some(*of) != connection,
            Happening::Wake { client, .. } => *client != id,
            _ => true,
        });
        self.leave(id);
        if sqlite && let Some(connection) = connection {
            self.database_mut().hang_up(connection);
            self.collect_database();
        }
        self.schedule(strike, Happening::RestartClient { client: id });
    }

    fn strike_database(&mut self, strike: Strike) {
        let Some(database) = self.database.as_mut().filter(|database| database.is_up) else { return };
        let written = database.unflushed();
        let kept = match strike.ending {
            Ending::Nothing
            | Ending::Kill
            | Ending::Pause
            | Ending::SyncError
            | Ending::ShortWrite
            | Ending::WriteError
            | Ending::DiskFull => 0,
            Ending::Everything => written,
            Ending::Half | Ending::Torn | Ending::Sectors => written.div_ceil(2),
        };
        database.crash(kept);
        self.inform(names::LEDGER, Fact::Crashed { how: strike.ending.word().to_owned() });
        self.goes_away(names::LEDGER);
        let lost = strike.messages == Messages::Lost;
        self.pending.retain(|_, happening| *happening != Happening::FlushDatabase);
        // Answers that had left may arrive; whatever had not is told that the connection broke.
        let broken: Vec<u64> = self
            .pending
            .iter()
            .filter(|(_, happening)| match happening {
                Happening::Statement { .. } => true,
                Happening::Call { resource, .. } => resource.name.as_str() == names::LEDGER,
                Happening::Reply { .. } => lost,
                Happening::Called { from, .. } => lost && *from == names::LEDGER,
                _ => false,
            })
            .map(|(number, _)| *number)
            .collect();
        for number in broken {
            let happening = match self.pending.remove(&number) {
                Some(Happening::Statement { connection, .. } | Happening::Reply { connection, .. }) => {
                    Happening::Reply { connection, reply: crate::database::Reply::Lost }
                }
                Some(Happening::Call { caller, .. } | Happening::Called { caller, .. }) => {
                    let result = Err(self.database_mut().unreachable());
                    Happening::Called { from: names::LEDGER, caller, result }
                }
                other => unreachable!("it was one of these above: {other:?}"),
            };
            self.pending.insert(number, happening);
        }
        self.collect_database();
        self.schedule(strike, Happening::RestartDatabase);
    }

    /// A stream ends between two members that live on.
    pub(super) fn break_session(&mut self, broken: SessionId, messages: Messages, server_hears: Back) {
        if let Some(client) = self.sessions.get(&broken).map(|session| session.client) {
            let name = self.client_name(client);
            self.falters(&name);
        }
        if messages == Messages::Lost {
            self.pending.retain(|_, happening| match happening {
                Happening::Frame { session, .. }
                | Happening::KeepAlive { session }
                | Happening::Answer { session, .. } => *session != broken,
                _ => true,
            });
        }
        self.push(Happening::SessionLost { session: broken, was_there: true });
        let after = if server_hears == Back::Soon { HEARS_AFTER } else { 0 };
        let disconnected = Happening::Disconnected { session: broken, after };
        match server_hears {
            Back::AtOnce | Back::Soon => self.push(disconnected),
            Back::Late => {
                let at = self.now.after(AWAY);
                self.last_trouble = self.last_trouble.max(at);
                self.push_at(at, disconnected);
            }
        }
    }

    fn schedule(&mut self, strike: Strike, back: Happening) {
        match strike.back {
            Back::AtOnce | Back::Soon => self.push(back),
            Back::Late => {
                let at = self.now.after(AWAY);
                self.last_trouble = self.last_trouble.max(at);
                self.push_at(at, back);
            }
        }
    }
}

/// What is left on a disk of `pending` changes that were not synced.
fn crash_of(ending: Ending, pending: usize, seed: u64) -> Crash {
    Crash::PowerLoss(match ending {
        Ending::Kill
        | Ending::Pause
        | Ending::SyncError
        | Ending::ShortWrite
        | Ending::WriteError
        | Ending::DiskFull => return Crash::ProcessKill,
        Ending::Nothing => Survival::Nothing,
        Ending::Everything => Survival::Everything,
        Ending::Half => Survival::Prefix { changes: pending / 2 },
        Ending::Torn => Survival::Torn { changes: pending.saturating_sub(1), bytes: TORN_BYTES },
        Ending::Sectors => Survival::Sectors { seed },
    })
}

fn queues_lost(caller: Caller) -> Happening {
    Happening::Called { from: names::QUEUES, caller, result: Err(queues_unreachable()) }
}

fn server_of(victim: Victim) -> Option<ServerId> {
    match victim {
        Victim::Server => Some(ServerId::Queues),
        Victim::Coordinator => Some(ServerId::Coordinator),
        Victim::Database | Victim::Client | Victim::Importer | Victim::Host | Victim::Session => None,
    }
}
