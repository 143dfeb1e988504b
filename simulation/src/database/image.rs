//! What a database holds, as one moment shows it.

use std::collections::{BTreeMap, BTreeSet};

use handfast_checker::history::State as Stage;
use handfast_coordinator_core::Identity;
use handfast_protocol::{CoordinatorId, GlobalId, Outcome, Xid};

/// A row of the table of orders: which order, and the transaction that put it in. The table has no key, so that an order which
/// is put in twice is there twice.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct OrderRow {
    pub order: String,
    pub id: GlobalId,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Image {
    /// The last visit of each coordinator (P3).
    pub visitors: BTreeMap<CoordinatorId, Identity>,
    pub markers: BTreeMap<GlobalId, Outcome>,
    pub orders: Vec<OrderRow>,
    /// The oldest first.
    pub prepared: Vec<(Xid, Vec<OrderRow>)>,
}

/// One record of the write-ahead log: a transaction of the database that has committed or prepared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    Visit(Identity),
    /// A client's commit with its marker row as last statement.
    Decide {
        id: GlobalId,
        rows: Vec<OrderRow>,
    },
    Prepare {
        xid: Xid,
        rows: Vec<OrderRow>,
    },
    CommitPrepared {
        xid: Xid,
        id: GlobalId,
    },
    RollbackPrepared {
        xid: Xid,
    },
    /// P12: the opposite row, or a count on the one that stands there.
    Fence {
        id: GlobalId,
    },
    Clear {
        ids: BTreeSet<GlobalId>,
    },
}

impl Image {
    /// What the change is to its transaction, if it comes to anything here.
    pub fn step(&self, change: &Change) -> Option<(GlobalId, Stage)> {
        let has = |xid: &Xid| self.has_prepared(xid);
        match change {
            Change::Decide { id, .. } => Some((*id, Stage::Committed)),
            Change::Prepare { xid, .. } => Some((GlobalId::try_from(xid).ok()?, Stage::Prepared)),
            Change::CommitPrepared { xid, id } => has(xid).then_some((*id, Stage::Committed)),
            Change::RollbackPrepared { xid } if has(xid) => Some((GlobalId::try_from(xid).ok()?, Stage::RolledBack)),
            Change::Fence { id } => (!self.markers.contains_key(id)).then_some((*id, Stage::RolledBack)),
            Change::Visit(_) | Change::RollbackPrepared { .. } | Change::Clear { .. } => None,
        }
    }

    pub fn has_prepared(&self, xid: &Xid) -> bool {
        self.prepared.iter().any(|(prepared, _)| prepared == xid)
    }

    fn take_prepared(&mut self, xid: &Xid) -> Option<Vec<OrderRow>> {
        let at = self.prepared.iter().position(|(prepared, _)| prepared == xid)?;
        Some(self.prepared.remove(at).1)
    }

    pub fn apply(&mut self, change: &Change) {
        match change {
            Change::Visit(identity) => drop(self.visitors.insert(identity.coordinator, *identity)),
            Change::Decide { id, rows } => {
                self.orders.extend(rows.iter().cloned());
                self.markers.insert(*id, Outcome::Committed);
            }
            Change::Prepare { xid, rows } => {
                self.prepared.push((xid.clone(), rows.clone()));
            }
            Change::CommitPrepared { xid, id } => {
                if let Some(rows) = self.take_prepared(xid) {
                    self.orders.extend(rows);
                    self.markers.insert(*id, Outcome::Committed);
                }
            }
            Change::RollbackPrepared { xid } => {
                self.take_prepared(xid);
            }
            Change::Fence { id } => {
                self.markers.entry(*id).or_insert(Outcome::RolledBack);
            }
            Change::Clear { ids } => {
                self.markers.retain(|id, outcome| !(ids.contains(id) && *outcome == Outcome::Committed))
            }
        }
    }
}

impl Change {
    /// The marker row or branch that nobody else may touch before this is over.
    pub fn key(&self) -> Option<GlobalId> {
        match self {
            Change::Decide { id, .. } | Change::CommitPrepared { id, .. } | Change::Fence { id } => Some(*id),
            Change::Prepare { xid, .. } | Change::RollbackPrepared { xid } => GlobalId::try_from(xid).ok(),
            Change::Visit(_) | Change::Clear { .. } => None,
        }
    }
}
