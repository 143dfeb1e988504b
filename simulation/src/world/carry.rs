//! What each happening does, and what follows from it.

use handfast_checker::history::{Fact, Op, What};
use handfast_coordinator_core::{self as coordinator, Ask, CallFailed, Resource, Told};
use handfast_machine::{Answer, ConnectionId, Event, Refusal, Request};
use handfast_protocol::PrepareVote;
use handfast_queue::manager::Space;

use super::happening::Happening;
use super::{ClientId, FrameId, Session, SessionId, Stuck, World};
use crate::client::{Client, Heard, Job, Order, Role};
use crate::database::{Answered, Connection, Reply};
use crate::limits::KEEP_ALIVE;
use crate::names;
use crate::plan::Mutant;
use crate::probes::Probe;
use crate::server::{Caller, Chore, Effect, Failure, Next, Progress, ServerId, Waiter, asked_of_queues, next};

/// The connection of calls from other servers; it never disconnects.
const CALLS: ConnectionId = ConnectionId(0);

impl World {
    pub(super) fn happen(&mut self, happening: Happening) -> Result<(), Stuck> {
        if !self.cuts.is_empty() && self.lost_in_cut(&happening) {
            return Ok(());
        }
        match happening {
            Happening::Frame { session, frame, ask } => self.frame_arrived(session, frame, ask)?,
            Happening::KeepAlive { session } => {
                let connection = ConnectionId(session.0);
                self.step_server_of(session, Event::KeepAlive { connection })?;
            }
            Happening::Disconnected { session, after: after @ 1.. } => {
                self.push(Happening::Disconnected { session, after: after - 1 });
            }
            Happening::Disconnected { session, after: 0 } => {
                let connection = ConnectionId(session.0);
                self.step_server_of(session, Event::Disconnected { connection })?;
                self.close(session);
            }
            Happening::Answer { session, frame, answer } => self.answer_arrived(session, frame, answer),
            Happening::SessionLost { session, was_there } => self.session_lost(session, was_there),
            Happening::Chore { server, chore } => self.carry_out(server, chore)?,
            Happening::Tick { server } => self.step_server(server, Event::Tick)?,
            Happening::Barrier { server, barrier } => self.barrier(server, barrier)?,
            Happening::Call { caller, resource, ask } => self.call_arrived(caller, &resource, ask)?,
            Happening::CallGoesOn { caller, ask, progress, request } => {
                self.ask_queues(Waiter::Caller { caller, ask, progress }, request)?;
            }
            Happening::Called { caller, result, .. } => {
                if caller.server == ServerId::Copy {
                    self.copy_is_told(&result);
                }
                // A copy may have been switched off.
                if self.servers.get(&caller.server).is_some_and(|server| server.life == caller.life) {
                    let prepared = self.prepared_by(caller, &result);
                    self.step_server(caller.server, Event::Called { call: caller.call, result })?;
                    self.notice_late_vote(prepared);
                }
            }
            Happening::Statement { connection, statement } => {
                self.database_mut().execute(connection, statement);
                self.collect_database();
            }
            Happening::Reply { connection, reply } => self.reply_arrived(connection, reply),
            Happening::HungUp { connection } => {
                self.database_mut().hang_up(connection);
                self.collect_database();
            }
            Happening::FlushDatabase => {
                self.database_mut().flush();
                self.collect_database();
            }
            Happening::Wake { client, life } => self.with_client(client, life, Client::wake),
            Happening::KeepAliveDue { client, life } => self.keep_alive(client, life),
            Happening::RestartServer { server } => self.restart_server(server)?,
            Happening::RestartDatabase => self.restart_database(),
            Happening::RestartClient { client } => self.restart_client(client),
            Happening::Resume { client } => {
                self.desks[client.0].is_paused = false;
                let name = self.client_name(client);
                self.is_back(&name);
            }
            Happening::Healed { cut } => self.heal(cut),
            Happening::ResumeServer { server } => {
                if self.stalled.remove(&server) {
                    self.is_back(server.name());
                }
            }
        }
        Ok(())
    }

    fn frame_arrived(&mut self, id: SessionId, frame: FrameId, ask: Request) -> Result<(), Stuck> {
        let Some(session) = self.sessions.get(&id).copied().filter(|session| session.is_open) else { return Ok(()) };
        let now = self.now;
        let Some(process) = self.server(session.server).process.as_mut() else {
            self.close(id);
            self.push(Happening::SessionLost { session: id, was_there: false });
            return Ok(());
        };
        let result = process.request(now, ConnectionId(id.0), ask, Waiter::Session { session: id, frame });
        self.settle(session.server, result)
    }

    pub(super) fn close(&mut self, id: SessionId) {
        if let Some(session) = self.sessions.get_mut(&id) {
            session.is_open = false;
        }
    }

    fn step_server_of(&mut self, session: SessionId, event: Event) -> Result<(), Stuck> {
        match self.sessions.get(&session).copied() {
            Some(Session { server, is_open: true, .. }) => self.step_server(server, event),
            Some(_) | None => Ok(()),
        }
    }

    pub(super) fn step_server(&mut self, id: ServerId, event: Event) -> Result<(), Stuck> {
        let now = self.now;
        let Some(process) = self.server(id).process.as_mut() else { return Ok(()) };
        let result = process.step(now, event);
        self.settle(id, result)
    }

    fn carry_out(&mut self, id: ServerId, chore: Chore) -> Result<(), Stuck> {
        let now = self.now;
        let Some(process) = self.server(id).process.as_mut() else { return Ok(()) };
        let result = process.carry_out(now, chore);
        let rolled = std::mem::take(&mut process.rolled_while_prepared);
        self.probes[Probe::RolledWhilePrepared] += rolled;
        let result = result.map(|next| {
            if let Some(chore) = next {
                self.push(Happening::Chore { server: id, chore });
            }
        });
        self.settle(id, result)
    }

    /// Everything that was committed when the barrier was asked for must be applied (P8).
    fn barrier(&mut self, id: ServerId, barrier: u64) -> Result<(), Stuck> {
        let is_behind = self.server(id).process.as_ref().is_some_and(|process| process.is_behind());
        if is_behind {
            self.push(Happening::Barrier { server: id, barrier });
            return Ok(());
        }
        self.step_server(id, Event::BarrierPassed { barrier })
    }

    /// After a server has done something: its failure, or what it wants done.
    pub(super) fn settle(&mut self, id: ServerId, result: Result<(), Failure>) -> Result<(), Stuck> {
        // What was synced is durable, whatever came after it.
        self.watch(id);
        if let Err(failure) = result {
            return self.failed(id, failure);
        }
        self.serves(id);
        let server = self.server(id);
        let life = server.life;
        let effects = server.process.as_mut().map(|process| process.take_effects()).unwrap_or_default();
        for effect in effects {
            match effect {
                Effect::Chore(chore) => self.push(Happening::Chore { server: id, chore }),
                Effect::Barrier { barrier } => self.push(Happening::Barrier { server: id, barrier }),
                Effect::Call { call, resource, ask } => self.call(Caller { server: id, life, call }, resource, ask),
                Effect::Answer { waiter, answer } => self.answer(waiter, answer),
            }
        }
        Ok(())
    }

    fn call(&mut self, caller: Caller, resource: Resource, ask: Ask) {
        if let Ask::Prepare { xid } = &ask {
            self.preparing.push((caller, xid.clone()));
        }
        self.push(Happening::Call { caller, resource, ask });
    }

    fn answer(&mut self, waiter: Waiter, answer: Result<Answer, Refusal>) {
        self.notice_answer(&waiter, &answer);
        match waiter {
            Waiter::Session { session, frame } => {
                if self.sessions.get(&session).is_some_and(|session| session.is_open) {
                    self.push(Happening::Answer { session, frame, answer });
                }
            }
            Waiter::Caller { caller, ask, progress } => match next(&ask, progress, answer) {
                Next::Told(result) => {
                    if let (Ask::Prepare { xid }, Ok(Told::Voted(PrepareVote::ReadOnly))) = (&ask, &result) {
                        self.has_only_read(xid);
                    }
                    self.push(Happening::Called { from: names::QUEUES, caller, result });
                }
                Next::Request(request, progress) => {
                    self.push(Happening::CallGoesOn { caller, ask, progress, request });
                }
            },
            Waiter::Operator => {}
            Waiter::Auditor => self.heard_by_auditor = Some(answer),
        }
    }

    fn call_arrived(&mut self, caller: Caller, resource: &Resource, ask: Ask) -> Result<(), Stuck> {
        if resource.name.as_str() == names::LEDGER {
            self.database_mut().ask(caller, &ask);
            self.collect_database();
            return Ok(());
        }
        if self.server(ServerId::Queues).process.is_none() {
            let result = Err(queues_unreachable());
            self.push(Happening::Called { from: names::QUEUES, caller, result });
            return Ok(());
        }
        let early = match (&ask, self.plan.scene.mutant) {
            (Ask::Rollback { .. }, Mutant::ForgetsToRollBack) => Some(Told::Done),
            (Ask::Prepare { .. }, Mutant::VotesBeforeSync) => Some(Told::Voted(PrepareVote::Commit)),
            _ => None,
        };
        let is_over = early == Some(Told::Done);
        if let Some(told) = early {
            self.push(Happening::Called { from: names::QUEUES, caller, result: Ok(told) });
        }
        match asked_of_queues(&ask) {
            Some(request) if !is_over => {
                self.ask_queues(Waiter::Caller { caller, ask, progress: Progress::Begun }, request)
            }
            Some(_) | None => Ok(()),
        }
    }

    fn ask_queues(&mut self, waiter: Waiter, request: Request) -> Result<(), Stuck> {
        let now = self.now;
        let Some(process) = self.server(ServerId::Queues).process.as_mut() else { return Ok(()) };
        let result = process.request(now, CALLS, request, waiter);
        self.settle(ServerId::Queues, result)
    }

    pub(super) fn collect_database(&mut self) {
        let database = self.database_mut();
        let answered = database.take_answered();
        let flush = database.flush_is_due;
        for (id, state) in database.take_steps() {
            self.inform(names::LEDGER, Fact::State { transaction: id.to_string(), state, epoch: 0 });
        }
        for answered in answered {
            match answered {
                Answered::Client { connection, reply } => self.push(Happening::Reply { connection, reply }),
                Answered::Caller { caller, result } => {
                    self.push(Happening::Called { from: names::LEDGER, caller, result });
                }
            }
        }
        let is_coming = self.pending.values().any(|happening| *happening == Happening::FlushDatabase);
        if flush && !is_coming {
            self.push(Happening::FlushDatabase);
        }
    }

    pub(super) fn database_mut(&mut self) -> &mut crate::database::Database {
        self.database.as_mut().expect("only a scene with a database names one")
    }

    fn answer_arrived(&mut self, session: SessionId, frame: FrameId, answer: Result<Answer, Refusal>) {
        let Some(client) = self.sessions.get(&session).map(|session| session.client) else { return };
        let desk = &mut self.desks[client.0];
        if desk.awaited == Some((session, frame)) {
            desk.awaited = None;
            self.client_hears(client, Heard::Answer(answer));
        }
    }

    fn session_lost(&mut self, id: SessionId, was_there: bool) {
        let Some(session) = self.sessions.get(&id).copied() else { return };
        let desk = &mut self.desks[session.client.0];
        if desk.links.get(&session.server) != Some(&id) {
            return;
        }
        desk.links.remove(&session.server);
        desk.client.session_lost(session.server);
        if desk.awaited.is_some_and(|(awaited, _)| awaited == id) {
            desk.awaited = None;
            self.client_hears(session.client, if was_there { Heard::Lost } else { Heard::Unreachable });
        }
    }

    fn client_hears(&mut self, id: ClientId, heard: Heard) {
        self.hears(id, &heard);
        let is_last = self.is_last(id);
        self.desks[id.0].client.heard(heard, is_last);
        self.collect_client(id);
    }

    fn reply_arrived(&mut self, connection: Connection, reply: Reply) {
        let Some(at) = self.desks.iter().position(|desk| desk.connection == Some(connection)) else { return };
        if reply == Reply::Lost {
            self.desks[at].connection = None;
        }
        self.replied(ClientId(at), reply);
        self.desks[at].client.replied(reply);
        self.collect_client(ClientId(at));
    }

    fn with_client(&mut self, id: ClientId, life: u64, act: impl FnOnce(&mut Client)) {
        let desk = &mut self.desks[id.0];
        if desk.is_up && desk.life == life {
            act(&mut desk.client);
            self.collect_client(id);
        }
    }

    /// Nobody is left who sends to the queue that this client reads.
    fn is_last(&self, id: ClientId) -> bool {
        let Role::Work(Job { from, .. }) = &self.desks[id.0].role else { return false };
        let mut senders = self.desks.iter().filter(|desk| desk.role.sends_to(from));
        senders.all(|desk| desk.is_up && desk.client.is_finished())
    }

    fn keep_alive(&mut self, id: ClientId, life: u64) {
        let desk = &self.desks[id.0];
        let link = desk.links.get(&ServerId::Queues).copied();
        if desk.is_up
            && desk.life == life
            && desk.client.reads_alone()
            && let Some(session) = link
        {
            self.push(Happening::KeepAlive { session });
            self.push_at(self.now.after(KEEP_ALIVE), Happening::KeepAliveDue { client: id, life });
        }
    }

    pub(super) fn collect_client(&mut self, id: ClientId) {
        let orders = self.desks[id.0].client.take_orders();
        for order in orders {
            self.obey(id, order);
        }
    }

    fn obey(&mut self, id: ClientId, order: Order) {
        if matches!(&order, Order::Ask { ask: Request::Coordinator(coordinator::Request::Outcome { .. }), .. }) {
            self.probes[Probe::OutcomesAsked] += 1;
        }
        let life = self.desks[id.0].life;
        match order {
            Order::Ask { server, ask } => {
                self.asks(id, &ask);
                let sent = self.send(id, server, ask);
                self.desks[id.0].awaited = Some(sent);
            }
            Order::Tell { server, ask } => {
                self.send(id, server, ask);
            }
            Order::Execute(statement) => {
                self.executes(id, &statement);
                let fresh = Connection(self.number());
                let connection = *self.desks[id.0].connection.get_or_insert(fresh);
                self.push(Happening::Statement { connection, statement });
            }
            Order::HangUp => {
                if let Some(connection) = self.desks[id.0].connection.take() {
                    self.push(Happening::HungUp { connection });
                }
            }
            Order::Sleep(pause) => self.push_at(self.now.after(pause), Happening::Wake { client: id, life }),
            Order::KeepAlive => {
                self.push_at(self.now.after(KEEP_ALIVE), Happening::KeepAliveDue { client: id, life });
            }
            Order::End { id: transaction, told } => self.ends(id, transaction.to_string(), told),
            Order::Leave => self.leave(id),
        }
    }

    fn send(&mut self, id: ClientId, server: ServerId, ask: Request) -> (SessionId, FrameId) {
        let (fresh, frame) = (SessionId(self.number()), FrameId(self.number()));
        let session = *self.desks[id.0].links.entry(server).or_insert(fresh);
        if session == fresh {
            self.sessions.insert(session, Session { client: id, server, is_open: true });
        }
        self.push(Happening::Frame { session, frame, ask });
        (session, frame)
    }

    /// Its connections end with the client.
    pub(super) fn leave(&mut self, id: ClientId) {
        let desk = &mut self.desks[id.0];
        let (links, connection) = (std::mem::take(&mut desk.links), desk.connection.take());
        desk.awaited = None;
        links.into_values().for_each(|session| self.push(Happening::Disconnected { session, after: 0 }));
        if let Some(connection) = connection {
            self.push(Happening::HungUp { connection });
        }
    }

    fn restart_server(&mut self, id: ServerId) -> Result<(), Stuck> {
        let now = self.now;
        self.probes[Probe::ServerRecoveries] += 1;
        self.tell(id.name(), What::Invoke(Op::Start));
        let is_again = !self.starting.insert(id);
        self.probes[Probe::RecoveriesAgain] += u64::from(is_again);
        let server = self.server(id);
        if let Err(failure) = server.start(now) {
            return self.failed_to_start(id, failure);
        }
        let process = server.process.as_ref().expect("it was started above");
        let checked = process.node().check_invariants();
        let state = process.node().state();
        let (replayed, in_doubt) = (process.replayed as u64, state.coordinator.transactions().len() as u64);
        let (branches, found) = (state.queue.branches().count() as u64, process.in_doubt());
        checked.map_err(|broken| Stuck::Invariant(id, broken.to_string()))?;
        if self.cramped.contains(&id) {
            self.step_server(id, Event::Space(Space::Low))?;
        }
        self.probes[Probe::EntriesReplayed] += replayed;
        self.probes[Probe::InDoubtRecovered] += in_doubt;
        self.probes[Probe::BranchesRecovered] += branches;
        self.watch(id);
        self.notice_recovered(id);
        self.compare(id);
        self.inform(id.name(), Fact::Recovered { in_doubt: found, replayed });
        self.settle(id, Ok(()))
    }

    /// Rightly so if its log was damaged: that is mended, and it is started again.
    fn failed_to_start(&mut self, id: ServerId, failure: Failure) -> Result<(), Stuck> {
        match (failure, self.rotten.remove(&id)) {
            (Failure::Broken(_), Some(entry)) => {
                self.tell(id.name(), What::Fail(Op::Start));
                assert!(self.servers[&id].flip(&entry), "what was damaged is still there");
                self.inform(id.name(), Fact::Mended);
                self.starting.remove(&id);
                self.push(Happening::RestartServer { server: id });
                Ok(())
            }
            (failure, rotten) => {
                self.rotten.extend(rotten.map(|entry| (id, entry)));
                self.failed(id, failure)
            }
        }
    }

    /// A server that was started serves when it leads.
    fn serves(&mut self, id: ServerId) {
        let leads = self.servers[&id].process.as_ref().is_some_and(|process| process.node().identity().is_some());
        if leads && self.starting.remove(&id) {
            self.tell(id.name(), What::Ok(Op::Start));
            self.is_back(id.name());
        }
    }

    fn restart_database(&mut self) {
        self.database_mut().is_up = true;
        self.probes[Probe::DatabaseRecoveries] += 1;
        self.is_back(names::LEDGER);
    }

    fn restart_client(&mut self, id: ClientId) {
        let mutant = self.plan.scene.mutant;
        let desk = &mut self.desks[id.0];
        desk.life += 1;
        desk.is_up = true;
        desk.client = Client::new(&desk.role, mutant);
        let life = desk.life;
        self.push(Happening::Wake { client: id, life });
        let name = self.client_name(id);
        if self.is_behind_cut(&name) {
            self.goes_away(&name);
        }
    }
}

pub(super) fn queues_unreachable() -> CallFailed {
    CallFailed::Unreachable { resource: names::queues(), cause: "it is down".to_owned() }
}
