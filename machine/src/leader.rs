//! The volatile half of the machine, for one epoch: the manager of the queues and the coordinator, what they have proposed,
//! and the local branch that ties the two together (design D8).

use std::collections::BTreeMap;
use std::time::Duration;

use handfast_coordinator_core as coordinator;
use handfast_mutants::{Mutant, is};
use handfast_protocol::{Gauge, GlobalId, RollbackReason, Timestamp, Xid};
use handfast_queue as queue;
use handfast_queue::MessageKey;
use handfast_queue::manager::{self, Manager, Resolved, Space};
use handfast_store::{Store, StoreError};

use crate::command::{Applied, Command};
use crate::local;
use crate::node::{Action, Recovery};
use crate::request::{Answer, ConnectionId, Refusal, Request, RequestId};
use crate::sizes::Sizes;
use crate::state::{State, local_branch};
use crate::visitors::{Approach, Attached};
use entries::Entries;

mod combined;
mod entries;

/// Who is told what a command did when it is applied.
#[derive(Debug)]
enum Continuation {
    Queue(manager::Proposal),
    Coordinator(coordinator::Proposal),
    /// A decision or delegation with the local branch's part in it, or (`held: None`) of a local branch that did nothing.
    Together {
        proposal: coordinator::Proposal,
        xid: Xid,
        hold: bool,
    },
    Idle {
        proposal: coordinator::Proposal,
        xid: Xid,
    },
    Attach {
        request: RequestId,
    },
}

/// What the two cores see of the world during one step.
#[derive(Clone, Copy)]
pub(crate) struct Scene<'a> {
    pub state: &'a State,
    pub store: &'a dyn Store,
    pub now: Timestamp,
}

/// Who asks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Caller {
    pub request: RequestId,
    pub connection: ConnectionId,
}

#[derive(Debug)]
pub(crate) struct Leader {
    epoch: u64,
    sizes: Sizes,
    recovery: Recovery,
    manager: Manager,
    coordinator: coordinator::Coordinator,
    entries: Entries,
    /// What the failure that is being handled says about received messages (P22).
    blame: Option<queue::Blame>,
    /// Transactions whose first message is waited for, and how long they may last from there: nobody has been told of them.
    beginning: BTreeMap<RequestId, (GlobalId, Duration)>,
}

impl Leader {
    /// The leader of the epoch that has just begun.
    pub fn new(
        scene: Scene<'_>,
        sizes: Sizes,
        recovery: Recovery,
        out: &mut Vec<Action>,
    ) -> Result<Leader, StoreError> {
        let identity = scene.state.identity.expect("an epoch has begun, so the identity is known");
        let mut leader = Leader {
            epoch: identity.epoch,
            sizes,
            recovery,
            manager: Manager::new(identity.manager_id, identity.epoch, sizes.queues),
            coordinator: coordinator::Coordinator::new(identity.coordinator()),
            entries: Entries::new(),
            blame: None,
            beginning: BTreeMap::new(),
        };
        let mut actions = Vec::new();
        leader.coordinator.start(&scene.state.coordinator, scene.now, &mut actions);
        leader.carry_coordinator(scene, actions, out)?;
        Ok(leader)
    }

    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    pub fn entries_in_flight(&self) -> usize {
        self.entries.in_flight()
    }

    pub fn recovery(&self) -> Recovery {
        self.recovery
    }

    /// What it holds in memory, beside its bounds (G7).
    pub fn gauges(&self) -> impl Iterator<Item = Gauge> {
        let entries = Gauge::new("entries_in_flight", "Log entries proposed and not applied", self.entries.in_flight());
        let cores = self.coordinator.gauges().into_iter().chain(self.manager.gauges());
        cores.chain([entries.of(self.sizes.entries_in_flight_max)])
    }

    pub fn request(
        &mut self,
        scene: Scene<'_>,
        caller: Caller,
        ask: Request,
        out: &mut Vec<Action>,
    ) -> Result<(), StoreError> {
        match ask {
            Request::Queue(ask) => self.ask_manager(scene, caller, ask, out),
            Request::Coordinator(ask) => self.ask_coordinator(scene, caller, ask, out),
            Request::BeginReceive { timeout, queue, wait } => {
                self.begin_receive(scene, caller, timeout, queue, wait, out)
            }
            Request::SendCommit { id, prepared, messages } => {
                self.send_commit(scene, caller, (id, prepared), messages, out)
            }
            Request::Rollback { id, blame } => {
                self.blame = blame;
                let ask = coordinator::Request::Rollback { id };
                let result = self.ask_coordinator(scene, caller, ask, out);
                self.blame = None;
                result
            }
            Request::Attach { visitor, approach } => {
                self.attach(scene, caller.request, visitor, approach, out);
                Ok(())
            }
            Request::Recover { coordinator, after, limit } => {
                let answer = Ok(Answer::Recovered(scene.state.recover(coordinator, after, limit)));
                out.push(Action::Answer { request: caller.request, answer });
                Ok(())
            }
            Request::ListForeign { after, limit } => {
                let found = scene.state.foreign_branches(scene.now, after.as_ref(), limit);
                out.push(Action::Answer { request: caller.request, answer: Ok(Answer::Foreign(found)) });
                Ok(())
            }
        }
    }

    /// Durable before it is answered (P3); a visit that is recorded already is answered at once.
    fn attach(
        &mut self,
        scene: Scene<'_>,
        request: RequestId,
        visitor: coordinator::Identity,
        approach: Approach,
        out: &mut Vec<Action>,
    ) {
        let visitors = &scene.state.visitors;
        let answer = match visitors.judge(visitor, approach) {
            _ if Some(visitor.coordinator.0) == scene.state.manager_id() => Err(Refusal::OwnCoordinator),
            Attached::Recorded if !visitors.knows(visitor) => {
                let continuation = Continuation::Attach { request };
                return self.propose(scene, Command::Attach { visitor, approach }, continuation, out);
            }
            judged => Ok(Answer::Attached(judged)),
        };
        out.push(Action::Answer { request, answer });
    }

    fn ask_manager(
        &mut self,
        scene: Scene<'_>,
        caller: Caller,
        ask: manager::Request,
        out: &mut Vec<Action>,
    ) -> Result<(), StoreError> {
        let (request, connection) = (manager::RequestId(caller.request.0), manager::ConnectionId(caller.connection.0));
        self.step_manager(scene, manager::Event::Request { request, connection, ask }, out)
    }

    fn ask_coordinator(
        &mut self,
        scene: Scene<'_>,
        caller: Caller,
        ask: coordinator::Request,
        out: &mut Vec<Action>,
    ) -> Result<(), StoreError> {
        let event = coordinator::Event::Request {
            request: coordinator::RequestId(caller.request.0),
            connection: coordinator::ConnectionId(caller.connection.0),
            ask,
        };
        self.step_coordinator(scene, event, out)
    }

    /// The connection is gone: what it led is rolled back, and its consumer has vanished (P22).
    pub fn disconnected(
        &mut self,
        scene: Scene<'_>,
        connection: ConnectionId,
        out: &mut Vec<Action>,
    ) -> Result<(), StoreError> {
        self.blame = Some(queue::Blame::Vanished);
        let event = coordinator::Event::Disconnected { connection: coordinator::ConnectionId(connection.0) };
        let result = self.step_coordinator(scene, event, out);
        self.blame = None;
        result?;
        let connection = manager::ConnectionId(connection.0);
        self.step_manager(scene, manager::Event::Disconnected { connection }, out)
    }

    pub fn keep_alive(
        &mut self,
        scene: Scene<'_>,
        connection: ConnectionId,
        out: &mut Vec<Action>,
    ) -> Result<(), StoreError> {
        let connection = manager::ConnectionId(connection.0);
        self.step_manager(scene, manager::Event::KeepAlive { connection }, out)
    }

    pub fn tick(&mut self, scene: Scene<'_>, out: &mut Vec<Action>) -> Result<(), StoreError> {
        self.step_manager(scene, manager::Event::Tick, out)?;
        self.step_coordinator(scene, coordinator::Event::Tick, out)
    }

    pub fn manager(&self) -> &Manager {
        &self.manager
    }

    /// When it wants a tick.
    pub fn next_tick(&self) -> Option<Timestamp> {
        [self.manager.next_tick(), self.coordinator.next_tick()].into_iter().flatten().min()
    }

    pub fn set_space(&mut self, space: Space) {
        self.manager.set_space(space);
    }

    /// Results of entries come one by one, from here to [`Leader::caught_up`], while the state holds all of them.
    pub fn falls_behind(&mut self) {
        self.manager.falls_behind();
    }

    pub fn caught_up(&mut self, scene: Scene<'_>, out: &mut Vec<Action>) -> Result<(), StoreError> {
        let mut actions = Vec::new();
        self.manager.caught_up(&scene.state.queue, scene.store, scene.now, &mut actions)?;
        self.carry_manager(scene, actions, out)
    }

    /// The commands of an entry of ours, as they were proposed.
    pub fn commands(&mut self, number: u64) -> Option<Vec<Command>> {
        self.entries.commands(number)
    }

    /// An own entry was applied.
    pub fn applied(
        &mut self,
        scene: Scene<'_>,
        number: u64,
        results: Vec<Applied>,
        out: &mut Vec<Action>,
    ) -> Result<(), StoreError> {
        let continuations = self.entries.applied(number);
        assert_eq!(results.len(), continuations.len(), "every command of an entry has one result");
        for (continuation, result) in continuations.into_iter().zip(results) {
            self.resume(scene, continuation, result, out)?;
        }
        Ok(())
    }

    fn resume(
        &mut self,
        scene: Scene<'_>,
        continuation: Continuation,
        applied: Applied,
        out: &mut Vec<Action>,
    ) -> Result<(), StoreError> {
        match (continuation, applied) {
            (Continuation::Queue(proposal), Applied::Queue(result)) => {
                self.step_manager(scene, manager::Event::Applied { proposal, result }, out)
            }
            (Continuation::Coordinator(proposal), Applied::Coordinator { result, freed }) => {
                self.wake(scene, &freed, out)?;
                self.step_coordinator(scene, coordinator::Event::Applied { proposal, result }, out)
            }
            (Continuation::Idle { proposal, xid }, Applied::Coordinator { result, .. }) => {
                let how = if result.is_ok() { Resolved::Committed(Vec::new()) } else { Resolved::RolledBack };
                self.resolve_local(scene, &xid, how, out)?;
                self.step_coordinator(scene, coordinator::Event::Applied { proposal, result }, out)
            }
            (Continuation::Together { proposal, xid, hold }, Applied::Together { queue, coordinator: result }) => {
                let how = match queue {
                    Ok(queue::Done::Prepared) => Resolved::Prepared,
                    // Held sends keep their place and stay locked (P10): nobody is woken for them yet.
                    Ok(queue::Done::Committed(_)) if hold => Resolved::Committed(Vec::new()),
                    Ok(queue::Done::Committed(places)) => Resolved::Committed(places),
                    Ok(other) => unreachable!("a branch ends committed or prepared, not {other:?}"),
                    Err(_) => Resolved::RolledBack,
                };
                self.resolve_local(scene, &xid, how, out)?;
                self.step_coordinator(scene, coordinator::Event::Applied { proposal, result }, out)
            }
            (Continuation::Attach { request }, Applied::Attach(attached)) => {
                out.push(Action::Answer { request, answer: Ok(Answer::Attached(attached)) });
                Ok(())
            }
            (continuation, applied) => unreachable!("{continuation:?} waits for another result than {applied:?}"),
        }
    }

    /// The state itself ended a local branch, with its transaction: its messages became receivable, or are gone.
    fn wake(&mut self, scene: Scene<'_>, freed: &[MessageKey], out: &mut Vec<Action>) -> Result<(), StoreError> {
        if freed.is_empty() {
            return Ok(());
        }
        let mut actions = Vec::new();
        self.manager.released(&scene.state.queue, scene.store, scene.now, freed, &mut actions)?;
        self.carry_manager(scene, actions, out)
    }

    fn resolve_local(
        &mut self,
        scene: Scene<'_>,
        xid: &Xid,
        how: Resolved,
        out: &mut Vec<Action>,
    ) -> Result<(), StoreError> {
        let mut actions = Vec::new();
        self.manager.resolved(&scene.state.queue, scene.store, scene.now, xid, how, &mut actions)?;
        self.carry_manager(scene, actions, out)
    }

    fn step_manager(
        &mut self,
        scene: Scene<'_>,
        event: manager::Event,
        out: &mut Vec<Action>,
    ) -> Result<(), StoreError> {
        let mut actions = Vec::new();
        self.manager.step(&scene.state.queue, scene.store, scene.now, event, &mut actions)?;
        self.carry_manager(scene, actions, out)
    }

    fn carry_manager(
        &mut self,
        scene: Scene<'_>,
        actions: Vec<manager::Action>,
        out: &mut Vec<Action>,
    ) -> Result<(), StoreError> {
        let mut unbegun = Vec::new();
        for action in actions {
            match action {
                manager::Action::Propose { proposal, command } => {
                    self.propose(scene, Command::Queue(command), Continuation::Queue(proposal), out);
                }
                manager::Action::Answer { request, answer } => {
                    unbegun.extend(self.queue_answered(scene, RequestId(request.0), answer, out));
                }
            }
        }
        // Behind all that the manager proposed: it hears of its proposals in their order.
        unbegun.into_iter().try_for_each(|id| self.abandon(scene, id, out))
    }

    pub fn step_coordinator(
        &mut self,
        scene: Scene<'_>,
        event: coordinator::Event,
        out: &mut Vec<Action>,
    ) -> Result<(), StoreError> {
        let mut actions = Vec::new();
        self.coordinator.step(&scene.state.coordinator, scene.store, scene.now, event, &mut actions)?;
        self.carry_coordinator(scene, actions, out)
    }

    fn carry_coordinator(
        &mut self,
        scene: Scene<'_>,
        actions: Vec<coordinator::Action>,
        out: &mut Vec<Action>,
    ) -> Result<(), StoreError> {
        for action in actions {
            match action {
                coordinator::Action::Propose { proposal, command } => {
                    self.propose_decision(scene, proposal, command, out)?;
                }
                coordinator::Action::Answer { request, answer } => {
                    let answer = match answer {
                        Ok(answer) => self.answer_of_coordinator(scene, answer, out)?,
                        Err(refused) => Err(refused.into()),
                    };
                    out.push(Action::Answer { request: RequestId(request.0), answer });
                }
                coordinator::Action::Call { call, resource, ask } => out.push(Action::Call { call, resource, ask }),
                coordinator::Action::Barrier { barrier } => out.push(Action::Barrier { barrier }),
                coordinator::Action::RollbackLocal { id, reason } => self.rollback_local(scene, id, reason, out)?,
            }
        }
        Ok(())
    }

    /// A transaction begins with its local branch.
    fn answer_of_coordinator(
        &mut self,
        scene: Scene<'_>,
        mut answer: coordinator::Answer,
        out: &mut Vec<Action>,
    ) -> Result<Result<Answer, Refusal>, StoreError> {
        if let coordinator::Answer::Begun { id, .. } = &answer
            && let Err(refused) = self.start_local(scene, *id, out)?
        {
            return Ok(Err(refused));
        }
        local::complete(&mut answer, scene.state, &self.manager);
        Ok(Ok(Answer::Coordinator(answer)))
    }

    /// The coordinator leads the branch: its timeout and its connection are the coordinator's to watch.
    fn start_local(
        &mut self,
        scene: Scene<'_>,
        id: GlobalId,
        out: &mut Vec<Action>,
    ) -> Result<Result<(), Refusal>, StoreError> {
        let started = self.manager.start(local_branch(id), None, Timestamp::MAX);
        if started.is_err() {
            self.abandon(scene, id, out)?;
        }
        Ok(started.map_err(Refusal::Queue))
    }

    /// A transaction ends of which nobody was told.
    fn abandon(&mut self, scene: Scene<'_>, id: GlobalId, out: &mut Vec<Action>) -> Result<(), StoreError> {
        let mut actions = Vec::new();
        self.coordinator.abandon(&scene.state.coordinator, scene.store, scene.now, id, &mut actions);
        self.carry_coordinator(scene, actions, out)
    }

    fn rollback_local(
        &mut self,
        scene: Scene<'_>,
        id: GlobalId,
        reason: RollbackReason,
        out: &mut Vec<Action>,
    ) -> Result<(), StoreError> {
        let xid = local_branch(id);
        if !self.manager.is_active(&xid) {
            return Ok(());
        }
        let blame = self.blame.clone();
        let mut actions = Vec::new();
        self.manager.rollback(&scene.state.queue, scene.store, scene.now, &xid, reason, blame, &mut actions)?;
        self.carry_manager(scene, actions, out)
    }

    /// Puts the local branch's part into the entry that decides or delegates its transaction.
    fn propose_decision(
        &mut self,
        scene: Scene<'_>,
        proposal: coordinator::Proposal,
        command: coordinator::Command,
        out: &mut Vec<Action>,
    ) -> Result<(), StoreError> {
        let (id, prepare, hold) = match &command {
            coordinator::Command::Delegate { id, .. } => (*id, true, false),
            coordinator::Command::Decide { id, branches } => {
                (*id, false, !branches.is_empty() && !is(Mutant::ShowsHeldSends))
            }
            _ => {
                self.propose(scene, Command::Coordinator(command), Continuation::Coordinator(proposal), out);
                return Ok(());
            }
        };
        let xid = local_branch(id);
        let mut actions = Vec::new();
        let ended = self.manager.end(&scene.state.queue, scene.store, scene.now, &xid, &mut actions);
        self.carry_manager(scene, actions, out)?;
        let Ok(work) = ended else {
            // The branch ended before its transaction was decided: the transaction cannot commit (P17).
            let result = Err(coordinator::Refused::LocalBranch { id });
            return self.step_coordinator(scene, coordinator::Event::Applied { proposal, result }, out);
        };
        if work == queue::Work::default() {
            self.propose(scene, Command::Coordinator(command), Continuation::Idle { proposal, xid }, out);
            return Ok(());
        }
        let queue = if prepare {
            queue::Command::Prepare { xid: xid.clone(), work }
        } else {
            queue::Command::Commit { xid: xid.clone(), work, hold }
        };
        let together = Command::Together { queue, coordinator: command };
        self.propose(scene, together, Continuation::Together { proposal, xid, hold }, out);
        Ok(())
    }

    fn propose(&mut self, scene: Scene<'_>, command: Command, continuation: Continuation, out: &mut Vec<Action>) {
        if self.entries.push(command, continuation) >= self.sizes.batch_bytes {
            self.seal(scene.now, out);
        }
    }

    /// The shell has no more events at hand: proposes what has gathered, unless enough entries are on their way already.
    /// Then it waits for the next of them to be applied, and grows (adaptive batching, no timer).
    pub fn flush(&mut self, now: Timestamp, out: &mut Vec<Action>) {
        if self.entries.is_filling() && self.entries.in_flight() < self.sizes.entries_in_flight_max {
            self.seal(now, out);
        }
    }

    fn seal(&mut self, now: Timestamp, out: &mut Vec<Action>) {
        out.push(Action::Propose(self.entries.seal(self.epoch, now)));
    }

    /// The epoch ends: every open request is answered Unknown.
    pub fn settle(mut self, out: &mut Vec<Action>) {
        let mut actions = Vec::new();
        self.manager.settle(&mut actions);
        let mut answers = Vec::new();
        self.coordinator.settle(&mut answers);
        for continuation in self.entries.into_continuations() {
            // Asked again it has the same answer.
            if let Continuation::Attach { request } = continuation {
                out.push(Action::Answer { request, answer: Err(Refusal::NotLeader) });
            }
        }
        for action in actions {
            if let manager::Action::Answer { request, answer } = action {
                let answer = answer.map(Answer::Queue).map_err(Refusal::Queue);
                out.push(Action::Answer { request: RequestId(request.0), answer });
            }
        }
        for action in answers {
            if let coordinator::Action::Answer { request, answer } = action {
                let answer = answer.map(Answer::Coordinator).map_err(Refusal::from);
                out.push(Action::Answer { request: RequestId(request.0), answer });
            }
        }
    }
}
