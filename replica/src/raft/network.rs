//! What a node needs of a network, and the network of a group of one: nobody is out there.
//!
//! Members cannot be added in this version, so that no client of [`NoNetwork`] is ever made. Should
//! openraft make one all the same, every call answers [`NoMembers`] as an unreachable node, never a
//! success. Groups of several exist in this crate's tests, over a simulated network.

use std::future::Future;

use openraft::errors::{RPCError, ReplicationClosed, StreamingError, Unreachable};
use openraft::network::{NetSnapshot, RPCOption};
use openraft::raft::{AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, VoteRequest, VoteResponse};
use openraft::{EmptyNode, RaftNetworkFactory, RaftNetworkV2};

use super::snapshot::{MarkOnly, MarkSnapshot};
use super::type_config::{TypeConfig, Vote};

/// openraft's trait, with our snapshots.
pub(crate) trait Network:
    RaftNetworkFactory<TypeConfig, Network: NetSnapshot<TypeConfig, SnapshotData = MarkOnly>>
{
}

impl<N> Network for N where N: RaftNetworkFactory<TypeConfig, Network: NetSnapshot<TypeConfig, SnapshotData = MarkOnly>> {}

#[derive(Debug, thiserror::Error)]
#[error("node {target} cannot be reached: members cannot be added in this version")]
pub(crate) struct NoMembers {
    target: u64,
}

#[derive(Debug)]
pub(crate) struct NoNetwork;

impl RaftNetworkFactory<TypeConfig> for NoNetwork {
    type Network = NoClient;

    async fn new_client(&mut self, target: u64, _node: &EmptyNode) -> NoClient {
        NoClient { target }
    }
}

#[derive(Debug)]
pub(crate) struct NoClient {
    target: u64,
}

impl NoClient {
    fn unreachable(&self) -> Unreachable<TypeConfig> {
        Unreachable::new(&NoMembers { target: self.target })
    }
}

impl RaftNetworkV2<TypeConfig> for NoClient {
    type SnapshotData = MarkOnly;

    async fn append_entries(
        &mut self,
        _rpc: AppendEntriesRequest<TypeConfig>,
        _option: RPCOption,
    ) -> Result<AppendEntriesResponse<TypeConfig>, RPCError<TypeConfig>> {
        Err(self.unreachable().into())
    }

    async fn vote(
        &mut self,
        _rpc: VoteRequest<TypeConfig>,
        _option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, RPCError<TypeConfig>> {
        Err(self.unreachable().into())
    }

    /// openraft's default would grant it.
    async fn pre_vote(
        &mut self,
        _rpc: VoteRequest<TypeConfig>,
        _option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, RPCError<TypeConfig>> {
        Err(self.unreachable().into())
    }

    async fn full_snapshot(
        &mut self,
        _vote: Vote,
        _snapshot: MarkSnapshot,
        _cancel: impl Future<Output = ReplicationClosed> + Send + 'static,
        _option: RPCOption,
    ) -> Result<SnapshotResponse<TypeConfig>, StreamingError<TypeConfig>> {
        Err(self.unreachable().into())
    }
}
