//! The coordinator's host: it applies commands, and its own branch of every transaction follows them in the same entry (D8).

use super::*;
use handfast_coordinator_core::{Done, Refused};
use handfast_protocol::Outcome;

/// The host's own branch of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Local {
    Active,
    Prepared,
    Committed,
    RolledBack,
}

pub fn lead(store: &mut MemStore, state: &mut State, identity: Identity) -> Coordinator {
    let mut overlay = Overlay::new(store);
    state.begin_epoch(&mut overlay, identity).unwrap();
    let batch = overlay.into_batch();
    store.write(batch).unwrap();
    Coordinator::new(identity)
}

impl World {
    pub(super) fn apply_next(&mut self) {
        let (proposal, command) = self.proposals.pop_front().expect("a command is proposed");
        let result = self.apply(&command);
        self.event(Event::Applied { proposal, result });
    }

    pub(super) fn refuse_next(&mut self) {
        let Some((_, Command::Delegate { id, .. } | Command::Decide { id, .. })) = self.proposals.front() else {
            return;
        };
        let id = *id;
        let (proposal, _) = self.proposals.pop_front().unwrap();
        self.happened.host_refusals += 1;
        self.event(Event::Applied { proposal, result: Err(Refused::LocalBranch { id }) });
    }

    fn apply(&mut self, command: &Command) -> Result<Done, Refused> {
        if let Command::Acknowledge { heuristic, .. } = command {
            assert_eq!(*heuristic, None, "A12: nobody ended a branch on its own");
        }
        let mut overlay = Overlay::new(&self.store);
        let result = self.state.apply(&mut overlay, self.now, command.clone()).unwrap();
        let batch = overlay.into_batch();
        self.store.write(batch).unwrap();
        let (Command::Delegate { id, .. } | Command::Decide { id, .. } | Command::Conclude { id, .. }) = command else {
            return result;
        };
        let local = self.local.get_mut(id).unwrap();
        match (&result, *local) {
            (Ok(Done::Recorded), Local::Active) => *local = Local::Prepared,
            (Ok(Done::Decided(Outcome::Committed)), Local::Active | Local::Prepared) => *local = Local::Committed,
            (Ok(Done::Decided(Outcome::RolledBack)), Local::Prepared) => *local = Local::RolledBack,
            (result, local) => panic!("{id}: {result:?} with a local branch that is {local:?}"),
        }
        result
    }

    pub(super) fn roll_back_local(&mut self, id: GlobalId) {
        let before = self.local.insert(id, Local::RolledBack);
        assert_eq!(before, Some(Local::Active), "only what the log does not know is rolled back without it");
    }

    /// The leader is lost; the log keeps the first `kept` commands in flight.
    pub(super) fn crash(&mut self, kept: usize) {
        self.happened.crashes += 1;
        for _ in 0..kept.min(self.proposals.len()) {
            let (_, command) = self.proposals.pop_front().unwrap();
            self.happened.crashes_with_commands_kept += 1;
            self.apply(&command).expect("nothing makes a command of this leadership void");
        }
        self.proposals.clear();
        self.orphans.extend(self.calls.drain(..).map(|(_, resource, ask)| (resource.name, ask)));
        self.answers.clear();
        self.barriers.clear();
        let mut out = Vec::new();
        self.coordinator.settle(&mut out);
        self.take(out);
        self.local.values_mut().filter(|local| **local == Local::Active).for_each(|local| *local = Local::RolledBack);
        let reopened = State::open(&self.store).unwrap();
        assert_eq!(reopened, self.state, "A18: the store holds the whole state");
        self.identity.epoch += 1;
        self.coordinator = lead(&mut self.store, &mut self.state, self.identity);
        let mut out = Vec::new();
        self.coordinator.start(&self.state, self.now, &mut out);
        self.take(out);
    }

    pub(super) fn execute(&mut self, name: &ResourceName, ask: &Ask) -> Result<Told, CallFailed> {
        let database = self.databases.get_mut(name).unwrap();
        let held = database.prepared();
        let result = database.execute(ask);
        let cleared = std::mem::take(&mut database.cleared);
        if let Ask::Rollback { xid } = ask
            && database.prepared() < held
            && self.prepared_late.remove(xid)
        {
            self.happened.swept += 1;
        }
        self.happened.markers_cleared += cleared.len() as u64;
        for id in cleared {
            assert!(self.state.transaction(id).is_none(), "P14: the row of {id} is needed: it has not ended");
            assert_eq!(self.local[&id], Local::Committed, "P14: the row of {id} is needed");
        }
        match &result {
            Ok(Told::Fenced(Outcome::Committed)) => self.happened.fenced_committed += 1,
            Ok(Told::Fenced(Outcome::RolledBack)) => self.happened.fenced_rolled_back += 1,
            _ => {}
        }
        result
    }
}
