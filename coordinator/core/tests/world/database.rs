//! A database or a service as the rules know it: marker rows, prepared branches, and what became of each transaction's data.

use std::collections::{BTreeMap, BTreeSet};

use handfast_coordinator_core::{Ask, CallFailed, Identity, Resource, Told};
use handfast_protocol::{GlobalId, Heuristic, Outcome, PrepareVote, ResourceKind, Xid};

pub struct Database {
    pub resource: Resource,
    pub up: bool,
    /// How a service will vote next.
    pub next_vote: PrepareVote,
    visitor: Option<Identity>,
    rows: BTreeMap<GlobalId, Outcome>,
    prepared: BTreeSet<Xid>,
    /// Whose data is in it for good.
    pub committed: BTreeSet<GlobalId>,
    /// Whose data can never get in: fenced, or a prepared branch rolled back.
    pub rolled_back: BTreeSet<GlobalId>,
    /// The rows that the last clearing took away.
    pub cleared: Vec<GlobalId>,
}

/// `max_prepared_transactions` of the two-phase database.
pub const SLOTS: u32 = 6;

impl Database {
    pub fn new(resource: Resource) -> Database {
        Database {
            resource,
            up: true,
            next_vote: PrepareVote::Commit,
            visitor: None,
            rows: BTreeMap::new(),
            prepared: BTreeSet::new(),
            committed: BTreeSet::new(),
            rolled_back: BTreeSet::new(),
            cleared: Vec::new(),
        }
    }

    /// Whether a transaction's data is in it, and whether it can never get in.
    pub fn had(&self, id: GlobalId) -> (bool, bool) {
        (self.committed.contains(&id), self.rolled_back.contains(&id))
    }

    pub fn prepared(&self) -> usize {
        self.prepared.len()
    }

    /// Each ask takes effect at once or, while it is down, not at all.
    pub fn execute(&mut self, ask: &Ask) -> Result<Told, CallFailed> {
        if !self.up {
            let resource = self.resource.name.clone();
            return Err(CallFailed::Unreachable { resource, cause: "it is down".to_owned() });
        }
        Ok(match ask {
            Ask::Attach { identity, .. } => self.attach(*identity),
            Ask::Scan { .. } => Told::Scanned(self.prepared.iter().cloned().collect()),
            Ask::Prepare { xid } => self.vote(xid),
            Ask::Commit { xid } => self.commit_prepared(xid),
            Ask::Rollback { xid } => {
                if self.prepared.remove(xid) {
                    self.rolled_back.insert(id_of(xid));
                }
                Told::Done
            }
            Ask::Fence { id } => {
                let outcome = *self.rows.entry(*id).or_insert(Outcome::RolledBack);
                // A question that was given up long ago may come after the row was cleared: what it writes then decides
                // nothing, and its answer reaches nobody.
                if outcome == Outcome::RolledBack && !self.committed.contains(id) {
                    self.rolled_back.insert(*id);
                }
                Told::Fenced(outcome)
            }
            Ask::ClearMarkers { from, through } => {
                let within: Vec<GlobalId> = self.rows.range(*from..=*through).map(|(id, _)| *id).collect();
                self.cleared = within.into_iter().filter(|id| self.rows[id] == Outcome::Committed).collect();
                self.cleared.iter().for_each(|id| {
                    self.rows.remove(id);
                });
                Told::Done
            }
            Ask::Forget { .. } => Told::Done,
        })
    }

    fn attach(&mut self, identity: Identity) -> Told {
        match self.visitor {
            Some(found) if found.epoch > identity.epoch => Told::Ahead { found },
            Some(_) | None => {
                self.visitor = Some(identity);
                let bounded = self.resource.kind == ResourceKind::PostgresTwoPhase;
                Told::Attached { slots: bounded.then_some(SLOTS) }
            }
        }
    }

    /// A service may prepare again after it was told to roll back: its work came late.
    fn vote(&mut self, xid: &Xid) -> Told {
        if self.next_vote == PrepareVote::Commit {
            self.prepared.insert(xid.clone());
        }
        Told::Voted(self.next_vote)
    }

    /// P7: an unknown branch was committed earlier if its row says so, else somebody rolled it back.
    fn commit_prepared(&mut self, xid: &Xid) -> Told {
        let id = id_of(xid);
        if self.prepared.remove(xid) {
            self.rows.insert(id, Outcome::Committed);
            self.committed.insert(id);
        } else if self.rows.get(&id) != Some(&Outcome::Committed) {
            return Told::Heuristic(Heuristic::Hazard);
        }
        Told::Done
    }

    /// A client's `PREPARE TRANSACTION`.
    pub fn prepare(&mut self, xid: &Xid) -> bool {
        let possible = self.up && self.prepared.len() < SLOTS as usize;
        if possible {
            self.prepared.insert(xid.clone());
        }
        possible
    }

    /// A client's commit with its marker row: a row that stands there already keeps it out (P12).
    pub fn commit_with_row(&mut self, id: GlobalId) -> Option<Outcome> {
        if !self.up {
            return None;
        }
        if self.rows.contains_key(&id) {
            return Some(Outcome::RolledBack);
        }
        self.rows.insert(id, Outcome::Committed);
        self.committed.insert(id);
        Some(Outcome::Committed)
    }
}

fn id_of(xid: &Xid) -> GlobalId {
    GlobalId::try_from(xid).expect("only our branches are in the model")
}
