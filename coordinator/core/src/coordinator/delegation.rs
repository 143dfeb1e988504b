//! Delegated to a last resource: its local commit is the decision (P11). The client reports it, or the database is asked.

use handfast_mutants::{Mutant, is};
use handfast_protocol::{GlobalId, Heuristic, Outcome, ResourceName};
use handfast_store::StoreError;

use super::calls::Deed;
use super::proposals::Pending;
use super::timer::{Timer, backoff};
use super::transaction::Phase;
use super::{Context, Coordinator};
use crate::limits::{SILENCE_MAX, WAITING_FOR_ONE_MAX};
use crate::state::Recorded;
use crate::{Answer, CallFailed, Command, Done, Refused, Report, RequestId, RequestRefused, Told};

impl Coordinator {
    /// The delegation is durable: from here on only a durable row ends the transaction.
    pub(super) fn delegated(&mut self, cx: &mut Context<'_>, id: GlobalId) {
        self.unrecorded.remove(&id);
        let transaction = self.transactions.get_mut(&id).expect("a proposed transaction stays live");
        transaction.phase = Phase::Delegated;
        if transaction.connection.is_none() {
            // Nobody is there to be told to go; whoever asked for commit hears of the outcome.
            return self.doubt(cx, id);
        }
        let committers = std::mem::take(&mut transaction.committers);
        transaction.deadline = cx.now.after(SILENCE_MAX);
        self.timers.set(transaction.deadline, Timer::Silence(id));
        self.answer_all(cx, committers, &Ok(Answer::Go));
    }

    /// What the client saw of its commit. One that outlived a restart of the server reports to the next leadership.
    pub(super) fn report(
        &mut self,
        cx: &mut Context<'_>,
        request: RequestId,
        id: GlobalId,
        report: Report,
    ) -> Result<(), StoreError> {
        let Some(transaction) = self.transactions.get_mut(&id) else {
            return self.report_after_the_end(cx, request, id, report);
        };
        match transaction.phase {
            Phase::Active | Phase::Preparing | Phase::Deciding | Phase::Delegating => {
                self.answer(cx, request, Err(RequestRefused::NotDelegated { id }));
            }
            Phase::Delegated | Phase::InDoubt | Phase::Concluding { .. }
                if transaction.committers.len() >= WAITING_FOR_ONE_MAX =>
            {
                self.outcome_asked(cx, request, id, std::time::Duration::ZERO)?;
            }
            Phase::Delegated | Phase::InDoubt => {
                transaction.committers.push(request);
                match report {
                    Report::Committed => self.conclude(cx, id, Outcome::Committed, false),
                    Report::Uncertain if is(Mutant::TakesDoubtForRollback) => {
                        self.conclude(cx, id, Outcome::RolledBack, false);
                    }
                    Report::Uncertain => self.doubt(cx, id),
                }
            }
            Phase::Concluding { outcome } | Phase::Ending { outcome } => match (&transaction.last, report) {
                (None, _) => self.answer(cx, request, Err(RequestRefused::NotDelegated { id })),
                (Some(last), Report::Committed) if outcome == Outcome::RolledBack => {
                    let last = last.clone();
                    self.contradict(cx, id, last, Some(request));
                }
                (Some(_), _) if transaction.phase == (Phase::Concluding { outcome }) => {
                    transaction.committers.push(request);
                }
                (Some(_), _) => self.outcome_asked(cx, request, id, std::time::Duration::ZERO)?,
            },
        }
        Ok(())
    }

    fn report_after_the_end(
        &mut self,
        cx: &mut Context<'_>,
        request: RequestId,
        id: GlobalId,
        report: Report,
    ) -> Result<(), StoreError> {
        let kept = cx.state.transaction(id).and_then(|kept| Some((kept.outcome?, kept.delegated_to.clone())));
        let decided = match kept {
            Some(decided) => Some(decided),
            None => cx.state.decided_by(cx.store, id)?,
        };
        match decided {
            Some((Outcome::RolledBack, Some(last))) if report == Report::Committed => {
                self.contradict(cx, id, last, Some(request));
                Ok(())
            }
            Some((_, Some(_))) => self.outcome_asked(cx, request, id, std::time::Duration::ZERO),
            // A report never makes a transaction live, nor decides one that was never delegated (P5).
            Some((_, None)) | None => {
                let refused = self.not_active(cx, id)?;
                self.answer(cx, request, Err(refused));
                Ok(())
            }
        }
    }

    pub(super) fn silence_passed(&mut self, cx: &mut Context<'_>, id: GlobalId) {
        if self.transactions.get(&id).is_some_and(|transaction| transaction.phase == Phase::Delegated) {
            if is(Mutant::TakesSilenceForRollback) {
                return self.conclude(cx, id, Outcome::RolledBack, false);
            }
            self.doubt(cx, id);
        }
    }

    /// Nobody can say any more whether the last resource committed: it is asked, and its answer also keeps a late commit out
    /// (P12).
    pub(super) fn doubt(&mut self, cx: &mut Context<'_>, id: GlobalId) {
        let transaction = self.transactions.get_mut(&id).expect("the caller found it");
        if transaction.phase == Phase::Delegated {
            transaction.phase = Phase::InDoubt;
        }
        self.ask_for_row(cx, id);
    }

    pub(super) fn ask_for_row(&mut self, cx: &mut Context<'_>, id: GlobalId) {
        let Some(transaction) = self.transactions.get_mut(&id) else {
            return;
        };
        if transaction.phase != Phase::InDoubt || transaction.fence.asked {
            return;
        }
        transaction.fence.asked = true;
        let last = transaction.last.clone().expect("only a transaction with a last resource is delegated");
        self.enqueue(cx, &last, Deed::Fence { id });
    }

    /// The row told, or the database did not answer: then it stays in doubt and is asked again, for ever (P11).
    pub(super) fn fenced(
        &mut self,
        cx: &mut Context<'_>,
        id: GlobalId,
        name: &ResourceName,
        result: Result<Told, CallFailed>,
    ) -> Result<(), StoreError> {
        if let Some(attachment) = self.attachments.get_mut(name) {
            attachment.fencing.remove(&id);
        }
        let phase = self.transactions.get(&id).map(|transaction| transaction.phase);
        match (result, phase) {
            (Ok(Told::Fenced(outcome)), Some(Phase::InDoubt)) => self.conclude(cx, id, outcome, false),
            (Ok(Told::Fenced(told)), Some(Phase::Concluding { outcome } | Phase::Ending { outcome })) => {
                if told != outcome {
                    self.contradict(cx, id, name.clone(), None);
                }
            }
            (Ok(Told::Fenced(told)), None) => {
                let recorded = cx.state.outcome(cx.store, id)?;
                if matches!(recorded, Recorded::Decided { outcome, heuristic: None } if outcome != told) {
                    self.contradict(cx, id, name.clone(), None);
                }
            }
            (Err(_), Some(Phase::InDoubt)) if is(Mutant::TakesUnreachableForRollback) => {
                self.conclude(cx, id, Outcome::RolledBack, false);
            }
            (Err(failure), Some(Phase::InDoubt)) => {
                let transaction = self.transactions.get_mut(&id).expect("its phase was read above");
                transaction.fence.asked = false;
                transaction.fence.attempts += 1;
                transaction.fence.failure = Some(failure.clone());
                let again = cx.now.after(backoff(transaction.fence.attempts));
                self.timers.set(again, Timer::Fence(id));
                self.database_is_silent(cx, id, &failure);
            }
            (Ok(_) | Err(_), _) => {}
        }
        Ok(())
    }

    pub(super) fn conclude(&mut self, cx: &mut Context<'_>, id: GlobalId, outcome: Outcome, forced: bool) {
        let transaction = self.transactions.get_mut(&id).expect("the caller found it");
        transaction.phase = Phase::Concluding { outcome };
        self.propose(cx.out, Command::Conclude { id, outcome, forced }, Pending::Conclude { id, outcome });
    }

    pub(super) fn concluded(
        &mut self,
        cx: &mut Context<'_>,
        id: GlobalId,
        outcome: Outcome,
        result: &Result<Done, Refused>,
    ) {
        match result {
            Ok(_) => self.decided(cx, id, outcome),
            Err(Refused::OtherwiseDecided { outcome, .. }) => self.decided(cx, id, *outcome),
            Err(_) => {
                let transaction = self.transactions.get_mut(&id).expect("a proposed transaction stays live");
                transaction.phase = Phase::InDoubt;
                transaction.fence.asked = false;
                transaction.fence.attempts += 1;
                self.timers.set(cx.now.after(backoff(transaction.fence.attempts)), Timer::Fence(id));
            }
        }
    }

    /// The row and the report say opposite things, which P12 excludes: somebody changed the row, or a client lied. It is
    /// recorded as a hazard at the last resource, never passed over (G6).
    fn contradict(&mut self, cx: &mut Context<'_>, id: GlobalId, last: ResourceName, request: Option<RequestId>) {
        let command = Command::Acknowledge { id, resource: last, heuristic: Some(Heuristic::Hazard) };
        self.propose(cx.out, command, Pending::Contradiction { id, request });
    }
}
