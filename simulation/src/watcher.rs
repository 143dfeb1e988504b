//! Watches a server's log: every entry that became durable is applied, one at a time, to a state of the watcher's own. So it
//! knows each step of each transaction, and what the server's state must be.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use crate::server::in_doubt;
use handfast_checker::history::{Outcome, State as Stage};
use handfast_coordinator_core as coordinator;
use handfast_machine::{Applied, Command, Entry, State, decode_batch};
use handfast_protocol::{self as protocol, GlobalId, Xid};
use handfast_queue as queue;
use handfast_store::{Family, MemStore, Store};

/// A step of a transaction, as an entry made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    pub transaction: String,
    pub stage: Stage,
    pub epoch: u64,
}

pub struct Watcher {
    state: State,
    store: MemStore,
    /// The digest of each entry, by its index.
    entries: BTreeMap<u64, u32>,
    /// The entry in which each branch was prepared.
    prepared: BTreeMap<Xid, u64>,
    /// What should not be, in words.
    pub complaints: Vec<String>,
}

impl Default for Watcher {
    fn default() -> Watcher {
        let store = MemStore::default();
        let state = State::open(&store).expect("an empty store is a state");
        Watcher { state, store, entries: BTreeMap::new(), prepared: BTreeMap::new(), complaints: Vec::new() }
    }
}

impl Watcher {
    pub fn last(&self) -> u64 {
        self.entries.last_key_value().map_or(0, |(index, _)| *index)
    }

    pub fn count(&self) -> u64 {
        self.entries.len() as u64
    }

    /// An entry that is durable: for the first time, or once more after a restart.
    pub fn saw(&mut self, entry: &Entry) -> Vec<Step> {
        let digest = crc32c::crc32c(entry.payload.as_deref().unwrap_or_default());
        if let Some(before) = self.entries.get(&entry.index) {
            if *before != digest {
                self.complaints.push(format!("entry {} of the log is another than it was", entry.index));
            }
            return Vec::new();
        }
        self.entries.insert(entry.index, digest);
        let (epoch, commands) = match entry.payload.as_ref().map(decode_batch) {
            Some(Ok(batch)) => (batch.epoch, batch.commands),
            Some(Err(unreadable)) => {
                self.complaints.push(format!("entry {} of the log cannot be read: {unreadable}", entry.index));
                return Vec::new();
            }
            None => (0, Vec::new()),
        };
        let prepares = commands.iter().filter_map(prepares).map(|xid| (xid.clone(), entry.index));
        self.prepared.extend(prepares);
        let branches = self.recorded_branches(&commands);
        match self.state.apply(&mut self.store, vec![entry.clone()]) {
            Ok(batches) => {
                let results = batches.into_iter().flat_map(|batch| batch.results);
                let steps =
                    commands.iter().zip(results).flat_map(|(command, applied)| steps(command, &applied, &branches));
                steps.map(|(transaction, stage)| Step { transaction, stage, epoch }).collect()
            }
            Err(fatal) => {
                self.complaints.push(format!("entry {} of the log cannot be applied: {fatal}", entry.index));
                Vec::new()
            }
        }
    }

    /// Who must commit what is decided by a last resource, before that is applied.
    fn recorded_branches(&self, commands: &[Command]) -> BTreeMap<GlobalId, Vec<String>> {
        let concluded = commands.iter().filter_map(|command| match command {
            Command::Coordinator(coordinator::Command::Conclude { id, .. }) => Some(*id),
            _ => None,
        });
        concluded
            .filter_map(|id| self.state.coordinator.transaction(id))
            .map(|transaction| {
                let names = transaction.branches.iter().map(|branch| branch.resource.to_string());
                (transaction.id, names.collect())
            })
            .collect()
    }

    pub fn in_doubt(&self) -> u64 {
        in_doubt(&self.state)
    }

    pub fn prepared_at(&self, branch: &Xid) -> Option<u64> {
        self.prepared.get(branch).copied()
    }

    pub fn digest(&self) -> u64 {
        digest(&self.store)
    }
}

/// Of everything that a store holds.
pub fn digest(store: &dyn Store) -> u64 {
    let mut digest = 0;
    for family in Family::ALL {
        store
            .scan(family, &[], &[], &mut |key, value| {
                digest = crc32c::crc32c_append(crc32c::crc32c_append(digest, key), value);
                ControlFlow::Continue(())
            })
            .expect("a store in memory can be read");
    }
    u64::from(digest)
}

fn steps(command: &Command, applied: &Applied, branches: &BTreeMap<GlobalId, Vec<String>>) -> Vec<(String, Stage)> {
    match (command, applied) {
        (Command::Queue(command), Applied::Queue(Ok(_))) => of_queue(command).into_iter().collect(),
        (Command::Coordinator(command), Applied::Coordinator { result: Ok(done), .. }) => {
            of_coordinator(command, done, branches).into_iter().collect()
        }
        (Command::Together { queue, coordinator }, Applied::Together { queue: Ok(_), coordinator: Ok(done) }) => {
            of_queue(queue).into_iter().chain(of_coordinator(coordinator, done, branches)).collect()
        }
        // Refused, or nothing of a transaction's.
        (Command::Queue(_) | Command::Coordinator(_) | Command::Together { .. }, _)
        | (Command::BeginEpoch { .. } | Command::Attach { .. }, _) => Vec::new(),
    }
}

/// The branch that the command prepares, if it is not refused.
fn prepares(command: &Command) -> Option<&Xid> {
    match command {
        Command::Queue(queue) | Command::Together { queue, .. } => match queue {
            queue::Command::Prepare { xid, .. } => Some(xid),
            _ => None,
        },
        Command::Coordinator(_) | Command::BeginEpoch { .. } | Command::Attach { .. } => None,
    }
}

fn of_queue(command: &queue::Command) -> Option<(String, Stage)> {
    match command {
        queue::Command::Prepare { xid, .. } => Some((transaction(xid), Stage::Prepared)),
        queue::Command::Commit { xid, .. } | queue::Command::CommitPrepared { xid, .. } => {
            Some((transaction(xid), Stage::Committed))
        }
        queue::Command::RollbackPrepared { xid } => Some((transaction(xid), Stage::RolledBack)),
        queue::Command::CreateQueue { .. }
        | queue::Command::DeleteQueue { .. }
        | queue::Command::Sweep { .. }
        | queue::Command::Expire { .. }
        | queue::Command::Send { .. }
        | queue::Command::StageBody { .. }
        | queue::Command::StageWork { .. }
        | queue::Command::Unstage { .. }
        | queue::Command::Release { .. }
        | queue::Command::Return { .. }
        | queue::Command::ReturnDeadLetters { .. } => None,
    }
}

fn of_coordinator(
    command: &coordinator::Command,
    done: &coordinator::Done,
    branches: &BTreeMap<GlobalId, Vec<String>>,
) -> Option<(String, Stage)> {
    match (command, done) {
        (coordinator::Command::Delegate { id, resource, .. }, _) => {
            Some((id.to_string(), Stage::Delegated { to: resource.to_string() }))
        }
        (coordinator::Command::Decide { id, branches }, coordinator::Done::Decided(outcome)) => {
            let participants = branches.iter().map(|branch| branch.resource.to_string()).collect();
            Some((id.to_string(), Stage::Decided { outcome: outcome_of(*outcome), participants }))
        }
        (coordinator::Command::Conclude { id, .. }, coordinator::Done::Decided(outcome)) => {
            let participants = match outcome {
                protocol::Outcome::Committed => branches.get(id).cloned().unwrap_or_default(),
                protocol::Outcome::RolledBack => Vec::new(),
            };
            Some((id.to_string(), Stage::Decided { outcome: outcome_of(*outcome), participants }))
        }
        (coordinator::Command::Acknowledge { id, .. }, coordinator::Done::Ended(_)) => {
            Some((id.to_string(), Stage::Ended))
        }
        // One of several branches, or an outcome that had been recorded before.
        (
            coordinator::Command::Decide { .. }
            | coordinator::Command::Conclude { .. }
            | coordinator::Command::Acknowledge { .. },
            _,
        )
        | (
            coordinator::Command::AddResource { .. }
            | coordinator::Command::RemoveResource { .. }
            | coordinator::Command::Forget { .. }
            | coordinator::Command::ForgetOutcomes { .. }
            | coordinator::Command::MarkersCleared { .. },
            _,
        ) => None,
    }
}

pub fn outcome_of(outcome: protocol::Outcome) -> Outcome {
    match outcome {
        protocol::Outcome::Committed => Outcome::Committed,
        protocol::Outcome::RolledBack => Outcome::RolledBack,
    }
}

/// A branch goes by its transaction's name.
pub fn transaction(xid: &Xid) -> String {
    GlobalId::try_from(xid).map_or_else(|_| xid.to_string(), |id| id.to_string())
}
