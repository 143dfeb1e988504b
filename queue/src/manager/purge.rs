//! Purges and deletes: bounded steps, one after the other (P27), around messages that somebody holds (P17).

use std::collections::VecDeque;

use handfast_protocol::{DeadLetterReason, QueueName, RollbackReason};
use handfast_store::StoreError;

use super::ending::Told;
use super::in_flight::Continuation;
use super::limits::{REMOVE_BATCH, SWEEP_LOCKED_MAX};
use super::locks::Owner;
use super::queues::named;
use super::removals::{Kind, Removal};
use super::turn::{Caller, Reply, Turn};
use super::window::Window;
use super::{Answer, Manager, RequestRefused};
use crate::command::Fate;
use crate::{Command, Done, MessageKey, QueueId, QueueRecord, Refused};

impl Manager {
    pub(super) fn purge(
        &mut self,
        turn: &mut Turn<'_>,
        caller: Caller,
        name: &QueueName,
        to_dead_letter: bool,
    ) -> Reply {
        let record = named(turn, name)?;
        let fate = purge_fate(to_dead_letter);
        if to_dead_letter && record.id == QueueId::DEAD_LETTER {
            return Err(RequestRefused::Reason { reason: DeadLetterReason::Purged }.into());
        }
        let request = Some(caller.request);
        let ranges = what_is_there(record);
        let queue = record.id;
        self.line_up_removal(
            turn,
            queue,
            Removal { kind: Kind::Purge, request, fate, ranges, removed: 0, running: false },
        );
        Ok(None)
    }

    pub(super) fn delete_queue(
        &mut self,
        turn: &mut Turn<'_>,
        caller: Caller,
        name: &QueueName,
        discard: bool,
    ) -> Reply {
        let queue = named(turn, name)?.id;
        if queue == QueueId::DEAD_LETTER {
            return Err(Refused::DeadLetterQueue.into());
        }
        let fate = if discard { Fate::Discard } else { Fate::DeadLetter(DeadLetterReason::QueueDeleted) };
        self.line_up_removal(turn, queue, Removal::delete(queue, Some(caller.request), fate));
        Ok(None)
    }

    /// Goes on with the deletes that an earlier leader began.
    pub(super) fn resume_deletes(&mut self, turn: &mut Turn<'_>) {
        if std::mem::replace(&mut self.resumed, true) {
            return;
        }
        let going: Vec<(QueueId, Fate)> = turn.state.deleting().collect();
        for (queue, fate) in going {
            self.removals.push(queue, Removal { running: true, ..Removal::delete(queue, None, fate) });
            self.next_sweep(turn, queue);
        }
    }

    fn line_up_removal(&mut self, turn: &mut Turn<'_>, queue: QueueId, removal: Removal) {
        self.removals.push(queue, removal);
        self.start_first_removal(turn, queue);
    }

    /// Starts the first in line, unless it is under way.
    fn start_first_removal(&mut self, turn: &mut Turn<'_>, queue: QueueId) {
        let Some(first) = self.removals.first_mut(queue) else { return };
        if std::mem::replace(&mut first.running, true) {
            return;
        }
        match first.kind {
            Kind::Purge => {
                // The window may hold what the purge takes.
                self.ready.drop_window(queue);
                self.next_sweep(turn, queue);
            }
            Kind::Delete => {
                let command = Command::DeleteQueue { queue, fate: first.fate };
                self.in_flight.propose(turn.out, command, Continuation::DeleteQueue { queue });
            }
        }
    }

    pub(super) fn delete_applied(&mut self, turn: &mut Turn<'_>, queue: QueueId, result: Result<Done, Refused>) {
        if let Err(refused) = result {
            self.finish_removal(turn, queue, Err(refused.into()));
            return;
        }
        let name = &turn.state.queue(queue).expect("a queue that is being deleted is there until its last sweep").name;
        let refused = RequestRefused::QueueNotFound { name: name.clone() };
        self.end_exclusive(turn, queue, &refused);
        self.end_waits(turn, queue, |_| true, &refused);
        // What these hold of the queue could not be committed any more (P17). Those whose command is in flight are told by
        // its result.
        for branch in self.undecided_on(queue) {
            self.roll_back(turn, branch, RollbackReason::Conflict, None, Told::Nobody);
        }
        self.ready.drop_window(queue);
        self.next_sweep(turn, queue);
    }

    /// Proposes the next step of the first in line, or ends it.
    fn next_sweep(&mut self, turn: &mut Turn<'_>, queue: QueueId) {
        let first = self.removals.first_mut(queue).expect("the removal that steps is first in line");
        let (kind, fate) = (first.kind, first.fate);
        let Some((from, through)) = first.ranges.front().copied() else {
            let answer = match kind {
                Kind::Purge => Answer::Purged { removed: first.removed },
                Kind::Delete => Answer::Done,
            };
            self.finish_removal(turn, queue, Ok(answer));
            return;
        };
        // Nothing received from a queue that is being deleted can commit: its sweeps pass over nothing.
        let mut locked: Vec<MessageKey> = match kind {
            Kind::Purge => {
                let locks = self.locks.range(from, through).take(SWEEP_LOCKED_MAX + 1);
                locks.map(|(key, _)| *key).collect()
            }
            Kind::Delete => Vec::new(),
        };
        let through = if locked.len() > SWEEP_LOCKED_MAX {
            locked.pop();
            *locked.last().expect("the limit is not zero")
        } else {
            through
        };
        let limit = u32::try_from(REMOVE_BATCH).expect("a batch is small");
        let command = Command::Sweep { queue, from, through, limit, locked: locked.clone(), fate };
        self.in_flight.propose(turn.out, command, Continuation::Sweep { queue, through, locked });
    }

    pub(super) fn sweep_applied(
        &mut self,
        turn: &mut Turn<'_>,
        queue: QueueId,
        through: MessageKey,
        locked: &[MessageKey],
        result: Result<Done, Refused>,
    ) -> Result<(), StoreError> {
        let first = self.removals.first_mut(queue).expect("the removal that stepped is first in line");
        let fate = first.fate;
        match result {
            Ok(Done::Swept { removed, next }) => {
                first.removed += removed;
                let range = first.ranges.front_mut().expect("the range that was swept is first");
                match next.or_else(|| (through < range.1).then(|| successor(through))) {
                    Some(next) => range.0 = next,
                    None => {
                        first.ranges.pop_front();
                    }
                }
            }
            Ok(other) => unreachable!("a sweep answers Swept, not {other:?}"),
            // The queue went with an earlier step.
            Err(_) => first.ranges.clear(),
        }
        self.dead_letters_arrived(fate);
        for key in locked {
            if let Some(lock) = self.locks.get_mut(key) {
                lock.purge = Some(fate);
            } else if turn.state.holder(key).is_none() && turn.state.status(turn.store, key)?.purge.is_some() {
                // It was given back between the step's proposal and now.
                self.sweep_freed(turn, *key, fate);
            }
        }
        self.next_sweep(turn, queue);
        Ok(())
    }

    /// A message that a purge passed over is free now: it goes the way of the others (P17).
    pub(super) fn sweep_freed(&mut self, turn: &mut Turn<'_>, key: MessageKey, fate: Fate) {
        self.locks.lock(key, Owner::Command);
        let (queue, locked) = (key.queue, Vec::new());
        let command = Command::Sweep { queue, from: key, through: key, limit: 1, locked, fate };
        self.in_flight.propose(turn.out, command, Continuation::SweepFreed { key, fate });
    }

    fn finish_removal(&mut self, turn: &mut Turn<'_>, queue: QueueId, answer: Result<Answer, RequestRefused>) {
        let done = self.removals.pop(queue);
        self.stirred.insert(queue);
        let gone = done.kind == Kind::Delete && answer.is_ok();
        if let Some(request) = done.request {
            turn.answer(request, answer);
        }
        if gone {
            self.fail_removals(turn, queue);
        } else {
            self.start_first_removal(turn, queue);
        }
    }

    /// The queue is gone: who waited in line to purge or delete it again is told so.
    fn fail_removals(&mut self, turn: &mut Turn<'_>, queue: QueueId) {
        while self.removals.first_mut(queue).is_some() {
            if let Some(request) = self.removals.pop(queue).request {
                turn.answer(request, Err(Refused::QueueGone { queue }.into()));
            }
        }
    }

    /// Dead letters came that nobody named: they lie above all older ones, in one band.
    pub(super) fn dead_letters_arrived(&mut self, fate: Fate) {
        match fate {
            Fate::Discard => {}
            Fate::DeadLetter(_) => {
                self.ready.touch(QueueId::DEAD_LETTER, Window::reopen);
                self.stirred.insert(QueueId::DEAD_LETTER);
            }
        }
    }
}

impl Removal {
    fn delete(queue: QueueId, request: Option<super::RequestId>, fate: Fate) -> Removal {
        let ranges = VecDeque::from([everything(queue)]);
        Removal { kind: Kind::Delete, request, fate, ranges, removed: 0, running: false }
    }
}

pub(super) fn purge_fate(to_dead_letter: bool) -> Fate {
    if to_dead_letter { Fate::DeadLetter(DeadLetterReason::Purged) } else { Fate::Discard }
}

/// Every place a message of the queue can have.
pub(super) fn everything(queue: QueueId) -> (MessageKey, MessageKey) {
    let place = |band, sequence| MessageKey { queue, band, sequence };
    (place(0, 0), place(u8::MAX, u64::MAX))
}

/// The messages that are in the queue now, band by band: what arrives later is above them in its band.
fn what_is_there(record: &QueueRecord) -> VecDeque<(MessageKey, MessageKey)> {
    let place = |band, sequence| MessageKey { queue: record.id, band, sequence };
    let bands = (0..).zip(record.head.into_iter().zip(record.next_sequence));
    let occupied = bands.filter(|(_, (head, next))| head < next);
    occupied.map(|(band, (head, next))| (place(band, head), place(band, next - 1))).collect()
}

/// The place after `key` in its band; ranges end within a band.
fn successor(key: MessageKey) -> MessageKey {
    MessageKey { sequence: key.sequence + 1, ..key }
}
