//! One member over a store in memory, whose log commits at once.

use bytes::Bytes;
use handfast_coordinator_core::{self as coordinator, Ask, CallId, Resource, ResourceId, Told};
use handfast_machine::{Action, Answer, ConnectionId, Entry, Event, Node, Refusal, Request, RequestId};
use handfast_protocol::{Incarnation, Outcome, PrepareVote, QueueName, ResourceKind, ResourceName, Timestamp};
use handfast_queue::QueueSettings;
use handfast_queue::manager;
use handfast_store::MemStore;
use uuid::Uuid;

const CONNECTION: ConnectionId = ConnectionId(1);

#[allow(missing_debug_implementations, reason = "a store has no useful debug form")]
pub struct Member {
    node: Node<MemStore>,
    now: Timestamp,
    index: u64,
    next_request: u64,
    actions: Vec<Action>,
    proposed: Vec<Bytes>,
    answers: Vec<Result<Answer, Refusal>>,
    calls: Vec<(CallId, Ask)>,
    /// Every entry that was committed, where they are kept.
    log: Option<Vec<Bytes>>,
}

impl Member {
    /// Leads its first epoch.
    pub fn lead(&mut self) {
        let leadership = Uuid::from_u128(1);
        self.step(Event::Lead { leadership, manager_id: Uuid::from_u128(7), incarnation: Incarnation(1) });
        self.settle();
    }

    /// Empty, and following.
    pub fn following() -> Member {
        Member {
            node: Node::open(MemStore::default()).expect("an empty store opens"),
            now: Timestamp(1_000),
            index: 0,
            next_request: 0,
            actions: Vec::new(),
            proposed: Vec::new(),
            answers: Vec::new(),
            calls: Vec::new(),
            log: None,
        }
    }

    /// From now on what is committed is kept as well.
    pub fn keep_log(&mut self) {
        self.log = Some(Vec::new());
    }

    pub fn take_log(&mut self) -> Vec<Bytes> {
        self.log.take().unwrap_or_default()
    }

    pub fn create(&mut self, queue: &QueueName) {
        self.ask(manager::Request::CreateQueue { name: queue.clone(), settings: QueueSettings::default() });
        self.settle();
        self.answers();
    }

    /// Registers a database, which attaches.
    pub fn add(&mut self, name: &ResourceName, kind: ResourceKind) {
        let (address, schema, resource_id) = ("somewhere".to_owned(), String::new(), ResourceId(Uuid::from_u128(99)));
        let resource = Resource { name: name.clone(), kind, address, resource_id, schema };
        self.ask(coordinator::Request::AddResource { resource });
        self.settle();
        self.tell();
        self.settle();
        self.answers();
    }

    pub fn ask(&mut self, ask: impl Into<Ours>) {
        self.next_request += 1;
        let (request, Ours(ask)) = (RequestId(self.next_request), ask.into());
        self.step(Event::Request { request, connection: CONNECTION, ask });
    }

    /// Answers all that databases were asked, as they do while all is well.
    pub fn tell(&mut self) {
        for (call, ask) in std::mem::take(&mut self.calls) {
            let told = match ask {
                Ask::Attach { .. } => Told::Attached { slots: None },
                Ask::Scan { .. } => Told::Scanned(Vec::new()),
                Ask::Prepare { .. } => Told::Voted(PrepareVote::Commit),
                Ask::Fence { .. } => Told::Fenced(Outcome::Committed),
                Ask::Commit { .. } | Ask::Rollback { .. } | Ask::ClearMarkers { .. } | Ask::Forget { .. } => Told::Done,
            };
            self.step(Event::Called { call, result: Ok(told) });
        }
    }

    /// Commits until nothing more is proposed.
    pub fn settle(&mut self) {
        loop {
            self.node.flush(self.now, &mut self.actions);
            self.carry_out();
            if self.proposed.is_empty() {
                return;
            }
            self.now.0 += 1;
            for entry in std::mem::take(&mut self.proposed) {
                if let Some(log) = &mut self.log {
                    log.push(entry.clone());
                }
                self.apply(entry);
            }
        }
    }

    /// The next entry of the log.
    pub fn apply(&mut self, payload: Bytes) {
        self.index += 1;
        let position = Bytes::copy_from_slice(&self.index.to_be_bytes());
        self.step(Event::Committed { entries: vec![Entry { index: self.index, position, payload: Some(payload) }] });
    }

    /// Those since the last call, in the order in which they came.
    ///
    /// # Panics
    ///
    /// On a refusal: what is measured works.
    pub fn answers(&mut self) -> Vec<Answer> {
        let answers = std::mem::take(&mut self.answers).into_iter();
        answers.map(|answer| answer.expect("what is measured is not refused")).collect()
    }

    fn step(&mut self, event: Event) {
        self.node.step(self.now, event, &mut self.actions).expect("a store in memory does not fail");
        self.carry_out();
    }

    fn carry_out(&mut self) {
        for action in self.actions.drain(..) {
            match action {
                Action::Propose(entry) => self.proposed.push(entry),
                Action::Answer { answer, .. } => self.answers.push(answer),
                Action::Call { call, ask, .. } => self.calls.push((call, ask)),
                Action::Barrier { .. } => {}
            }
        }
    }
}

/// A request of one of the cores.
#[derive(Debug)]
pub struct Ours(Request);

impl From<Request> for Ours {
    fn from(ask: Request) -> Ours {
        Ours(ask)
    }
}

impl From<manager::Request> for Ours {
    fn from(ask: manager::Request) -> Ours {
        Ours(Request::Queue(ask))
    }
}

impl From<coordinator::Request> for Ours {
    fn from(ask: coordinator::Request) -> Ours {
        Ours(Request::Coordinator(ask))
    }
}
