//! What is known of a transaction's outcome, told to who asks (P20), and the forgetting of old outcomes.

use std::time::Duration;

use handfast_protocol::{GlobalId, Outcome, RollbackReason};
use handfast_store::StoreError;

use super::proposals::Pending;
use super::timer::Timer;
use super::transaction::Phase;
use super::{Context, Coordinator};
use crate::limits::{FORGETTING_PERIOD, OUTCOME_WAIT_MAX, WAITING_FOR_ONE_MAX};
use crate::state::{Recorded, State};
use crate::{Answer, Command, KnownOutcome, RequestId, RequestRefused};

/// The outcome of a decided transaction, with what the state knows of its branches.
pub(super) fn ended_as(state: &State, id: GlobalId, outcome: Outcome) -> KnownOutcome {
    match (state.transaction(id).and_then(crate::state::Transaction::heuristic), outcome) {
        (Some(heuristic), _) => KnownOutcome::Heuristic(heuristic),
        (None, Outcome::Committed) => KnownOutcome::Committed,
        // Only a delegated transaction is decided so; all others are rolled back without a record.
        (None, Outcome::RolledBack) => KnownOutcome::RolledBack(RollbackReason::Fenced),
    }
}

impl Coordinator {
    pub(super) fn outcome_asked(
        &mut self,
        cx: &mut Context<'_>,
        request: RequestId,
        id: GlobalId,
        wait: Duration,
    ) -> Result<(), StoreError> {
        let known = self.known(cx, id)?;
        if let Ok(KnownOutcome::Undecided(_)) = known
            && !wait.is_zero()
            && let Some(transaction) = self.transactions.get_mut(&id)
            && transaction.watchers.len() < WAITING_FOR_ONE_MAX
        {
            transaction.watchers.push(request);
            self.timers.set(cx.now.after(wait.min(OUTCOME_WAIT_MAX)), Timer::Watch(id, request));
            return Ok(());
        }
        self.answer(cx, request, known.map(Answer::Outcome));
        Ok(())
    }

    pub(super) fn watch_passed(&mut self, cx: &mut Context<'_>, id: GlobalId, request: RequestId) {
        let Some(transaction) = self.transactions.get_mut(&id) else {
            return;
        };
        let state = transaction.state();
        let before = transaction.watchers.len();
        transaction.watchers.retain(|watcher| *watcher != request);
        if transaction.watchers.len() < before {
            self.answer(cx, request, Ok(Answer::Outcome(KnownOutcome::Undecided(state))));
        }
    }

    /// How it ended, as far as anybody here can know.
    pub(super) fn known(
        &self,
        cx: &Context<'_>,
        id: GlobalId,
    ) -> Result<Result<KnownOutcome, RequestRefused>, StoreError> {
        if let Some(transaction) = self.transactions.get(&id) {
            return Ok(Ok(match transaction.phase {
                // Whoever is told goes on, and must find what the transaction did (P19).
                Phase::Ending { .. } if transaction.waits_for_services() => {
                    KnownOutcome::Undecided(transaction.state())
                }
                Phase::Ending { outcome } => ended_as(cx.state, id, outcome),
                Phase::Active
                | Phase::Preparing
                | Phase::Deciding
                | Phase::Delegating
                | Phase::Delegated
                | Phase::InDoubt
                | Phase::Concluding { .. } => KnownOutcome::Undecided(transaction.state()),
            }));
        }
        let begun = (id.epoch, id.sequence) <= (self.identity.epoch, self.sequence);
        Ok(match cx.state.outcome(cx.store, id)? {
            Recorded::Decided { heuristic: Some(heuristic), .. } => Ok(KnownOutcome::Heuristic(heuristic)),
            Recorded::Decided { outcome: Outcome::Committed, .. } => Ok(KnownOutcome::Committed),
            Recorded::Decided { outcome: Outcome::RolledBack, .. } => {
                Ok(KnownOutcome::RolledBack(RollbackReason::Fenced))
            }
            Recorded::Delegated => Ok(KnownOutcome::Undecided(crate::TransactionState::InDoubt)),
            Recorded::Forgotten => Ok(KnownOutcome::Forgotten),
            Recorded::Unknown if !begun => Err(RequestRefused::NotActive { id }),
            Recorded::Unknown if id.epoch < self.identity.epoch => {
                Ok(KnownOutcome::RolledBack(RollbackReason::EpochEnded))
            }
            Recorded::Unknown => Ok(KnownOutcome::RolledBack(self.reasons.of(id))),
        })
    }

    /// Why a transaction that is not active cannot do what only an active one can (P5).
    pub(super) fn not_active(&self, cx: &Context<'_>, id: GlobalId) -> Result<RequestRefused, StoreError> {
        if self.transactions.contains_key(&id) {
            return Ok(RequestRefused::CommitUnderWay { id });
        }
        Ok(match self.known(cx, id)? {
            Ok(KnownOutcome::RolledBack(reason)) => RequestRefused::RolledBack { id, reason },
            Ok(
                KnownOutcome::Committed
                | KnownOutcome::Heuristic(_)
                | KnownOutcome::Undecided(_)
                | KnownOutcome::Forgotten,
            ) => RequestRefused::NotActive { id },
            Err(refused) => refused,
        })
    }

    /// Forgets what is due, one bounded command after the other.
    pub(super) fn forget_outcomes(&mut self, cx: &mut Context<'_>) -> Result<(), StoreError> {
        match cx.state.forgetting_due(cx.store, cx.now)? {
            Some(before) => self.propose(cx.out, Command::ForgetOutcomes { before }, Pending::ForgetOutcomes),
            None => self.timers.set(cx.now.after(FORGETTING_PERIOD), Timer::Forgetting),
        }
        Ok(())
    }
}
