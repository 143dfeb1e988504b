//! Setting the scene, before anything may go wrong: servers lead, queues and resources are there, orders wait.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use handfast_checker::history::{Fact, History, Op, Terms, What};
use handfast_coordinator_core::{self as coordinator, Identity, Resource, ResourceId};
use handfast_machine::{Answer, ConnectionId, Refusal, Request};
use handfast_protocol::{Properties, QueueName, ResourceKind, ResourceName, Timestamp};
use handfast_queue::QueueSettings;
use handfast_queue::manager::{self, NewBody, NewMessage};
use uuid::Uuid;

use super::happening::Happening;
use super::telling::plain_send;
use super::turmoil::Turmoil;
use super::{ClientId, Desk, World};
use crate::client::Client;
use crate::database::Database;
use crate::goods;
use crate::limits::{HEALTHY, STARTS};
use crate::names;
use crate::plan::Plan;
use crate::probes::Probes;
use crate::server::{Server, ServerId, Waiter};

/// The connection of whoever sets the scene and audits the end.
const AUDITOR: ConnectionId = ConnectionId(u64::MAX);

/// Who sends the orders.
const DRIVER: &str = "driver";

/// What every run shows, however little happens in it.
const JUDGED: [&str; 12] = ["A3", "A4", "A6", "A7", "A9", "A10", "A13", "A14", "A15", "A16", "A17", "A23"];

/// When every run begins.
const MORNING: Timestamp = Timestamp(1_000_000);

impl World {
    pub(super) fn set_scene(plan: &Plan) -> World {
        let scene = plan.scene.clone();
        let mut servers = BTreeMap::new();
        let standalone = scene.way.is_standalone().then_some(ServerId::Coordinator);
        for id in [ServerId::Queues].into_iter().chain(standalone) {
            servers.insert(id, Server::new(id, scene.mutant, scene.flush_every));
        }
        let mut world = World {
            plan: plan.clone(),
            now: MORNING,
            servers,
            database: None,
            watchers: BTreeMap::new(),
            starting: BTreeSet::new(),
            stalled: BTreeSet::new(),
            desks: Vec::new(),
            sessions: BTreeMap::new(),
            pending: BTreeMap::new(),
            due: BTreeMap::new(),
            last_number: 0,
            steps: 0,
            next_strike: 0,
            last_trouble: MORNING,
            heard_by_auditor: None,
            history: History::default(),
            probes: Probes::of_one_run(),
            trace: None,
            turmoil: scene.trouble.map(|trouble| Turmoil::new(trouble.seed)),
        };
        world.inform("run", Fact::Run(terms(plan)));
        let ids: Vec<ServerId> = world.servers.keys().copied().collect();
        for id in ids {
            world.tell(id.name(), What::Invoke(Op::Start));
            world.starting.insert(id);
            world.server(id).start(MORNING).expect("an empty disk starts");
            world.settle(id, Ok(())).expect("nothing fails before the first strike");
            world.drain();
        }
        world.lay_out_queues(scene.orders);
        world.add_resources();
        for at in 0..scene.clients as usize {
            let client = Client::new(scene.way, scene.mutant, scene.clients == 1);
            world.desks.push(Desk {
                client,
                life: 1,
                is_up: true,
                is_paused: false,
                links: BTreeMap::new(),
                connection: None,
                awaited: None,
                asked: None,
            });
            world.push(Happening::Wake { client: ClientId(at), life: 1 });
        }
        world
    }

    fn lay_out_queues(&mut self, orders: u32) {
        for name in [names::orders(), names::shipments()] {
            let create = manager::Request::CreateQueue { name, settings: QueueSettings::default() };
            self.demand(ServerId::Queues, Request::Queue(create));
        }
        for order in 1..=orders {
            let body = goods::body(order, 0);
            let message = goods::message(&body, "");
            let messages = vec![NewMessage {
                queue: names::orders(),
                properties: Properties::default(),
                body: NewBody::Inline(Bytes::from(body)),
            }];
            let send = manager::Request::Send { xid: None, producer: None, messages };
            let answer = self.audit_asks(ServerId::Queues, Request::Queue(send));
            for what in plain_send(names::orders().to_string(), message, &answer) {
                self.tell(DRIVER, what);
            }
            answer.expect("nothing is refused while the scene is set");
        }
    }

    fn add_resources(&mut self) {
        let coordinator = self.coordinator();
        if coordinator != ServerId::Queues {
            self.add(coordinator, resource(names::queues(), ResourceKind::Service));
        }
        if let Some(kind) = self.plan.scene.way.database() {
            let resource = resource(names::ledger(), kind);
            let identity = self.identity(coordinator);
            self.database = Some(Database::new(resource.clone(), identity, self.plan.scene.mutant));
            self.add(coordinator, resource);
        }
    }

    fn add(&mut self, coordinator: ServerId, resource: Resource) {
        let add = coordinator::Request::AddResource { resource };
        self.demand(coordinator, Request::Coordinator(add));
    }

    fn identity(&mut self, id: ServerId) -> Identity {
        let identity = self.server(id).process.as_ref().and_then(|process| process.node().identity());
        identity.expect("the scene's servers lead")
    }

    /// Everything that can happen now, happens.
    pub(super) fn drain(&mut self) {
        while let Some((_, happening)) = self.pending.pop_first() {
            self.happen(happening).expect("nothing fails while the scene is set or looked at");
        }
    }

    /// What the auditor asks, answered.
    pub(super) fn audit_asks(&mut self, id: ServerId, ask: Request) -> Result<Answer, Refusal> {
        let now = self.now;
        let process = self.server(id).process.as_mut().expect("the auditor asks who is up");
        let result = process.request(now, AUDITOR, ask, Waiter::Auditor);
        self.settle(id, result).expect("nothing fails while the scene is set or looked at");
        self.drain();
        self.heard_by_auditor.take().expect("the auditor asks nothing that waits")
    }

    fn demand(&mut self, id: ServerId, ask: Request) {
        let answer = self.audit_asks(id, ask);
        answer.expect("nothing is refused while the scene is set");
    }
}

/// What the checker may expect of the run.
fn terms(plan: &Plan) -> Terms {
    let orders = names::orders().to_string();
    let ordered =
        if plan.scene.clients == 1 { vec![orders.clone(), names::shipments().to_string()] } else { Vec::new() };
    Terms {
        plan: plan.to_string(),
        ordered,
        drained: vec![orders],
        healthy_within: Some(HEALTHY.as_micros() as u64),
        // In turmoil the clock jumps while a server starts.
        starts_within: plan.scene.trouble.is_none().then_some(STARTS.as_micros() as u64),
        judges: JUDGED.map(str::to_owned).to_vec(),
        must_recover: false,
    }
}

fn resource(name: ResourceName, kind: ResourceKind) -> Resource {
    Resource {
        name,
        kind,
        address: "simulated".to_owned(),
        resource_id: ResourceId(Uuid::from_u128(0xD0)),
        schema: String::new(),
    }
}
