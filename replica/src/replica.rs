//! The replica: a log, a state machine and Raft between them, as the shell sees them.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use handfast_log::LogWriter;
use tokio::sync::{Mutex, watch};

use crate::error::{BarrierError, FlushError, ProposeError, StartError, StopReason};
use crate::leadership::Leadership;
use crate::limits::{PAYLOAD_BYTES_MAX, UNFLUSHED_BYTES_MAX};
use crate::opening::check_store_belongs_to_log;
use crate::raft::{
    FirstFailure, LogId, LogStore, Machine, Mark, Network, NoNetwork, Node, Unflushed, log_index, mark_at,
};
use crate::state_machine::StateMachine;

#[derive(Debug, Clone)]
pub struct ReplicaConfig {
    /// This node's name in the group, for ever: it stands in votes and memberships.
    pub node_id: u64,
}

impl Default for ReplicaConfig {
    fn default() -> Self {
        ReplicaConfig { node_id: 1 }
    }
}

/// A running replica. Clones are handles of the same one.
///
/// It runs until [`Replica::shutdown`] or a failure; dropping the handles does not stop it.
#[derive(Clone)]
pub struct Replica {
    shared: Arc<Shared>,
}

struct Shared {
    node: Node,
    log: LogWriter,
    leadership: watch::Receiver<Leadership>,
    mark: watch::Sender<Option<Mark>>,
    /// One flush report at a time, held until the node took the mark. No other call needs it.
    flushing: Mutex<()>,
    unflushed: Arc<Unflushed>,
}

impl Replica {
    /// Starts the group of this one voter, pristine or as it was left, and returns when this node
    /// leads it and everything committed is applied again: each entry above the state machine's
    /// position once, in order.
    pub async fn start(
        config: ReplicaConfig,
        log: LogWriter,
        state_machine: impl StateMachine,
    ) -> Result<Replica, StartError> {
        let replica = Replica::member(config.node_id, NoNetwork, log, state_machine).await?;
        let Shared { node, leadership, .. } = &*replica.shared;
        if let Err(error) = node.lead_alone(config.node_id).await {
            node.stop().await;
            return Err(error);
        }
        // The leadership is a fact; wait until the watch says so too.
        let settled = |seen: &Leadership| !matches!(seen, Leadership::Follower { .. });
        leadership.clone().wait_for(settled).await.expect("its task publishes `Stopped` before it ends");
        Ok(replica)
    }

    /// Opens this node over what it left behind: it takes part in its group by way of `network`, and leads nothing
    /// yet.
    pub(crate) async fn member(
        node_id: u64,
        network: impl Network,
        log: LogWriter,
        mut state_machine: impl StateMachine,
    ) -> Result<Replica, StartError> {
        let position = state_machine.position().await?;
        let opened = position.map(|position| mark_at(&position)).transpose();
        let opened = opened.map_err(StartError::Position)?;
        check_store_belongs_to_log(&log, opened.as_ref().and_then(|mark| mark.last_log_id))?;

        let failure = FirstFailure::default();
        let mark = watch::Sender::new(opened);
        let unflushed = Arc::new(Unflushed::new(log.clone(), mark.subscribe()));
        let store = LogStore::open(log.clone(), failure.clone(), unflushed.clone());
        let store = store.map_err(StartError::LogRecord)?;
        let machine = Machine::new(state_machine, mark.subscribe(), failure.clone());
        let node = Node::start(node_id, network, store, machine, failure).await;
        let node = node.map_err(StartError::Stopped)?;

        let leadership = node.watch_leadership();
        let flushing = Mutex::new(());
        let shared = Shared { node, log, leadership, mark, flushing, unflushed };
        Ok(Replica { shared: Arc::new(shared) })
    }

    /// Hands over a payload; payloads proposed one after the other are applied in that order. Waits
    /// only while thousands are queued.
    ///
    /// `Ok` promises nothing yet: the result is the apply. What did not reach the log when its
    /// leadership ended is never applied, in no later term (P2).
    ///
    /// Room for the payload in the log is the caller's to check (P18, the log's `headroom`): a log
    /// that has none stops the replica.
    pub async fn propose(&self, payload: Bytes) -> Result<(), ProposeError> {
        let shared = &*self.shared;
        let term = match &*shared.leadership.borrow() {
            Leadership::Leader { term } => *term,
            Leadership::Follower { leader } => {
                return Err(ProposeError::NotLeader { leader: *leader });
            }
            Leadership::Stopped { reason } => return Err(ProposeError::Stopped(reason.clone())),
        };
        if payload.len() > PAYLOAD_BYTES_MAX {
            return Err(ProposeError::TooLarge { bytes: payload.len() });
        }
        let unflushed = shared.unflushed.bytes();
        if unflushed >= UNFLUSHED_BYTES_MAX {
            return Err(ProposeError::Unflushed { bytes: unflushed });
        }
        shared.node.write(term, payload).await.map_err(ProposeError::Stopped)
    }

    /// Who leads, and whether the replica still runs; the last value it takes is `Stopped`.
    pub fn leadership(&self) -> watch::Receiver<Leadership> {
        self.shared.leadership.clone()
    }

    /// The store is durable up to `position`, one that an applied entry carried: it becomes the
    /// snapshot mark, and the log up to it is purged (P30). An older one than the last is no news.
    pub async fn flushed(&self, position: Bytes) -> Result<(), FlushError> {
        let shared = &*self.shared;
        let mark = mark_at(&position).map_err(FlushError::Position)?;
        let _one_at_a_time = shared.flushing.lock().await;
        let marked: Option<LogId> = shared.mark.borrow().as_ref().and_then(|mark| mark.last_log_id);
        let Some(flushed) = mark.last_log_id.filter(|&flushed| Some(flushed) > marked) else {
            return Ok(());
        };
        let last = shared.log.last_index();
        if log_index(flushed.index) > last {
            return Err(FlushError::AheadOfLog { position: log_index(flushed.index), last });
        }
        shared.mark.send_replace(Some(mark));
        shared.node.take_mark(flushed).await.map_err(FlushError::Stopped)?;
        shared.unflushed.refresh();
        Ok(())
    }

    /// Log bytes above the last flush mark. The shell flushes its store when this reaches
    /// [`crate::UNFLUSHED_BYTES_FLUSH`]; at [`UNFLUSHED_BYTES_MAX`] proposals are refused (P30).
    pub fn unflushed_bytes(&self) -> u64 {
        self.shared.unflushed.bytes()
    }

    /// Returns when everything that was committed before the call is applied, if this node still
    /// leads (P8).
    pub async fn read_barrier(&self) -> Result<(), BarrierError> {
        self.shared.node.read_barrier().await
    }

    /// What other members call.
    #[cfg(test)]
    pub(crate) fn node(&self) -> &Node {
        &self.shared.node
    }

    /// Stops taking proposals, lets the state machine finish what it was given (nothing is applied
    /// after this returns), then writes out and closes the log. What was proposed and not applied by
    /// then may or may not be there after a restart. `Err` says that the replica had stopped before,
    /// and why.
    pub async fn shutdown(&self) -> Result<(), StopReason> {
        let Shared { node, log, .. } = &*self.shared;
        node.stop().await;
        let log = log.clone();
        // Not on a worker of the runtime: it joins a thread that may be in an fdatasync.
        let closed = tokio::task::spawn_blocking(move || log.shutdown()).await;
        closed.map_err(|panic| StopReason::Raft { report: panic.to_string() })?;
        match node.stop_reason() {
            StopReason::Shutdown => Ok(()),
            reason => Err(reason),
        }
    }
}

impl fmt::Debug for Replica {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let leadership = self.shared.leadership.borrow();
        f.debug_struct("Replica").field("leadership", &*leadership).finish_non_exhaustive()
    }
}
