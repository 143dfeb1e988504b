//! openraft's values to our stored records and back; and the two ways to count.
//!
//! Raft's indexes begin at 0 and `None` stands for "before the first". The log's begin at 1 and 0
//! stands for "nothing", and so do those that this crate shows: `log_index` is the only bridge.

use std::collections::BTreeSet;

use bytes::{Bytes, BytesMut};
use openraft::impls::leader_id_std::LeaderId;

use super::type_config::{
    CommittedLeaderId, Entry, EntryPayload, LogId, Mark, Membership, Payload, StoredMembership, Vote,
};
use crate::codec::{self, EntryHeader, EntryKind, LogIdRecord, MembershipRecord, PositionRecord, VoteRecord};
use crate::error::DecodeError;

/// The log's index of a Raft index. Cannot overflow: decoding refuses an index without room above.
pub(crate) fn log_index(raft_index: u64) -> u64 {
    raft_index + 1
}

impl From<LogIdRecord> for LogId {
    fn from(record: LogIdRecord) -> Self {
        LogId::new(CommittedLeaderId::new(record.term), record.index)
    }
}

impl From<&LogId> for LogIdRecord {
    fn from(log_id: &LogId) -> Self {
        LogIdRecord { term: log_id.leader_id.term, index: log_id.index }
    }
}

impl From<VoteRecord> for Vote {
    fn from(record: VoteRecord) -> Self {
        let leader_id = LeaderId { term: record.term, voted_for: record.voted_for };
        Vote { leader_id, committed: record.granted }
    }
}

impl From<&Vote> for VoteRecord {
    fn from(vote: &Vote) -> Self {
        VoteRecord { term: vote.leader_id.term, voted_for: vote.leader_id.voted_for, granted: vote.committed }
    }
}

impl From<MembershipRecord> for Membership {
    fn from(record: MembershipRecord) -> Self {
        let voters: Vec<BTreeSet<u64>> = record.voters.into_iter().map(|config| config.into_iter().collect()).collect();
        Membership::new_with_defaults(voters, record.members)
    }
}

impl From<&Membership> for MembershipRecord {
    fn from(membership: &Membership) -> Self {
        let configs = membership.get_joint_config();
        MembershipRecord {
            voters: configs.iter().map(|config| config.iter().copied().collect()).collect(),
            members: membership.nodes().map(|(&id, _)| id).collect(),
        }
    }
}

impl From<PositionRecord> for Mark {
    fn from(record: PositionRecord) -> Self {
        Mark {
            last_log_id: Some(record.log_id.into()),
            last_membership: StoredMembership::new(record.membership_log_id.map(LogId::from), record.membership.into()),
        }
    }
}

/// Appends the stored form of `entry` to `out`: the one copy of the payload on its way to the log.
pub(crate) fn encode_entry(out: &mut BytesMut, entry: &Entry) {
    let log_id = LogIdRecord::from(&entry.log_id);
    let (kind, payload): (_, &[u8]) = match &entry.payload {
        EntryPayload::Blank => (EntryKind::Blank, &[]),
        EntryPayload::Normal(Payload(bytes)) => (EntryKind::Normal, bytes),
        EntryPayload::Membership(membership) => (EntryKind::Membership(membership.into()), &[]),
    };
    codec::encode_entry(out, &EntryHeader { kind, log_id }, payload);
}

/// The entry that the log keeps at `at`; its payload is a slice of `stored`.
pub(crate) fn entry_from_log(at: u64, stored: &Bytes) -> Result<Entry, DecodeError> {
    let (EntryHeader { kind, log_id }, payload) = codec::decode_entry(stored)?;
    let says = log_index(log_id.index);
    if says != at {
        return Err(DecodeError::Misplaced { at, says });
    }
    let payload = match kind {
        EntryKind::Blank => EntryPayload::Blank,
        EntryKind::Normal => EntryPayload::Normal(Payload(payload)),
        EntryKind::Membership(membership) => EntryPayload::Membership(membership.into()),
    };
    Ok(Entry { log_id: log_id.into(), payload })
}
