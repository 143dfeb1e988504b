//! openraft's running node, with this crate's own types on its outside.

use std::collections::BTreeSet;

use bytes::Bytes;
use openraft::async_runtime::WatchReceiver;
use openraft::errors::{Fatal, LinearizableReadError, RaftError};
use openraft::metrics::RaftServerMetrics;
use openraft::{ReadPolicy, ServerState};
use tokio::sync::watch;

use super::failure::FirstFailure;
use super::log_store::LogStore;
use super::machine::{Machine, MachineEnd};
use super::network::Network;
use super::settings::settings;
use super::type_config::{CommittedLeaderId, LogId, Payload, Raft, TypeConfig};
use crate::error::{BarrierError, StartError, StopReason};
use crate::leadership::Leadership;

#[derive(Clone)]
pub(crate) struct Node {
    pub(super) raft: Raft,
    machine_end: MachineEnd,
    failure: FirstFailure,
}

impl Node {
    /// Reads the log, and applies again what it knows to be committed; does not lead yet.
    pub(crate) async fn start(
        id: u64,
        network: impl Network,
        store: LogStore,
        machine: Machine,
        failure: FirstFailure,
    ) -> Result<Self, StopReason> {
        let machine_end = machine.end();
        let raft = Raft::new(id, settings(), network, store, machine).await;
        let raft = raft.map_err(|fatal| reason(&failure, &fatal))?;
        let node = Node { raft, machine_end, failure };
        tokio::spawn(node.clone().end_with_machine());
        Ok(node)
    }

    /// openraft's core misses its state machine only when it has the next entry for it: a panic in
    /// the shell has to stop everything now (D12). In every other case the core ended first.
    async fn end_with_machine(self) {
        self.machine_end.clone().reached().await;
        if self.raft.metrics().borrow_watched().running_state.is_ok() {
            self.failure.keep(StopReason::StateMachinePanicked);
            self.stop().await;
        }
    }

    /// Makes the group of this one voter if there is none, and takes its leadership without waiting
    /// for a timeout. Returns when the whole log is committed and applied.
    pub(crate) async fn lead_alone(&self, id: u64) -> Result<(), StartError> {
        let stopped = |fatal| StartError::Stopped(reason(&self.failure, &fatal));
        if self.raft.is_initialized().await.map_err(stopped)? {
            let voters = self.voters().await.map_err(stopped)?;
            if voters != [id] {
                return Err(StartError::Members { node_id: id, voters });
            }
            self.raft.trigger().elect(false).await.map_err(stopped)?;
        } else {
            // It elects, too.
            match self.raft.initialize(BTreeSet::from([id])).await {
                Ok(()) => {}
                Err(RaftError::Fatal(fatal)) => return Err(stopped(fatal)),
                Err(RaftError::APIError(refused)) => {
                    panic!("a node without log and vote is its own first member: {refused}")
                }
            }
        }
        let recovered = self.raft.wait_for_recovery(None).await;
        recovered.map_err(|_| StartError::Stopped(self.stop_reason()))?;
        Ok(())
    }

    async fn voters(&self) -> Result<Vec<u64>, Fatal<TypeConfig>> {
        let voters = self.raft.with_raft_state(|state| {
            let membership = state.membership_state.effective();
            membership.membership().voter_ids().collect()
        });
        voters.await
    }

    /// Queues a payload for `term`; in any other term it is dropped (P2).
    pub(crate) async fn write(&self, term: u64, payload: Bytes) -> Result<(), StopReason> {
        let write = self.raft.write(Payload(payload)).with_leader(CommittedLeaderId::new(term));
        write.await.map_err(|fatal| reason(&self.failure, &fatal))
    }

    /// Makes openraft take the flush mark, which is set already, for its snapshot, and purge below
    /// it. One at a time: openraft forgets a request that comes while it builds a snapshot.
    pub(crate) async fn take_mark(&self, mark: LogId) -> Result<(), StopReason> {
        let asked = self.raft.trigger().snapshot().await;
        asked.map_err(|fatal| reason(&self.failure, &fatal))?;
        // It purges in the same round in which it takes note of the snapshot.
        let wait = self.raft.wait(None);
        let taken = wait.metrics(|node| node.snapshot >= Some(mark), "flush mark").await;
        taken.map_err(|_| self.stop_reason())?;
        Ok(())
    }

    pub(crate) async fn read_barrier(&self) -> Result<(), BarrierError> {
        match self.raft.ensure_linearizable(ReadPolicy::ReadIndex).await {
            Ok(_) => Ok(()),
            Err(RaftError::APIError(LinearizableReadError::ForwardToLeader(forward))) => {
                Err(BarrierError::NotLeader { leader: forward.leader_id })
            }
            Err(RaftError::APIError(LinearizableReadError::QuorumNotEnough(_))) => Err(BarrierError::NoQuorum),
            Err(RaftError::Fatal(fatal)) => Err(BarrierError::Stopped(reason(&self.failure, &fatal))),
        }
    }

    /// Returns when the node has ended and applies nothing any more, also when it had before. What
    /// was already on its way to the state machine is applied first.
    pub(crate) async fn stop(&self) {
        if let Err(panicked) = self.raft.shutdown().await {
            tracing::error!(%panicked, "the Raft core did not end in order");
        }
        self.machine_end.clone().reached().await;
    }

    /// Why the node stopped, asked after it did.
    pub(crate) fn stop_reason(&self) -> StopReason {
        match &self.raft.metrics().borrow_watched().running_state {
            Err(fatal) => reason(&self.failure, fatal),
            Ok(()) => reason(&self.failure, &Fatal::Panicked),
        }
    }

    /// Follows the node until it ends; the task ends with it.
    pub(crate) fn watch_leadership(&self) -> watch::Receiver<Leadership> {
        let node = self.clone();
        let mut server = self.raft.server_metrics();
        let (publish, leadership) = watch::channel(leadership_of(&server.borrow_watched()));
        tokio::spawn(async move {
            // The node's end closes the channel.
            while server.changed().await.is_ok() {
                let now = leadership_of(&server.borrow_watched());
                // openraft tells other news here as well: who hears of a change takes it for the end of a leadership.
                publish.send_if_modified(|before| {
                    let is_news = !before.is_still(&now);
                    *before = now;
                    is_news
                });
            }
            publish.send_replace(Leadership::Stopped { reason: node.stop_reason() });
        });
        leadership
    }
}

fn leadership_of(server: &RaftServerMetrics<TypeConfig>) -> Leadership {
    match server.state {
        ServerState::Leader => Leadership::Leader { term: server.vote.leader_id.term },
        ServerState::Follower | ServerState::Candidate | ServerState::Learner | ServerState::Shutdown => {
            Leadership::Follower { leader: server.current_leader }
        }
    }
}

/// Our own first failure says more than openraft's report of it.
fn reason(failure: &FirstFailure, fatal: &Fatal<TypeConfig>) -> StopReason {
    match (failure.cause(), fatal) {
        (Some(cause), _) => cause,
        (None, Fatal::Stopped) => StopReason::Shutdown,
        (None, Fatal::Panicked | Fatal::StorageError(_)) => StopReason::Raft { report: fatal.to_string() },
    }
}
