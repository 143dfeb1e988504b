//! One member over a store in memory, with a log that the test commits when it likes.

use bytes::Bytes;
use handfast_coordinator_core as coordinator;
use handfast_coordinator_core::{Ask, CallFailed, CallId, Resource, ResourceId, Told};
use handfast_machine::{
    Action, Answer, ConnectionId, Entry, Event, Node, Refusal, Request, RequestId, Sizes, local_branch,
};
use handfast_protocol::{GlobalId, Incarnation, Properties, QueueName, ResourceKind, ResourceName, Timestamp};
use handfast_queue::manager::{self, NewBody, NewMessage};
use handfast_store::MemStore;
use uuid::Uuid;

pub const CONNECTION: ConnectionId = ConnectionId(1);

pub struct World {
    pub node: Node<MemStore>,
    pub now: Timestamp,
    /// Every entry ever committed.
    pub log: Vec<Bytes>,
    /// Proposed, not committed.
    pub proposed: Vec<Bytes>,
    pub answers: Vec<(RequestId, Result<Answer, Refusal>)>,
    pub calls: Vec<(CallId, ResourceName, Ask)>,
    barriers: Vec<u64>,
    next_request: u64,
    leaderships: u128,
}

pub fn queue(name: &str) -> QueueName {
    QueueName::new(name).unwrap()
}

pub fn resource(name: &str, kind: ResourceKind) -> Resource {
    Resource {
        name: ResourceName::new(name).unwrap(),
        kind,
        address: "somewhere".to_owned(),
        resource_id: ResourceId(Uuid::from_u128(99)),
        schema: String::new(),
    }
}

impl World {
    /// A new member that leads its first epoch.
    pub fn new() -> World {
        let mut world = World::over(MemStore::default(), Vec::new());
        world.lead();
        world.settle();
        world
    }

    pub fn with_sizes(mut self, sizes: Sizes) -> World {
        self.node = self.node.with_sizes(sizes);
        self.lead();
        self.settle();
        self
    }

    fn over(store: MemStore, log: Vec<Bytes>) -> World {
        World {
            node: Node::open(store).unwrap(),
            now: Timestamp(1_000),
            log,
            proposed: Vec::new(),
            answers: Vec::new(),
            calls: Vec::new(),
            barriers: Vec::new(),
            next_request: 1,
            leaderships: 0,
        }
    }

    /// The process dies and starts again: the store keeps its first `kept` unflushed writes, the log all that was committed.
    pub fn crash(self, kept: usize) -> World {
        let mut next = World::over(self.node.store().crashed(kept), self.log);
        next.now = self.now;
        next.leaderships = self.leaderships;
        let position = next.node.state().position().map_or(0, index_of);
        let entries = (position..next.log.len()).map(|at| next.entry(at)).collect();
        next.step(Event::Committed { entries });
        next.lead();
        next.settle();
        next
    }

    pub fn lead(&mut self) {
        self.leaderships += 1;
        let event = Event::Lead {
            leadership: Uuid::from_u128(self.leaderships),
            manager_id: Uuid::from_u128(7),
            incarnation: Incarnation(1),
        };
        self.step(event);
    }

    fn entry(&self, at: usize) -> Entry {
        let position = Bytes::from((at as u64 + 1).to_be_bytes().to_vec());
        Entry { index: at as u64 + 1, position, payload: Some(self.log[at].clone()) }
    }

    pub fn step(&mut self, event: Event) {
        let mut out = Vec::new();
        self.node.step(self.now, event, &mut out).unwrap();
        self.carry(out);
    }

    fn flush(&mut self) {
        let mut out = Vec::new();
        self.node.flush(self.now, &mut out);
        self.carry(out);
    }

    fn carry(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Propose(entry) => self.proposed.push(entry),
                Action::Answer { request, answer } => self.answers.push((request, answer)),
                Action::Call { call, resource, ask } => self.calls.push((call, resource.name, ask)),
                Action::Barrier { barrier } => self.barriers.push(barrier),
            }
        }
    }

    /// Commits what was proposed, one entry; `false` when there is none.
    pub fn commit_one(&mut self) -> bool {
        self.flush();
        if self.proposed.is_empty() {
            return false;
        }
        let entry = self.proposed.remove(0);
        self.log.push(entry);
        let entry = self.entry(self.log.len() - 1);
        self.step(Event::Committed { entries: vec![entry] });
        true
    }

    /// Commits until nothing more is proposed.
    pub fn settle(&mut self) {
        while self.commit_one() {}
    }

    pub fn ask(&mut self, ask: Request) -> RequestId {
        self.ask_on(CONNECTION, ask)
    }

    pub fn ask_on(&mut self, connection: ConnectionId, ask: Request) -> RequestId {
        let request = RequestId(self.next_request);
        self.next_request += 1;
        self.step(Event::Request { request, connection, ask });
        request
    }

    /// The answer that a request has by now.
    pub fn answer(&mut self, request: RequestId) -> Option<Result<Answer, Refusal>> {
        let at = self.answers.iter().position(|(answered, _)| *answered == request)?;
        Some(self.answers.remove(at).1)
    }

    /// Asks and commits until there is an answer.
    pub fn get(&mut self, ask: Request) -> Result<Answer, Refusal> {
        let request = self.ask(ask);
        self.settle();
        self.answer(request).expect("answered once everything is committed")
    }

    pub fn queues(&mut self, ask: manager::Request) -> Result<manager::Answer, Refusal> {
        match self.get(Request::Queue(ask))? {
            Answer::Queue(answer) => Ok(answer),
            other => panic!("not a queue's answer: {other:?}"),
        }
    }

    pub fn coordinator(&mut self, ask: coordinator::Request) -> Result<coordinator::Answer, Refusal> {
        match self.get(Request::Coordinator(ask))? {
            Answer::Coordinator(answer) => Ok(answer),
            other => panic!("not the coordinator's answer: {other:?}"),
        }
    }

    pub fn create(&mut self, name: &str) {
        let create =
            manager::Request::CreateQueue { name: queue(name), settings: handfast_queue::QueueSettings::default() };
        self.queues(create).unwrap();
    }

    pub fn begin(&mut self) -> GlobalId {
        match self.coordinator(coordinator::Request::Begin { timeout: std::time::Duration::ZERO }) {
            Ok(coordinator::Answer::Begun { id, .. }) => id,
            other => panic!("not begun: {other:?}"),
        }
    }

    pub fn send(&mut self, id: Option<GlobalId>, name: &str, body: &str) {
        let send =
            manager::Request::Send { xid: id.map(local_branch), producer: None, messages: vec![message(name, body)] };
        self.queues(send).unwrap();
    }

    /// The body of the next message, if there is one to be had now.
    pub fn receive(&mut self, id: Option<GlobalId>, name: &str) -> Option<String> {
        let receive = manager::Request::Receive {
            xid: id.map(local_branch),
            queue: queue(name),
            wait: std::time::Duration::ZERO,
        };
        let request = self.ask(Request::Queue(receive));
        self.settle();
        self.now = Timestamp(self.now.0 + 1);
        self.step(Event::Tick);
        self.settle();
        match self.answer(request) {
            Some(Ok(Answer::Queue(manager::Answer::Received(received)))) => {
                Some(String::from_utf8(received.message.body.to_vec()).unwrap())
            }
            Some(Ok(Answer::Queue(manager::Answer::NoMessage))) => None,
            other => panic!("neither a message nor none: {other:?}"),
        }
    }

    /// Messages in the queue, locked ones included.
    pub fn count(&mut self, name: &str) -> u64 {
        match self.queues(manager::Request::ShowQueue { name: queue(name) }) {
            Ok(manager::Answer::Queue(view)) => view.messages,
            other => panic!("no queue: {other:?}"),
        }
    }

    /// Answers the oldest open call that `wanted` picks.
    pub fn told(&mut self, wanted: impl Fn(&Ask) -> bool, result: Result<Told, CallFailed>) {
        self.told_unsettled(wanted, result);
        self.settle();
    }

    /// The same; what it leads to is not committed yet.
    pub fn told_unsettled(&mut self, wanted: impl Fn(&Ask) -> bool, result: Result<Told, CallFailed>) {
        let at = self.calls.iter().position(|(_, _, ask)| wanted(ask));
        let (call, ..) = self.calls.remove(at.unwrap_or_else(|| panic!("not asked: {:?}", self.calls)));
        self.step(Event::Called { call, result });
    }

    /// Registers a resource and lets it attach.
    pub fn add(&mut self, resource: Resource) {
        self.coordinator(coordinator::Request::AddResource { resource }).unwrap();
        self.attach();
    }

    pub fn attach(&mut self) {
        self.told(|ask| matches!(ask, Ask::Attach { .. }), Ok(Told::Attached { slots: None }));
    }

    pub fn enlist(&mut self, id: GlobalId, name: &str) {
        let resource = ResourceName::new(name).unwrap();
        let enlisted = self.coordinator(coordinator::Request::Enlist { id, resource });
        assert!(matches!(enlisted, Ok(coordinator::Answer::Enlisted(_))), "{enlisted:?}");
    }

    pub fn check(&self) {
        self.node.check_invariants().unwrap();
    }
}

fn index_of(position: &Bytes) -> usize {
    usize::try_from(u64::from_be_bytes(position.as_ref().try_into().unwrap())).unwrap()
}

pub fn message(name: &str, body: &str) -> NewMessage {
    NewMessage {
        queue: queue(name),
        properties: Properties::default(),
        body: NewBody::Inline(Bytes::copy_from_slice(body.as_bytes())),
    }
}
