//! The way to a decision: the services vote, then the log decides, or delegates to the last resource.
//!
//! One-phase commit is not used: a service that is alone in the transaction beside the host cannot be told from one that is
//! alone altogether, for the host's own branch is not known here.

use handfast_mutants::{Mutant, is};
use handfast_protocol::{GlobalId, PrepareVote, ResourceKind, ResourceName, RollbackReason};
use handfast_store::StoreError;

use super::calls::Deed;
use super::proposals::Pending;
use super::timer::Timer;
use super::transaction::{Phase, Stage};
use super::{Context, Coordinator};
use crate::{
    Answer, Branch, CallFailed, Command, ConnectionId, Done, KnownOutcome, Refused, RequestId, RequestRefused, Told,
};

impl Coordinator {
    /// A commit never makes a transaction live (P5).
    pub(super) fn commit(
        &mut self,
        cx: &mut Context<'_>,
        request: RequestId,
        connection: ConnectionId,
        id: GlobalId,
        prepared: &[ResourceName],
    ) -> Result<(), StoreError> {
        if !self.is_active(id) {
            let answer = self.committed_before(cx, id)?;
            self.answer(cx, request, answer);
            return Ok(());
        }
        if let Err(refused) = self.votes_fit(id, prepared) {
            self.answer(cx, request, Err(refused));
            return Ok(());
        }
        for waiting in self.leave_queues(id) {
            self.answer(cx, waiting, Err(RequestRefused::CommitUnderWay { id }));
        }
        self.follow(id, connection);
        let transaction = self.transactions.get_mut(&id).expect("it is active");
        transaction.phase = Phase::Preparing;
        transaction.committers.push(request);
        let mut services = Vec::new();
        for (name, branch) in &mut transaction.branches {
            branch.stage = if branch.kind == ResourceKind::Service {
                services.push(name.clone());
                Stage::Preparing
            } else {
                Stage::Prepared
            };
        }
        for name in services {
            self.enqueue(cx, &name, Deed::Prepare { id });
        }
        self.decide_if_prepared(cx, id);
        Ok(())
    }

    /// A commit asked again, when it is over: the answer may have been lost, and its outcome is told once more.
    fn committed_before(&self, cx: &Context<'_>, id: GlobalId) -> Result<Result<Answer, RequestRefused>, StoreError> {
        if self.transactions.contains_key(&id) {
            return Ok(Err(RequestRefused::CommitUnderWay { id }));
        }
        Ok(match self.known(cx, id)? {
            Ok(KnownOutcome::RolledBack(reason)) => Err(RequestRefused::RolledBack { id, reason }),
            Ok(known) => Ok(Answer::Outcome(known)),
            Err(refused) => Err(refused),
        })
    }

    /// Who asks for commit leads from here on. Its client may have a newer connection than the one that it began with; the
    /// loss of that one, heard late, must not keep the `go` from a client that waits for it with its database locked (P21).
    fn follow(&mut self, id: GlobalId, connection: ConnectionId) {
        let transaction = self.transactions.get_mut(&id).expect("it is active");
        let before = transaction.connection.replace(connection);
        if let Some(before) = before.filter(|before| *before != connection) {
            self.unlead(before, id);
        }
        self.led.entry(connection).or_default().insert(id);
    }

    /// The client has prepared the databases of two-phase kind, each of them, and nothing else.
    pub(super) fn votes_fit(&self, id: GlobalId, prepared: &[ResourceName]) -> Result<(), RequestRefused> {
        let branches = &self.transactions[&id].branches;
        if let Some(name) = prepared.iter().find(|name| !branches.contains_key(name)) {
            return Err(RequestRefused::NotEnlisted { id, name: (*name).clone() });
        }
        let missing = |(name, branch): &(&ResourceName, &super::transaction::Branch)| {
            branch.kind != ResourceKind::Service && !prepared.contains(name)
        };
        match branches.iter().find(missing) {
            Some((name, _)) => Err(RequestRefused::NotPrepared { name: name.clone() }),
            None => Ok(()),
        }
    }

    /// A service voted, or could not be asked. A late vote changes nothing but that its branch is undone.
    pub(super) fn voted(
        &mut self,
        cx: &mut Context<'_>,
        id: GlobalId,
        name: &ResourceName,
        result: Result<Told, CallFailed>,
    ) -> Result<(), StoreError> {
        let preparing = self.transactions.get_mut(&id).filter(|found| found.phase == Phase::Preparing);
        let Some(transaction) = preparing else {
            match result {
                Ok(Told::Voted(PrepareVote::ReadOnly | PrepareVote::Rollback)) => self.leave(cx, id, name),
                // Prepared, or maybe so.
                _ => self.enqueue(cx, name, Deed::Undo { id }),
            }
            return Ok(());
        };
        let branch = transaction.branches.get_mut(name).expect("only branches of the transaction are prepared");
        let participant = name.to_string();
        match result {
            Ok(Told::Voted(PrepareVote::Commit)) => branch.stage = Stage::Prepared,
            Ok(Told::Voted(PrepareVote::Rollback)) if is(Mutant::TakesRefusalForVote) => branch.stage = Stage::Prepared,
            Ok(Told::Voted(PrepareVote::ReadOnly)) => {
                branch.stage = Stage::ReadOnly;
                self.leave(cx, id, name);
            }
            Ok(_) => {
                branch.stage = Stage::Refused;
                let reason = "it voted to roll back".to_owned();
                self.rollback(cx, id, RollbackReason::Refused { participant, reason });
                return Ok(());
            }
            Err(_) if is(Mutant::TakesSilenceForVote) => branch.stage = Stage::Prepared,
            Err(failure) => {
                // Nobody knows whether it is prepared: it is undone as if it were.
                branch.stage = Stage::Prepared;
                let reason = failure.to_string();
                self.rollback(cx, id, RollbackReason::Refused { participant, reason });
                return Ok(());
            }
        }
        self.decide_if_prepared(cx, id);
        Ok(())
    }

    fn decide_if_prepared(&mut self, cx: &mut Context<'_>, id: GlobalId) {
        let transaction = self.transactions.get_mut(&id).expect("it is being prepared");
        if !transaction.is_prepared() && !is(Mutant::DecidesBeforeVotes) {
            return;
        }
        let is_voter = |stage| stage == Stage::Prepared || is(Mutant::DecidesBeforeVotes) && stage == Stage::Preparing;
        let voted = transaction.branches.iter().filter(|(_, branch)| is_voter(branch.stage));
        let branches: Vec<Branch> = voted.map(|(name, _)| Branch { resource: name.clone() }).collect();
        self.timers.cancel(transaction.deadline, Timer::Deadline(id));
        let command = match transaction.last.clone() {
            Some(resource) => {
                transaction.phase = Phase::Delegating;
                if is(Mutant::GoesBeforeDelegated) {
                    let committers = std::mem::take(&mut transaction.committers);
                    self.answer_all(cx, committers, &Ok(Answer::Go));
                }
                Command::Delegate { id, resource, branches }
            }
            None => {
                transaction.phase = Phase::Deciding;
                Command::Decide { id, branches }
            }
        };
        self.propose(cx.out, command, Pending::Record { id });
    }

    /// The first record of a transaction was applied, or refused: then it leaves no record at all.
    pub(super) fn record_applied(&mut self, cx: &mut Context<'_>, id: GlobalId, result: &Result<Done, Refused>) {
        match result {
            Ok(Done::Recorded) => self.delegated(cx, id),
            Ok(Done::Decided(outcome) | Done::Ended(outcome)) => self.decided(cx, id, *outcome),
            Err(Refused::NoSpace { .. }) => self.rollback(cx, id, RollbackReason::NoSpace),
            Err(Refused::EpochEnded { .. }) => self.rollback(cx, id, RollbackReason::EpochEnded),
            Err(_) => self.rollback(cx, id, RollbackReason::Conflict),
        }
    }
}
