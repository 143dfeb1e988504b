//! The volatile half of the coordinator: what the leader of one epoch knows beside the log. Active transactions, votes, calls
//! to resources, timers, sweeps. A crash loses all of it and nothing that matters: the next leader begins with what the state
//! holds ([`Coordinator::start`]).
//!
//! An answer that tells of a durable change leaves only on the event that says it was applied (D3), so none can leave early.

mod attaching;
mod attachment;
mod begin;
mod calls;
mod commit;
mod delegation;
mod event;
mod markers;
mod operator;
mod outcomes;
mod phase_two;
mod proposals;
mod reasons;
mod registration;
mod rollback;
mod suggestion;
mod sweep;
mod timer;
mod transaction;
mod views;

use std::collections::{BTreeMap, BTreeSet};

use handfast_protocol::{GlobalId, ResourceName, RollbackReason, Timestamp, Xid};
use handfast_store::{Store, StoreError};

use crate::state::State;
use crate::{Answer, CallId, ConnectionId, Identity, Request, RequestId, RequestRefused};
use attachment::Attachment;
use calls::Deed;
use proposals::Pending;
use reasons::Reasons;
use timer::{Timer, Timers};
use transaction::{Phase, Transaction};

pub use event::{Action, Event, Proposal};

/// See the module.
#[derive(Debug)]
pub struct Coordinator {
    identity: Identity,
    /// Of the transaction begun last; ids of one epoch begin at 1 (P1).
    sequence: u64,
    /// The live ones: those of this epoch that have not ended, and those of earlier ones that the state still holds. An ended
    /// one with a heuristic outcome is not live; it waits in the state for the operator.
    transactions: BTreeMap<GlobalId, Transaction>,
    /// Those of `transactions` that the log knows nothing of; they may still join any resource (P14).
    unrecorded: BTreeSet<GlobalId>,
    /// Those that a connection leads.
    led: BTreeMap<ConnectionId, BTreeSet<GlobalId>>,
    attachments: BTreeMap<ResourceName, Attachment>,
    /// Resources whose registration is being changed: nothing joins them meanwhile.
    changing: BTreeSet<ResourceName>,
    calls: BTreeMap<CallId, (ResourceName, Deed)>,
    last_call: u64,
    proposals: BTreeMap<Proposal, Pending>,
    last_proposal: u64,
    /// Branches of a resource that may be ended once the log's barrier is passed (P8).
    barriers: BTreeMap<u64, (ResourceName, Vec<Xid>)>,
    last_barrier: u64,
    last_ticket: u64,
    /// Requests that have no answer yet.
    open: BTreeSet<RequestId>,
    reasons: Reasons,
    timers: Timers,
}

/// What a step may look at and add to.
struct Context<'a> {
    state: &'a State,
    store: &'a dyn Store,
    now: Timestamp,
    out: &'a mut Vec<Action>,
}

/// More calls than an epoch lasts: at a million a second, twelve days; and more epochs than a directory sees.
const NUMBER_BITS: u32 = 40;

/// Calls and barriers are numbered from here. What an ended leadership asked may come back in the next one of the same process:
/// no number is given in both, so that nobody there takes it for an answer to a question of its own (P2).
fn numbers_before(identity: Identity) -> u64 {
    identity.epoch << NUMBER_BITS
}

impl Coordinator {
    /// Of one epoch, after its `BeginEpoch` was applied (P2).
    pub fn new(identity: Identity) -> Coordinator {
        Coordinator {
            identity,
            sequence: 0,
            transactions: BTreeMap::new(),
            unrecorded: BTreeSet::new(),
            led: BTreeMap::new(),
            attachments: BTreeMap::new(),
            changing: BTreeSet::new(),
            calls: BTreeMap::new(),
            last_call: numbers_before(identity),
            proposals: BTreeMap::new(),
            last_proposal: 0,
            barriers: BTreeMap::new(),
            last_barrier: numbers_before(identity),
            last_ticket: 0,
            open: BTreeSet::new(),
            reasons: Reasons::default(),
            timers: Timers::default(),
        }
    }

    /// Leadership begins: every resource is attached, and what earlier leaderships left undone is driven on (D9).
    pub fn start(&mut self, state: &State, now: Timestamp, out: &mut Vec<Action>) {
        assert_eq!(state.identity(), Some(self.identity), "BeginEpoch is applied first (P2)");
        for resource in state.resources() {
            self.attachments.insert(resource.name.clone(), Attachment::new(resource.clone()));
            self.call(out, &resource.name, Deed::Attach { adopt: None });
        }
        for transaction in state.transactions() {
            self.resume(transaction, now);
        }
        self.timers.set(now, Timer::Forgetting);
    }

    /// Takes one event. Actions are added to `out` in the order in which they are to be done.
    pub fn step(
        &mut self,
        state: &State,
        store: &dyn Store,
        now: Timestamp,
        event: Event,
        out: &mut Vec<Action>,
    ) -> Result<(), StoreError> {
        let mut cx = Context { state, store, now, out };
        match event {
            Event::Request { request, connection, ask } => self.request(&mut cx, request, connection, ask),
            Event::Applied { proposal, result } => self.applied(&mut cx, proposal, result),
            Event::Called { call, result } => self.called(&mut cx, call, result),
            Event::Disconnected { connection } => {
                self.disconnected(&mut cx, connection);
                Ok(())
            }
            Event::BarrierPassed { barrier } => self.barrier_passed(&mut cx, barrier),
            Event::Tick => self.tick(&mut cx),
        }
    }

    /// When it wants a [`Event::Tick`].
    pub fn next_tick(&self) -> Option<Timestamp> {
        self.timers.next()
    }

    /// Whether work may still join this transaction.
    pub fn is_active(&self, id: GlobalId) -> bool {
        self.transactions.get(&id).is_some_and(|transaction| transaction.phase == Phase::Active)
    }

    /// Ends a transaction of which nobody was told, if it has not ended by itself.
    pub fn abandon(&mut self, state: &State, store: &dyn Store, now: Timestamp, id: GlobalId, out: &mut Vec<Action>) {
        if self.is_active(id) {
            self.rollback(&mut Context { state, store, now, out }, id, RollbackReason::Requested);
        }
    }

    /// Whether a request to commit this transaction would be taken now.
    pub fn takes_commit(&self, id: GlobalId, prepared: &[ResourceName]) -> bool {
        self.is_active(id) && self.votes_fit(id, prepared).is_ok()
    }

    /// Leadership has ended, or the process stops: nobody here can say any more how open requests end.
    pub fn settle(&mut self, out: &mut Vec<Action>) {
        for request in std::mem::take(&mut self.open) {
            out.push(Action::Answer { request, answer: Err(RequestRefused::Unknown) });
        }
    }

    fn request(
        &mut self,
        cx: &mut Context<'_>,
        request: RequestId,
        connection: ConnectionId,
        ask: Request,
    ) -> Result<(), StoreError> {
        assert!(self.open.insert(request), "a request id is drawn once");
        match ask {
            Request::Begin { timeout } => {
                let begun = self.begin(cx.now, connection, timeout);
                self.answer(cx, request, begun.map(|(id, deadline)| Answer::Begun { id, deadline }));
            }
            Request::Enlist { id, resource } => self.enlist(cx, request, id, &resource)?,
            Request::Commit { id, prepared } => self.commit(cx, request, connection, id, &prepared)?,
            Request::Report { id, report } => self.report(cx, request, id, report)?,
            Request::Rollback { id } => self.rollback_asked(cx, request, id)?,
            Request::Outcome { id, wait } => self.outcome_asked(cx, request, id, wait)?,
            Request::AddResource { resource } => self.add_resource(cx, request, resource),
            Request::RemoveResource { name } => self.remove_resource(cx, request, name),
            Request::ListResources => self.list_resources(cx, request),
            Request::Adopt { name } => self.adopt(cx, request, &name),
            Request::ListTransactions { in_doubt, after, limit } => {
                self.list_transactions(cx, request, in_doubt, after, limit);
            }
            Request::ShowTransaction { id } => self.show_transaction(cx, request, id)?,
            Request::Resolve { id, outcome, force } => self.resolve(cx, request, id, outcome, force)?,
            Request::Forget { id } => self.forget(cx, request, id),
        }
        Ok(())
    }

    fn tick(&mut self, cx: &mut Context<'_>) -> Result<(), StoreError> {
        while let Some(timer) = self.timers.pop_due(cx.now) {
            match timer {
                Timer::Deadline(id) => self.deadline_passed(cx, id),
                Timer::Silence(id) => self.silence_passed(cx, id),
                Timer::Fence(id) => self.ask_for_row(cx, id),
                Timer::Tell(id, name) => self.tell_again(cx, id, &name),
                Timer::PhaseTwo(id) => self.phase_two_is_late(cx, id),
                Timer::Watch(id, request) => self.watch_passed(cx, id, request),
                Timer::Attach(name) => self.attach_again(cx, &name),
                Timer::Scan(name) => self.scan(cx, &name),
                Timer::Markers(name) => self.clear_markers(cx, &name),
                Timer::Forgetting => self.forget_outcomes(cx)?,
            }
        }
        Ok(())
    }

    /// Answers once and for all.
    fn answer(&mut self, cx: &mut Context<'_>, request: RequestId, answer: Result<Answer, RequestRefused>) {
        assert!(self.open.remove(&request), "every request is answered once");
        cx.out.push(Action::Answer { request, answer });
    }

    fn answer_all(&mut self, cx: &mut Context<'_>, requests: Vec<RequestId>, answer: &Result<Answer, RequestRefused>) {
        for request in requests {
            self.answer(cx, request, answer.clone());
        }
    }
}
