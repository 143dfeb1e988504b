//! What the coordinator asks, answered as the drivers answer it.

use std::collections::BTreeSet;

use handfast_coordinator_core::{Ask, CallFailed, Identity, Told};
use handfast_protocol::{CoordinatorId, GlobalId, Heuristic, Outcome, ResourceKind, Xid};

use super::{Answered, Blocked, Change, Database};
use crate::plan::Mutant;
use crate::probes::Probe;
use crate::server::Caller;

/// What SQLite says of a lock.
pub(super) const BUSY: &str = "database is locked";

/// `max_prepared_transactions` (P9): few, so that clients wait for them.
pub(super) const SLOTS: u32 = 3;

impl Database {
    pub fn ask(&mut self, caller: Caller, ask: &Ask) {
        if !self.is_up {
            let result = Err(self.unreachable());
            return self.tell(caller, result);
        }
        // BUSY is never an outcome (P15).
        if self.is_sqlite() && (!self.blocks.is_empty() || self.is_committing()) {
            return self.refuse(caller, BUSY);
        }
        let is_last = self.resource.kind != ResourceKind::PostgresTwoPhase;
        match ask {
            Ask::Commit { xid } | Ask::Rollback { xid } if is_last || GlobalId::try_from(xid).is_err() => {
                self.refuse(caller, "it has no branch of that name");
            }
            Ask::Fence { .. } if !is_last => self.refuse(caller, "it is no last resource"),
            Ask::Attach { identity, adopt } => self.attach(caller, *identity, *adopt),
            Ask::Scan { coordinator } => self.scan(caller, *coordinator),
            Ask::Commit { xid } => self.finish(caller, ask, xid, Outcome::Committed),
            Ask::Rollback { xid } => self.finish(caller, ask, xid, Outcome::RolledBack),
            Ask::Fence { id } => self.fence(caller, *id),
            Ask::ClearMarkers { from, through } => {
                let within = self.live.markers.range(*from..=*through);
                let committed = within.filter(|(_, outcome)| **outcome == Outcome::Committed);
                let ids: BTreeSet<GlobalId> = committed.map(|(id, _)| *id).collect();
                self.seen[Probe::MarkersCleared] += ids.len() as u64;
                self.write(Change::Clear { ids }, Some(Answered::Caller { caller, result: Ok(Told::Done) }));
            }
            Ask::Prepare { .. } | Ask::Forget { .. } => {
                self.refuse(caller, "a database is prepared by its client");
            }
        }
    }

    fn refuse(&mut self, caller: Caller, cause: &str) {
        let resource = self.resource.name.clone();
        self.tell(caller, Err(CallFailed::Refused { resource, cause: cause.to_owned() }));
    }

    fn tell(&mut self, caller: Caller, result: Result<Told, CallFailed>) {
        self.answered.push(Answered::Caller { caller, result });
    }

    fn write_and_tell(&mut self, caller: Caller, change: Change, told: Told) {
        self.write(change, Some(Answered::Caller { caller, result: Ok(told) }));
    }

    /// P3.
    fn attach(&mut self, caller: Caller, identity: Identity, adopt: bool) {
        let found = self.live.visitors.get(&identity.coordinator).copied();
        let is_ahead = |found: &Identity| {
            (found.incarnation, found.epoch) != (identity.incarnation, identity.epoch)
                && (found.incarnation != identity.incarnation || found.epoch > identity.epoch)
        };
        match found {
            Some(found) if !adopt && is_ahead(&found) => self.tell(caller, Ok(Told::Ahead { found })),
            None if !adopt => self.tell(caller, Ok(Told::UnknownCoordinator)),
            Some(_) | None => {
                let slots = (self.resource.kind == ResourceKind::PostgresTwoPhase).then_some(self.slots);
                self.write_and_tell(caller, Change::Visit(identity), Told::Attached { slots });
                if self.mutant == Mutant::SweepsEverything {
                    let prepared: Vec<Xid> = self.live.prepared.iter().map(|(xid, _)| xid.clone()).collect();
                    prepared.into_iter().for_each(|xid| self.write(Change::RollbackPrepared { xid }, None));
                }
            }
        }
    }

    fn scan(&mut self, caller: Caller, coordinator: CoordinatorId) {
        let is_ours = |xid: &&Xid| GlobalId::try_from(*xid).is_ok_and(|id| id.coordinator == coordinator);
        let xids = self.live.prepared.iter().map(|(xid, _)| xid).filter(is_ours).cloned().collect();
        self.tell(caller, Ok(Told::Scanned(xids)));
    }

    /// P7: a branch that is not there was committed before if its row says so; else somebody rolled it back.
    fn finish(&mut self, caller: Caller, ask: &Ask, xid: &Xid, outcome: Outcome) {
        let id = GlobalId::try_from(xid).expect("only branches of our own are asked about");
        if self.is_held(id) {
            self.seen[Probe::Blocked] += 1;
            return self.blocked.push(Blocked::Ask { caller, ask: ask.clone() });
        }
        let is_prepared = self.live.has_prepared(xid);
        match (outcome, is_prepared) {
            (Outcome::Committed, true) if self.mutant == Mutant::AcknowledgesUndone => {
                self.tell(caller, Ok(Told::Done));
            }
            (Outcome::Committed, true) => {
                let change = Change::CommitPrepared { xid: xid.clone(), id };
                self.write_and_tell(caller, change, Told::Done);
            }
            (Outcome::RolledBack, true) => {
                self.seen[Probe::PreparedRolledBack] += 1;
                self.write_and_tell(caller, Change::RollbackPrepared { xid: xid.clone() }, Told::Done);
            }
            (outcome, false) => {
                let told = match (outcome, self.live.markers.get(&id)) {
                    (Outcome::Committed, Some(Outcome::Committed)) => {
                        self.seen[Probe::CommittedBefore] += 1;
                        Told::Done
                    }
                    (Outcome::Committed, None) => Told::Heuristic(Heuristic::Hazard),
                    (Outcome::Committed, Some(Outcome::RolledBack)) => Told::Heuristic(Heuristic::Rollback),
                    (Outcome::RolledBack, None | Some(Outcome::RolledBack)) => Told::Done,
                    (Outcome::RolledBack, Some(Outcome::Committed)) => Told::Heuristic(Heuristic::Commit),
                };
                self.tell(caller, Ok(told));
            }
        }
    }

    /// An operator ends a prepared branch, and sees that it is done. The name of its transaction; `None`: there is none to end.
    pub fn end_by_hand(&mut self, outcome: Outcome) -> Option<GlobalId> {
        let free = |xid: &&Xid| GlobalId::try_from(*xid).is_ok_and(|id| !self.is_held(id));
        let xid = self.live.prepared.iter().map(|(xid, _)| xid).find(free).filter(|_| self.is_up)?.clone();
        self.end_branch(xid, outcome)
    }

    pub(super) fn end_branch(&mut self, xid: Xid, outcome: Outcome) -> Option<GlobalId> {
        let id = GlobalId::try_from(&xid).ok()?;
        self.write(
            match outcome {
                Outcome::Committed => Change::CommitPrepared { xid, id },
                Outcome::RolledBack => Change::RollbackPrepared { xid },
            },
            None,
        );
        self.flush();
        Some(id)
    }

    /// P12: waits for a commit in flight, keeps a late one out, and makes durable what it reads.
    fn fence(&mut self, caller: Caller, id: GlobalId) {
        if self.mutant == Mutant::PresumesDelegated {
            return self.tell(caller, Ok(Told::Fenced(Outcome::RolledBack)));
        }
        if self.is_held(id) {
            self.seen[Probe::Blocked] += 1;
            return self.blocked.push(Blocked::Ask { caller, ask: Ask::Fence { id } });
        }
        let outcome = self.live.markers.get(&id).copied().unwrap_or(Outcome::RolledBack);
        match outcome {
            Outcome::Committed => self.seen[Probe::FencedCommitted] += 1,
            Outcome::RolledBack => self.seen[Probe::FencedRolledBack] += 1,
        }
        if self.mutant == Mutant::LooksWithoutFence {
            return self.tell(caller, Ok(Told::Fenced(outcome)));
        }
        self.write_and_tell(caller, Change::Fence { id }, Told::Fenced(outcome));
    }
}
