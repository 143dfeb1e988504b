//! The simulated databases answer as the real ones do: the conformance tables of the drivers (`coordinator/src/drivers/conformance`)
//! run on them, as they run on PostgreSQL and SQLite.

#![allow(clippy::unwrap_used, reason = "in a test")]

use std::sync::{Mutex, MutexGuard};

use async_trait::async_trait;
use handfast_coordinator::drivers::Driver;
use handfast_coordinator::drivers::conformance::{self, Case, Client, Written};
use handfast_coordinator_core::{Ask, CallFailed, CallId, Identity, Resource, ResourceId, Told};
use handfast_protocol::{Bqual, CoordinatorId, GlobalId, Gtrid, Incarnation, Outcome, ResourceKind, ResourceName, Xid};
use uuid::Uuid;

use super::ask::BUSY;
use super::image::Change;
use super::{Answered, Connection, Database, OrderRow, Reply, Statement};
use crate::goods;
use crate::plan::Mutant;
use crate::server::{Caller, ServerId};

const IDENTITY: Identity =
    Identity { coordinator: CoordinatorId(Uuid::from_u128(0xc0)), incarnation: Incarnation(0xabc), epoch: 5 };

/// Enough for every case, as the servers of the other tests have.
const SLOTS: u32 = 64;

const CLIENT: Connection = Connection(1);

/// A database whose flush comes at once.
struct Simulated(Mutex<World>);

struct World {
    database: Database,
    calls: u64,
    /// Given, and not taken yet.
    answers: Vec<Answered>,
}

impl World {
    fn settle(&mut self) {
        if self.database.flush_is_due {
            self.database.flush();
        }
        self.answers.extend(self.database.take_answered());
    }

    fn answer(&mut self, is_it: impl Fn(&Answered) -> bool) -> Option<Answered> {
        let at = self.answers.iter().position(is_it)?;
        Some(self.answers.remove(at))
    }

    fn execute(&mut self, statement: Statement) -> Reply {
        self.database.execute(CLIENT, statement);
        self.settle();
        match self.answer(|answered| matches!(answered, Answered::Client { .. })) {
            Some(Answered::Client { reply, .. }) => reply,
            _ => panic!("a client of these cases never waits"),
        }
    }

    fn begin(&mut self, id: GlobalId) {
        self.execute(Statement::Rollback);
        let row = OrderRow { order: "order-1".to_owned(), id };
        assert_eq!(self.execute(Statement::Insert(row)), Reply::Done);
    }
}

impl Simulated {
    fn new(kind: ResourceKind) -> Simulated {
        let (address, schema) = ("simulated".to_owned(), String::new());
        let resource =
            Resource { name: ledger(), kind, address, resource_id: ResourceId(Uuid::from_u128(0xD0)), schema };
        let database = Database { slots: SLOTS, ..Database::new(resource, IDENTITY, Mutant::None) };
        Simulated(Mutex::new(World { database, calls: 0, answers: Vec::new() }))
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap()
    }
}

#[async_trait]
impl Driver for Simulated {
    /// A lock that SQLite has for the moment is waited for, as its driver does.
    async fn call(&self, ask: Ask) -> Result<Told, CallFailed> {
        loop {
            let caller = {
                let mut world = self.world();
                world.calls += 1;
                let caller = Caller { server: ServerId::Queues, life: 1, call: CallId(world.calls) };
                world.database.ask(caller, &ask);
                caller
            };
            let result = loop {
                {
                    let mut world = self.world();
                    world.settle();
                    let is_it = |answered: &Answered| matches!(answered, Answered::Caller { caller: asked, .. } if *asked == caller);
                    if let Some(Answered::Caller { result, .. }) = world.answer(is_it) {
                        break result;
                    }
                }
                tokio::task::yield_now().await;
            };
            match &result {
                Err(CallFailed::Refused { cause, .. }) if cause == BUSY => tokio::task::yield_now().await,
                _ => return result,
            }
        }
    }
}

#[async_trait]
impl Client for Simulated {
    async fn reset(&self) {
        let mut world = self.world();
        world.execute(Statement::Rollback);
        let World { database: Database { live, durable, .. }, .. } = &mut *world;
        for image in [live, durable] {
            image.markers.clear();
            image.orders.clear();
        }
    }

    async fn write(&self, id: GlobalId) -> Written {
        self.world().begin(id);
        self.mark(id).await
    }

    async fn mark(&self, id: GlobalId) -> Written {
        match self.world().execute(Statement::Mark { id }) {
            Reply::Done => Written::Done,
            Reply::Fenced => Written::Conflict,
            Reply::Failed => Written::Failed,
            reply => panic!("{reply:?}"),
        }
    }

    async fn fail(&self) {
        let Identity { coordinator, incarnation, epoch } = IDENTITY;
        let id = GlobalId { coordinator, incarnation, epoch, sequence: 0 };
        let row = OrderRow { order: goods::body(1, true, 0), id };
        assert_eq!(self.world().execute(Statement::Insert(row)), Reply::Refused);
    }

    async fn write_unflushed(&self, id: GlobalId) {
        let mut world = self.world();
        world.begin(id);
        let change = Change::Decide { id, rows: Vec::new() };
        world.execute(Statement::Rollback);
        world.database.live.apply(&change);
        world.database.written.push(super::Written { change, is_visible: true, waiting: None });
    }

    async fn leave(&self) {
        self.world().database.hang_up(CLIENT);
    }

    async fn end(&self, outcome: Outcome) {
        let statement = match outcome {
            Outcome::Committed => Statement::Commit,
            Outcome::RolledBack => Statement::Rollback,
        };
        let reply = self.world().execute(statement);
        assert!(is_no_error(reply), "{reply:?}");
    }

    async fn awaited(&self) {
        let waits = |world: &World| world.database.is_sqlite() || !world.database.blocked.is_empty();
        while !waits(&self.world()) {
            tokio::task::yield_now().await;
        }
    }

    async fn prepare(&self, xid: &Xid) {
        let mut world = self.world();
        world.begin(GlobalId::try_from(xid).unwrap());
        assert_eq!(world.execute(Statement::Prepare { xid: xid.clone() }), Reply::Done);
    }

    async fn prepare_open(&self, xid: &Xid) -> bool {
        is_no_error(self.world().execute(Statement::Prepare { xid: xid.clone() }))
    }

    async fn prepare_and_leave(&self, xid: &Xid) {
        let mut world = self.world();
        world.begin(GlobalId::try_from(xid).unwrap());
        world.database.execute(CLIENT, Statement::Prepare { xid: xid.clone() });
        world.database.hang_up(CLIENT);
        world.settle();
        world.answers.clear();
        assert!(world.database.image().has_prepared(xid));
    }

    async fn prepare_foreign(&self, name: &str) {
        let mut world = self.world();
        world.database.write(Change::Prepare { xid: foreign(name), rows: Vec::new() }, None);
        world.settle();
    }

    async fn is_prepared(&self, name: &str) -> bool {
        self.world().database.image().has_prepared(&foreign(name))
    }

    async fn end_by_hand(&self, xid: &Xid, outcome: Outcome) {
        self.world().database.end_branch(xid.clone(), outcome).unwrap();
    }

    async fn rows(&self) -> Vec<(GlobalId, Outcome)> {
        self.world().database.image().markers.iter().map(|(id, outcome)| (*id, *outcome)).collect()
    }

    async fn restart(&self) {
        let mut world = self.world();
        world.database.crash(0);
        world.database.is_up = true;
    }
}

/// COMMIT and PREPARE of a failed block are none (P6).
fn is_no_error(reply: Reply) -> bool {
    matches!(reply, Reply::Done | Reply::RolledBack)
}

fn ledger() -> ResourceName {
    ResourceName::new("ledger").unwrap()
}

fn foreign(name: &str) -> Xid {
    Xid { format_id: 7, gtrid: Gtrid::new(name.to_owned()).unwrap(), bqual: Bqual::new("").unwrap() }
}

/// What can be seen is durable: these cases flush.
async fn conforms(simulated: Simulated, cases: Vec<Case>) {
    for case in cases {
        conformance::run(&case, &simulated, &simulated).await.unwrap_or_else(|error| panic!("{error}"));
        let world = simulated.world();
        assert_eq!(world.database.live, world.database.durable, "{}", case.name);
    }
}

#[tokio::test]
async fn postgres_as_last_resource() {
    let kind = ResourceKind::PostgresMarker;
    conforms(Simulated::new(kind), conformance::marker(IDENTITY, &ledger(), kind)).await;
}

#[tokio::test]
async fn sqlite_as_last_resource() {
    let kind = ResourceKind::SqliteMarker;
    conforms(Simulated::new(kind), conformance::marker(IDENTITY, &ledger(), kind)).await;
}

#[tokio::test]
async fn postgres_with_two_phases() {
    conforms(Simulated::new(ResourceKind::PostgresTwoPhase), conformance::two_phase(IDENTITY, &ledger(), SLOTS)).await;
}
