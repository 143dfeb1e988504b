//! A member's end of the simulated network: what it sends lies in its outbox until the world carries it.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use openraft::errors::{RPCError, ReplicationClosed, StreamingError, Timeout, Unreachable};
use openraft::network::{RPCOption, RPCTypes};
use openraft::raft::{AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, VoteRequest, VoteResponse};
use openraft::{EmptyNode, RaftNetworkFactory, RaftNetworkV2};
use tokio::sync::oneshot;

use crate::raft::snapshot::{MarkOnly, MarkSnapshot};
use crate::raft::type_config::{Raft, TypeConfig, Vote};

#[derive(Debug, Clone)]
pub(super) enum Call {
    Append(AppendEntriesRequest<TypeConfig>),
    Vote(VoteRequest<TypeConfig>),
}

#[derive(Debug, Clone)]
pub(super) enum Reply {
    Append(AppendEntriesResponse<TypeConfig>),
    Vote(VoteResponse<TypeConfig>),
}

/// A call on its way out. Whoever drops `answer` ends the call; a message that is lost keeps it, as nobody can tell.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub to: u64,
    pub call: Call,
    pub answer: oneshot::Sender<Reply>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Outbox {
    calls: Arc<Mutex<Vec<Outgoing>>>,
}

impl Outbox {
    pub(super) fn take(&self) -> Vec<Outgoing> {
        std::mem::take(&mut self.calls.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The network as member `from` has it.
#[derive(Debug, Clone)]
pub(super) struct SimulatedNetwork {
    pub from: u64,
    pub outbox: Outbox,
}

#[derive(Debug)]
pub(super) struct Client {
    network: SimulatedNetwork,
    to: u64,
}

impl RaftNetworkFactory<TypeConfig> for SimulatedNetwork {
    type Network = Client;

    async fn new_client(&mut self, to: u64, _node: &EmptyNode) -> Client {
        Client { network: self.clone(), to }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the simulated network carries no snapshots")]
struct NoSnapshots;

impl Client {
    /// No news is a timeout, whatever was lost.
    async fn ask(&self, call: Call, action: RPCTypes, option: &RPCOption) -> Result<Reply, RPCError<TypeConfig>> {
        let (answer, answered) = oneshot::channel();
        let outgoing = Outgoing { to: self.to, call, answer };
        self.network.outbox.calls.lock().unwrap_or_else(PoisonError::into_inner).push(outgoing);
        let timeout = option.soft_ttl();
        match tokio::time::timeout(timeout, answered).await {
            Ok(Ok(reply)) => Ok(reply),
            Ok(Err(_)) | Err(_) => Err(Timeout { action, id: self.network.from, target: self.to, timeout }.into()),
        }
    }
}

impl RaftNetworkV2<TypeConfig> for Client {
    type SnapshotData = MarkOnly;

    async fn append_entries(
        &mut self,
        rpc: AppendEntriesRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<TypeConfig>, RPCError<TypeConfig>> {
        match self.ask(Call::Append(rpc), RPCTypes::AppendEntries, &option).await? {
            Reply::Append(reply) => Ok(reply),
            Reply::Vote(reply) => panic!("a vote answers an append: {reply:?}"),
        }
    }

    async fn vote(
        &mut self,
        rpc: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, RPCError<TypeConfig>> {
        match self.ask(Call::Vote(rpc), RPCTypes::Vote, &option).await? {
            Reply::Vote(reply) => Ok(reply),
            Reply::Append(reply) => panic!("an append answers a vote: {reply:?}"),
        }
    }

    async fn full_snapshot(
        &mut self,
        _vote: Vote,
        _snapshot: MarkSnapshot,
        _cancel: impl Future<Output = ReplicationClosed> + Send + 'static,
        _option: RPCOption,
    ) -> Result<SnapshotResponse<TypeConfig>, StreamingError<TypeConfig>> {
        Err(Unreachable::new(&NoSnapshots).into())
    }
}

/// The receiving side. `None`: the member has stopped, and nobody answers.
pub(super) async fn serve(raft: &Raft, call: Call) -> Option<Reply> {
    match call {
        Call::Append(rpc) => raft.append_entries(rpc).await.ok().map(Reply::Append),
        Call::Vote(rpc) => raft.vote(rpc).await.ok().map(Reply::Vote),
    }
}
