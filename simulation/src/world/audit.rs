//! The end of a run, looked at through the doors that users have: the other half of what the checker judges.

use std::collections::BTreeMap;

use handfast_coordinator_core::{self as coordinator, KnownOutcome};
use handfast_machine::{Answer, Request};
use handfast_protocol::{GlobalId, QueueName};
use handfast_queue::manager;

use super::scenery::{dead_letters, order_name};
use super::{Ran, World};
use crate::database::OrderRow;
use crate::history::Event;
use crate::names;
use crate::probes::Probe;
use crate::server::ServerId;

/// A message that the auditor found, with the transaction that its label names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub order: String,
    pub id: Option<GlobalId>,
}

/// What is there at the end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Audit {
    /// What was to be done, in its order.
    pub orders: Vec<String>,
    /// Several clients share the queue, so that the order of shipments says nothing.
    pub is_ordered: bool,
    /// There is a database: every shipment has a row.
    pub has_database: bool,
    pub rows: Vec<OrderRow>,
    pub shipments: Vec<Found>,
    pub left_in_orders: Vec<Found>,
    pub dead_letters: Vec<Found>,
    /// Messages that are locked or in doubt.
    pub held: u64,
    /// What coordinators still know as open, by its state.
    pub open_transactions: Vec<String>,
    /// Branches that are prepared somewhere.
    pub prepared: Vec<String>,
    /// What coordinators say of each transaction.
    pub outcomes: BTreeMap<GlobalId, Result<KnownOutcome, String>>,
    /// What is broken in a server's state.
    pub broken: Vec<String>,
}

impl World {
    pub(super) fn end(mut self, changes_at_first: BTreeMap<ServerId, u64>) -> Ran {
        // The connections of the last client to leave.
        self.drain();
        let audit = self.audit();
        self.probes[Probe::Steps] += self.steps;
        if let Some(database) = &self.database {
            self.probes.add(&database.seen);
        }
        Ran {
            changes: self.changes(),
            is_struck: self.next_strike >= self.plan.strikes.len(),
            history: self.history,
            audit,
            probes: self.probes,
            steps: self.steps,
            changes_at_first,
            trace: self.trace.unwrap_or_default(),
        }
    }

    pub(super) fn changes(&self) -> BTreeMap<ServerId, u64> {
        self.servers.iter().map(|(id, server)| (*id, server.changes())).collect()
    }

    fn audit(&mut self) -> Audit {
        let scene = self.plan.scene.clone();
        let mut audit = Audit {
            orders: (1..=scene.orders).map(order_name).collect(),
            is_ordered: scene.clients == 1,
            has_database: scene.way.database().is_some(),
            shipments: self.peek(names::shipments()),
            left_in_orders: self.peek(names::orders()),
            dead_letters: self.peek(dead_letters()),
            ..Audit::default()
        };
        for name in [names::shipments(), names::orders(), dead_letters()] {
            let show = Request::Queue(manager::Request::ShowQueue { name });
            if let Ok(Answer::Queue(manager::Answer::Queue(view))) = self.audit_asks(ServerId::Queues, show) {
                audit.held += view.locked + view.in_doubt;
            }
        }
        self.audit_transactions(&mut audit);
        if let Some(database) = &self.database {
            audit.rows = database.image().orders.clone();
            audit.prepared.extend(database.image().prepared.keys().map(|xid| format!("{xid} at the database")));
        }
        for (id, server) in &self.servers {
            let node = server.process.as_ref().expect("all are up at the end").node();
            let state = node.state();
            audit.prepared.extend(state.queue.branches().map(|xid| format!("{xid} at {id:?}")));
            audit.prepared.extend(state.queue.holding().map(|xid| format!("{xid} held at {id:?}")));
            audit.broken.extend(node.check_invariants().err().map(|broken| format!("{id:?}: {broken}")));
        }
        audit
    }

    fn peek(&mut self, queue: QueueName) -> Vec<Found> {
        let peek = manager::Request::Peek { queue, after: None, limit: 1_000, body_bytes: 1_000 };
        match self.audit_asks(ServerId::Queues, Request::Queue(peek)) {
            Ok(Answer::Queue(manager::Answer::Peeked(messages))) => messages
                .into_iter()
                .map(|received| Found {
                    order: String::from_utf8_lossy(&received.message.body).into_owned(),
                    id: received.message.properties.label.parse().ok(),
                })
                .collect(),
            other => panic!("a queue of the scene can be peeked at: {other:?}"),
        }
    }

    fn audit_transactions(&mut self, audit: &mut Audit) {
        let coordinator = self.coordinator();
        let list = coordinator::Request::ListTransactions { in_doubt: false, after: None, limit: 1_000 };
        if let Ok(Answer::Coordinator(coordinator::Answer::Transactions(views))) =
            self.audit_asks(coordinator, Request::Coordinator(list))
        {
            audit.open_transactions = views.iter().map(|view| format!("{} is {:?}", view.id, view.state)).collect();
        }
        let begun: Vec<GlobalId> = self
            .history
            .events
            .iter()
            .filter_map(|event| match event {
                Event::Began { id } => Some(*id),
                Event::Took { .. } | Event::Told { .. } => None,
            })
            .collect();
        for id in begun {
            let ask = coordinator::Request::Outcome { id, wait: std::time::Duration::ZERO };
            let outcome = match self.audit_asks(coordinator, Request::Coordinator(ask)) {
                Ok(Answer::Coordinator(coordinator::Answer::Outcome(known))) => Ok(known),
                Ok(other) => Err(format!("{other:?}")),
                Err(refusal) => Err(refusal.to_string()),
            };
            audit.outcomes.insert(id, outcome);
        }
    }
}
