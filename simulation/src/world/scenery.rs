//! Setting the scene, before anything may go wrong: servers lead, queues and resources are there, orders wait.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use handfast_checker::history::{Fact, History, Op, Terms, What};
use handfast_coordinator_core::{self as coordinator, Identity, Resource, ResourceId};
use handfast_machine::{Answer, Approach, ConnectionId, Refusal, Request};
use handfast_protocol::{Properties, QueueName, ResourceKind, ResourceName, Timestamp};
use handfast_queue::QueueSettings;
use handfast_queue::manager::{self, NewBody, NewMessage};
use uuid::Uuid;

use super::happening::Happening;
use super::telling::plain_send;
use super::turmoil::Turmoil;
use super::{ClientId, Desk, World};
use crate::client::{Client, Job, Role};
use crate::database::Database;
use crate::goods;
use crate::limits::{ABANDONED_MAX, HEALTHY, LIFETIME, SHORT_TIMEOUT, STARTS, TRANSACTION_TIMEOUT};
use crate::names;
use crate::plan::{Plan, Scene, Way};
use crate::probes::Probes;
use crate::server::{Server, ServerId, Waiter};

/// The connection of whoever sets the scene and audits the end.
pub(super) const AUDITOR: ConnectionId = ConnectionId(u64::MAX);

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
            servers.insert(id, Server::new(id, scene.mutant, scene.sizes));
        }
        let mut world = World {
            plan: plan.clone(),
            now: MORNING,
            servers,
            database: None,
            watchers: BTreeMap::new(),
            starting: BTreeSet::new(),
            is_purged: false,
            must_recover: false,
            rotten: BTreeMap::new(),
            stalled: BTreeSet::new(),
            cuts: Vec::new(),
            cramped: BTreeSet::new(),
            desks: Vec::new(),
            sessions: BTreeMap::new(),
            pending: BTreeMap::new(),
            due: BTreeMap::new(),
            preparing: Vec::new(),
            last_number: 0,
            steps: 0,
            struck_at: Vec::new(),
            last_trouble: MORNING,
            heard_by_auditor: None,
            history: History::default(),
            probes: Probes::of_one_run(),
            trace: None,
            exposed: Vec::new(),
            turmoil: scene.trouble.as_ref().map(|trouble| Turmoil::new(trouble, scene.orders)),
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
        let imported = world.lay_out_queues(&scene);
        world.add_resources();
        let working = (0..(scene.clients + scene.onward) as usize).map(|at| Role::Work(job(&scene, at)));
        let importing = (!imported.is_empty()).then_some(Role::Import(imported));
        for (at, role) in working.chain(importing).enumerate() {
            world.desks.push(Desk {
                client: Client::new(&role, scene.mutant),
                role,
                life: 1,
                is_up: true,
                is_paused: false,
                links: BTreeMap::new(),
                connection: None,
                awaited: None,
                asked: None,
                imports_told: 0,
                awaiting_body: None,
            });
            world.push(Happening::Wake { client: ClientId(at), life: 1 });
        }
        world
    }

    /// The orders that are left to be imported.
    fn lay_out_queues(&mut self, scene: &Scene) -> Vec<NewMessage> {
        // In a long run one message may see more clients vanish than a user would let it.
        let settings = QueueSettings { max_abandoned: ABANDONED_MAX, ..QueueSettings::default() };
        for name in queues() {
            let create = manager::Request::CreateQueue { name, settings: settings.clone() };
            self.demand(ServerId::Queues, Request::Queue(create));
        }
        let mut imported = Vec::new();
        for order in 1..=scene.orders {
            let is_poison = order <= scene.poisons;
            let expires = !is_poison && order + scene.expiring > scene.orders;
            let body = goods::body(order, is_poison, scene.ballast);
            if is_poison {
                self.doom(order, "MaxAttempts", false);
            }
            if expires {
                self.doom(order, "ReceiveTimeout", true);
            }
            let message = goods::message(&body, "");
            let new = NewMessage {
                queue: names::orders(),
                properties: Properties { time_to_be_received: expires.then_some(LIFETIME), ..Properties::default() },
                body: NewBody::Inline(Bytes::from(body)),
            };
            if order + scene.imported > scene.orders {
                imported.push(new);
                continue;
            }
            let send = manager::Request::Send { xid: None, producer: None, messages: vec![new] };
            let answer = self.audit_asks(ServerId::Queues, Request::Queue(send));
            for what in plain_send(names::orders().to_string(), message, &answer) {
                self.tell(DRIVER, what);
            }
            answer.expect("nothing is refused while the scene is set");
        }
        imported
    }

    pub(super) fn doom(&mut self, order: u32, reason: &str, may: bool) {
        self.inform(DRIVER, Fact::Doomed { message: goods::name(order), reason: reason.to_owned(), may });
    }

    fn add_resources(&mut self) {
        let coordinator = self.coordinator();
        if coordinator != ServerId::Queues {
            // Whoever adds a queue manager introduces its coordinator there (P3).
            let visitor = self.identity(coordinator);
            self.demand(ServerId::Queues, Request::Attach { visitor, approach: Approach::First });
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
        self.audit_tries(id, ask).expect("the auditor asks nothing that waits")
    }

    /// The same; `None` if the server ended instead, because its disk failed.
    pub(super) fn audit_tries(&mut self, id: ServerId, ask: Request) -> Option<Result<Answer, Refusal>> {
        let now = self.now;
        let process = self.server(id).process.as_mut().expect("the auditor asks who is up");
        let result = process.request(now, AUDITOR, ask, Waiter::Auditor);
        self.settle(id, result).expect("nothing fails while the scene is set or looked at");
        self.drain();
        self.heard_by_auditor.take()
    }

    fn demand(&mut self, id: ServerId, ask: Request) {
        let answer = self.audit_asks(id, ask);
        answer.expect("nothing is refused while the scene is set");
    }
}

/// The queues of every scene, in the order in which messages go through them.
pub(super) fn queues() -> [QueueName; 3] {
    [names::orders(), names::shipments(), names::delivered()]
}

/// What the client at this desk does. Whoever hands shipments on does it in the queue manager alone.
fn job(scene: &Scene, desk: usize) -> Job {
    let timeout = if desk % 3 == 2 { SHORT_TIMEOUT } else { TRANSACTION_TIMEOUT };
    // Of two servers each is asked for its own part.
    let combines = |way: Way| scene.combined > 0 && !way.is_standalone();
    if desk < scene.clients as usize {
        let (from, to) = (names::orders(), names::shipments());
        Job { way: scene.way, from, to, reads_alone: scene.clients == 1, combines: combines(scene.way), timeout }
    } else {
        let (from, to) = (names::shipments(), names::delivered());
        Job { way: Way::Local, from, to, reads_alone: scene.onward == 1, combines: combines(Way::Local), timeout }
    }
}

/// What the checker may expect of the run.
fn terms(plan: &Plan) -> Terms {
    let Scene { clients, onward, .. } = plan.scene;
    let of = |names: &[QueueName]| names.iter().map(ToString::to_string).collect();
    let all = queues();
    let ordered = match (clients, onward) {
        (1, 0) => of(&all[..2]),
        (1, 1) => of(&all),
        (1, _) => of(&all[..1]),
        _ => Vec::new(),
    };
    Terms {
        plan: plan.to_string(),
        ordered,
        read_alone: if onward == 1 { of(&all[1..2]) } else { Vec::new() },
        drained: of(&all[..if onward > 0 { 2 } else { 1 }]),
        healthy_within: Some(HEALTHY.as_micros() as u64),
        // In turmoil the clock jumps while a server starts.
        starts_within: plan.scene.trouble.is_none().then_some(STARTS.as_micros() as u64),
        judges: JUDGED.map(str::to_owned).to_vec(),
        // Until a server ends that has something to recover.
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
