//! The sweep (P8): each resource is scanned for prepared branches that nobody ends, for ever. A client that was stopped for an
//! hour may prepare long after its transaction was rolled back; a backend may still run what its lost client asked for.

use std::collections::BTreeMap;

use handfast_mutants::{Mutant, is};
use handfast_protocol::{GlobalId, Outcome, ResourceName, Timestamp, Xid};
use handfast_store::StoreError;

use super::attachment::Link;
use super::calls::Deed;
use super::timer::Timer;
use super::{Action, Context, Coordinator};
use crate::limits::{SCAN_PERIOD, SCANNED_BRANCHES_MAX, SWEEP_AGE};
use crate::state::Recorded;
use crate::{CallFailed, Told};

/// Whose a prepared branch is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owner {
    /// Somebody ends it: a live transaction, or an operator.
    Attended,
    /// Nobody: ours, of an ended transaction.
    Nobody,
    /// Another incarnation of this coordinator, which may be alive (P3).
    OtherIncarnation,
    /// A later epoch, or a sequence that this one has not reached: this leader knows less than it should.
    Later,
    /// Not of this coordinator or not of this resource: never touched (D9).
    Foreign,
}

impl Coordinator {
    pub(super) fn scan(&mut self, cx: &mut Context<'_>, name: &ResourceName) {
        let Some(attachment) = self.attachments.get_mut(name) else {
            return;
        };
        // A last resource prepares nothing.
        if attachment.resource.kind.is_last_resource() {
            return;
        }
        if attachment.link == Link::Attached && attachment.sweep.scanning_since.is_none() {
            attachment.sweep.scanning_since = Some(cx.now);
            self.call(cx.out, name, Deed::Scan);
        }
    }

    pub(super) fn scanned(&mut self, cx: &mut Context<'_>, name: &ResourceName, result: Result<Told, CallFailed>) {
        let sweep = &mut self.attachments.get_mut(name).expect("the caller found it").sweep;
        let asked_at = sweep.scanning_since.take().unwrap_or(cx.now);
        let found_nothing = matches!(&result, Ok(Told::Scanned(xids)) if xids.is_empty());
        if !(found_nothing && is(Mutant::SweepsOnce)) {
            self.timers.set(cx.now.after(SCAN_PERIOD), Timer::Scan(name.clone()));
        }
        let Ok(Told::Scanned(xids)) = result else {
            return;
        };
        let mut seen = BTreeMap::new();
        let (mut foreign, mut later) = (0, 0);
        for xid in xids.into_iter().take(SCANNED_BRANCHES_MAX) {
            match self.owner(cx, name, &xid) {
                Owner::Nobody => {
                    let first = self.attachments[name].sweep.seen.get(&xid).copied();
                    seen.insert(xid, first.unwrap_or(cx.now));
                }
                Owner::OtherIncarnation => foreign += 1,
                Owner::Later => later += 1,
                Owner::Attended | Owner::Foreign => {}
            }
        }
        let sweep = &mut self.attachments.get_mut(name).expect("the caller found it").sweep;
        (sweep.seen, sweep.foreign, sweep.later) = (seen, foreign, later);
        self.await_barrier(cx, name, asked_at);
        self.admit(cx, name);
    }

    /// What was seen twice, far enough apart, may be ended when the log has no older decision of it that is not applied here.
    fn await_barrier(&mut self, cx: &mut Context<'_>, name: &ResourceName, asked_at: Timestamp) {
        let sweep = &mut self.attachments.get_mut(name).expect("the caller found it").sweep;
        let ripe = |(xid, first): &(&Xid, &Timestamp)| {
            **first < asked_at && asked_at.since(**first) >= SWEEP_AGE && !sweep.ending.contains(*xid)
        };
        let ripe: Vec<Xid> = sweep.seen.iter().filter(ripe).map(|(xid, _)| xid.clone()).collect();
        if ripe.is_empty() || sweep.at_barrier {
            return;
        }
        sweep.at_barrier = true;
        self.last_barrier += 1;
        self.barriers.insert(self.last_barrier, (name.clone(), ripe));
        cx.out.push(Action::Barrier { barrier: self.last_barrier });
    }

    pub(super) fn barrier_passed(&mut self, cx: &mut Context<'_>, barrier: u64) -> Result<(), StoreError> {
        // The resource may have been removed, or registered anew, since.
        let Some((name, ripe)) = self.barriers.remove(&barrier) else {
            return Ok(());
        };
        if let Some(attachment) = self.attachments.get_mut(&name) {
            attachment.sweep.at_barrier = false;
        }
        for xid in ripe {
            if self.owner(cx, &name, &xid) != Owner::Nobody {
                continue;
            }
            let id = GlobalId::try_from(&xid).expect("only branches of our own are seen");
            let is_kept = cx.state.transaction(id).is_some();
            let deed = match cx.state.outcome(cx.store, id)? {
                Recorded::Delegated => continue,
                // Another branch of it ended on its own, not this one.
                Recorded::Decided { outcome, .. } if is_kept => Deed::Sweep { xid, outcome },
                // The operator has seen that it ended on its own, and has said forget.
                Recorded::Decided { heuristic: Some(_), .. } => Deed::Forget { xid },
                Recorded::Decided { outcome, heuristic: None } => Deed::Sweep { xid, outcome },
                Recorded::Unknown | Recorded::Forgotten if is(Mutant::PresumesCommit) => {
                    Deed::Sweep { xid, outcome: Outcome::Committed }
                }
                // Presumed abort. A committed transaction is not forgotten before its branches have acknowledged.
                Recorded::Unknown | Recorded::Forgotten => Deed::Sweep { xid, outcome: Outcome::RolledBack },
            };
            if let (Deed::Sweep { xid, .. } | Deed::Forget { xid }, Some(attachment)) =
                (&deed, self.attachments.get_mut(&name))
            {
                attachment.sweep.ending.insert(xid.clone());
            }
            self.enqueue(cx, &name, deed);
        }
        Ok(())
    }

    pub(super) fn swept(
        &mut self,
        cx: &mut Context<'_>,
        name: &ResourceName,
        xid: &Xid,
        outcome: Outcome,
        result: &Result<Told, CallFailed>,
    ) {
        let sweep = &mut self.attachments.get_mut(name).expect("the caller found it").sweep;
        sweep.ending.remove(xid);
        // What failed is still seen by the next scan.
        let Ok(told) = result else { return };
        sweep.seen.remove(xid);
        if let (Told::Heuristic(heuristic), Ok(id)) = (told, GlobalId::try_from(xid)) {
            self.ended_otherwise(cx, id, name, outcome, *heuristic);
        }
        self.admit(cx, name);
    }

    fn owner(&self, cx: &Context<'_>, name: &ResourceName, xid: &Xid) -> Owner {
        let Ok(id) = GlobalId::try_from(xid) else {
            return Owner::Foreign;
        };
        if id.coordinator != self.identity.coordinator || xid.bqual != name.bqual() {
            return Owner::Foreign;
        }
        // A heuristic end may have opened a record of a transaction that had none: that is of the branches that it names.
        let kept = cx.state.transaction(id);
        let is_kept = kept.is_some_and(|kept| kept.is_undecided() || kept.resources().any(|named| named == name));
        let is_attended = self.transactions.contains_key(&id) || is_kept;
        if is_attended && !is(Mutant::SweepsLive) {
            return Owner::Attended;
        }
        if id.incarnation != self.identity.incarnation {
            let adopted = self.attachments.get(name).is_some_and(|attachment| attachment.adopted);
            return if adopted { Owner::Nobody } else { Owner::OtherIncarnation };
        }
        let begun = (id.epoch, id.sequence) <= (self.identity.epoch, self.sequence);
        if begun { Owner::Nobody } else { Owner::Later }
    }
}
