//! One world, one run: members, what is on its way between them, and one thing that happens after the other. Nothing here
//! reads a clock, and every choice is the plan's: the same plan gives the same run.

mod audit;
mod carry;
mod copies;
mod exposure;
mod happening;
mod links;
mod noticing;
mod operator;
mod run;
mod scenery;
mod strikes;
mod telling;
mod turmoil;

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use handfast_checker::history::{History, Op};
use handfast_machine::{Answer, Refusal};
use handfast_protocol::{Timestamp, Xid};

use crate::client::{Client, Role};
use crate::database::{Connection, Database};
use crate::plan::Plan;
use crate::probes::Probes;
use crate::server::{Caller, Server, ServerId};
use crate::watcher::Watcher;
pub use exposure::Exposure;
use happening::Happening;
use links::Cut;
use turmoil::Turmoil;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SessionId(pub u64);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct FrameId(pub u64);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClientId(pub usize);

/// A stream between a client and a server.
#[derive(Debug, Clone, Copy)]
struct Session {
    client: ClientId,
    server: ServerId,
    /// The server lives, and has not heard that the client is gone.
    is_open: bool,
}

/// A client's process, with what connects it to the others.
#[derive(Debug)]
struct Desk {
    client: Client,
    role: Role,
    life: u64,
    is_up: bool,
    is_paused: bool,
    links: BTreeMap<ServerId, SessionId>,
    connection: Option<Connection>,
    awaited: Option<(SessionId, FrameId)>,
    /// What the history was told that the client asks.
    asked: Option<Op>,
    /// How many sends of its file the history was told of, each once, whichever of its lives sends it.
    imports_told: u64,
    /// The label of the message that it was given without its body.
    awaiting_body: Option<String>,
}

/// Why a run is no good, beyond what the checker judges.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Stuck {
    #[error("{0:?} could not go on: {1}")]
    Broken(ServerId, String),
    #[error("after the last trouble {0:?} have passed, and not all orders are done")]
    NotDone(std::time::Duration),
    #[error("it took more than {0} steps")]
    TooManySteps(u64),
    #[error("an invariant of {0:?} is broken: {1}")]
    Invariant(ServerId, String),
    #[error("{0}")]
    Panicked(String),
}

impl Stuck {
    /// One word for it.
    pub fn kind(&self) -> &'static str {
        match self {
            Stuck::Broken(..) => "broken",
            Stuck::NotDone(_) => "not done",
            Stuck::TooManySteps(_) => "too many steps",
            Stuck::Invariant(..) => "invariant",
            Stuck::Panicked(_) => "panicked",
        }
    }
}

#[allow(missing_debug_implementations, reason = "a node has no useful debug form")]
pub struct World {
    plan: Plan,
    now: Timestamp,
    servers: BTreeMap<ServerId, Server>,
    database: Option<Database>,
    watchers: BTreeMap<ServerId, Watcher>,
    /// Servers that were started and have not served since, whatever struck them.
    starting: BTreeSet<ServerId>,
    /// An operator has purged the orders: any of them may have died of that.
    is_purged: bool,
    /// A server ended while its log had something in doubt.
    must_recover: bool,
    /// Servers whose log was damaged, and what of it.
    rotten: BTreeMap<ServerId, Bytes>,
    /// Servers that stand still.
    stalled: BTreeSet<ServerId>,
    /// Links that are cut, and when they are whole again.
    cuts: Vec<(Cut, Timestamp)>,
    /// Servers whose space is low (P18).
    cramped: BTreeSet<ServerId>,
    desks: Vec<Desk>,
    sessions: BTreeMap<SessionId, Session>,
    /// May happen now, oldest first.
    pending: BTreeMap<u64, Happening>,
    /// Happens at its time.
    due: BTreeMap<(Timestamp, u64), Happening>,
    /// Votes that were asked for.
    preparing: Vec<(Caller, Xid)>,
    /// Numbers everything that needs one.
    last_number: u64,
    /// Taken since the scene was set.
    steps: u64,
    /// How many steps were taken when each of the plan's strikes came down.
    struck_at: Vec<u64>,
    last_trouble: Timestamp,
    heard_by_auditor: Option<Result<Answer, Refusal>>,
    pub history: History,
    pub probes: Probes,
    trace: Option<String>,
    turmoil: Option<Turmoil>,
    exposed: Vec<Exposure>,
}

/// What a run came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ran {
    pub history: History,
    pub probes: Probes,
    pub steps: u64,
    /// Changes of the queue manager's disk, and of the coordinator's, at the end.
    pub changes: BTreeMap<ServerId, u64>,
    /// How many steps were taken when each of the plan's strikes came down, those that did.
    pub struck_at: Vec<u64>,
    /// Before each step, and at the end: what could have been lost.
    pub exposed: Vec<Exposure>,
    pub trace: String,
}

impl World {
    fn number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    fn push(&mut self, happening: Happening) {
        let number = self.number();
        self.pending.insert(number, happening);
    }

    fn push_at(&mut self, at: Timestamp, happening: Happening) {
        let number = self.number();
        self.due.insert((at, number), happening);
    }

    fn note(&mut self, line: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            trace.push_str(&line());
            trace.push('\n');
        }
    }

    fn server(&mut self, id: ServerId) -> &mut Server {
        self.servers.get_mut(&id).expect("only servers of the scene are named")
    }

    /// Those of the scene.
    fn originals(&self) -> Vec<ServerId> {
        self.servers.keys().copied().filter(|id| *id != ServerId::Copy).collect()
    }

    fn coordinator(&self) -> ServerId {
        if self.plan.scene.way.is_standalone() { ServerId::Coordinator } else { ServerId::Queues }
    }
}
