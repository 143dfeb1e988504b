//! Receives as they are asked and as they end without a message.

use std::time::Duration;

use handfast_protocol::{QueueName, Xid};

use super::limits::{OVERDUE_RETRY, RECEIVE_BYTES, RECEIVE_ENCODED_BYTES, TRANSACTION_BYTES_MAX};
use super::queues::named;
use super::timers::Timer;
use super::turn::{Caller, Reply, Turn};
use super::waiting::{WaitId, Waiter};
use super::{Answer, Manager, RequestRefused};
use crate::QueueId;

impl Manager {
    /// Every receive joins the line of its queue, which is then served: one path for all, and nobody overtakes.
    pub(super) fn receive(
        &mut self,
        turn: &mut Turn<'_>,
        caller: Caller,
        xid: Option<&Xid>,
        name: &QueueName,
        wait: Duration,
    ) -> Reply {
        let branch = match xid {
            Some(xid) => {
                let (id, branch) = self.branches.active(xid)?;
                let asked = branch.waits.len() + 1;
                if branch.size_with(asked * RECEIVE_ENCODED_BYTES) > TRANSACTION_BYTES_MAX {
                    let limit = TRANSACTION_BYTES_MAX;
                    return Err(RequestRefused::TransactionTooLarge { xid: xid.clone(), limit }.into());
                }
                Some(id)
            }
            None => None,
        };
        let queue = named(turn, name)?.id;
        if !self.exclusive.admits(queue, caller.connection) {
            return Err(RequestRefused::SharingViolation { name: name.clone() }.into());
        }
        if let Some(limit) = self.waiting.limit_reached(queue) {
            return Err(RequestRefused::TooManyWaiting { name: name.clone(), limit }.into());
        }
        self.charge(RECEIVE_BYTES, 0)?;

        let id = self.waiting.next_id();
        let Caller { request, connection } = caller;
        let deadline = turn.now.after(wait);
        self.line_up(Waiter { id, request, connection, branch, queue, deadline });
        self.serve(turn, queue)?;
        if self.waiting.get(id).is_some() {
            let searching = self.ready.get(queue).is_some_and(|window| window.unfinished);
            if wait.is_zero() && !searching {
                self.end_wait(turn, id, Ok(Answer::NoMessage));
            } else {
                self.timers.set(deadline, Timer::Receive(id));
            }
        }
        Ok(None)
    }

    pub(super) fn line_up(&mut self, waiter: Waiter) {
        self.connections.entry(waiter.connection).waits.insert(waiter.id);
        if let Some(branch) = waiter.branch {
            let branch = self.branches.get_mut(branch).expect("only a live branch receives");
            branch.waits.insert(waiter.id);
        }
        self.waiting.insert(waiter);
    }

    /// Takes a waiter out of its line, because its turn has come or its wait is over. It stays its connection's.
    pub(super) fn leave_line(&mut self, id: WaitId) -> Waiter {
        let waiter = self.waiting.remove(id).expect("only who stands in line leaves it");
        self.timers.cancel(waiter.deadline, Timer::Receive(id));
        if let Some(branch) = waiter.branch.and_then(|branch| self.branches.get_mut(branch)) {
            branch.waits.remove(&id);
        }
        waiter
    }

    /// The receive is answered: nothing of it hangs on its connection any more.
    pub(super) fn close_wait(&mut self, waiter: &Waiter) {
        self.connections.close(waiter.connection, |connection| {
            connection.waits.remove(&waiter.id);
        });
    }

    /// Ends a wait without a message.
    pub(super) fn end_wait(&mut self, turn: &mut Turn<'_>, id: WaitId, answer: Result<Answer, RequestRefused>) {
        let waiter = self.leave_line(id);
        self.close_wait(&waiter);
        self.active.release(RECEIVE_BYTES);
        turn.answer(waiter.request, answer);
    }

    /// Ends all waits on a queue that somebody else's deed closed to them.
    pub(super) fn end_waits(
        &mut self,
        turn: &mut Turn<'_>,
        queue: QueueId,
        whose: impl Fn(&Waiter) -> bool,
        refused: &RequestRefused,
    ) {
        let ended: Vec<WaitId> =
            self.waiting.line(queue).filter(|waiter| whose(waiter)).map(|waiter| waiter.id).collect();
        for id in ended {
            self.end_wait(turn, id, Err(refused.clone()));
        }
    }

    pub(super) fn time_out_receive(&mut self, turn: &mut Turn<'_>, id: WaitId) {
        let Some(waiter) = self.waiting.get(id) else { return };
        // "No message" is only said when that is known.
        if self.ready.get(waiter.queue).is_some_and(|window| window.unfinished) {
            let (queue, again) = (waiter.queue, turn.now.after(OVERDUE_RETRY));
            let mut waiter = self.waiting.remove(id).expect("it was found above");
            waiter.deadline = again;
            self.waiting.insert(waiter);
            self.timers.set(again, Timer::Receive(id));
            self.stirred.insert(queue);
            return;
        }
        self.end_wait(turn, id, Ok(Answer::NoMessage));
    }
}
