//! Rolling back without a record: presumed abort (D4). Branches that may be prepared are undone by a call each, and by the
//! sweep where that fails.

use handfast_protocol::{GlobalId, Heuristic, Outcome, ResourceName, RollbackReason};
use handfast_store::StoreError;

use super::calls::Deed;
use super::timer::Timer;
use super::transaction::{Phase, Stage};
use super::{Action, Context, Coordinator};
use crate::{Answer, CallFailed, ConnectionId, KnownOutcome, RequestId, RequestRefused, Told};

impl Coordinator {
    pub(super) fn rollback_asked(
        &mut self,
        cx: &mut Context<'_>,
        request: RequestId,
        id: GlobalId,
    ) -> Result<(), StoreError> {
        if self.is_active(id) {
            self.rollback(cx, id, RollbackReason::Requested);
            let outcome = KnownOutcome::RolledBack(RollbackReason::Requested);
            self.answer(cx, request, Ok(Answer::Outcome(outcome)));
            return Ok(());
        }
        let answer = match self.not_active(cx, id)? {
            // Asked again, or it has ended by itself in the same way.
            RequestRefused::RolledBack { reason, .. } => Ok(Answer::Outcome(KnownOutcome::RolledBack(reason))),
            refused => Err(refused),
        };
        self.answer(cx, request, answer);
        Ok(())
    }

    /// An active transaction has had its time; one that is being prepared may end as well, for nothing is decided (D6).
    pub(super) fn deadline_passed(&mut self, cx: &mut Context<'_>, id: GlobalId) {
        let phase = self.transactions.get(&id).map(|transaction| transaction.phase);
        if let Some(Phase::Active | Phase::Preparing) = phase {
            self.rollback(cx, id, RollbackReason::TimedOut);
        }
    }

    /// A client that is gone cannot commit at its last resource any more, unless it was told to go (P21). One that has
    /// prepared everything and asked for commit is not needed any more.
    pub(super) fn disconnected(&mut self, cx: &mut Context<'_>, connection: ConnectionId) {
        for id in self.led.remove(&connection).unwrap_or_default() {
            let transaction = self.transactions.get_mut(&id).expect("who leaves is taken out of the led ones");
            transaction.connection = None;
            match transaction.phase {
                Phase::Active => self.rollback(cx, id, RollbackReason::Disconnected),
                Phase::Preparing if transaction.last.is_some() => self.rollback(cx, id, RollbackReason::Disconnected),
                Phase::Delegated => self.doubt(cx, id),
                Phase::Preparing
                | Phase::Deciding
                | Phase::Delegating
                | Phase::InDoubt
                | Phase::Concluding { .. }
                | Phase::Ending { .. } => {}
            }
        }
    }

    /// Ends a transaction of which the log knows nothing, or whose first record was refused.
    pub(super) fn rollback(&mut self, cx: &mut Context<'_>, id: GlobalId, reason: RollbackReason) {
        assert!(self.unrecorded.contains(&id), "what the log knows is not rolled back without it (P11)");
        cx.out.push(Action::RollbackLocal { id, reason: reason.clone() });
        for waiting in self.leave_queues(id) {
            self.answer(cx, waiting, Err(RequestRefused::RolledBack { id, reason: reason.clone() }));
        }
        let transaction = self.take(id);
        let outcome = Ok(Answer::Outcome(KnownOutcome::RolledBack(reason.clone())));
        self.answer_all(cx, transaction.committers, &outcome);
        self.answer_all(cx, transaction.watchers, &outcome);
        self.reasons.remember(id, reason);
        for (name, branch) in &transaction.branches {
            match branch.stage {
                // The client may have prepared, or be preparing; a service has work of it.
                Stage::Enlisted | Stage::Prepared => self.enqueue(cx, name, Deed::Undo { id }),
                // Its vote, once it comes, says what there is to undo.
                Stage::Preparing => {}
                Stage::ReadOnly
                | Stage::Refused
                | Stage::Telling
                | Stage::Silent
                | Stage::Acknowledging
                | Stage::Acknowledged => self.leave(cx, id, name),
            }
        }
        if let Some(name) = &transaction.last {
            self.leave(cx, id, name);
        }
    }

    /// Takes a transaction out of all that is kept of live ones, except the slots that it holds.
    pub(super) fn take(&mut self, id: GlobalId) -> super::Transaction {
        let transaction = self.transactions.remove(&id).expect("only live transactions end");
        for timer in [Timer::Deadline(id), Timer::PhaseTwo(id)] {
            self.timers.cancel(transaction.deadline, timer);
        }
        self.unrecorded.remove(&id);
        for name in transaction.resources() {
            if let Some(attachment) = self.attachments.get_mut(name) {
                attachment.markers.unended.remove(&id);
            }
        }
        if let Some(connection) = transaction.connection {
            self.unlead(connection, id);
        }
        transaction
    }

    /// The connection does not lead this transaction any more.
    pub(super) fn unlead(&mut self, connection: ConnectionId, id: GlobalId) {
        if let Some(led) = self.led.get_mut(&connection) {
            led.remove(&id);
            if led.is_empty() {
                self.led.remove(&connection);
            }
        }
    }

    /// The call that undoes a branch came back. If it failed, the sweep will find what is left (P8).
    pub(super) fn undone(
        &mut self,
        cx: &mut Context<'_>,
        id: GlobalId,
        name: &ResourceName,
        result: &Result<Told, CallFailed>,
    ) {
        if let Ok(Told::Heuristic(heuristic)) = result {
            self.ended_otherwise(cx, id, name, Outcome::RolledBack, *heuristic);
        }
        self.leave(cx, id, name);
    }

    /// A branch that nothing waits for ended on its own. Where it did as decided, that is no damage, and the service may drop
    /// it; else the log keeps it for the operator (G6).
    pub(super) fn ended_otherwise(
        &mut self,
        cx: &mut Context<'_>,
        id: GlobalId,
        name: &ResourceName,
        outcome: Outcome,
        heuristic: Heuristic,
    ) {
        if super::phase_two::agrees(outcome, heuristic) {
            self.enqueue(cx, name, Deed::Forget { xid: id.branch(name.bqual()) });
        } else {
            let resource = name.clone();
            let command = crate::Command::Acknowledge { id, resource, heuristic: Some(heuristic) };
            self.propose(cx.out, command, super::Pending::Contradiction { id, request: None });
        }
    }
}
