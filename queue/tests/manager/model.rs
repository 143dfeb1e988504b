//! Random requests, delays, crashes and lost connections against an oracle that knows who may hold what.
//!
//! Checked at every answer: a message is never handed to two, never again once its receive was committed, and never before
//! an earlier message of its queue that could have been received (G3, G4, P22, P23, P25). After every step: no receive
//! waits while a message could be received. At the end: every request was answered once, and nothing is left (A16).
//! Not checked here: what applying a command makes of the state; that has its own model.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::ControlFlow;
use std::time::Duration;

use handfast_protocol::{MessageId, Priority, Properties, QueueName, Timestamp, Xid};
use handfast_queue::manager::{
    Action, Answer, ConnectionId, Event, NewBody, NewMessage, Received, Request, RequestId, RequestRefused,
};
use handfast_queue::{Command, Done, MessageKey, QueueId, QueueSettings};
use proptest::prelude::*;

use crate::ops::{Op, QUEUES, XIDS, ops};
use crate::script::xid;
use crate::world::World;

const LEASE: Duration = Duration::from_secs(10);

/// A receive that is not answered.
#[derive(Debug, Clone)]
struct Asked {
    connection: u64,
    queue: QueueId,
    branch: Option<Xid>,
    until: Timestamp,
}

struct Oracle {
    world: World,
    queues: Vec<QueueId>,
    requests: u64,
    open: BTreeSet<u64>,
    receives: BTreeMap<u64, Asked>,
    purges: BTreeMap<u64, QueueId>,
    openers: BTreeMap<u64, (u64, QueueId)>,
    /// Verbs on the way to the end of a branch.
    deciding: BTreeMap<u64, Xid>,
    /// To whom each message was handed last.
    held: BTreeMap<MessageKey, Xid>,
    consumed: BTreeSet<MessageId>,
    /// Handed to receives in transactions of their own.
    delivered: BTreeSet<MessageId>,
    /// Who certainly reads alone, and since when its lease is known to hold.
    readers: BTreeMap<QueueId, (u64, Timestamp)>,
    /// Applied, but the manager has not heard of it yet; in the order of the log.
    untold: VecDeque<(handfast_queue::manager::Proposal, Result<Done, handfast_queue::Refused>)>,
}

impl Oracle {
    fn new() -> Oracle {
        let mut world = World::new();
        for name in &QUEUES[..2] {
            let settings = QueueSettings { max_attempts: 3, max_abandoned: 3 };
            let command = Command::CreateQueue { name: name_of(name), settings, principal: String::new() };
            world.apply_command(command).unwrap();
        }
        let queues = QUEUES.iter().map(|name| world.state.queue_named(&name_of(name)).unwrap().id).collect();
        Oracle {
            world,
            queues,
            requests: 0,
            open: BTreeSet::new(),
            receives: BTreeMap::new(),
            purges: BTreeMap::new(),
            openers: BTreeMap::new(),
            deciding: BTreeMap::new(),
            held: BTreeMap::new(),
            consumed: BTreeSet::new(),
            delivered: BTreeSet::new(),
            readers: BTreeMap::new(),
            untold: VecDeque::new(),
        }
    }

    fn run(&mut self, op: Op) {
        match op {
            Op::Send { connection, queue, branch, count, priority, lives } => {
                let messages = vec![message(QUEUES[queue], priority, lives); count];
                let xid = branch.map(|branch| xid(XIDS[branch]));
                self.ask(connection, Request::Send { xid, producer: None, messages });
            }
            Op::Receive { connection, queue, branch, wait } => {
                let (branch, wait) = (branch.map(|branch| xid(XIDS[branch])), Duration::from_millis(wait));
                let until = self.world.now.after(wait);
                let asked = Asked { connection, queue: self.queues[queue], branch: branch.clone(), until };
                self.receives.insert(self.requests + 1, asked);
                self.ask(connection, Request::Receive { xid: branch, queue: name_of(QUEUES[queue]), wait });
            }
            Op::Start { connection, branch, timeout } => {
                let (xid, timeout) = (xid(XIDS[branch]), Duration::from_millis(timeout));
                let known = self.world.manager.is_active(&xid);
                self.ask(connection, Request::Start { xid: xid.clone(), timeout });
                if !known && self.world.manager.is_active(&xid) {
                    // A foreign xid that comes again (P1): what its last branch held is not this one's.
                    self.held.retain(|_, holder| *holder != xid);
                }
            }
            Op::End { branch } => self.ask(1, Request::End { xid: xid(XIDS[branch]) }),
            Op::Prepare { branch, early } => {
                self.end_unless(early, branch);
                self.decide(branch, Request::Prepare { xid: xid(XIDS[branch]) });
            }
            Op::Commit { branch, one_phase, early } => {
                self.end_unless(early, branch);
                self.decide(branch, Request::Commit { xid: xid(XIDS[branch]), one_phase });
            }
            Op::Rollback { branch, blame } => {
                self.ask(1, Request::Rollback { xid: xid(XIDS[branch]), blame });
            }
            Op::Purge { queue, to_dead_letter } => {
                self.purges.insert(self.requests + 1, self.queues[queue]);
                self.ask(1, Request::Purge { name: name_of(QUEUES[queue]), to_dead_letter });
            }
            Op::Return { count } => {
                let first = self.keys(QueueId::DEAD_LETTER).into_iter().take(count);
                let message = |key| self.world.state.message(&self.world.store, &key).unwrap().unwrap();
                let ids = first.map(message).map(|message| message.id).collect();
                self.ask(1, Request::ReturnDeadLetters { ids, to: None });
            }
            Op::Open { connection, queue, wait } => {
                self.openers.insert(self.requests + 1, (connection, self.queues[queue]));
                let wait = Duration::from_millis(wait);
                self.ask(connection, Request::OpenExclusive { queue: name_of(QUEUES[queue]), wait });
            }
            Op::Close { connection, queue } => {
                self.no_longer_reads(connection, Some(self.queues[queue]));
                self.ask(connection, Request::CloseExclusive { queue: name_of(QUEUES[queue]) });
            }
            Op::KeepAlive { connection } => self.step(Event::KeepAlive { connection: ConnectionId(connection) }),
            Op::Disconnect { connection } => {
                self.no_longer_reads(connection, None);
                self.step(Event::Disconnected { connection: ConnectionId(connection) });
            }
            Op::Apply { count } => (0..count).for_each(|_| {
                self.tell();
                self.apply();
                self.tell();
            }),
            Op::ApplyAhead { count } => (0..count).for_each(|_| self.apply()),
            Op::Pass { millis } => {
                self.world.now.0 += millis;
                self.step(Event::Tick);
            }
            Op::Crash => self.crash(),
        }
        self.nobody_waits_in_vain();
    }

    fn ask(&mut self, connection: u64, ask: Request) {
        self.requests += 1;
        self.open.insert(self.requests);
        let request = RequestId(self.requests);
        self.step(Event::Request { request, connection: ConnectionId(connection), ask });
    }

    fn end_unless(&mut self, early: bool, branch: usize) {
        if !early {
            self.ask(1, Request::End { xid: xid(XIDS[branch]) });
        }
    }

    fn decide(&mut self, branch: usize, ask: Request) {
        if self.world.manager.is_active(&xid(XIDS[branch])) {
            self.deciding.insert(self.requests + 1, xid(XIDS[branch]));
        }
        self.ask(1, ask);
    }

    fn no_longer_reads(&mut self, connection: u64, queue: Option<QueueId>) {
        self.readers.retain(|of, (reader, _)| *reader != connection || queue.is_some_and(|queue| queue != *of));
    }

    fn crash(&mut self) {
        self.untold.clear();
        self.open.clear();
        self.receives.clear();
        self.purges.clear();
        self.openers.clear();
        self.deciding.clear();
        self.readers.clear();
        self.held.clear();
        self.world.crash();
    }

    /// Applies one command; a committed receive is consumed from here on.
    fn apply(&mut self) {
        let taken: Vec<MessageKey> = match self.world.next_command() {
            Some(Command::Commit { work, .. }) => work.receives.clone(),
            Some(Command::CommitPrepared { xid, .. }) => {
                self.world.state.branch(xid).map_or_else(Vec::new, |branch| branch.receives.clone())
            }
            _ => Vec::new(),
        };
        let message = |key| self.world.state.message(&self.world.store, key).unwrap();
        let ids: Vec<MessageId> = taken.iter().filter_map(message).map(|message| message.id).collect();
        let Some((proposal, result)) = self.world.apply() else { return };
        if result.is_ok() {
            for id in ids {
                assert!(self.consumed.insert(id), "{id} was received for good twice");
            }
        }
        self.untold.push_back((proposal, result));
    }

    /// One by one: while the manager hears of the first, the later ones are still untold.
    fn tell(&mut self) {
        while let Some((proposal, result)) = self.untold.pop_front() {
            self.step(Event::Applied { proposal, result });
        }
    }

    fn step(&mut self, event: Event) {
        for action in self.world.step(event) {
            if let Action::Answer { request, answer } = action {
                self.answered(request.0, answer);
            }
        }
    }

    fn answered(&mut self, request: u64, answer: Result<Answer, RequestRefused>) {
        assert!(self.open.remove(&request), "request {request} was answered twice: {answer:?}");
        self.purges.remove(&request);
        self.deciding.remove(&request);
        let asked = self.receives.remove(&request);
        let opener = self.openers.remove(&request);
        match answer {
            Ok(Answer::Received(received)) => self.received(&asked.unwrap(), &received),
            Ok(Answer::Done) => {
                if let Some((connection, queue)) = opener {
                    self.readers.insert(queue, (connection, self.world.now));
                }
            }
            _ => {}
        }
    }

    fn received(&mut self, asked: &Asked, received: &Received) {
        let (key, id) = (received.key, received.message.id);
        assert_eq!(key.queue, asked.queue);
        if let Some(branch) = &asked.branch {
            assert!(!self.consumed.contains(&id), "{id} was received for good before");
            let why = self.excuse(&key, Some(branch));
            assert_eq!(why, None, "{key:?} was handed out");
            self.first_of_its_queue(&key, branch);
            self.alone(asked, branch);
            self.held.insert(key, branch.clone());
        } else {
            assert!(self.consumed.contains(&id), "{id} is handed out before its receive is durable");
            assert!(self.delivered.insert(id), "{id} was delivered for good twice");
        }
    }

    /// Why a message may not be handed out now, if so.
    fn excuse(&self, key: &MessageKey, to: Option<&Xid>) -> Option<&'static str> {
        if let Some(holder) = self.held.get(key).filter(|holder| to != Some(holder))
            && self.is_live(holder)
        {
            return Some("a branch holds it");
        }
        if self.world.state.holder(key).is_some() {
            return Some("it is in doubt");
        }
        let status = self.world.state.status(&self.world.store, key).unwrap();
        if status.not_before > self.world.now {
            return Some("it is delayed");
        }
        if status.purge.is_some() {
            return Some("it is to be purged");
        }
        let message = self.world.state.message(&self.world.store, key).unwrap();
        let Some(message) = message else { return Some("it is gone") };
        if key.queue != QueueId::DEAD_LETTER && message.expires_at().is_some_and(|at| at <= self.world.now) {
            return Some("it expired");
        }
        let named = self.world.commands().any(|command| names(command, key));
        named.then_some("a command in flight names it")
    }

    fn is_live(&self, xid: &Xid) -> bool {
        let decided = self.deciding.values().any(|deciding| deciding == xid);
        self.world.manager.is_active(xid) || self.world.state.is_prepared(xid) || decided
    }

    /// No earlier message could have been received. A purge under way, or results not told, may hide some.
    fn first_of_its_queue(&self, key: &MessageKey, to: &Xid) {
        if self.purges.values().any(|queue| *queue == key.queue) || !self.untold.is_empty() {
            return;
        }
        for earlier in self.keys(key.queue).into_iter().take_while(|earlier| earlier < key) {
            let held = self.held.get(&earlier) == Some(to);
            assert!(held || self.excuse(&earlier, None).is_some(), "{earlier:?} comes before {key:?}");
        }
    }

    /// P23: under an exclusive reader only that one receives, and nothing of the queue is held by anybody else.
    fn alone(&self, asked: &Asked, branch: &Xid) {
        let Some((reader, since)) = self.readers.get(&asked.queue) else { return };
        if self.world.now >= since.after(LEASE) {
            return;
        }
        assert_eq!(*reader, asked.connection, "only the exclusive reader receives");
        assert_eq!(self.world.state.in_doubt_on(asked.queue), 0, "something is in doubt");
        let others = self.held.iter().filter(|(key, holder)| key.queue == asked.queue && *holder != branch);
        for (key, holder) in others {
            let there = self.world.state.message(&self.world.store, key).unwrap().is_some();
            assert!(!there || !self.is_live(holder), "{holder} holds {key:?} beside the exclusive reader");
        }
    }

    /// Whoever waits is woken: as long as a receive waits, no message can be received.
    fn nobody_waits_in_vain(&self) {
        if !self.untold.is_empty() || self.world.in_flight() > 0 {
            return;
        }
        for asked in self.receives.values() {
            if self.readers.contains_key(&asked.queue) || self.purges.values().any(|queue| *queue == asked.queue) {
                continue;
            }
            let free = self.keys(asked.queue).into_iter().find(|key| self.excuse(key, None).is_none());
            assert_eq!(free, None, "{asked:?} waits in vain");
            assert!(asked.until > self.world.now || self.world.manager.next_tick() <= Some(self.world.now));
        }
    }

    fn keys(&self, queue: QueueId) -> Vec<MessageKey> {
        let mut keys = Vec::new();
        let all = usize::MAX;
        let mut visit = |key, _| {
            keys.push(key);
            ControlFlow::Continue(())
        };
        self.world.state.scan(&self.world.store, queue, None, all, all, &mut visit).unwrap();
        keys
    }

    /// Everybody goes home.
    fn finish(&mut self) {
        for name in XIDS {
            self.ask(1, Request::Rollback { xid: xid(name), blame: None });
        }
        (1..4).for_each(|connection| self.step(Event::Disconnected { connection: ConnectionId(connection) }));
        for _ in 0..40 {
            self.tell();
            while self.world.in_flight() > 0 {
                self.apply();
                self.tell();
            }
            self.world.now.0 += 70_000;
            self.step(Event::Tick);
        }
        for name in XIDS {
            self.ask(1, Request::Rollback { xid: xid(name), blame: None });
        }
        while self.world.in_flight() > 0 {
            self.apply();
            self.tell();
        }
        assert_eq!(self.open, BTreeSet::new(), "every request is answered");
        self.world.manager.check_idle().unwrap();
        for queue in &self.queues {
            assert_eq!(self.world.state.in_doubt_on(*queue), 0);
        }
    }
}

fn message(queue: &str, priority: u8, lives: Option<u64>) -> NewMessage {
    let properties = Properties {
        priority: Priority::new(priority).unwrap(),
        time_to_be_received: lives.map(Duration::from_millis),
        ..Properties::default()
    };
    NewMessage { queue: name_of(queue), properties, body: NewBody::Inline(b"body".as_slice().into()) }
}

fn names(command: &Command, key: &MessageKey) -> bool {
    match command {
        Command::Commit { work, .. } | Command::Prepare { work, .. } => work.receives.contains(key),
        Command::Return { messages, .. }
        | Command::Expire { messages }
        | Command::ReturnDeadLetters { messages, .. } => messages.contains(key),
        Command::Sweep { from, through, .. } => from <= key && key <= through,
        _ => false,
    }
}

fn name_of(name: &str) -> QueueName {
    QueueName::new(name).unwrap()
}

proptest! {
    #[test]
    fn hands_every_message_to_one_in_order(ops in ops()) {
        let mut oracle = Oracle::new();
        ops.into_iter().for_each(|op| oracle.run(op));
        oracle.finish();
    }
}
