//! The active branches by their xids, and the reasons of those that were rolled back lately.

use std::collections::{BTreeMap, VecDeque};

use handfast_protocol::{RollbackReason, Xid};

use super::RequestRefused;
use super::branch::{Branch, BranchId, Phase};
use super::limits::ENDED_MAX;

#[derive(Debug, Default)]
pub(super) struct Branches {
    live: BTreeMap<BranchId, Branch>,
    by_xid: BTreeMap<Xid, BranchId>,
    next: u64,
    /// Rolled back without being asked, or lately: at most [`ENDED_MAX`], oldest first in `ended_order`.
    ended: BTreeMap<Xid, RollbackReason>,
    ended_order: VecDeque<Xid>,
}

impl Branches {
    pub fn insert(&mut self, branch: Branch) -> BranchId {
        let id = BranchId(self.next);
        self.next += 1;
        self.ended.remove(&branch.xid);
        let before = self.by_xid.insert(branch.xid.clone(), id);
        assert!(before.is_none(), "branch {} was started twice", branch.xid);
        self.live.insert(id, branch);
        id
    }

    pub fn remove(&mut self, id: BranchId) -> Branch {
        let branch = self.live.remove(&id).expect("a branch ends once");
        self.by_xid.remove(&branch.xid);
        branch
    }

    pub fn len(&self) -> usize {
        self.live.len()
    }

    pub fn get(&self, id: BranchId) -> Option<&Branch> {
        self.live.get(&id)
    }

    pub fn get_mut(&mut self, id: BranchId) -> Option<&mut Branch> {
        self.live.get_mut(&id)
    }

    pub fn find(&self, xid: &Xid) -> Option<(BranchId, &Branch)> {
        let id = *self.by_xid.get(xid)?;
        Some((id, &self.live[&id]))
    }

    /// The branch that may still do work; why there is none, otherwise.
    pub fn active(&mut self, xid: &Xid) -> Result<(BranchId, &mut Branch), RequestRefused> {
        let (id, branch) = self.undecided(xid)?;
        match branch.phase {
            Phase::Active => Ok((id, branch)),
            Phase::Idle | Phase::Ended | Phase::Deciding => {
                Err(RequestRefused::TransactionNotActive { xid: xid.clone() })
            }
        }
    }

    /// The branch that may be decided about (XA+: an ended one, or XAER_PROTO).
    pub fn idle(&mut self, xid: &Xid) -> Result<(BranchId, &mut Branch), RequestRefused> {
        let (id, branch) = self.undecided(xid)?;
        match branch.phase {
            Phase::Idle => Ok((id, branch)),
            Phase::Active | Phase::Ended | Phase::Deciding => Err(RequestRefused::NotEnded { xid: xid.clone() }),
        }
    }

    /// A branch about which nothing decides yet; why there is none, otherwise.
    pub fn undecided(&mut self, xid: &Xid) -> Result<(BranchId, &mut Branch), RequestRefused> {
        let inactive = || match self.ended.get(xid) {
            Some(reason) => RequestRefused::RolledBack { xid: xid.clone(), reason: reason.clone() },
            None => RequestRefused::TransactionNotActive { xid: xid.clone() },
        };
        let Some(id) = self.by_xid.get(xid).copied() else { return Err(inactive()) };
        let branch = self.live.get_mut(&id).expect("both maps name the same branches");
        if branch.phase.is_undecided() {
            Ok((id, branch))
        } else {
            Err(RequestRefused::TransactionNotActive { xid: xid.clone() })
        }
    }

    pub fn remember(&mut self, xid: Xid, reason: RollbackReason) {
        if self.ended.insert(xid.clone(), reason).is_none() {
            self.ended_order.push_back(xid);
        }
        if self.ended_order.len() > ENDED_MAX {
            let oldest = self.ended_order.pop_front().expect("it is longer than its limit");
            self.ended.remove(&oldest);
        }
    }

    pub fn reason(&self, xid: &Xid) -> Option<&RollbackReason> {
        self.ended.get(xid)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&BranchId, &Branch)> {
        self.live.iter()
    }

    pub fn is_empty(&self) -> bool {
        self.live.is_empty()
    }
}
