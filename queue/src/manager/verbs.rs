//! The XA verbs (XA+ 2.3) for branches of other coordinators.

use std::time::Duration;

use handfast_mutants::{Mutant, is};
use handfast_protocol::{PrepareVote, RollbackReason, Timestamp, Xid};

use super::branch::{Branch, Phase};
use super::ending::Told;
use super::in_flight::Continuation;
use super::limits::{BRANCH_BYTES, RECOVER_MAX};
use super::timers::Timer;
use super::turn::{Caller, Reply, Turn};
use super::{Answer, ConnectionId, Manager, RequestRefused, Space};
use crate::{Blame, Command, StageId};

impl Manager {
    /// Begins a branch. The connection, if there is one, takes it along when it is lost.
    pub fn start(
        &mut self,
        xid: Xid,
        connection: Option<ConnectionId>,
        deadline: Timestamp,
    ) -> Result<(), RequestRefused> {
        if self.branches.find(&xid).is_some() {
            return Err(RequestRefused::DuplicateXid { xid });
        }
        let stage = StageId(self.ordinals.draw()?);
        self.charge(BRANCH_BYTES, 0)?;
        let id = self.branches.insert(Branch::new(xid, connection, deadline, stage));
        self.timers.set(deadline, Timer::Branch(id));
        if let Some(connection) = connection {
            self.connections.entry(connection).branches.insert(id);
        }
        Ok(())
    }

    /// XA+ xa_start: XAER_DUPID for a branch that is known in any state.
    pub(super) fn start_branch(&mut self, turn: &mut Turn<'_>, caller: Caller, xid: Xid, timeout: Duration) -> Reply {
        if turn.state.is_prepared(&xid) {
            return Err(RequestRefused::DuplicateXid { xid }.into());
        }
        self.start(xid, Some(caller.connection), turn.now.after(timeout))?;
        Ok(Some(Answer::Done))
    }

    /// XA+ xa_end with TMSUCCESS. Ended again, it stays ended.
    pub(super) fn end_branch(&mut self, turn: &mut Turn<'_>, xid: &Xid) -> Reply {
        let (id, branch) = self.branches.undecided(xid)?;
        let connection = branch.connection.take();
        self.close(turn, id, Phase::Idle);
        if let Some(connection) = connection {
            self.connections.close(connection, |connection| {
                connection.branches.remove(&id);
            });
        }
        Ok(Some(Answer::Done))
    }

    /// XA+ xa_prepare. A branch that did nothing is read-only and over. Asked again, a prepared branch votes the same.
    pub(super) fn prepare(&mut self, turn: &mut Turn<'_>, caller: Caller, xid: &Xid) -> Reply {
        if turn.state.is_prepared(xid) {
            return Ok(Some(Answer::Voted(PrepareVote::Commit)));
        }
        let (id, branch) = self.branches.idle(xid)?;
        if branch.is_empty() {
            self.freeze(turn, id, Phase::Deciding);
            if !is(Mutant::KeepsReadOnly) {
                self.branch_done(id);
            }
            return Ok(Some(Answer::Voted(PrepareVote::ReadOnly)));
        }
        if self.space == Space::Low {
            return Err(RequestRefused::NoSpace.into());
        }
        let command = Command::Prepare { xid: xid.clone(), work: branch.take_work() };
        self.freeze(turn, id, Phase::Deciding);
        let continuation = Continuation::PrepareBranch { branch: id, request: caller.request };
        self.in_flight.propose(turn.out, command, continuation);
        Ok(None)
    }

    /// XA+ xa_commit: TMONEPHASE for an ended branch, plain for a prepared one; anything else is XAER_PROTO.
    pub(super) fn commit(&mut self, turn: &mut Turn<'_>, caller: Caller, xid: &Xid, one_phase: bool) -> Reply {
        if let Some(prepared) = turn.state.branch(xid) {
            if one_phase {
                return Err(RequestRefused::PreparedAlready { xid: xid.clone() }.into());
            }
            let mut queues: Vec<_> = prepared.receives.iter().map(|key| key.queue).collect();
            queues.sort_unstable();
            queues.dedup();
            let command = Command::CommitPrepared { xid: xid.clone(), hold: false };
            let continuation = Continuation::CommitPrepared { request: caller.request, xid: xid.clone(), queues };
            self.in_flight.propose(turn.out, command, continuation);
            return Ok(None);
        }
        if !one_phase {
            self.branches.undecided(xid)?;
            return Err(RequestRefused::NotPrepared { xid: xid.clone() }.into());
        }
        let (id, branch) = self.branches.idle(xid)?;
        if branch.is_empty() {
            self.freeze(turn, id, Phase::Deciding);
            self.branch_done(id);
            return Ok(Some(Answer::Done));
        }
        let command = Command::Commit { xid: xid.clone(), work: branch.take_work(), hold: false };
        self.freeze(turn, id, Phase::Deciding);
        let continuation = Continuation::CommitBranch { branch: id, request: caller.request };
        self.in_flight.propose(turn.out, command, continuation);
        Ok(None)
    }

    /// XA+ xa_rollback. A prepared branch counts no attempt: its messages were worked on without a complaint (P22).
    pub(super) fn rollback_asked(
        &mut self,
        turn: &mut Turn<'_>,
        caller: Caller,
        xid: &Xid,
        blame: Option<Blame>,
    ) -> Reply {
        if turn.state.is_prepared(xid) {
            let command = Command::RollbackPrepared { xid: xid.clone() };
            let continuation = Continuation::RollbackPrepared { request: caller.request, xid: xid.clone() };
            self.in_flight.propose(turn.out, command, continuation);
            return Ok(None);
        }
        match self.branches.find(xid) {
            Some((id, branch)) if branch.phase.is_undecided() => {
                self.roll_back(turn, id, RollbackReason::Requested, blame, Told::Caller(caller.request));
                Ok(None)
            }
            Some(_) | None => Err(RequestRefused::TransactionNotActive { xid: xid.clone() }.into()),
        }
    }

    /// XA+ xa_recover: a page of the prepared branches, in the order of their xids.
    pub(super) fn recover(turn: &Turn<'_>, after: Option<&Xid>, limit: usize) -> Answer {
        Answer::Branches(turn.state.branches_after(after).take(limit.min(RECOVER_MAX)).cloned().collect())
    }
}
