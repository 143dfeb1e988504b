//! How branches end: what they held is let go, returned, or counted.

use handfast_mutants::{Mutant, is};
use handfast_protocol::limits::ERROR_TEXT_BYTES_MAX;
use handfast_protocol::{RollbackReason, Xid};

use super::branch::{Branch, BranchId, Phase};
use super::in_flight::Continuation;
use super::limits::RETURN_BATCH;
use super::locks::Owner;
use super::timers::Timer;
use super::turn::Turn;
use super::{Answer, ConnectionId, Manager, RequestId, RequestRefused};
use crate::{Blame, Command, MessageKey, QueueId};

/// Whom a rollback answers.
#[derive(Debug, Clone, Copy)]
pub(super) enum Told {
    Caller(RequestId),
    Nobody,
}

impl Manager {
    /// No operation joins the branch any more: its waiting receives end, its timeout is over (D6).
    pub(super) fn freeze(&mut self, turn: &mut Turn<'_>, id: BranchId, phase: Phase) {
        let branch = self.branches.get(id).expect("only a live branch is frozen");
        self.timers.cancel(branch.deadline, Timer::Branch(id));
        self.close(turn, id, phase);
    }

    /// No operation joins the branch any more: its waiting receives end.
    pub(super) fn close(&mut self, turn: &mut Turn<'_>, id: BranchId, phase: Phase) {
        let branch = self.branches.get_mut(id).expect("only a live branch is closed");
        branch.phase = phase;
        let refused = RequestRefused::TransactionNotActive { xid: branch.xid.clone() };
        for wait in branch.waits.clone() {
            self.end_wait(turn, wait, Err(refused.clone()));
        }
    }

    /// Takes the branch out of everything but its locks and what it wrote ahead.
    fn dissolve(&mut self, id: BranchId) -> Branch {
        let branch = self.branches.remove(id);
        assert!(branch.waits.is_empty(), "the waits of a branch end before it");
        self.timers.cancel(branch.deadline, Timer::Branch(id));
        if let Some(connection) = branch.connection {
            self.connections.close(connection, |connection| {
                connection.branches.remove(&id);
            });
        }
        self.active.release(branch.charge);
        branch
    }

    /// Its commit or prepare is applied: the log owns its work, and the state what it still holds.
    pub(super) fn branch_done(&mut self, id: BranchId) {
        let branch = self.dissolve(id);
        self.staged.release(branch.staged_charge);
        branch.locked().for_each(|key| self.let_go(&key));
        if branch.expires.is_some() {
            self.expiry.mark_stale();
        }
    }

    /// Rolls a branch back that no command of the manager's own decides about. What its receives locked returns to its
    /// place; with blame it stays locked until the attempt is counted, in one record with what that leads to (P22).
    pub(super) fn roll_back(
        &mut self,
        turn: &mut Turn<'_>,
        id: BranchId,
        reason: RollbackReason,
        blame: Option<Blame>,
        told: Told,
    ) {
        let branch = self.branches.get(id).expect("only a live branch is rolled back");
        let refused = RequestRefused::RolledBack { xid: branch.xid.clone(), reason: reason.clone() };
        for wait in branch.waits.clone() {
            self.end_wait(turn, wait, Err(refused.clone()));
        }
        let branch = self.dissolve(id);
        if is(Mutant::KeepsAccount) {
            assert!(self.active.charge(branch.charge), "so much was released just above");
        }
        self.unstage(turn, branch.stage(), &branch.bodies, branch.staged_charge);
        let keys: Vec<MessageKey> = branch.locked().collect();
        self.branches.remember(branch.xid, reason);
        match blame {
            Some(blame) if !keys.is_empty() => self.count_attempt(turn, &keys, &shortened(blame), told),
            Some(_) | None => {
                keys.into_iter().for_each(|key| self.put_back(turn, key));
                if let Told::Caller(request) = told {
                    turn.answer(request, Ok(Answer::Done));
                }
            }
        }
    }

    fn count_attempt(&mut self, turn: &mut Turn<'_>, keys: &[MessageKey], blame: &Blame, told: Told) {
        let batches = keys.chunks(RETURN_BATCH);
        let last = batches.len() - 1;
        for (index, batch) in batches.enumerate() {
            batch.iter().for_each(|key| self.locks.pass_on(key, Owner::Command));
            let reply = match told {
                Told::Caller(request) if index == last => Some(request),
                Told::Caller(_) | Told::Nobody => None,
            };
            let command = Command::Return { messages: batch.to_vec(), blame: blame.clone() };
            let continuation = Continuation::Return { messages: batch.to_vec(), reply };
            self.in_flight.propose(turn.out, command, continuation);
        }
    }

    /// A branch that nobody decided about ran out of time: its messages are not to blame (P22).
    pub(super) fn time_out_branch(&mut self, turn: &mut Turn<'_>, id: BranchId) {
        let undecided = self.branches.get(id).is_some_and(|branch| branch.phase.is_undecided());
        assert!(undecided, "the timer of a branch is cancelled when it ends");
        self.roll_back(turn, id, RollbackReason::TimedOut, None, Told::Nobody);
    }

    /// The consumer is gone: what it held was abandoned (P22).
    pub(super) fn abandon(&mut self, turn: &mut Turn<'_>, id: BranchId) {
        self.roll_back(turn, id, RollbackReason::Disconnected, Some(Blame::Vanished), Told::Nobody);
    }

    /// A lost connection takes along what hangs on it: its waits, its unnamed bodies, its exclusive rights, and the active
    /// branches that it started. Branches that ended belong to their xid alone and survive.
    pub(super) fn disconnected(
        &mut self,
        turn: &mut Turn<'_>,
        id: ConnectionId,
    ) -> Result<(), handfast_store::StoreError> {
        let connection = self.connections.remove(id);
        for wait in connection.waits {
            // The others are commands in flight: their messages are received for good.
            if self.waiting.get(wait).is_some() {
                self.end_wait(turn, wait, Ok(Answer::NoMessage));
            }
        }
        for (queue, wait) in connection.openers {
            self.time_out_opener(turn, queue, wait);
        }
        let bodies: Vec<_> = connection.bodies.into_iter().collect();
        self.drop_bodies(turn, &bodies);
        for branch in connection.branches {
            if self.branches.get(branch).is_some_and(|branch| branch.phase == Phase::Active) {
                self.abandon(turn, branch);
            }
        }
        for queue in self.exclusive.queues_of(id) {
            self.abandon_read(turn, queue, id);
            self.release_exclusive(turn, queue);
        }
        self.exclusive.forget_lost(id, None);
        Ok(())
    }

    /// The branches that nothing joins any more, and whose end is under way.
    pub fn closing(&self) -> impl Iterator<Item = &Xid> {
        self.branches
            .iter()
            .map(|(_, branch)| branch)
            .filter(|branch| !branch.phase.is_undecided())
            .map(|branch| &branch.xid)
    }

    /// The branches that hold messages of a queue and about which nothing decides yet.
    pub(super) fn undecided_on(&self, queue: QueueId) -> std::collections::BTreeSet<BranchId> {
        let (from, through) = super::purge::everything(queue);
        let owners = self.locks.range(from, through).filter_map(|(_, lock)| match lock.owner {
            Owner::Branch(id) => Some(id),
            Owner::Command => None,
        });
        let undecided = |id: &BranchId| self.branches.get(*id).is_some_and(|branch| branch.phase.is_undecided());
        owners.filter(undecided).collect()
    }
}

/// An error text within its limit, cut between characters.
fn shortened(blame: Blame) -> Blame {
    let cut = |mut error: String| {
        error.truncate(error.floor_char_boundary(ERROR_TEXT_BYTES_MAX));
        error
    };
    match blame {
        Blame::Message { error } => Blame::Message { error: cut(error) },
        Blame::Reject { error } => Blame::Reject { error: cut(error) },
        Blame::Vanished => Blame::Vanished,
    }
}
