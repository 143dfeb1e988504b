//! The end of a run, looked at through the doors that users have.

use std::collections::BTreeMap;

use handfast_checker::history::{DeadLetter, Fact, Finding, Known, Message, Op, Size, What};
use handfast_coordinator_core::{self as coordinator, KnownOutcome};
use handfast_machine::{Answer, Request};
use handfast_protocol::{self as protocol, GlobalId, QueueName};
use handfast_queue::manager;

use super::scenery::queues;
use super::{Ran, World, telling};
use crate::goods;
use crate::names;
use crate::probes::Probe;
use crate::server::ServerId;
use crate::watcher::{self, outcome_of};

/// More messages than a queue of any scene has.
const ALL: usize = 1_000;

/// The whole of any body.
const BODY_BYTES: usize = 100_000;

impl World {
    pub(super) fn end(mut self) -> Ran {
        self.drop_copy();
        // The connections of the last client to leave.
        self.drain();
        self.audit();
        self.demand_recovery();
        self.probes[Probe::Steps] += self.steps;
        if let Some(database) = &self.database {
            self.probes.add(&database.seen);
        }
        Ran {
            changes: self.changes(),
            struck_at: self.struck_at,
            history: self.history,
            exposed: self.exposed,
            probes: self.probes,
            steps: self.steps,
            trace: self.trace.unwrap_or_default(),
        }
    }

    pub(super) fn changes(&self) -> BTreeMap<ServerId, u64> {
        self.servers.iter().map(|(id, server)| (*id, server.changes())).collect()
    }

    /// The run says in its first line what it must have shown, and knows it at its end.
    fn demand_recovery(&mut self) {
        let first = self.history.events.first_mut();
        if let Some(What::Info(Fact::Run(terms))) = first.map(|event| &mut event.what) {
            terms.must_recover = self.must_recover;
        }
        self.probes[Probe::MustRecover] += u64::from(self.must_recover);
    }

    fn found(&mut self, process: &str, finding: Finding) {
        self.tell(process, What::Audit(finding));
    }

    fn audit(&mut self) {
        self.audit_queues();
        self.audit_transactions();
        self.forget_heuristics();
        if let Some(database) = &self.database {
            let image = database.image();
            let rows = image.orders.iter().map(goods::row).collect();
            let prepared = image.prepared.iter().map(|(xid, _)| xid.to_string()).collect();
            self.found(names::LEDGER, Finding::Rows { resource: names::LEDGER.to_owned(), rows });
            self.found(names::LEDGER, Finding::Branches { prepared, holding: Vec::new() });
        }
        let ids: Vec<ServerId> = self.servers.keys().copied().collect();
        ids.into_iter().for_each(|id| self.audit_server(id));
    }

    fn audit_queues(&mut self) {
        for name in queues() {
            let show = Request::Queue(manager::Request::ShowQueue { name: name.clone() });
            let Ok(Answer::Queue(manager::Answer::Queue(view))) = self.audit_asks(ServerId::Queues, show) else {
                self.found(ServerId::Queues.name(), Finding::Broken { what: format!("queue {name} is gone") });
                continue;
            };
            let messages: Vec<protocol::Message> = self.peek(name.clone());
            let queue = name.to_string();
            let held = view.locked + view.in_doubt;
            let counted = Size { messages: view.messages, bytes: 0 };
            let recounted = Size { messages: messages.len() as u64, bytes: 0 };
            let messages = messages.iter().map(told).collect();
            self.found(ServerId::Queues.name(), Finding::Queue { queue: queue.clone(), messages, held });
            self.found(ServerId::Queues.name(), Finding::Counted { queue, counted, recounted });
        }
        let letters = self.peek(QueueName::dead_letter()).iter().filter_map(dead).collect();
        self.found(ServerId::Queues.name(), Finding::DeadLetters { letters });
    }

    fn peek(&mut self, queue: QueueName) -> Vec<protocol::Message> {
        let peek = manager::Request::Peek { queue, after: None, limit: ALL, body_bytes: BODY_BYTES };
        match self.audit_asks(ServerId::Queues, Request::Queue(peek)) {
            Ok(Answer::Queue(manager::Answer::Peeked(messages))) => {
                messages.into_iter().map(|received| self.whole(received)).collect()
            }
            other => panic!("a queue of the scene can be peeked at: {other:?}"),
        }
    }

    fn whole(&mut self, received: manager::Received) -> protocol::Message {
        let mut message = received.message;
        if let Some((body, _)) = received.apart {
            let read = manager::Request::ReadBody { body, part: 0 };
            message.body = match self.audit_asks(ServerId::Queues, Request::Queue(read)) {
                Ok(Answer::Queue(manager::Answer::BodyPart(part))) => part,
                other => panic!("the body of a message can be read: {other:?}"),
            };
        }
        message
    }

    fn audit_transactions(&mut self) {
        let servers: Vec<ServerId> = self.servers.keys().copied().collect();
        for server in servers {
            let views = self.transactions_at(server);
            let is_forced = |view: &&coordinator::TransactionView| view.state == coordinator::TransactionState::Forced;
            let heuristic = views.iter().filter(is_forced).map(|view| view.id.to_string()).collect();
            let open = views.iter().filter(|view| !is_forced(view));
            let open = open.map(|view| format!("{} is {:?}", view.id, view.state)).collect();
            self.found(server.name(), Finding::Transactions { open, heuristic });
        }
        let begun = self.history.events.iter().filter_map(|event| match &event.what {
            What::Ok(Op::Begin { transaction }) => Some(transaction.clone()),
            _ => None,
        });
        for transaction in begun.collect::<Vec<String>>() {
            let id: GlobalId = transaction.parse().expect("it is the name that the coordinator gave");
            let coordinator = self.who_named(id);
            let ask = coordinator::Request::Outcome { id, wait: std::time::Duration::ZERO };
            let outcome = match self.audit_asks(coordinator, Request::Coordinator(ask)) {
                Ok(Answer::Coordinator(coordinator::Answer::Outcome(known))) => known_of(&known),
                Ok(other) => Known::Open(format!("{other:?}")),
                Err(refusal) => Known::Open(refusal.to_string()),
            };
            self.found(coordinator.name(), Finding::Outcome { transaction, outcome });
        }
    }

    /// An operator has seen what ended in more than one way: it is let go, and nothing is left of it.
    fn forget_heuristics(&mut self) {
        for server in self.servers.keys().copied().collect::<Vec<ServerId>>() {
            // A disk that was told to fail may do so now: then the server is back, and is told again.
            for id in self.forced_at(server).into_iter().chain(self.forced_at(server)) {
                let forget = Request::Coordinator(coordinator::Request::Forget { id });
                let answer = self.audit_tries(server, forget);
                self.probes[Probe::HeuristicsForgotten] += u64::from(matches!(answer, Some(Ok(_))));
            }
            for id in self.forced_at(server) {
                self.found(server.name(), Finding::Broken { what: format!("{id} was forgotten, and is there") });
            }
        }
    }

    fn forced_at(&mut self, server: ServerId) -> Vec<GlobalId> {
        let is_forced = |view: &coordinator::TransactionView| view.state == coordinator::TransactionState::Forced;
        let forced = self.transactions_at(server).into_iter().filter(is_forced);
        forced.map(|view| view.id).collect()
    }

    fn transactions_at(&mut self, server: ServerId) -> Vec<coordinator::TransactionView> {
        let list = coordinator::Request::ListTransactions { in_doubt: false, after: None, limit: ALL };
        match self.audit_asks(server, Request::Coordinator(list)) {
            Ok(Answer::Coordinator(coordinator::Answer::Transactions(views))) => views,
            other => panic!("a coordinator lists its transactions: {other:?}"),
        }
    }

    /// The server whose coordinator began the transaction.
    fn who_named(&self, id: GlobalId) -> ServerId {
        let made = |server: &ServerId| {
            let identity = self.servers[server].process.as_ref().and_then(|process| process.node().identity());
            identity.is_some_and(|identity| identity.coordinator == id.coordinator)
        };
        self.servers.keys().copied().find(made).expect("a server of the scene gave the name")
    }

    fn audit_server(&mut self, id: ServerId) {
        let process = self.servers[&id].process.as_ref().expect("all are up at the end");
        let node = process.node();
        let queue = &node.state().queue;
        let prepared = queue.branches().map(ToString::to_string).collect();
        let holding = queue.holding().chain(node.closing()).map(ToString::to_string).collect();
        let broken = node.check_invariants().err();
        let digest = watcher::digest(node.store());
        let watcher = self.watchers.entry(id).or_default();
        let log = Finding::Log {
            first: 1,
            last: process.applied(),
            entries: watcher.count(),
            digest,
            replayed: watcher.digest(),
        };
        let complaints = std::mem::take(&mut watcher.complaints);
        self.found(id.name(), Finding::Branches { prepared, holding });
        self.found(id.name(), log);
        for what in complaints.into_iter().chain(broken.map(|broken| broken.to_string())) {
            self.found(id.name(), Finding::Broken { what });
        }
    }
}

fn told(message: &protocol::Message) -> Message {
    telling::message(&message.body, &message.properties.label)
}

fn dead(message: &protocol::Message) -> Option<DeadLetter> {
    let letter = message.dead_letter.as_ref()?;
    let lives = message.properties.time_to_be_received;
    Some(DeadLetter {
        message: told(message),
        queue: letter.queue.to_string(),
        reason: format!("{:?}", letter.reason),
        died_at: letter.dead_at.0,
        expires_at: lives.map(|lives| message.sent_at.after(lives).0),
    })
}

fn known_of(known: &KnownOutcome) -> Known {
    match known {
        KnownOutcome::Committed => Known::Ended(outcome_of(protocol::Outcome::Committed)),
        KnownOutcome::RolledBack(_) => Known::Ended(outcome_of(protocol::Outcome::RolledBack)),
        KnownOutcome::Heuristic(_) => Known::Heuristic,
        KnownOutcome::Undecided(why) => Known::Open(format!("{why:?}")),
        KnownOutcome::Forgotten => Known::Forgotten,
    }
}
