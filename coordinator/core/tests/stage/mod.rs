//! The stage of the scenarios: one coordinator over its state, with a clock, a log and resources that do what the text says.

mod said;
mod shown;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use handfast_coordinator_core::state::State;
use handfast_coordinator_core::{
    Action, Ask, CallFailed, CallId, Command, ConnectionId, Coordinator, Done, Event, Identity, Proposal, Refused,
    Report, Request, RequestId, Resource, ResourceId, Told,
};
use handfast_protocol::{CoordinatorId, GlobalId, Incarnation, Outcome, ResourceKind, ResourceName, Timestamp, Xid};
use handfast_store::{MemStore, Overlay, Store};
use uuid::Uuid;

pub const COORDINATOR: CoordinatorId = CoordinatorId(Uuid::from_u128(0xC0));
pub const INCARNATION: Incarnation = Incarnation(1);
/// Another directory's: its ids begin with F.
pub const OTHER_INCARNATION: Incarnation = Incarnation(2);

pub struct Stage {
    store: MemStore,
    state: State,
    coordinator: Coordinator,
    epoch: u64,
    now: Timestamp,
    proposals: VecDeque<(Proposal, Command)>,
    calls: BTreeMap<CallId, (Resource, Ask)>,
    barriers: VecDeque<u64>,
    requests: BTreeMap<RequestId, String>,
    last_request: u64,
    shown: Vec<String>,
}

impl Default for Stage {
    fn default() -> Stage {
        let mut store = MemStore::default();
        let mut state = State::open(&store).unwrap();
        let coordinator = lead(&mut store, &mut state, 1);
        let mut stage = Stage {
            store,
            state,
            coordinator,
            epoch: 1,
            now: Timestamp(1_000_000),
            proposals: VecDeque::new(),
            calls: BTreeMap::new(),
            barriers: VecDeque::new(),
            requests: BTreeMap::new(),
            last_request: 0,
            shown: Vec::new(),
        };
        let mut out = Vec::new();
        stage.coordinator.start(&stage.state, stage.now, &mut out);
        stage.take(out);
        stage
    }
}

fn lead(store: &mut MemStore, state: &mut State, epoch: u64) -> Coordinator {
    let identity = Identity { coordinator: COORDINATOR, incarnation: INCARNATION, epoch };
    let mut overlay = Overlay::new(store);
    state.begin_epoch(&mut overlay, identity).unwrap();
    let batch = overlay.into_batch();
    store.write(batch).unwrap();
    Coordinator::new(identity)
}

impl Stage {
    /// What was done since this was asked last.
    pub fn actions(&mut self) -> Vec<String> {
        std::mem::take(&mut self.shown)
    }

    pub fn perform(&mut self, line: &str) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["resource", name, kind] => self.register(name, kind, None),
            ["resource", name, kind, "slots", slots] => self.register(name, kind, Some(slots.parse().unwrap())),
            ["after", span] => self.pass(said::span(span)),
            ["apply"] => self.apply_next(),
            ["apply", "all"] => {
                while !self.proposals.is_empty() {
                    self.apply_next();
                }
            }
            ["apply", "refused", why] => self.refuse_next(why),
            ["called", resource, transaction, answer @ ..] if transaction.starts_with(['T', 'F']) => {
                self.call_back(resource, Some(transaction), answer);
            }
            ["called", resource, answer @ ..] => self.call_back(resource, None, answer),
            ["barrier"] => {
                let barrier = self.barriers.pop_front().expect("a barrier is awaited");
                self.event(Event::BarrierPassed { barrier });
            }
            ["disconnect", connection] => self.event(Event::Disconnected { connection: said::connection(connection) }),
            ["crash"] => self.crash(0),
            ["crash", "keeping", kept] => self.crash(kept.parse().unwrap()),
            ["settle"] => {
                let mut out = Vec::new();
                self.coordinator.settle(&mut out);
                self.take(out);
            }
            _ => self.request(line, &words),
        }
    }

    fn request(&mut self, line: &str, words: &[&str]) {
        let (words, connection) = match words {
            [words @ .., "on", connection] => (words, said::connection(connection)),
            words => (words, ConnectionId(1)),
        };
        let ask = said::request(words).unwrap_or_else(|| panic!("no such command: {line}"));
        self.last_request += 1;
        let request = RequestId(self.last_request);
        self.requests.insert(request, line.to_owned());
        self.event(Event::Request { request, connection, ask });
    }

    fn event(&mut self, event: Event) {
        let mut out = Vec::new();
        self.coordinator.step(&self.state, &self.store, self.now, event, &mut out).unwrap();
        self.take(out);
    }

    fn take(&mut self, actions: Vec<Action>) {
        for action in actions {
            let shown = match &action {
                Action::Answer { request, answer } => {
                    let line = self.requests.remove(request).expect("every request is answered once");
                    format!("<{line}> {}", shown::answer(answer))
                }
                action => shown::action(action),
            };
            self.shown.push(shown);
            match action {
                Action::Propose { proposal, command } => self.proposals.push_back((proposal, command)),
                Action::Call { call, resource, ask } => {
                    self.calls.insert(call, (resource, ask));
                }
                Action::Barrier { barrier } => self.barriers.push_back(barrier),
                Action::Answer { .. } | Action::RollbackLocal { .. } => {}
            }
        }
    }

    fn apply_next(&mut self) {
        let (proposal, command) = self.proposals.pop_front().expect("a command is proposed");
        let result = self.apply(command);
        self.event(Event::Applied { proposal, result });
    }

    fn apply(&mut self, command: Command) -> Result<Done, Refused> {
        let mut overlay = Overlay::new(&self.store);
        let judged = self.state.check(&overlay, &command).unwrap();
        let result = self.state.apply(&mut overlay, self.now, command).unwrap();
        assert_eq!(judged.is_ok(), result.is_ok(), "check says what apply does");
        let batch = overlay.into_batch();
        assert!(result.is_ok() || batch.is_empty(), "a refused command changes nothing");
        self.store.write(batch).unwrap();
        self.state.check_invariants(&self.store).unwrap().unwrap();
        result
    }

    /// The host's half of the command was refused: nothing is applied.
    fn refuse_next(&mut self, why: &str) {
        let (proposal, command) = self.proposals.pop_front().expect("a command is proposed");
        let (Command::Delegate { id, .. } | Command::Decide { id, .. }) = command else {
            panic!("only first records are refused by the host")
        };
        let refused = match why {
            "local-branch" => Refused::LocalBranch { id },
            "no-space" => Refused::NoSpace { id },
            other => panic!("no such refusal: {other}"),
        };
        self.event(Event::Applied { proposal, result: Err(refused) });
    }

    /// Answers the oldest call to this resource, about this transaction if one is named, to which the answer fits.
    fn call_back(&mut self, resource: &str, transaction: Option<&str>, answer: &[&str]) {
        let fits = |(_, (found, ask)): &(&CallId, &(Resource, Ask))| {
            found.name.as_str() == resource
                && said::fits(ask, answer[0])
                && transaction.is_none_or(|transaction| said::is_about(ask, transaction))
        };
        let found = self.calls.iter().find(fits);
        let call = *found.unwrap_or_else(|| panic!("no call to {resource} awaits {answer:?}: {:?}", self.calls)).0;
        let (resource, _) = self.calls.remove(&call).expect("it was found above");
        let result = said::told(&resource.name, answer);
        self.event(Event::Called { call, result });
    }

    /// Time passes, with a tick whenever one is wanted.
    fn pass(&mut self, span: Duration) {
        let end = self.now.after(span);
        while let Some(at) = self.coordinator.next_tick().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.event(Event::Tick);
        }
        self.now = end;
    }

    /// The leader is lost with its memory; of the commands in flight, the first `kept` are in the log. Calls under way stay:
    /// their answers reach nobody.
    fn crash(&mut self, kept: usize) {
        for _ in 0..kept {
            let (_, command) = self.proposals.pop_front().expect("so many commands are proposed");
            // Whether it was refused, nobody is there to hear.
            self.apply(command).ok();
        }
        self.proposals.clear();
        self.calls.clear();
        self.barriers.clear();
        self.requests.clear();
        let reopened = State::open(&self.store).unwrap();
        assert_eq!(reopened, self.state, "the store holds the whole state");
        self.epoch += 1;
        self.coordinator = lead(&mut self.store, &mut self.state, self.epoch);
        let mut out = Vec::new();
        self.coordinator.start(&self.state, self.now, &mut out);
        self.take(out);
    }

    /// Adds a resource and answers its first calls, without a word of it in the scenario.
    fn register(&mut self, name: &str, kind: &str, slots: Option<u32>) {
        let shown = self.shown.len();
        self.request(&format!("add {name} {kind}"), &["add", name, kind]);
        self.apply_next();
        let own = |(_, (of, _)): &(&CallId, &(Resource, Ask))| of.name.as_str() == name;
        while let Some(call) = self.calls.iter().find(own).map(|(call, _)| *call) {
            let told = match self.calls.remove(&call).expect("it was found above").1 {
                Ask::Attach { .. } => Told::Attached { slots },
                Ask::Scan { .. } => Told::Scanned(Vec::new()),
                Ask::ClearMarkers { .. } => Told::Done,
                ask => panic!("not expected of a new resource: {ask:?}"),
            };
            self.event(Event::Called { call, result: Ok(told) });
        }
        while !self.proposals.is_empty() {
            self.apply_next();
        }
        self.shown.truncate(shown);
        self.shown.push(format!("{name} is attached"));
    }
}
