//! One member: its store, its state and, while it leads, its leader. The one closed loop that the shell and the simulator
//! drive.

use bytes::Bytes;
use handfast_coordinator_core as coordinator;
use handfast_protocol::{Gauge, Incarnation, Timestamp, Xid};
use handfast_queue::manager::Space;
use handfast_store::{Store, StoreError};
use uuid::Uuid;

use crate::codec::{BatchUnreadable, encode_batch};
use crate::command::{Applied, Batch, Command};
use crate::leader::{Caller, Leader, Scene};
use crate::limits::FEATURE_LEVEL;
use crate::request::{Answer, ConnectionId, Refusal, Request, RequestId};
use crate::sizes::Sizes;
use crate::state::State;

/// A committed log entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub index: u64,
    /// Opaque to the machine; stored in the same write as the entry's effects and given back at the next start.
    pub position: Bytes,
    /// `None`: an entry of the log's own.
    pub payload: Option<Bytes>,
}

/// Everything that can happen to a member.
#[derive(Debug)]
pub enum Event {
    Request {
        request: RequestId,
        connection: ConnectionId,
        ask: Request,
    },
    KeepAlive {
        connection: ConnectionId,
    },
    Disconnected {
        connection: ConnectionId,
    },
    /// A driver has answered a [`Action::Call`].
    Called {
        call: coordinator::CallId,
        result: Result<coordinator::Told, coordinator::CallFailed>,
    },
    BarrierPassed {
        barrier: u64,
    },
    /// The log has committed these.
    Committed {
        entries: Vec<Entry>,
    },
    /// The log lets this member propose. `leadership` and `manager_id` are fresh random ids, `incarnation` is that of the data
    /// directory (P3).
    Lead {
        leadership: Uuid,
        manager_id: Uuid,
        incarnation: Incarnation,
    },
    /// The log no longer lets this member propose, or the process is stopping.
    Follow,
    Space(Space),
    Tick,
}

/// Everything a member wants done.
#[derive(Debug, PartialEq, Eq)]
pub enum Action {
    /// Append this entry to the log. In this order; it comes back as [`Event::Committed`].
    Propose(Bytes),
    Answer {
        request: RequestId,
        answer: Result<Answer, Refusal>,
    },
    /// Ask a resource; it comes back as [`Event::Called`].
    Call {
        call: coordinator::CallId,
        resource: coordinator::Resource,
        ask: coordinator::Ask,
    },
    /// Say [`Event::BarrierPassed`] when all that is committed now has been applied (P8).
    Barrier {
        barrier: u64,
    },
}

/// The member cannot go on: the process ends and says why (D12).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Fatal {
    #[error(transparent)]
    Store(#[from] StoreError),
    /// P31
    #[error(
        "the data is of a newer version: its feature level is {level}, and this program knows {FEATURE_LEVEL}; start it with a newer program"
    )]
    Newer { level: u16 },
    #[error("log entry {index} cannot be read: {cause}")]
    Entry { index: u64, cause: BatchUnreadable },
}

/// What a member found when its leadership began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recovery {
    /// Log entries that it has applied since its process began.
    pub entries: u64,
    /// Transactions that were decided, or left to a database to decide, and not over.
    pub transactions: u64,
    /// Prepared branches in its queues.
    pub branches: u64,
}

#[allow(missing_debug_implementations, reason = "a store has no useful debug form")]
pub struct Node<S: Store> {
    store: S,
    state: State,
    /// Proposed to lead; the epoch has not begun yet.
    awaited: Option<Uuid>,
    leader: Option<Leader>,
    /// Entries that were applied while it led nothing.
    replayed: u64,
    /// What is true of this process, whoever leads.
    space: Space,
    sizes: Sizes,
}

impl<S: Store> Node<S> {
    /// The member as its store remembers it; it follows until the log says [`Event::Lead`].
    pub fn open(store: S) -> Result<Node<S>, Fatal> {
        let state = State::open(&store)?;
        let (space, sizes) = (Space::default(), Sizes::default());
        Ok(Node { store, state, awaited: None, leader: None, replayed: 0, space, sizes })
    }

    /// The sizes that it has when it leads; before it leads.
    #[must_use]
    pub fn with_sizes(self, sizes: Sizes) -> Node<S> {
        Node { sizes: sizes.within_limits(), ..self }
    }

    pub fn state(&self) -> &State {
        &self.state
    }

    pub fn store(&self) -> &S {
        &self.store
    }

    pub fn into_store(self) -> S {
        self.store
    }

    /// Who the coordinator is in the epoch that this member leads; requests are served only then (P2).
    pub fn identity(&self) -> Option<coordinator::Identity> {
        self.leader.as_ref()?;
        self.state.identity.map(|identity| identity.coordinator())
    }

    /// What it found when its leadership began; `None` while it leads nothing.
    pub fn recovery(&self) -> Option<Recovery> {
        self.leader.as_ref().map(Leader::recovery)
    }

    /// Log entries that it has proposed and that are not applied.
    pub fn entries_in_flight(&self) -> usize {
        self.leader.as_ref().map_or(0, Leader::entries_in_flight)
    }

    /// What it holds in memory beside its bounds (G7), and what is prepared.
    pub fn gauges(&self) -> Vec<Gauge> {
        let prepared = "Branches that are prepared here, whoever decides them";
        let prepared = Gauge::new("branches_prepared", prepared, self.state.queue.branches().count());
        self.leader.iter().flat_map(Leader::gauges).chain([prepared]).collect()
    }

    /// When it wants an [`Event::Tick`].
    pub fn next_tick(&self) -> Option<Timestamp> {
        self.leader.as_ref().and_then(Leader::next_tick)
    }

    /// One event. Its effects gather in `out`; call [`Node::flush`] when no more events are at hand.
    pub fn step(&mut self, now: Timestamp, event: Event, out: &mut Vec<Action>) -> Result<(), Fatal> {
        match event {
            Event::Committed { entries } => self.committed(now, entries, out),
            Event::Lead { leadership, manager_id, incarnation } => {
                self.settle(out);
                self.awaited = Some(leadership);
                let commands = vec![Command::BeginEpoch { leadership, manager_id, incarnation, level: FEATURE_LEVEL }];
                out.push(Action::Propose(encode_batch(&Batch { epoch: 0, now, number: 0, commands })));
                Ok(())
            }
            Event::Follow => {
                self.settle(out);
                Ok(())
            }
            Event::Request { request, connection, ask } => match &mut self.leader {
                Some(leader) => {
                    let scene = Scene { state: &self.state, store: &self.store, now };
                    Ok(leader.request(scene, Caller { request, connection }, ask, out)?)
                }
                None => {
                    out.push(Action::Answer { request, answer: Err(Refusal::NotLeader) });
                    Ok(())
                }
            },
            Event::Space(space) => {
                self.space = space;
                if let Some(leader) = &mut self.leader {
                    leader.set_space(space);
                }
                Ok(())
            }
            event => self.lead(now, event, out),
        }
    }

    /// Events that mean something to a leader only.
    fn lead(&mut self, now: Timestamp, event: Event, out: &mut Vec<Action>) -> Result<(), Fatal> {
        let Some(leader) = &mut self.leader else { return Ok(()) };
        let scene = Scene { state: &self.state, store: &self.store, now };
        match event {
            Event::KeepAlive { connection } => leader.keep_alive(scene, connection, out)?,
            Event::Disconnected { connection } => leader.disconnected(scene, connection, out)?,
            Event::Called { call, result } => {
                leader.step_coordinator(scene, coordinator::Event::Called { call, result }, out)?;
            }
            Event::BarrierPassed { barrier } => {
                leader.step_coordinator(scene, coordinator::Event::BarrierPassed { barrier }, out)?;
            }
            Event::Tick => leader.tick(scene, out)?,
            Event::Committed { .. } | Event::Lead { .. } | Event::Follow | Event::Request { .. } | Event::Space(_) => {
                unreachable!("handled by step")
            }
        }
        Ok(())
    }

    /// Proposes what has gathered.
    pub fn flush(&mut self, now: Timestamp, out: &mut Vec<Action>) {
        if let Some(leader) = &mut self.leader {
            leader.flush(now, out);
        }
    }

    fn committed(&mut self, now: Timestamp, entries: Vec<Entry>, out: &mut Vec<Action>) -> Result<(), Fatal> {
        // What was proposed in this epoch comes back as it was: no two epochs are the same (P2).
        let leader = &mut self.leader;
        let mut own = |epoch: u64, number: u64| {
            let leader = leader.as_mut().filter(|leader| leader.epoch() == epoch);
            leader.and_then(|leader| leader.commands(number))
        };
        let batches = self.state.apply_knowing(&mut self.store, entries, &mut own)?;
        if let Some(leader) = &mut self.leader {
            leader.falls_behind();
        }
        for batch in batches {
            if let [Applied::Epoch { leadership }] = batch.results.as_slice() {
                self.epoch_began(now, *leadership, out)?;
            } else if let Some(leader) = self.leader.as_mut().filter(|leader| leader.epoch() == batch.epoch)
                && !batch.results.is_empty()
            {
                let scene = Scene { state: &self.state, store: &self.store, now };
                leader.applied(scene, batch.number, batch.results, out)?;
            } else if self.leader.is_none() {
                self.replayed += 1;
            }
        }
        if let Some(leader) = &mut self.leader {
            leader.caught_up(Scene { state: &self.state, store: &self.store, now }, out)?;
        }
        Ok(())
    }

    fn epoch_began(&mut self, now: Timestamp, leadership: Uuid, out: &mut Vec<Action>) -> Result<(), Fatal> {
        // Whoever else began an epoch ended ours: what we proposed since is without effect (P2). The epoch that we await may
        // stand behind this one in the log, and then it is the newer.
        self.end_epoch(out);
        if self.awaited == Some(leadership) {
            self.awaited = None;
            let scene = Scene { state: &self.state, store: &self.store, now };
            let recovery = Recovery {
                entries: self.replayed,
                transactions: self.state.coordinator.transactions().len() as u64,
                branches: self.state.queue.branches().count() as u64,
            };
            let mut leader = Leader::new(scene, self.sizes, recovery, out)?;
            leader.set_space(self.space);
            self.leader = Some(leader);
        }
        Ok(())
    }

    fn settle(&mut self, out: &mut Vec<Action>) {
        self.awaited = None;
        self.end_epoch(out);
    }

    fn end_epoch(&mut self, out: &mut Vec<Action>) {
        if let Some(leader) = self.leader.take() {
            leader.settle(out);
        }
    }

    /// Counts and cross-checks everything durable, and what a leader's queues hold in memory; for tests and the simulator.
    pub fn check_invariants(&self) -> Result<(), Broken> {
        self.state.queue.check_invariants(&self.store)?;
        self.state.coordinator.check_invariants(&self.store)??;
        self.leader.as_ref().map_or(Ok(()), |leader| leader.manager().check_invariants())?;
        Ok(())
    }

    /// The branches of the queues whose end is under way.
    pub fn closing(&self) -> impl Iterator<Item = &Xid> {
        self.leader.iter().flat_map(|leader| leader.manager().closing())
    }
}

/// An invariant of the durable state does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Broken {
    #[error(transparent)]
    Queue(#[from] handfast_queue::state::Violation),
    #[error(transparent)]
    Manager(#[from] handfast_queue::manager::Leak),
    #[error(transparent)]
    Coordinator(#[from] coordinator::state::InvariantBroken),
    #[error(transparent)]
    Store(#[from] StoreError),
}
