//! Rare states that a run comes through, seen from outside and counted. Nothing depends on them.

use handfast_coordinator_core::{self as coordinator, Ask, CallFailed, KnownOutcome, Told};
use handfast_machine::{Answer, Refusal};
use handfast_protocol::{PrepareVote, RollbackReason, Xid};
use handfast_queue::manager::RequestRefused;

use super::World;
use super::happening::Happening;
use crate::probes::Probe;
use crate::server::{Caller, ServerId, Waiter};

impl World {
    /// What a start has found on its disk.
    pub(super) fn notice_recovered(&mut self, id: ServerId) {
        let (Some(process), Some(watcher)) = (&self.servers[&id].process, self.watchers.get(&id)) else { return };
        let first = process.first_index();
        let is_logged = |xid: &&Xid| watcher.prepared_at(xid).is_some_and(|index| index >= first);
        let stored_and_logged = process.stored_branches.iter().filter(is_logged).count() as u64;
        self.probes[Probe::TornTails] += u64::from(process.cut_torn_tail());
        self.probes[Probe::StoredAndLogged] += stored_and_logged;
    }

    /// Messages whose time is over, and which wait for the outcome of whoever holds them.
    pub(super) fn notice_overdue(&mut self) {
        let Some(process) = &self.servers[&ServerId::Queues].process else { return };
        let (queue, store) = (&process.node().state().queue, process.node().store());
        let held = queue.branches().filter_map(|xid| queue.branch(xid)).flat_map(|branch| &branch.receives);
        let is_overdue = |key: &&handfast_queue::MessageKey| {
            let message = queue.message(store, key).ok().flatten();
            message.and_then(|message| message.expires_at()).is_some_and(|time| time <= self.now)
        };
        let overdue = held.filter(is_overdue).count() as u64;
        self.probes[Probe::OverdueWhilePrepared] += overdue;
    }

    /// The branch that a vote to commit is about.
    pub(super) fn prepared_by(&mut self, caller: Caller, result: &Result<Told, CallFailed>) -> Option<Xid> {
        let at = self.preparing.iter().position(|(asker, _)| *asker == caller)?;
        let (_, xid) = self.preparing.swap_remove(at);
        (*result == Ok(Told::Voted(PrepareVote::Commit))).then_some(xid)
    }

    /// Whoever asked for the vote has given the transaction up: it has the branch rolled back.
    pub(super) fn notice_late_vote(&mut self, prepared: Option<Xid>) {
        let Some(prepared) = prepared else { return };
        let undoes = |happening: &Happening| matches!(happening, Happening::Call { ask: Ask::Rollback { xid }, .. } if *xid == prepared);
        self.probes[Probe::LateVotes] += u64::from(self.pending.values().any(undoes));
    }

    pub(super) fn notice_answer(&mut self, waiter: &Waiter, answer: &Result<Answer, Refusal>) {
        let presumed = KnownOutcome::RolledBack(RollbackReason::EpochEnded);
        match (waiter, answer) {
            (Waiter::Session { .. }, Ok(Answer::Coordinator(coordinator::Answer::Outcome(known)))) => {
                self.probes[Probe::Presumed] += u64::from(*known == presumed);
            }
            (
                Waiter::Caller { ask: Ask::Commit { .. }, .. },
                Err(Refusal::Queue(RequestRefused::TransactionNotActive { .. })),
            ) => self.probes[Probe::LateCommits] += 1,
            _ => {}
        }
    }
}
