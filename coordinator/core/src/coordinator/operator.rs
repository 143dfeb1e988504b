//! What an operator may decide (P16): never against the database, and without it only when it is gone for good.

use handfast_protocol::{GlobalId, Heuristic, Outcome, ResourceKind, ResourceName, RollbackReason, Xid};
use handfast_store::StoreError;

use super::attachment::{Link, is_gone};
use super::calls::Deed;
use super::proposals::Pending;
use super::transaction::{Phase, Resolver, Stage};
use super::{Context, Coordinator};
use crate::limits::WAITING_FOR_ONE_MAX;
use crate::{Answer, CallFailed, Command, Done, KnownOutcome, Refused, RequestId, RequestRefused};

impl Coordinator {
    pub(super) fn resolve(
        &mut self,
        cx: &mut Context<'_>,
        request: RequestId,
        id: GlobalId,
        outcome: Outcome,
        force: bool,
    ) -> Result<(), StoreError> {
        let Some(transaction) = self.transactions.get_mut(&id) else {
            let answer = self.resolved_already(cx, id, outcome)?;
            self.answer(cx, request, answer);
            return Ok(());
        };
        match transaction.phase {
            Phase::Active | Phase::Preparing if outcome == Outcome::RolledBack => {
                self.rollback(cx, id, RollbackReason::Operator);
                self.answer(cx, request, Ok(Answer::Done));
            }
            Phase::Active | Phase::Preparing => self.answer(cx, request, Err(RequestRefused::NotInDoubt { id })),
            Phase::Deciding | Phase::Delegating => {
                self.answer(cx, request, Err(RequestRefused::CommitUnderWay { id }));
            }
            Phase::Delegated | Phase::InDoubt | Phase::Concluding { .. } => {
                self.ask_database_for(cx, id, Resolver { request, outcome, force });
            }
            Phase::Ending { outcome: decided } if decided != outcome => {
                self.answer(cx, request, Err(Refused::OtherwiseDecided { id, outcome: decided }.into()));
            }
            Phase::Ending { .. } if force => self.give_up(cx, request, id),
            Phase::Ending { .. } => {
                self.tell_all_again(cx, id);
                self.answer(cx, request, Ok(Answer::Done));
            }
        }
        Ok(())
    }

    fn resolved_already(
        &self,
        cx: &Context<'_>,
        id: GlobalId,
        outcome: Outcome,
    ) -> Result<Result<Answer, RequestRefused>, StoreError> {
        let kept = cx.state.transaction(id).and_then(|kept| kept.outcome);
        let decided = match (kept, self.known(cx, id)?) {
            (Some(decided), _) => decided,
            (None, Ok(KnownOutcome::Committed)) => Outcome::Committed,
            (None, Ok(KnownOutcome::RolledBack(_))) => Outcome::RolledBack,
            (None, Ok(KnownOutcome::Heuristic(_) | KnownOutcome::Undecided(_) | KnownOutcome::Forgotten)) => {
                return Ok(Err(RequestRefused::NotActive { id }));
            }
            (None, Err(refused)) => return Ok(Err(refused)),
        };
        Ok(match decided == outcome {
            true => Ok(Answer::Done),
            false => Err(Refused::OtherwiseDecided { id, outcome: decided }.into()),
        })
    }

    fn ask_database_for(&mut self, cx: &mut Context<'_>, id: GlobalId, resolver: Resolver) {
        let transaction = self.transactions.get_mut(&id).expect("the caller found it");
        let last = transaction.last.clone().expect("only a transaction with a last resource is delegated");
        let attachment = &self.attachments[&last];
        if transaction.resolvers.len() >= WAITING_FOR_ONE_MAX {
            return self.answer(cx, resolver.request, Err(RequestRefused::CommitUnderWay { id }));
        }
        if let (Link::Barred { found }, Phase::InDoubt) = (attachment.link, transaction.phase) {
            let refused = RequestRefused::Ahead { name: last, found };
            return self.answer(cx, resolver.request, Err(refused));
        }
        transaction.resolvers.push(resolver);
        let silent = (attachment.link == Link::Attaching).then(|| attachment.failure());
        match (transaction.phase, silent) {
            (Phase::InDoubt, Some(failure)) => self.database_is_silent(cx, id, &failure),
            (Phase::InDoubt | Phase::Delegated, _) => self.doubt(cx, id),
            // It is being concluded; they are answered with what comes of it.
            _ => {}
        }
    }

    /// The database did not tell. Whoever waits for it may decide without it only by force, and only if it is gone.
    pub(super) fn database_is_silent(&mut self, cx: &mut Context<'_>, id: GlobalId, failure: &CallFailed) {
        let transaction = self.transactions.get_mut(&id).expect("the caller found it");
        let mut forced = None;
        for resolver in std::mem::take(&mut transaction.resolvers) {
            if resolver.force && is_gone(failure) {
                forced = forced.or(Some(resolver.outcome));
                self.transactions.get_mut(&id).expect("it was there above").resolvers.push(resolver);
            } else {
                let refused = RequestRefused::DatabaseSilent { id, cause: failure.clone() };
                self.answer(cx, resolver.request, Err(refused));
            }
        }
        if let Some(outcome) = forced {
            self.conclude(cx, id, outcome, true);
        }
    }

    fn tell_all_again(&mut self, cx: &mut Context<'_>, id: GlobalId) {
        let branches = &self.transactions[&id].branches;
        let silent = branches.iter().filter(|(_, branch)| branch.stage == Stage::Silent);
        let names: Vec<ResourceName> = silent.map(|(name, _)| name.clone()).collect();
        for name in names {
            self.tell_again(cx, id, &name);
        }
    }

    /// Branches whose resource is gone for good are given up: nobody knows how they ended.
    fn give_up(&mut self, cx: &mut Context<'_>, request: RequestId, id: GlobalId) {
        let transaction = &self.transactions[&id];
        let open = transaction.branches.iter().filter(|(_, branch)| branch.stage.is_open());
        let failures = open.map(|(name, branch)| {
            let attachment = &self.attachments[name];
            let failure = branch.failure.clone().unwrap_or_else(|| attachment.failure());
            (name.clone(), failure)
        });
        let (gone, silent): (Vec<_>, Vec<_>) = failures.partition(|(_, failure)| is_gone(failure));
        let Some((last, others)) = gone.split_last() else {
            let answer = match silent.into_iter().next() {
                Some((_, cause)) => Err(RequestRefused::DatabaseSilent { id, cause }),
                None => Ok(Answer::Done),
            };
            return self.answer(cx, request, answer);
        };
        for (name, _) in &gone {
            self.unorder(cx, id, name);
            let transaction = self.transactions.get_mut(&id).expect("it was there above");
            transaction.branches.get_mut(name).expect("it was found above").stage = Stage::Acknowledging;
        }
        for (name, _) in others {
            self.acknowledge(cx, id, name, Some(Heuristic::Hazard), None);
        }
        self.acknowledge(cx, id, &last.0, Some(Heuristic::Hazard), Some(request));
    }

    /// The operator has seen the heuristic outcome. Services that keep it may drop it as well (XA+ 2.3.3).
    pub(super) fn forget(&mut self, cx: &mut Context<'_>, request: RequestId, id: GlobalId) {
        let services = |name: &&ResourceName| {
            self.attachments.get(*name).is_some_and(|found| found.resource.kind == ResourceKind::Service)
        };
        let record = cx.state.transaction(id);
        let branches = record.into_iter().flat_map(|record| &record.branches);
        let heuristic = branches.filter(|branch| branch.heuristic.is_some()).map(|branch| &branch.resource);
        let services: Vec<(ResourceName, Xid)> =
            heuristic.filter(services).map(|name| (name.clone(), id.branch(name.bqual()))).collect();
        self.propose(cx.out, Command::Forget { id }, Pending::Forget { request, services });
    }

    pub(super) fn forgotten(
        &mut self,
        cx: &mut Context<'_>,
        request: RequestId,
        services: Vec<(ResourceName, Xid)>,
        result: Result<Done, Refused>,
    ) {
        if result.is_ok() {
            for (name, xid) in services {
                self.enqueue(cx, &name, Deed::Forget { xid });
            }
        }
        self.answer(cx, request, result.map(|_| Answer::Done).map_err(RequestRefused::from));
    }
}
