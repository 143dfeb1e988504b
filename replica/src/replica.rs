//! The replica: starts Raft over a log and a state machine, and is what the shell talks to.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use handfast_log::LogWriter;
use openraft::ReadPolicy;
use openraft::ServerState;
use openraft::errors::{Fatal, LinearizableReadError, RaftError};
use openraft::metrics::RaftServerMetrics;
use tokio::sync::{Mutex, watch};

use crate::error::{BarrierError, FlushError, ProposeError, StartError, StopReason};
use crate::leadership::Leadership;
use crate::limits::{PAYLOAD_BYTES_MAX, UNFLUSHED_BYTES_MAX};
use crate::raft::{
    self, CommittedLeaderId, FirstFailure, LogId, LogStore, Machine, Mark, NoNetwork, Payload,
    Raft, TypeConfig, Unflushed, log_index,
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
    raft: Raft,
    log: LogWriter,
    leadership: watch::Receiver<Leadership>,
    mark: watch::Sender<Option<Mark>>,
    /// One flush report at a time: openraft builds one snapshot at a time and forgets what is asked
    /// of it meanwhile. Held over the wait for that build, which needs none of the other calls.
    flushing: Mutex<()>,
    failure: FirstFailure,
    unflushed: Arc<Unflushed>,
}

impl Replica {
    /// Starts the group of this one voter, pristine or as it was left, and returns when this node
    /// leads it and everything committed is applied again: each entry above the state machine's
    /// position once, in order.
    pub async fn start(
        config: ReplicaConfig,
        log: LogWriter,
        mut state_machine: impl StateMachine,
    ) -> Result<Replica, StartError> {
        let position = state_machine.position().await?;
        let opened = position.as_ref().map(raft::mark_at).transpose();
        let opened = opened.map_err(StartError::Position)?;
        check_store_belongs_to_log(&log, opened.as_ref())?;

        let failure = FirstFailure::default();
        let mark = watch::Sender::new(opened);
        let unflushed = Arc::new(Unflushed::new(log.clone(), mark.subscribe()));
        let store = LogStore::open(log.clone(), failure.clone(), unflushed.clone())
            .map_err(StartError::LogState)?;
        let machine = Machine::new(state_machine, mark.subscribe(), failure.clone());
        let raft = Raft::new(config.node_id, raft::settings(), NoNetwork, store, machine)
            .await
            .map_err(|fatal| StartError::Stopped(stop_reason(&failure, Some(&fatal))))?;

        let leadership = watch_leadership(&raft, failure.clone());
        if let Err(error) = lead_alone(&raft, config.node_id, leadership.clone(), &failure).await {
            stop_core(&raft).await;
            return Err(error);
        }
        let flushing = Mutex::new(());
        let shared = Shared { raft, log, leadership, mark, flushing, failure, unflushed };
        Ok(Replica { shared: Arc::new(shared) })
    }

    /// Hands over a payload; payloads proposed by one task are applied in that order. Waits only
    /// while thousands are queued. `Ok` promises nothing yet: the result is the apply, and a
    /// proposal that was taken but does not make it into the log before the leadership ends is
    /// never applied, in no later term (P2).
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
        let write = shared.raft.write(Payload(payload));
        let queued = write.with_leader(CommittedLeaderId::new(term)).await;
        queued.map_err(|fatal| ProposeError::Stopped(stop_reason(&shared.failure, Some(&fatal))))
    }

    /// Who leads, and whether the replica still runs; the last value it takes is `Stopped`.
    pub fn leadership(&self) -> watch::Receiver<Leadership> {
        self.shared.leadership.clone()
    }

    /// The store is durable up to `position`, one that an applied entry carried: it becomes the
    /// snapshot mark, and the log up to it is purged (P30). An older one than the last is no news.
    pub async fn flushed(&self, position: Bytes) -> Result<(), FlushError> {
        let shared = &*self.shared;
        let mark = raft::mark_at(&position).map_err(FlushError::Position)?;
        let flushed = mark.last_log_id;
        let _one_at_a_time = shared.flushing.lock().await;
        if flushed <= shared.last_mark() {
            return Ok(());
        }
        let index = |log_id: Option<LogId>| log_id.map_or(0, |log_id| log_index(log_id.index));
        let last = shared.log.last_index();
        if index(flushed) > last {
            return Err(FlushError::NotApplied { position: index(flushed), applied: last });
        }
        shared.mark.send_replace(Some(mark));
        let stopped = || FlushError::Stopped(stop_reason(&shared.failure, None));
        shared.raft.trigger().snapshot().await.map_err(|_| stopped())?;
        // The core purges in the same round in which it takes note of the mark.
        let noted = shared.raft.wait(None).metrics(|core| core.snapshot >= flushed, "flush mark");
        noted.await.map_err(|_| stopped())?;
        shared.unflushed.refresh();
        Ok(())
    }

    /// Log bytes above the last flush mark. The shell flushes its store when this reaches
    /// [`crate::UNFLUSHED_BYTES_FLUSH`]; at [`UNFLUSHED_BYTES_MAX`] proposals are refused (P30).
    pub fn unflushed_bytes(&self) -> u64 {
        self.shared.unflushed.bytes()
    }

    /// Returns when everything that was committed before the call is applied, and this node still
    /// led at the time (P8).
    pub async fn read_barrier(&self) -> Result<(), BarrierError> {
        let shared = &*self.shared;
        match shared.raft.ensure_linearizable(ReadPolicy::ReadIndex).await {
            Ok(_) => Ok(()),
            Err(RaftError::APIError(LinearizableReadError::ForwardToLeader(forward))) => {
                Err(BarrierError::NotLeader { leader: forward.leader_id })
            }
            Err(RaftError::APIError(LinearizableReadError::QuorumNotEnough(_))) => {
                Err(BarrierError::NoQuorum)
            }
            Err(RaftError::Fatal(fatal)) => {
                Err(BarrierError::Stopped(stop_reason(&shared.failure, Some(&fatal))))
            }
        }
    }

    /// Stops taking proposals, finishes the apply that is under way, then writes out and closes the
    /// log. What was proposed and not applied by then may or may not be there after a restart.
    /// `Err` tells that it had stopped before, and why.
    pub async fn shutdown(&self) -> Result<(), StopReason> {
        let shared = &*self.shared;
        stop_core(&shared.raft).await;
        let log = shared.log.clone();
        // It joins a thread that may be in an fdatasync.
        let closed = tokio::task::spawn_blocking(move || log.shutdown()).await;
        closed.map_err(|panic| StopReason::Raft { report: panic.to_string() })?;
        match stop_reason(&shared.failure, None) {
            StopReason::Shutdown => Ok(()),
            reason => Err(reason),
        }
    }
}

impl Shared {
    fn last_mark(&self) -> Option<LogId> {
        self.mark.borrow().as_ref().and_then(|mark| mark.last_log_id)
    }
}
