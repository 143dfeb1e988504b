//! A server of the simulated world: a real node over a real log, on a simulated disk and a store in memory. Raft is not
//! simulated: the group has one voter, so what is synced is committed.

mod branches;
mod flushed_store;
mod process;

use handfast_coordinator_core::{Ask, CallId, Resource};
use handfast_log::disk::{Crash, Disk, DiskFile, Fault, SimulatedDisk, Survival};
use handfast_machine::{Answer, Refusal};
use handfast_protocol::{Incarnation, Timestamp};
use uuid::Uuid;

use crate::names;
use crate::plan::{Mutant, Sizes};
use crate::world::{FrameId, SessionId};

pub use branches::{Next, Progress, asked_of_queues, next};
pub use flushed_store::FlushedStore;
pub use process::{Process, Start, in_doubt};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ServerId {
    /// The queue manager, with the coordinator that it brings along (D8).
    Queues,
    /// The coordinator alone.
    Coordinator,
    /// A copy of whichever coordinates (P3).
    Copy,
}

impl ServerId {
    /// Its name in histories: the queue manager's is the one that it has as a resource.
    pub fn name(self) -> &'static str {
        match self {
            ServerId::Queues => names::QUEUES,
            ServerId::Coordinator => "coordinator",
            ServerId::Copy => "copy",
        }
    }
}

/// A question on its way, and whom to tell: one life of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller {
    pub server: ServerId,
    pub life: u64,
    pub call: CallId,
}

/// Who waits for an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Waiter {
    Session {
        session: SessionId,
        frame: FrameId,
    },
    /// Another server's coordinator, for which this one is a resource.
    Caller {
        caller: Caller,
        ask: Ask,
        progress: Progress,
    },
    /// An operator, who looks at the queue afterwards and not at the answer.
    Operator,
    /// The world itself: it sets the scene and audits the end.
    Auditor,
}

/// One thing that a thread of the server does, and between any two of which it may die.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Chore {
    Append,
    Sync,
    Apply,
    FlushStore,
}

#[derive(Debug)]
pub enum Effect {
    Answer { waiter: Waiter, answer: Result<Answer, Refusal> },
    Call { call: CallId, resource: Resource, ask: Ask },
    Barrier { barrier: u64 },
    Chore(Chore),
}

/// Why a process ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// Its disk stands still: the plan struck it.
    #[error("the disk stands still")]
    Halted,
    /// A write or a sync failed, or there is no room: the log takes nothing more, and the process ends (D12).
    #[error("the disk failed")]
    Poisoned,
    /// By itself; no plan asks for that.
    #[error("{0}")]
    Broken(String),
}

pub struct Server {
    disk: SimulatedDisk,
    store: FlushedStore,
    manager_id: Uuid,
    incarnation: Incarnation,
    mutant: Mutant,
    sizes: Sizes,
    pub life: u64,
    pub process: Option<Process>,
}

impl Server {
    pub fn new(id: ServerId, mutant: Mutant, sizes: Sizes) -> Server {
        let number = match id {
            ServerId::Queues => 0xA0,
            ServerId::Coordinator => 0xC0,
            ServerId::Copy => panic!("a copy has the id of its original"),
        };
        Server {
            disk: SimulatedDisk::new(),
            store: FlushedStore::default(),
            manager_id: Uuid::from_u128(number),
            incarnation: Incarnation(1),
            mutant,
            sizes,
            life: 0,
            process: None,
        }
    }

    /// What a loss of power would leave, on a machine of its own; its directory begins a new incarnation (P3).
    pub fn copied(&self) -> Server {
        let (mut disk, store) = (self.disk.fork(), self.store.crashed(0));
        disk.crash(Crash::PowerLoss(Survival::Nothing));
        disk.set_capacity(None);
        Server { disk, store, incarnation: Incarnation(self.incarnation.0 + 1), process: None, ..*self }
    }

    pub fn start(&mut self, now: Timestamp) -> Result<(), Failure> {
        self.life += 1;
        let start = Start {
            now,
            life: self.life,
            manager_id: self.manager_id,
            incarnation: self.incarnation,
            mutant: self.mutant,
            sizes: self.sizes,
        };
        self.process = Some(Process::start(&self.disk, &self.store, start)?);
        Ok(())
    }

    /// The end of the process, or of the machine. What it was is given back for a last look.
    pub fn crash(&mut self, crash: Crash, store_kept: usize) -> Option<Process> {
        let process = self.process.take();
        self.store = self.store.crashed(store_kept);
        self.disk.crash(crash);
        self.disk.set_capacity(None);
        process
    }

    /// Flips a bit of these bytes wherever they are on its disk, or flips it back.
    pub fn flip(&self, bytes: &[u8]) -> bool {
        let mut found = false;
        for name in self.disk.list().unwrap_or_default() {
            let Ok(file) = self.disk.open(&name) else { continue };
            let mut content = vec![0; file.length().unwrap_or_default() as usize];
            if file.read_at(0, &mut content).is_err() {
                continue;
            }
            let bit = (bytes.len() % 8) as u8;
            for at in 0..(content.len() + 1).saturating_sub(bytes.len()) {
                let here = &content[at..at + bytes.len()];
                let is_same = here[1..] == bytes[1..] && (here[0] == bytes[0] || here[0] == bytes[0] ^ (1 << bit));
                found |= is_same && self.disk.flip(&name, at as u64, bit).is_ok();
            }
        }
        found
    }

    /// Changes of its disk that a power loss could lose now.
    pub fn pending_changes(&self) -> usize {
        self.disk.pending_changes()
    }

    /// Changes of its disk and writes of its store that a loss of power could take now.
    pub fn at_risk(&self) -> (usize, usize) {
        (self.pending_changes(), self.unflushed_writes())
    }

    pub fn unflushed_writes(&self) -> usize {
        self.store.unflushed()
    }

    /// Changes asked of its disk so far.
    pub fn changes(&self) -> u64 {
        self.disk.changes()
    }

    /// Its disk fails the next time, as the plan says.
    pub fn fail_next(&self, fault: Fault) {
        self.disk.plan(fault);
    }

    /// Its disk has no room for another byte, until it is started again.
    pub fn is_full(&self) {
        self.disk.set_capacity(Some(0));
    }

    /// The disk stands still before its change with this number.
    pub fn halt_before(&self, change: u64) {
        self.disk.plan(Fault::Halt { after: change.saturating_sub(self.disk.changes()) });
    }
}
