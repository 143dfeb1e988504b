//! The volatile half of the queue manager, on the leader only: active branches, locks, ready windows, waiting receives.
//!
//! It judges requests against the durable state and proposes commands; it answers only on what applying them said (D3). A
//! new leadership starts a new manager with nothing active; what was active is thereby rolled back, what was prepared is in
//! the state. It knows no clock, no connection's bytes and no coordinator: those are its caller's.
//!
//! ```text
//! Event -> step -> requests: queues, sends, staging, receives, readers, verbs, purge, dead_letters   (what is asked)
//!               -> applied                                                                        (what came of it)
//!               -> tick: timeouts, leases, expiry
//!          then -> handout: every queue where something changed serves its line
//! ```

#![allow(
    clippy::result_large_err,
    reason = "a refusal is made once and moved into its answer; a box would only add a step"
)]

mod applied;
mod bodies;
mod branch;
mod branches;
mod budget;
mod connections;
mod coordination;
mod dead_letters;
mod ending;
mod event;
mod exclusive;
mod expire;
mod expiry;
mod gauges;
mod handout;
mod in_flight;
mod invariants;
pub mod limits;
mod locks;
mod ordinals;
mod purge;
mod queues;
mod readers;
mod ready;
mod receives;
mod removals;
pub mod request;
mod sends;
mod sizes;
mod staging;
mod step;
mod timers;
mod turn;
mod verbs;
mod waiting;
mod window;

use std::collections::BTreeSet;

use uuid::Uuid;

pub use event::{Action, Event, Proposal, Resolved, Space};
pub use invariants::Leak;
pub use request::{Answer, ConnectionId, NewBody, NewMessage, QueueView, Received, Request, RequestId, RequestRefused};
pub use sizes::Sizes;

use crate::QueueId;
use bodies::StagedBodies;
use branches::Branches;
use budget::Budget;
use connections::Connections;
use exclusive::ExclusiveReaders;
use expiry::Expiry;
use in_flight::InFlight;
use locks::Locks;
use ordinals::Ordinals;
use ready::Ready;
use removals::Removals;
use timers::Timers;
use waiting::Waiting;

/// The queue manager's memory during one leadership.
#[derive(Debug)]
pub struct Manager {
    ordinals: Ordinals,
    branches: Branches,
    connections: Connections,
    locks: Locks,
    ready: Ready,
    waiting: Waiting,
    exclusive: ExclusiveReaders,
    removals: Removals,
    expiry: Expiry,
    bodies: StagedBodies,
    in_flight: InFlight,
    timers: Timers,
    /// What active branches hold in memory, all together (P26).
    active: Budget,
    /// What active branches and unnamed bodies have written ahead, all together (P26).
    staged: Budget,
    space: Space,
    sizes: Sizes,
    /// Queues where something changed in this step: their lines are served at its end.
    stirred: BTreeSet<QueueId>,
    /// The state holds more than the manager has heard of.
    is_behind: bool,
    /// Deletes that an earlier leader began are going on.
    resumed: bool,
}

impl Manager {
    /// `epoch` is the leadership's (P2): ids drawn in one epoch are never drawn in another.
    pub fn new(manager_id: Uuid, epoch: u64, sizes: Sizes) -> Manager {
        let sizes = sizes.within_limits();
        Manager {
            ordinals: Ordinals::new(manager_id, epoch),
            branches: Branches::default(),
            connections: Connections::default(),
            locks: Locks::default(),
            ready: Ready::new(sizes),
            waiting: Waiting::default(),
            exclusive: ExclusiveReaders::default(),
            removals: Removals::default(),
            expiry: Expiry::default(),
            bodies: StagedBodies::default(),
            in_flight: InFlight::default(),
            timers: Timers::default(),
            active: Budget::new(limits::ACTIVE_BYTES_MAX),
            staged: Budget::new(limits::STAGED_BYTES_MAX),
            space: Space::default(),
            sizes,
            stirred: BTreeSet::new(),
            is_behind: false,
            resumed: false,
        }
    }
}
