//! Opening and closing a queue as its exclusive reader, and losing it (P23).

use std::time::Duration;

use handfast_protocol::{QueueName, Timestamp};

use super::branch::{Branch, Phase};
use super::exclusive::Opener;
use super::limits::{LEASE, WAITING_PER_QUEUE_MAX};
use super::queues::named;
use super::timers::Timer;
use super::turn::{Caller, Reply, Turn};
use super::waiting::WaitId;
use super::{Answer, ConnectionId, Manager, RequestRefused};
use crate::QueueId;

impl Manager {
    pub(super) fn open_exclusive(
        &mut self,
        turn: &mut Turn<'_>,
        caller: Caller,
        name: &QueueName,
        wait: Duration,
    ) -> Reply {
        let queue = named(turn, name)?.id;
        let Caller { request, connection } = caller;
        if self.exclusive.reader(queue).is_none_or(|reader| reader == connection) {
            self.grant_exclusive(turn, queue, connection);
            return Ok(Some(Answer::Done));
        }
        if wait.is_zero() {
            return Err(RequestRefused::SharingViolation { name: name.clone() }.into());
        }
        if self.exclusive.waiting(queue) >= WAITING_PER_QUEUE_MAX {
            let limit = WAITING_PER_QUEUE_MAX;
            return Err(RequestRefused::TooManyWaiting { name: name.clone(), limit }.into());
        }
        let id = self.waiting.next_id();
        let deadline = turn.now.after(wait);
        self.exclusive.wait(queue, Opener { id, request, connection, deadline });
        self.connections.entry(connection).openers.insert((queue, id));
        self.timers.set(deadline, Timer::Opener(queue, id));
        Ok(None)
    }

    /// From now on the others' receives are violations, waiting ones included. What they hold they may finish.
    fn grant_exclusive(&mut self, turn: &mut Turn<'_>, queue: QueueId, connection: ConnectionId) {
        let until = turn.now.after(LEASE);
        let before = self.exclusive.grant(queue, connection, until);
        self.rearm_lease(connection, before, until);
        let refused = sharing_violation(turn, queue);
        self.end_waits(turn, queue, |waiter| waiter.connection != connection, &refused);
    }

    fn rearm_lease(&mut self, connection: ConnectionId, before: Option<Timestamp>, until: Timestamp) {
        if let Some(before) = before {
            self.timers.cancel(before, Timer::Lease(connection));
        }
        self.timers.set(until, Timer::Lease(connection));
    }

    pub(super) fn keep_alive(&mut self, now: Timestamp, connection: ConnectionId) {
        let until = now.after(LEASE);
        if let Some(before) = self.exclusive.renew(connection, until) {
            self.rearm_lease(connection, Some(before), until);
        }
    }

    pub(super) fn close_exclusive(&mut self, turn: &mut Turn<'_>, caller: Caller, name: &QueueName) -> Reply {
        let queue = named(turn, name)?.id;
        self.exclusive.forget_lost(caller.connection, Some(queue));
        if self.exclusive.reader(queue) == Some(caller.connection) {
            self.release_exclusive(turn, queue);
        }
        Ok(Some(Answer::Done))
    }

    /// The queue is free for the next in line, else for all.
    pub(super) fn release_exclusive(&mut self, turn: &mut Turn<'_>, queue: QueueId) {
        let Some((connection, over)) = self.exclusive.release(queue) else { return };
        if let Some(until) = over {
            self.timers.cancel(until, Timer::Lease(connection));
        }
        self.stirred.insert(queue);
        if let Some(opener) = self.exclusive.next_opener(queue) {
            self.close_opener(queue, &opener);
            self.grant_exclusive(turn, queue, opener.connection);
            turn.answer(opener.request, Ok(Answer::Done));
        }
    }

    fn close_opener(&mut self, queue: QueueId, opener: &Opener) {
        self.timers.cancel(opener.deadline, Timer::Opener(queue, opener.id));
        self.connections.close(opener.connection, |connection| {
            connection.openers.remove(&(queue, opener.id));
        });
    }

    pub(super) fn time_out_opener(&mut self, turn: &mut Turn<'_>, queue: QueueId, id: WaitId) {
        let opener = self.exclusive.remove_opener(queue, id).expect("the timer of an opener is cancelled when it ends");
        self.close_opener(queue, &opener);
        let refused = sharing_violation(turn, queue);
        turn.answer(opener.request, Err(refused));
    }

    /// The queue is going: so are its reader and those who wait to be it.
    pub(super) fn end_exclusive(&mut self, turn: &mut Turn<'_>, queue: QueueId, refused: &RequestRefused) {
        while let Some(opener) = self.exclusive.next_opener(queue) {
            self.close_opener(queue, &opener);
            turn.answer(opener.request, Err(refused.clone()));
        }
        self.release_exclusive(turn, queue);
    }

    /// Rolls back the active branches that received from the queue through this connection, whoever started them: what they
    /// hold was read under an exclusive right that is lost. A branch that was ended is no more its reader's.
    pub(super) fn abandon_read(&mut self, turn: &mut Turn<'_>, queue: QueueId, connection: ConnectionId) {
        for id in self.undecided_on(queue) {
            let read =
                |branch: &Branch| branch.phase == Phase::Active && branch.readers.get(&queue) == Some(&connection);
            if self.branches.get(id).is_some_and(read) {
                self.abandon(turn, id);
            }
        }
    }

    /// The reader was silent for too long. What it holds of the queue was abandoned, and it may not read on before it opened
    /// the queue again: somebody else may have read in between.
    pub(super) fn lose_lease(&mut self, turn: &mut Turn<'_>, connection: ConnectionId) {
        for queue in self.exclusive.queues_of(connection) {
            self.abandon_read(turn, queue, connection);
            self.exclusive.note_lost(connection, queue);
            let refused = sharing_violation(turn, queue);
            self.end_waits(turn, queue, |waiter| waiter.connection == connection, &refused);
            self.release_exclusive(turn, queue);
        }
    }
}

fn sharing_violation(turn: &Turn<'_>, queue: QueueId) -> RequestRefused {
    let record = turn.state.queue(queue).expect("exclusive readers and waits end with their queue");
    RequestRefused::SharingViolation { name: record.name.clone() }
}
