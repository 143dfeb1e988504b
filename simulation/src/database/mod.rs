//! A database of the simulated world, with what PostgreSQL and SQLite do that matters here: a commit is written, then flushed,
//! then visible and answered; a row may be visible and not durable; prepared branches outlive everything; the marker row has a
//! primary key; a backend may go on after its client is gone; a block of PostgreSQL in which a statement failed is rolled back
//! whatever ends it, and COMMIT says so without an error; SQLite has one writer, lives in its client's process, and says BUSY to
//! everybody else.
//!
//! It is not a model of SQL: it knows one table of orders, and no isolation between them.

mod ask;
mod client_side;
#[cfg(test)]
mod conformance_test;
mod image;

use std::collections::BTreeMap;

use handfast_checker::history::State as Stage;
use handfast_coordinator_core::{Ask, CallFailed, Identity, Resource, Told};
use handfast_protocol::{GlobalId, ResourceKind};

use crate::plan::Mutant;
use crate::probes::Probes;
use crate::server::Caller;

use ask::SLOTS;
pub use client_side::{Reply, Statement};
use image::Change;
pub use image::{Image, OrderRow};

/// A client's connection; numbers are not given twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Connection(pub u64);

/// Whom a statement answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answered {
    Client { connection: Connection, reply: Reply },
    Caller { caller: Caller, result: Result<Told, CallFailed> },
}

/// A record of the write-ahead log that is not flushed.
#[derive(Debug, Clone)]
struct Written {
    change: Change,
    /// Others can see it before it is durable (P12).
    is_visible: bool,
    /// Told when it is flushed.
    waiting: Option<Answered>,
}

/// What a client has open on its connection.
#[derive(Debug, Default)]
struct Block {
    rows: Vec<OrderRow>,
    /// The marker row that it has put in: nobody else gets past that before the block ends.
    marker: Option<GlobalId>,
    /// A statement in it failed, in PostgreSQL: there is nothing left of it, and it takes no statement but its end (P6).
    has_failed: bool,
}

/// What waits for somebody else's commit on the same key.
#[derive(Debug, Clone)]
enum Blocked {
    Ask { caller: Caller, ask: Ask },
    Statement { connection: Connection, statement: Statement },
}

#[derive(Debug)]
pub struct Database {
    pub resource: Resource,
    /// `max_prepared_transactions` (P9).
    slots: u32,
    mutant: Mutant,
    pub is_up: bool,
    live: Image,
    durable: Image,
    written: Vec<Written>,
    blocked: Vec<Blocked>,
    blocks: BTreeMap<Connection, Block>,
    /// A flush is to come.
    pub flush_is_due: bool,
    answered: Vec<Answered>,
    /// What became durable of transactions, not told yet.
    steps: Vec<(GlobalId, Stage)>,
    pub seen: Probes,
}

impl Database {
    /// After `resource add`: its tables are there, and the coordinator is known (P3).
    pub fn new(resource: Resource, installed_by: Identity, mutant: Mutant) -> Database {
        let mut image = Image::default();
        image.apply(&Change::Visit(installed_by));
        Database {
            resource,
            slots: SLOTS,
            mutant,
            is_up: true,
            live: image.clone(),
            durable: image,
            written: Vec::new(),
            blocked: Vec::new(),
            blocks: BTreeMap::new(),
            flush_is_due: false,
            answered: Vec::new(),
            steps: Vec::new(),
            seen: Probes::default(),
        }
    }

    pub fn image(&self) -> &Image {
        &self.live
    }

    /// The answers that have come about since the last look.
    pub fn take_answered(&mut self) -> Vec<Answered> {
        std::mem::take(&mut self.answered)
    }

    /// The steps of transactions that have become durable since the last look.
    pub fn take_steps(&mut self) -> Vec<(GlobalId, Stage)> {
        std::mem::take(&mut self.steps)
    }

    fn endure(&mut self, change: &Change) {
        self.steps.extend(self.durable.step(change));
        self.durable.apply(change);
    }

    fn is_sqlite(&self) -> bool {
        self.resource.kind == ResourceKind::SqliteMarker
    }

    /// Records a change; whoever waits is told when it is flushed.
    fn write(&mut self, change: Change, waiting: Option<Answered>) {
        self.written.push(Written { change, is_visible: false, waiting });
        self.flush_is_due = true;
    }

    fn is_held(&self, id: GlobalId) -> bool {
        let is_written = |written: &Written| !written.is_visible && written.change.key() == Some(id);
        self.written.iter().any(is_written) || self.blocks.values().any(|block| block.marker == Some(id))
    }

    /// The write-ahead log is flushed: what was written is durable, visible and answered, and who waited for it goes on.
    pub fn flush(&mut self) {
        self.flush_is_due = false;
        for Written { change, is_visible, waiting } in std::mem::take(&mut self.written) {
            self.endure(&change);
            if !is_visible {
                self.live.apply(&change);
            }
            self.answered.extend(waiting);
        }
        self.unblock();
    }

    /// Whoever waited for the end of somebody else's transaction tries again.
    fn unblock(&mut self) {
        for blocked in std::mem::take(&mut self.blocked) {
            match blocked {
                Blocked::Ask { caller, ask } => self.ask(caller, &ask),
                Blocked::Statement { connection, statement } => self.execute(connection, statement),
            }
        }
    }

    /// How many records a power loss could lose now.
    pub fn unflushed(&self) -> usize {
        self.written.len()
    }

    /// It ends with all its connections: of what was not flushed the first `kept` records are found again. Recovery makes them
    /// durable before anybody is let in.
    pub fn crash(&mut self, kept: usize) {
        let written = std::mem::take(&mut self.written);
        written.iter().take(kept).for_each(|written| self.endure(&written.change));
        self.live = self.durable.clone();
        self.flush_is_due = false;
        self.blocks.clear();
        let unreachable = self.unreachable();
        let told = |answered: Option<Answered>| match answered {
            Some(Answered::Client { connection, .. }) => Some(Answered::Client { connection, reply: Reply::Lost }),
            Some(Answered::Caller { caller, .. }) => {
                Some(Answered::Caller { caller, result: Err(unreachable.clone()) })
            }
            None => None,
        };
        let lost: Vec<Answered> = written.into_iter().filter_map(|written| told(written.waiting)).collect();
        self.answered.extend(lost);
        for blocked in std::mem::take(&mut self.blocked) {
            self.answered.push(match blocked {
                Blocked::Ask { caller, .. } => Answered::Caller { caller, result: Err(self.unreachable()) },
                Blocked::Statement { connection, .. } => Answered::Client { connection, reply: Reply::Lost },
            });
        }
        self.is_up = false;
    }

    pub fn unreachable(&self) -> CallFailed {
        CallFailed::Unreachable { resource: self.resource.name.clone(), cause: "it is down".to_owned() }
    }
}
