//! openraft's types as this crate uses them.

use std::fmt;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::machine::Machine;

/// Where openraft runs, and takes time and randomness from. Tests of several members take all of it from a seed.
#[cfg(not(test))]
type Runtime = openraft::impls::TokioRuntime;
#[cfg(test)]
type Runtime = super::members_test::SeededRuntime;

openraft::declare_raft_types!(
    /// Standard Raft: one leader a term, so that a term alone names a leadership (P2). A proposal
    /// has no answer of its own: its result is the apply.
    pub(crate) TypeConfig:
        D = Payload,
        R = (),
        NodeId = u64,
        Node = openraft::EmptyNode,
        Term = u64,
        LeaderId = openraft::impls::leader_id_std::LeaderId<u64, u64>,
        AsyncRuntime = Runtime,
);

pub(crate) type Raft = openraft::Raft<TypeConfig, Machine>;
pub(crate) type CommittedLeaderId = openraft::type_config::alias::CommittedLeaderIdOf<TypeConfig>;
pub(crate) type Entry = openraft::type_config::alias::EntryOf<TypeConfig>;
pub(crate) type EntryPayload = openraft::type_config::alias::EntryPayloadOf<TypeConfig>;
pub(crate) type LogId = openraft::type_config::alias::LogIdOf<TypeConfig>;
pub(crate) type Membership = openraft::Membership<u64, openraft::EmptyNode>;
pub(crate) type StoredMembership = openraft::type_config::alias::StoredMembershipOf<TypeConfig>;
pub(crate) type Vote = openraft::type_config::alias::VoteOf<TypeConfig>;

/// A flush mark (P30): up to where the store is durable, and the membership there.
pub(crate) type Mark = openraft::type_config::alias::SnapshotMetaOf<TypeConfig>;

/// What was proposed. openraft asks for the serde traits of everything that it may carry over a
/// network of its own; our stored form is `codec.rs` and never these.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Payload(pub Bytes);

impl fmt::Display for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

/// Users' data stays out of logs.
impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
