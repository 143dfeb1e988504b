//! Decided: every branch is told, again and again until it has acknowledged.

use handfast_mutants::{Mutant, is};
use handfast_protocol::{GlobalId, Heuristic, Outcome, ResourceKind, ResourceName, Timestamp};

use super::calls::Deed;
use super::proposals::Pending;
use super::timer::{Timer, backoff};
use super::transaction::{Branch, Phase, Stage, Transaction};
use super::{Context, Coordinator};
use crate::limits::PHASE_TWO_ANSWER_MAX;
use crate::{Answer, CallFailed, Command, Done, KnownOutcome, Refused, RequestId, RequestRefused, Told, state};

/// Whether a branch that ended on its own did as was decided (XA+ 2.3.3): that is no damage.
pub(super) fn agrees(outcome: Outcome, heuristic: Heuristic) -> bool {
    match heuristic {
        Heuristic::Commit => outcome == Outcome::Committed,
        Heuristic::Rollback => outcome == Outcome::RolledBack,
        Heuristic::Mixed | Heuristic::Hazard => false,
    }
}

impl Coordinator {
    /// The decision is applied. Who asked is told, at once or when the services have done as decided (P19).
    pub(super) fn decided(&mut self, cx: &mut Context<'_>, id: GlobalId, outcome: Outcome) {
        self.unrecorded.remove(&id);
        let record = cx.state.transaction(id).filter(|record| record.ended().is_none());
        let open: Vec<ResourceName> = record.map(open_branches).unwrap_or_default();
        let transaction = self.transactions.get_mut(&id).expect("a proposed transaction stays live");
        self.timers.cancel(transaction.deadline, Timer::Silence(id));
        transaction.phase = Phase::Ending { outcome };
        let resolvers = std::mem::take(&mut transaction.resolvers);
        for name in &open {
            let branch = transaction.branches.get_mut(name).expect("a recorded branch was one of the transaction's");
            branch.stage = Stage::Telling;
        }
        for resolver in resolvers {
            let answer = match resolver.outcome == outcome {
                true => Ok(Answer::Done),
                false => Err(RequestRefused::DatabaseDisagrees { id, outcome }),
            };
            self.answer(cx, resolver.request, answer);
        }
        if open.is_empty() {
            return self.retire(cx, id, outcome);
        }
        let transaction = self.transactions.get_mut(&id).expect("it was there above");
        if transaction.waits_for_services() {
            transaction.deadline = cx.now.after(PHASE_TWO_ANSWER_MAX);
            self.timers.set(transaction.deadline, Timer::PhaseTwo(id));
        }
        self.answer_if_heard(cx, id, outcome);
        for name in open {
            self.tell(cx, id, outcome, &name);
        }
    }

    fn tell(&mut self, cx: &mut Context<'_>, id: GlobalId, outcome: Outcome, name: &ResourceName) {
        if is(Mutant::ForgetsBeforeAcknowledged) {
            self.acknowledge(cx, id, name, None, None);
        }
        if outcome == Outcome::Committed && self.is_ordered(name) {
            let decision = cx.state.transaction(id).map_or(0, |record| record.decision);
            if let Some(attachment) = self.attachments.get_mut(name) {
                attachment.ordered.insert(decision, id);
            }
            self.pump(cx, name);
        } else {
            self.enqueue(cx, name, Deed::Tell { id });
        }
    }

    pub(super) fn tell_again(&mut self, cx: &mut Context<'_>, id: GlobalId, name: &ResourceName) {
        let found = self.transactions.get_mut(&id).and_then(|transaction| transaction.branches.get_mut(name));
        if let Some(branch) = found.filter(|branch| branch.stage == Stage::Silent) {
            branch.stage = Stage::Telling;
            self.enqueue(cx, name, Deed::Tell { id });
        }
    }

    /// A branch answered phase two. It is told again after any failure; a service that refuses one commit is told the next
    /// ones meanwhile, but one that cannot be reached is told them in their order (P19).
    pub(super) fn told(
        &mut self,
        cx: &mut Context<'_>,
        id: GlobalId,
        name: &ResourceName,
        result: Result<Told, CallFailed>,
    ) {
        if !matches!(
            result,
            Err(CallFailed::Unreachable { .. } | CallFailed::TimedOut { .. } | CallFailed::WrongResource { .. })
        ) {
            self.unorder(cx, id, name);
        }
        let Some(Phase::Ending { outcome }) = self.transactions.get(&id).map(|found| found.phase) else {
            return;
        };
        let transaction = self.transactions.get_mut(&id).expect("its phase was read above");
        let Some(branch) = transaction.branches.get_mut(name).filter(|branch| branch.stage == Stage::Telling) else {
            return;
        };
        let heuristic = match result {
            Err(failure) => {
                branch.stage = Stage::Silent;
                branch.attempts += 1;
                branch.failure = Some(failure);
                let again = cx.now.after(backoff(branch.attempts));
                return self.timers.set(again, Timer::Tell(id, name.clone()));
            }
            Ok(Told::Heuristic(heuristic)) => Some(heuristic),
            Ok(_) => None,
        };
        branch.stage = Stage::Acknowledging;
        branch.failure = None;
        let damage = heuristic.filter(|heuristic| !agrees(outcome, *heuristic));
        branch.is_damaged = damage.is_some();
        self.acknowledge(cx, id, name, damage, None);
        if heuristic.is_some() && damage.is_none() {
            self.enqueue(cx, name, Deed::Forget { xid: id.branch(name.bqual()) });
        }
        if damage.is_none() {
            self.answer_if_heard(cx, id, outcome);
        }
    }

    pub(super) fn acknowledge(
        &mut self,
        cx: &mut Context<'_>,
        id: GlobalId,
        name: &ResourceName,
        heuristic: Option<Heuristic>,
        request: Option<RequestId>,
    ) {
        let command = Command::Acknowledge { id, resource: name.clone(), heuristic };
        self.propose(cx.out, command, Pending::Acknowledge { id, resource: name.clone(), request });
    }

    pub(super) fn acknowledged(
        &mut self,
        cx: &mut Context<'_>,
        id: GlobalId,
        name: &ResourceName,
        request: Option<RequestId>,
        result: &Result<Done, Refused>,
    ) {
        if let Some(request) = request {
            let answer = result.clone().map(|_| Answer::Done).map_err(RequestRefused::from);
            self.answer(cx, request, answer);
        }
        let Some(Phase::Ending { outcome }) = self.transactions.get(&id).map(|found| found.phase) else {
            return;
        };
        let transaction = self.transactions.get_mut(&id).expect("its phase was read above");
        let branch = transaction.branches.get_mut(name).expect("an acknowledged branch is one of the transaction's");
        if result.is_err() {
            // Nothing that is known of refuses it; a branch may be told twice.
            branch.stage = Stage::Silent;
            branch.attempts += 1;
            let again = cx.now.after(backoff(branch.attempts));
            return self.timers.set(again, Timer::Tell(id, name.clone()));
        }
        branch.stage = Stage::Acknowledged;
        self.leave(cx, id, name);
        if cx.state.transaction(id).is_none_or(|record| record.ended().is_some()) {
            self.retire(cx, id, outcome);
        } else {
            self.answer_if_heard(cx, id, outcome);
        }
    }

    fn answer_if_heard(&mut self, cx: &mut Context<'_>, id: GlobalId, outcome: Outcome) {
        let transaction = self.transactions.get_mut(&id).expect("the caller found it");
        if !transaction.waits_for_services() {
            let mut asked = std::mem::take(&mut transaction.committers);
            asked.append(&mut transaction.watchers);
            let answer = Ok(Answer::Outcome(super::outcomes::ended_as(cx.state, id, outcome)));
            self.answer_all(cx, asked, &answer);
        }
    }

    /// It is decided, but a service has not applied it: reads there may not see it (P19).
    pub(super) fn phase_two_is_late(&mut self, cx: &mut Context<'_>, id: GlobalId) {
        let Some(transaction) = self.transactions.get_mut(&id) else {
            return;
        };
        let answer = Ok(Answer::Outcome(KnownOutcome::Undecided(transaction.state())));
        let committers = std::mem::take(&mut transaction.committers);
        self.answer_all(cx, committers, &answer);
    }

    /// Every branch has ended. What is left of the transaction is its outcome, or a heuristic one for the operator.
    fn retire(&mut self, cx: &mut Context<'_>, id: GlobalId, outcome: Outcome) {
        let answer = Ok(Answer::Outcome(super::outcomes::ended_as(cx.state, id, outcome)));
        let transaction = self.take(id);
        for name in transaction.resources() {
            if let Some(attachment) = self.attachments.get_mut(name) {
                attachment.markers.due = true;
            }
            self.leave(cx, id, name);
        }
        self.answer_all(cx, transaction.committers, &answer);
        self.answer_all(cx, transaction.watchers, &answer);
    }

    /// Takes a commit out of the order of what a service has to be told.
    pub(super) fn unorder(&mut self, cx: &Context<'_>, id: GlobalId, name: &ResourceName) {
        let Some(attachment) = self.attachments.get_mut(name) else {
            return;
        };
        if attachment.telling == Some(id) {
            attachment.telling = None;
        }
        if let Some(record) = cx.state.transaction(id) {
            attachment.ordered.remove(&record.decision);
        }
    }

    /// Takes up what an earlier leadership left: asks for the row of a delegated transaction, tells the branches of a decided
    /// one. The calls wait until their resource is attached (P3).
    pub(super) fn resume(&mut self, record: &state::Transaction, now: Timestamp) {
        if record.ended().is_some() {
            return;
        }
        let id = record.id;
        let phase = record.outcome.map_or(Phase::InDoubt, |outcome| Phase::Ending { outcome });
        let mut transaction = Transaction::new(None, record.since, now, phase);
        transaction.last = record.delegated_to.clone();
        if let (Phase::InDoubt, Some(last)) = (phase, &record.delegated_to)
            && let Some(attachment) = self.attachments.get_mut(last)
        {
            transaction.fence.asked = true;
            attachment.queue.push_back(Deed::Fence { id });
        }
        if let Some(attachment) = record.delegated_to.as_ref().and_then(|last| self.attachments.get_mut(last)) {
            attachment.users.insert(id);
            attachment.markers.unended.insert(id);
        }
        for recorded in &record.branches {
            let Some(attachment) = self.attachments.get_mut(&recorded.resource) else {
                continue;
            };
            let kind = attachment.resource.kind;
            let stage = match record.outcome {
                None => Stage::Prepared,
                Some(_) if recorded.acknowledged => Stage::Acknowledged,
                Some(_) => Stage::Telling,
            };
            match (stage, record.outcome) {
                (Stage::Telling, Some(Outcome::Committed)) if kind == ResourceKind::Service => {
                    attachment.ordered.insert(record.decision, id);
                }
                (Stage::Telling, _) => attachment.queue.push_back(Deed::Tell { id }),
                _ => {}
            }
            attachment.markers.unended.insert(id);
            if stage != Stage::Acknowledged {
                attachment.users.insert(id);
            }
            transaction.branches.insert(recorded.resource.clone(), Branch::new(kind, stage));
        }
        self.transactions.insert(id, transaction);
    }
}

fn open_branches(record: &state::Transaction) -> Vec<ResourceName> {
    let open = record.branches.iter().filter(|branch| !branch.acknowledged);
    open.map(|branch| branch.resource.clone()).collect()
}
