//! The branches of other coordinators that are prepared here: this queue manager is one of their participants, and waits for
//! their decision (D6). What is ours is the coordinator's to show.

use std::time::Duration;

use bytes::Bytes;
use handfast_protocol::{Bqual, CoordinatorId, GlobalId, Gtrid, Timestamp, Xid};

use crate::limits::FOREIGN_PAGE_MAX;
use crate::state::State;

/// A prepared branch of another coordinator's transaction, as an operator sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignBranch {
    pub xid: Xid,
    pub prepared_at: Timestamp,
    pub age: Duration,
    /// Messages that it locks, and messages that it sends.
    pub received: u64,
    pub sent: u64,
}

impl State {
    /// XA+ xa_recover for one coordinator: its prepared branches, in the order of their xids (D9). Gtrids of our form begin
    /// with the coordinator's id, so that they stand together.
    pub(crate) fn recover(&self, coordinator: CoordinatorId, after: Option<Xid>, limit: usize) -> Vec<Xid> {
        let gtrid = Gtrid::new(Bytes::copy_from_slice(coordinator.0.as_bytes())).expect("16 bytes are below the limit");
        let bqual = Bqual::new(Bytes::new()).expect("no bytes are below the limit");
        let first = Xid { format_id: Xid::FORMAT_HANDFAST, gtrid, bqual };
        let after = after.filter(|after| *after > first).unwrap_or(first);
        let of_it = |xid: &&Xid| {
            xid.format_id == Xid::FORMAT_HANDFAST && xid.gtrid.as_bytes().starts_with(coordinator.0.as_bytes())
        };
        let found = self.queue.branches_after(Some(&after)).take_while(of_it);
        found.filter(|xid| GlobalId::try_from(*xid).is_ok()).take(limit.min(FOREIGN_PAGE_MAX)).cloned().collect()
    }

    /// A page of all foreign ones.
    pub(crate) fn foreign_branches(&self, now: Timestamp, after: Option<&Xid>, limit: usize) -> Vec<ForeignBranch> {
        let foreign = self.queue.branches_after(after).filter(|xid| !self.is_local(xid));
        let view = |xid: &Xid| {
            let branch = self.queue.branch(xid)?;
            Some(ForeignBranch {
                xid: xid.clone(),
                prepared_at: branch.prepared_at,
                age: now.since(branch.prepared_at),
                received: branch.receives.len() as u64,
                sent: branch.sends,
            })
        };
        foreign.filter_map(view).take(limit.min(FOREIGN_PAGE_MAX)).collect()
    }

    /// A branch of our own coordinator's.
    fn is_local(&self, xid: &Xid) -> bool {
        GlobalId::try_from(xid).is_ok_and(|id| Some(id.coordinator.0) == self.manager_id())
    }
}
