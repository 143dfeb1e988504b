//! A queue manager without a log: proposals wait in a line until the test applies them, in order.

use std::collections::VecDeque;

use handfast_protocol::Timestamp;
use handfast_queue::manager::{Action, Event, Manager, Proposal, Sizes};
use handfast_queue::state::State;
use handfast_queue::{Command, Done, Refused};
use handfast_store::{MemStore, Overlay, Store};
use uuid::Uuid;

pub const MANAGER_ID: Uuid = Uuid::from_u128(7);

pub struct World {
    pub store: MemStore,
    pub state: State,
    pub manager: Manager,
    pub now: Timestamp,
    pub epoch: u64,
    /// Looks at everything after each step: too slow for thousands of messages.
    pub checks: bool,
    in_flight: VecDeque<(Proposal, Command)>,
}

impl World {
    pub fn new() -> World {
        let store = MemStore::default();
        let state = State::open(&store).unwrap();
        let manager = Manager::new(MANAGER_ID, 0, Sizes::default());
        let mut world = World {
            store,
            state,
            manager,
            now: Timestamp(1_000_000),
            epoch: 0,
            checks: true,
            in_flight: VecDeque::new(),
        };
        world.crash();
        world
    }

    /// The process ends with what was proposed but not applied; the next one begins a new epoch.
    pub fn crash(&mut self) {
        self.in_flight.clear();
        self.epoch += 1;
        self.state = State::open(&self.store).unwrap();
        let mut overlay = Overlay::new(&self.store);
        self.state.begin_epoch(&mut overlay, self.now).unwrap();
        self.state.finish(&mut overlay);
        let batch = overlay.into_batch();
        self.store.write(batch).unwrap();
        self.manager = Manager::new(MANAGER_ID, self.epoch, Sizes::default());
        self.check();
    }

    pub fn step(&mut self, event: Event) -> Vec<Action> {
        let now = self.now;
        self.work(|manager, state, store, out| manager.step(state, store, now, event, out).unwrap())
    }

    /// Anything that is done to the manager; what it proposes joins the line.
    pub fn work<T>(
        &mut self,
        work: impl FnOnce(&mut Manager, &State, &MemStore, &mut Vec<Action>) -> T,
    ) -> Vec<Action> {
        let mut out = Vec::new();
        work(&mut self.manager, &self.state, &self.store, &mut out);
        for action in &out {
            if let Action::Propose { proposal, command } = action {
                self.in_flight.push_back((*proposal, command.clone()));
            }
        }
        self.check();
        out
    }

    pub fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// The next command as it stands in line.
    pub fn next_command(&self) -> Option<&Command> {
        self.in_flight.front().map(|(_, command)| command)
    }

    pub fn commands(&self) -> impl Iterator<Item = &Command> {
        self.in_flight.iter().map(|(_, command)| command)
    }

    /// Applies the oldest command, and tells nobody yet.
    pub fn apply(&mut self) -> Option<(Proposal, Result<Done, Refused>)> {
        let (proposal, command) = self.in_flight.pop_front()?;
        Some((proposal, self.apply_command(command)))
    }

    pub fn apply_command(&mut self, command: Command) -> Result<Done, Refused> {
        let mut overlay = Overlay::new(&self.store);
        let result = self.state.apply(&mut overlay, self.now, command).unwrap();
        self.state.finish(&mut overlay);
        let batch = overlay.into_batch();
        self.store.write(batch).unwrap();
        result
    }

    fn check(&self) {
        if !self.checks {
            return;
        }
        self.manager.check_invariants().unwrap();
        self.state.check_invariants(&self.store).unwrap();
    }
}
