//! A small world around one coordinator: its host with local branches, databases, clients, and whatever can go wrong.

mod client;
mod database;
mod happened;
mod history;
mod host;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use handfast_coordinator_core::state::State;
use handfast_coordinator_core::{
    Action, Ask, CallFailed, CallId, Command, ConnectionId, Coordinator, Event, Identity, Proposal, Request, RequestId,
    Resource, ResourceId, Told,
};
use handfast_protocol::{
    CoordinatorId, GlobalId, Incarnation, PrepareVote, ResourceKind, ResourceName, Timestamp, Xid,
};
use handfast_store::{MemStore, Overlay, Store};
use uuid::Uuid;

use client::{Client, Late, Step};
use database::Database;
pub use happened::Happened;
use host::Local;

const IDENTITY: Identity =
    Identity { coordinator: CoordinatorId(Uuid::from_u128(0xC0)), incarnation: Incarnation(1), epoch: 1 };

/// A connection that outlives everything, for registrations and questions at the end.
const OPERATOR: ConnectionId = ConnectionId(0);

pub struct World {
    store: MemStore,
    state: State,
    coordinator: Coordinator,
    identity: Identity,
    now: Timestamp,
    proposals: VecDeque<(Proposal, Command)>,
    /// Asked, and not yet executed.
    calls: Vec<(CallId, Resource, Ask)>,
    /// Executed or failed, and not yet heard of.
    answers: Vec<(CallId, Result<Told, CallFailed>)>,
    /// Asked by somebody who does not listen any more: they may still be executed.
    orphans: Vec<(ResourceName, Ask)>,
    barriers: VecDeque<u64>,
    databases: BTreeMap<ResourceName, Database>,
    clients: Vec<Client>,
    late: Vec<Late>,
    /// Branches that were prepared after their client had gone: only the sweep finds them.
    prepared_late: BTreeSet<Xid>,
    local: BTreeMap<GlobalId, Local>,
    /// What clients were told (A4).
    told: BTreeMap<GlobalId, bool>,
    open: BTreeSet<RequestId>,
    last_request: u64,
    last_connection: u64,
    pub happened: Happened,
}

impl Default for World {
    fn default() -> World {
        let mut store = MemStore::default();
        let mut state = State::open(&store).unwrap();
        let coordinator = host::lead(&mut store, &mut state, IDENTITY);
        let mut world = World {
            store,
            state,
            coordinator,
            identity: IDENTITY,
            now: Timestamp(1_000_000),
            proposals: VecDeque::new(),
            calls: Vec::new(),
            answers: Vec::new(),
            orphans: Vec::new(),
            barriers: VecDeque::new(),
            databases: BTreeMap::new(),
            clients: Vec::new(),
            late: Vec::new(),
            prepared_late: BTreeSet::new(),
            local: BTreeMap::new(),
            told: BTreeMap::new(),
            open: BTreeSet::new(),
            last_request: 0,
            last_connection: 0,
            happened: Happened::default(),
        };
        let mut out = Vec::new();
        world.coordinator.start(&world.state, world.now, &mut out);
        world.take(out);
        let kinds = [
            ("ledger", ResourceKind::PostgresMarker),
            ("stock", ResourceKind::PostgresTwoPhase),
            ("mail", ResourceKind::Service),
        ];
        for (name, kind) in kinds {
            world.add_database(name, kind);
        }
        for _ in 0..4 {
            let client = world.new_client();
            world.clients.push(client);
        }
        world
    }
}

impl World {
    fn add_database(&mut self, name: &str, kind: ResourceKind) {
        let resource = Resource {
            name: ResourceName::new(name).unwrap(),
            kind,
            address: String::new(),
            resource_id: ResourceId(Uuid::from_u128(7)),
            schema: String::new(),
        };
        self.databases.insert(resource.name.clone(), Database::new(resource.clone()));
        self.ask(OPERATOR, Request::AddResource { resource });
        self.apply_next();
        while let Some((call, resource, ask)) = self.calls.pop() {
            let result = self.databases.get_mut(&resource.name).unwrap().execute(&ask);
            self.event(Event::Called { call, result });
        }
        while !self.proposals.is_empty() {
            self.apply_next();
        }
    }

    fn new_client(&mut self) -> Client {
        self.last_connection += 1;
        Client::new(ConnectionId(self.last_connection))
    }

    fn ask(&mut self, connection: ConnectionId, ask: Request) -> RequestId {
        self.last_request += 1;
        let request = RequestId(self.last_request);
        self.open.insert(request);
        if let Some(client) = self.clients.iter_mut().find(|client| client.connection == connection) {
            client.waits_for = Some(request);
        }
        self.event(Event::Request { request, connection, ask });
        request
    }

    fn event(&mut self, event: Event) {
        let mut out = Vec::new();
        self.coordinator.step(&self.state, &self.store, self.now, event, &mut out).unwrap();
        self.take(out);
    }

    fn take(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Propose { proposal, command } => self.proposals.push_back((proposal, command)),
                Action::Answer { request, answer } => {
                    assert!(self.open.remove(&request), "every request is answered once");
                    self.hear(request, &answer);
                }
                Action::Call { call, resource, ask } => self.calls.push((call, resource, ask)),
                Action::RollbackLocal { id, .. } => self.roll_back_local(id),
                Action::Barrier { barrier } => self.barriers.push_back(barrier),
            }
        }
    }

    /// A1, as far as it can be seen at any moment: no party has committed what another has rolled back for good.
    fn check_atomic(&self) {
        for (id, local) in &self.local {
            let committed = *local == Local::Committed || self.databases.values().any(|db| db.committed.contains(id));
            let rolled_back =
                *local == Local::RolledBack || self.databases.values().any(|db| db.rolled_back.contains(id));
            let parties: Vec<_> = self.databases.iter().map(|(name, db)| (name, db.had(*id))).collect();
            assert!(!(committed && rolled_back), "A1: {id} is {local:?} here, but elsewhere {parties:?}");
            if let Some(told) = self.told.get(id) {
                assert!(!(*told && rolled_back), "A4: {id} was called committed");
                assert!(*told || !committed, "A4: {id} was called rolled back");
            }
        }
    }
}
