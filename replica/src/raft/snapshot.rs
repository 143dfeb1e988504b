//! Snapshots (P30): a snapshot is a flush mark, and openraft's business with it is to purge the log
//! below.
//!
//! The files behind a mark are the state machine's store as it is on disk. Sending them to a new
//! member (as a checkpoint made on demand) is not in this version: a member cannot be added, and
//! what only a member would ask for answers [`SnapshotError`].

use std::io;

use bytes::Bytes;
use openraft::{RaftSnapshotBuilder, Snapshot};

use super::type_config::{CommittedLeaderId, Mark, TypeConfig};
use crate::codec;
use crate::error::DecodeError;

/// What openraft hands around as a snapshot's data: nothing, the mark says it all.
#[derive(Debug)]
pub(crate) struct MarkOnly;

pub(crate) type MarkSnapshot = Snapshot<CommittedLeaderId, u64, openraft::EmptyNode, MarkOnly>;

#[derive(Debug, thiserror::Error)]
pub(crate) enum SnapshotError {
    #[error("the store was not flushed yet: there is nothing that a snapshot could hold")]
    NothingFlushed,

    #[error("snapshots cannot be installed: members cannot be added in this version")]
    InstallUnsupported,
}

/// The mark of a position that the state machine kept.
pub(crate) fn mark_at(position: &Bytes) -> Result<Mark, DecodeError> {
    Ok(Mark::from(codec::decode_position(position)?))
}

/// Builds by looking: the mark was set before openraft was asked to build.
#[derive(Debug)]
pub(crate) struct MarkBuilder {
    pub mark: Option<Mark>,
}

impl RaftSnapshotBuilder<TypeConfig> for MarkBuilder {
    type SnapshotData = MarkOnly;

    async fn build_snapshot(&mut self) -> Result<MarkSnapshot, io::Error> {
        match self.mark.clone() {
            Some(meta) => Ok(Snapshot { meta, snapshot: MarkOnly }),
            None => Err(io::Error::other(SnapshotError::NothingFlushed)),
        }
    }
}
