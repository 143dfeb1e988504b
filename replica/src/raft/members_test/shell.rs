//! A member's shell: the queue manager's node behind the replica, wired as the server wires it.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use handfast_log::LogWriter;
use handfast_machine::{Action, Answer, Entry, Event, Fatal, Node, Refusal, RequestId};
use handfast_protocol::{Incarnation, Timestamp};
use handfast_store::MemStore;
use openraft::async_runtime::WatchReceiver;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use super::network::{Call, Reply, SimulatedNetwork, serve};
use super::{MEMBERS, Mistake, TICK};
use crate::codec;
use crate::error::{BarrierError, FlushError, ProposeError, StartError, StateMachineError, StopReason};
use crate::leadership::Leadership;
use crate::limits::ELECTION_TIMEOUT_MAX_MS;
use crate::raft::log_index;
use crate::replica::Replica;
use crate::state_machine::{Committed, StateMachine};

/// A leader asks this often whether a quorum still follows it, and takes a later answer for none.
const CONFIRM_EVERY: Duration = Duration::from_millis(250);
const CONFIRM_WITHIN: Duration = Duration::from_millis(750);

/// For how long a leader may go on after a quorum has answered it.
const LEASE_MS: u64 = ELECTION_TIMEOUT_MAX_MS;

/// One applied entry, as the judge hears of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Applied {
    pub index: u64,
    pub term: u64,
    pub payload: Option<Bytes>,
}

/// Why a member's process does not go on.
#[derive(Debug, thiserror::Error)]
pub(super) enum Ended {
    #[error("it does not start: {0}")]
    Start(StartError),
    #[error("it has stopped: {0}")]
    Stopped(StopReason),
    #[error("its node is broken: {0}")]
    Broken(Fatal),
    #[error("it cannot take a flush mark: {0}")]
    Flush(FlushError),
}

/// Everything of a process that its tasks and the world both touch, one after the other on one thread.
pub(super) struct Desk {
    pub node: Node<MemStore>,
    pub now: Timestamp,
    pub replica: Option<Replica>,
    pub ended: Option<Ended>,
    /// The index of the last applied entry.
    pub last: u64,
    // What the world has not heard yet.
    pub applied: Vec<Applied>,
    pub terms_led: Vec<u64>,
    pub answers: Vec<(RequestId, Result<Answer, Refusal>)>,
    pub replies: Vec<(u64, Reply)>,
    proposals: mpsc::UnboundedSender<Bytes>,
    barriers: mpsc::UnboundedSender<u64>,
    /// Leaderships take fresh ids from here.
    next_leadership: u128,
    mistake: Option<Mistake>,
    /// What [`Mistake::ProposesAgain`] proposes again.
    unanswered: Vec<Bytes>,
}

#[derive(Clone)]
pub(super) struct Shell {
    desk: Arc<Mutex<Desk>>,
}

/// What a process is started with, apart from its disk and store.
pub(super) struct Start {
    pub id: u64,
    /// Counts the lives of all members.
    pub life: u64,
    pub log: LogWriter,
    pub network: SimulatedNetwork,
    pub apply_time: Duration,
    pub mistake: Option<Mistake>,
}

/// The world's ends of a process.
pub(super) struct Ends {
    pub shell: Shell,
    pub calls: mpsc::UnboundedSender<(u64, Call)>,
}

impl Shell {
    /// Opens the store; the rest happens in tasks of the runtime that it is called in.
    pub(super) fn start(start: Start, store: MemStore, now: Timestamp) -> Result<Ends, Fatal> {
        let node = Node::open(store)?;
        let last = node.state().position().map_or(0, |position| position_of(position).0);
        let (proposals, proposed) = mpsc::unbounded_channel();
        let (barriers, asked) = mpsc::unbounded_channel();
        let (calls, called) = mpsc::unbounded_channel();
        let desk = Desk {
            node,
            now,
            replica: None,
            ended: None,
            last,
            applied: Vec::new(),
            terms_led: Vec::new(),
            answers: Vec::new(),
            replies: Vec::new(),
            proposals,
            barriers,
            next_leadership: u128::from(start.life) << 64,
            mistake: start.mistake,
            unanswered: Vec::new(),
        };
        let shell = Shell { desk: Arc::new(Mutex::new(desk)) };
        tokio::spawn(shell.clone().run(start, proposed, asked, called));
        Ok(Ends { shell, calls })
    }

    pub(super) fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn run(
        self,
        start: Start,
        proposed: mpsc::UnboundedReceiver<Bytes>,
        asked: mpsc::UnboundedReceiver<u64>,
        called: mpsc::UnboundedReceiver<(u64, Call)>,
    ) {
        let machine = Machine { shell: self.clone(), apply_time: start.apply_time };
        let replica = match Replica::member(start.id, start.network, start.log, machine).await {
            Ok(replica) => replica,
            Err(error) => return self.end(Ended::Start(error)),
        };
        self.desk().replica = Some(replica.clone());
        tokio::spawn(self.clone().propose(replica.clone(), proposed));
        tokio::spawn(self.clone().pass_barriers(replica.clone(), asked));
        tokio::spawn(self.clone().serve(replica.clone(), called));
        tokio::spawn(self.follow_leadership(replica.clone()));
        if start.id == 1 {
            // A member that knows of a group already refuses.
            drop(replica.node().raft.initialize(BTreeSet::from(MEMBERS)).await);
        }
    }

    async fn propose(self, replica: Replica, mut proposed: mpsc::UnboundedReceiver<Bytes>) {
        while let Some(entry) = proposed.recv().await {
            match replica.propose(entry).await {
                // The end of this leadership reaches the node by itself; the entry is of an epoch that is over.
                Ok(()) | Err(ProposeError::NotLeader { .. } | ProposeError::Stopped(_)) => {}
                Err(error) => panic!("a proposal is refused: {error}"),
            }
        }
    }

    async fn pass_barriers(self, replica: Replica, mut asked: mpsc::UnboundedReceiver<u64>) {
        while let Some(barrier) = asked.recv().await {
            match replica.read_barrier().await {
                Ok(()) => self.step(Event::BarrierPassed { barrier }),
                // No barrier, no sweep: the coordinator asks again at its next one.
                Err(BarrierError::NotLeader { .. } | BarrierError::NoQuorum | BarrierError::Stopped(_)) => {}
            }
        }
    }

    async fn serve(self, replica: Replica, mut called: mpsc::UnboundedReceiver<(u64, Call)>) {
        while let Some((id, call)) = called.recv().await {
            let (shell, replica) = (self.clone(), replica.clone());
            tokio::spawn(async move {
                if let Some(reply) = serve(&replica.node().raft, call).await {
                    shell.desk().replies.push((id, reply));
                }
            });
        }
    }

    async fn follow_leadership(self, replica: Replica) {
        let mut leadership = replica.leadership();
        loop {
            let now = leadership.borrow_and_update().clone();
            match now {
                Leadership::Leader { term } => {
                    self.desk().terms_led.push(term);
                    tokio::select! {
                        biased;
                        _ = leadership.changed() => {}
                        () = self.lead(&replica) => {}
                    }
                    self.step(Event::Follow);
                }
                Leadership::Follower { .. } => drop(leadership.changed().await),
                Leadership::Stopped { reason } => return self.end(Ended::Stopped(reason)),
            }
        }
    }

    /// openraft drops what is proposed to a leader that no quorum has answered for as long as an election timeout, and
    /// its caller does not hear of that. A node that leads counts on its proposals being applied in order until its
    /// leadership ends: so it leads only while a quorum answers in good time, and begins a new epoch when it does again.
    /// Returns when that is over, or has never begun.
    async fn lead(&self, replica: &Replica) {
        const _: () = assert!(2 * CONFIRM_WITHIN.as_millis() + CONFIRM_EVERY.as_millis() < LEASE_MS as u128);
        let confirmed = async || matches!(timeout(CONFIRM_WITHIN, replica.read_barrier()).await, Ok(Ok(())));
        let confirms = self.desk().mistake != Some(Mistake::LeadsUnconfirmed);
        while confirms && !confirmed().await {
            sleep(CONFIRM_EVERY).await;
        }
        let event = self.desk().leads();
        self.step(event);
        while !confirms || confirmed().await {
            sleep(CONFIRM_EVERY).await;
        }
    }

    /// Tells the log that the store is durable up to `position`.
    pub(super) async fn flushed(self, replica: Replica, position: Bytes) {
        match replica.flushed(position).await {
            Ok(()) | Err(FlushError::Stopped(_)) => {}
            Err(error) => self.end(Ended::Flush(error)),
        }
    }

    /// If it leads: its term, and the last entry that it knows every member to have.
    pub(super) fn spread(&self) -> Option<(u64, u64)> {
        let replica = self.desk().replica.clone()?;
        let metrics = replica.node().raft.metrics().borrow_watched().clone();
        let everywhere = metrics.replication?.values().map(|&has| has.map_or(0, |has| log_index(has.index))).min()?;
        Some((metrics.current_term, everywhere))
    }

    pub(super) fn step(&self, event: Event) {
        let mut desk = self.desk();
        if let Err(fatal) = desk.step(event) {
            desk.ended.get_or_insert(Ended::Broken(fatal));
        }
    }

    fn end(&self, ended: Ended) {
        self.desk().ended.get_or_insert(ended);
    }
}

impl Desk {
    fn step(&mut self, event: Event) -> Result<(), Fatal> {
        let mut actions = Vec::new();
        let done = self.node.step(self.now, event, &mut actions);
        self.carry(actions);
        done
    }

    /// Proposes what has gathered, and does what is due.
    pub(super) fn tick(&mut self) -> Result<(), Fatal> {
        if self.node.next_tick().is_some_and(|due| due <= self.now) {
            self.step(Event::Tick)?;
        }
        let mut actions = Vec::new();
        self.node.flush(self.now, &mut actions);
        self.carry(actions);
        Ok(())
    }

    fn leads(&mut self) -> Event {
        for entry in self.unanswered.drain(..) {
            drop(self.proposals.send(entry));
        }
        self.next_leadership += 1;
        Event::Lead {
            leadership: Uuid::from_u128(self.next_leadership),
            manager_id: Uuid::from_u128(7),
            incarnation: Incarnation(1),
        }
    }

    fn committed(&mut self, entries: Vec<Committed>) -> Result<(), Fatal> {
        for entry in &entries {
            let (index, term) = position_of(&entry.position);
            assert_eq!(index, entry.index, "a position is that of its entry");
            self.unanswered.retain(|proposed| Some(proposed) != entry.payload.as_ref());
            self.applied.push(Applied { index, term, payload: entry.payload.clone() });
            self.last = index;
        }
        let entry = |Committed { index, position, payload }| Entry { index, position, payload };
        self.step(Event::Committed { entries: entries.into_iter().map(entry).collect() })
    }

    fn carry(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                // A receiver is gone only with the whole process.
                Action::Propose(entry) => {
                    if self.mistake == Some(Mistake::ProposesAgain) {
                        self.unanswered.push(entry.clone());
                    }
                    drop(self.proposals.send(entry));
                }
                Action::Barrier { barrier } => drop(self.barriers.send(barrier)),
                Action::Answer { request, answer } => self.answers.push((request, answer)),
                Action::Call { .. } => unreachable!("there are no resources"),
            }
        }
    }
}

struct Machine {
    shell: Shell,
    apply_time: Duration,
}

impl StateMachine for Machine {
    async fn position(&mut self) -> Result<Option<Bytes>, StateMachineError> {
        Ok(self.shell.desk().node.state().position().cloned())
    }

    async fn apply(&mut self, entries: Vec<Committed>) -> Result<(), StateMachineError> {
        if self.apply_time >= TICK {
            sleep(self.apply_time).await;
        }
        self.shell.desk().committed(entries).map_err(StateMachineError::new)
    }
}

/// Index, counted as the log does, and term.
pub(super) fn position_of(position: &Bytes) -> (u64, u64) {
    let position = codec::decode_position(position).expect("the replica has made it");
    (log_index(position.log_id.index), position.log_id.term)
}
