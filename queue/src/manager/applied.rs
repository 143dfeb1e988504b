//! What came of the proposals. Only here do answers leave to requests that changed something (D3).

use std::collections::BTreeSet;

use handfast_protocol::{DeadLetterReason, PrepareVote, RollbackReason, Xid};
use handfast_store::StoreError;

use super::branch::BranchId;
use super::ending::Told;
use super::in_flight::Continuation;
use super::limits::{EXPIRY_NOTICE, RECEIVE_BYTES};
use super::turn::Turn;
use super::waiting::Waiter;
use super::window::Entry;
use super::{Answer, Manager, Proposal, Received, RequestId, RequestRefused};
use crate::command::Fate;
use crate::{Done, MessageKey, Refused};

/// What may have made dead letters.
pub(super) const SOME_DEAD: Fate = Fate::DeadLetter(DeadLetterReason::ReceiveTimeout);

impl Manager {
    pub(super) fn applied(
        &mut self,
        turn: &mut Turn<'_>,
        proposal: Proposal,
        result: Result<Done, Refused>,
    ) -> Result<(), StoreError> {
        match self.in_flight.take(proposal) {
            Continuation::Create { request } => {
                turn.answer(request, result.map(|_| Answer::Done).map_err(RequestRefused::Refused));
            }
            Continuation::Send { request, ids, bodies, staged_charge, expires } => {
                let sent = self.sent(turn, result, ids, &bodies, staged_charge);
                if expires.is_some() {
                    self.expiry.mark_stale();
                }
                turn.answer(request, sent);
            }
            Continuation::StageBody { reply } => {
                if let Some((request, body)) = reply {
                    let staged = result.map(|_| Answer::Staged { body });
                    turn.answer(request, staged.map_err(RequestRefused::Refused));
                }
            }
            // A part that was refused makes the commit that names its stage fail.
            Continuation::StageWork { charge } => self.active.release(charge),
            Continuation::Unstage { staged_charge } => self.staged.release(staged_charge),
            Continuation::Receive { waiter, received } => self.receive_applied(turn, waiter, received, &result),
            Continuation::CommitBranch { branch, request } => self.branch_committed(turn, branch, request, result),
            Continuation::PrepareBranch { branch, request } => self.branch_prepared(turn, branch, request, result),
            Continuation::CommitPrepared { request, xid, queues } => {
                self.stirred.extend(queues);
                self.phase_two(turn, request, xid, result, || Entry::Fresh);
            }
            Continuation::RollbackPrepared { request, xid } => {
                // A purge that waited for one of its messages ends with it, perhaps in a dead letter.
                self.dead_letters_arrived(SOME_DEAD);
                self.phase_two(turn, request, xid, result, || Entry::Unread);
            }
            Continuation::Return { messages, reply } => self.attempt_counted(turn, &messages, reply, result),
            Continuation::DeleteQueue { queue } => self.delete_applied(turn, queue, result),
            Continuation::Sweep { queue, through, locked } => {
                self.sweep_applied(turn, queue, through, &locked, result)?;
            }
            Continuation::SweepFreed { key, fate } => {
                self.let_go(&key);
                self.dead_letters_arrived(fate);
            }
            Continuation::Expire { messages, looked } => {
                self.left_their_queues(turn, &messages, result);
                if looked {
                    self.expiry.end(None);
                }
                self.expiry.mark_stale();
            }
            Continuation::ReturnDeadLetters { request, messages } => {
                self.dead_letters_returned(turn, request, &messages, result);
            }
        }
        Ok(())
    }

    fn sent(
        &mut self,
        turn: &mut Turn<'_>,
        result: Result<Done, Refused>,
        ids: Vec<handfast_protocol::MessageId>,
        bodies: &[crate::BodyId],
        staged_charge: usize,
    ) -> Result<Answer, RequestRefused> {
        let answer = match result {
            Ok(Done::Sent(keys)) => {
                self.staged.release(staged_charge);
                keys.into_iter().for_each(|key| self.arrive(turn, key, Entry::Fresh));
                return Ok(Answer::Sent { ids, repeated: false });
            }
            Ok(Done::Repeated(ids)) => Ok(Answer::Sent { ids, repeated: true }),
            Ok(other) => unreachable!("a send answers Sent or Repeated, not {other:?}"),
            Err(refused) => Err(RequestRefused::Refused(refused)),
        };
        self.unstage(turn, None, bodies, staged_charge);
        answer
    }

    /// A receive of its own transaction. If the message went another way it takes its place in line again.
    fn receive_applied(
        &mut self,
        turn: &mut Turn<'_>,
        waiter: Waiter,
        received: Box<Received>,
        result: &Result<Done, Refused>,
    ) {
        if result.is_ok() {
            self.let_go(&received.key);
            self.close_wait(&waiter);
            self.active.release(RECEIVE_BYTES);
            turn.answer(waiter.request, Ok(Answer::Received(received)));
            return;
        }
        self.put_back(turn, received.key);
        let connected = self.connections.get(waiter.connection).is_some_and(|open| open.waits.contains(&waiter.id));
        let there = turn.state.queue_named(&received.queue).is_some_and(|record| record.id == waiter.queue);
        if connected && there && self.exclusive.admits(waiter.queue, waiter.connection) {
            self.timers.set(waiter.deadline, super::timers::Timer::Receive(waiter.id));
            self.line_up(waiter);
            return;
        }
        self.close_wait(&waiter);
        self.active.release(RECEIVE_BYTES);
        let name = received.queue;
        let answer = match (connected, there) {
            (false, _) => Ok(Answer::NoMessage),
            (true, false) => Err(RequestRefused::QueueNotFound { name }),
            (true, true) => Err(RequestRefused::SharingViolation { name }),
        };
        turn.answer(waiter.request, answer);
    }

    fn branch_committed(
        &mut self,
        turn: &mut Turn<'_>,
        id: BranchId,
        request: RequestId,
        result: Result<Done, Refused>,
    ) {
        match result {
            Ok(Done::Committed(places)) => {
                self.branch_done(id);
                places.into_iter().for_each(|key| self.arrive(turn, key, Entry::Fresh));
                turn.answer(request, Ok(Answer::Done));
            }
            Ok(other) => unreachable!("a commit answers Committed, not {other:?}"),
            Err(_) => {
                let xid = self.refused_branch(turn, id);
                turn.answer(request, Err(RequestRefused::RolledBack { xid, reason: RollbackReason::Conflict }));
            }
        }
    }

    fn branch_prepared(
        &mut self,
        turn: &mut Turn<'_>,
        id: BranchId,
        request: RequestId,
        result: Result<Done, Refused>,
    ) {
        let answer = match result {
            Ok(_) => {
                self.branch_done(id);
                Ok(Answer::Voted(PrepareVote::Commit))
            }
            Err(Refused::DuplicateXid { xid }) => {
                self.refused_branch(turn, id);
                Err(RequestRefused::DuplicateXid { xid })
            }
            Err(_) => {
                self.refused_branch(turn, id);
                Ok(Answer::Voted(PrepareVote::Rollback))
            }
        };
        turn.answer(request, answer);
    }

    /// The branch's own command was refused: it is rolled back, and no message is to blame (P17, P22).
    fn refused_branch(&mut self, turn: &mut Turn<'_>, id: BranchId) -> Xid {
        let xid = self.branches.get(id).expect("a branch waits for its command").xid.clone();
        self.roll_back(turn, id, RollbackReason::Conflict, None, Told::Nobody);
        xid
    }

    fn phase_two(
        &mut self,
        turn: &mut Turn<'_>,
        request: RequestId,
        xid: Xid,
        result: Result<Done, Refused>,
        entry: impl Fn() -> Entry,
    ) {
        let answer = match result {
            Ok(Done::Committed(keys) | Done::RolledBack(keys)) => {
                keys.into_iter().for_each(|key| self.arrive(turn, key, entry()));
                self.expiry.note(Some(turn.now.after(EXPIRY_NOTICE)));
                Ok(Answer::Done)
            }
            Ok(other) => unreachable!("phase two answers Committed or RolledBack, not {other:?}"),
            // Somebody else finished it first.
            Err(Refused::UnknownXid { .. }) => Err(RequestRefused::TransactionNotActive { xid }),
            Err(refused) => Err(refused.into()),
        };
        turn.answer(request, answer);
    }

    fn attempt_counted(
        &mut self,
        turn: &mut Turn<'_>,
        messages: &[MessageKey],
        reply: Option<RequestId>,
        result: Result<Done, Refused>,
    ) {
        self.left_their_queues(turn, messages, result);
        if let Some(request) = reply {
            turn.answer(request, Ok(Answer::Done));
        }
    }

    /// Some of these messages left, perhaps for the dead-letter queue; the others are back in their places.
    fn left_their_queues(&mut self, turn: &mut Turn<'_>, messages: &[MessageKey], result: Result<Done, Refused>) {
        let gone: BTreeSet<MessageKey> = match result {
            Ok(Done::Removed(gone)) => gone.into_iter().collect(),
            Ok(other) => unreachable!("a return and an expiry answer Removed, not {other:?}"),
            Err(_) => BTreeSet::new(),
        };
        for key in messages {
            if gone.contains(key) { self.let_go(key) } else { self.put_back(turn, *key) }
        }
        if !gone.is_empty() {
            self.dead_letters_arrived(SOME_DEAD);
        }
    }

    fn dead_letters_returned(
        &mut self,
        turn: &mut Turn<'_>,
        request: RequestId,
        messages: &[MessageKey],
        result: Result<Done, Refused>,
    ) {
        let answer = match result {
            Ok(Done::Committed(places)) => {
                messages.iter().for_each(|key| self.let_go(key));
                places.into_iter().for_each(|key| self.arrive(turn, key, Entry::Fresh));
                Ok(Answer::Done)
            }
            Ok(other) => unreachable!("a return of dead letters answers Committed, not {other:?}"),
            Err(refused) => {
                messages.iter().for_each(|key| self.put_back(turn, *key));
                Err(refused.into())
            }
        };
        turn.answer(request, answer);
    }
}
