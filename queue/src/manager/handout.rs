//! Handing messages to those who wait: in order, to the first in line, each to one branch only.

use handfast_mutants::{Mutant, is};
use handfast_protocol::Timestamp;
use handfast_store::StoreError;

use super::in_flight::Continuation;
use super::limits::{RECEIVE_BYTES, REMOVE_BATCH, VISITS_MAX};
use super::locks::Owner;
use super::purge::purge_fate;
use super::queues::{has_expired, received, scan};
use super::timers::Timer;
use super::turn::Turn;
use super::waiting::{WaitId, Waiter};
use super::window::{Entry, Reading, Window};
use super::{Answer, Manager, Received};
use crate::{Command, MessageKey, QueueId, Status, Work};

/// One search for receivable messages of a queue.
#[derive(Default)]
struct Search {
    /// Messages looked at that could not be handed out.
    visits: usize,
    /// Messages whose time ran out, locked for the command that removes them.
    expired: Vec<MessageKey>,
}

/// Where a search ended.
enum Found {
    Message(MessageKey, Box<Reading>),
    /// Nothing can be received before something changes.
    Nothing,
    /// It stopped early and goes on soon.
    Unfinished,
}

impl Manager {
    /// Serves the line of a queue as far as messages and rules allow.
    pub(super) fn serve(&mut self, turn: &mut Turn<'_>, queue: QueueId) -> Result<(), StoreError> {
        let mut search = Search::default();
        let mut unfinished = false;
        while let Some(wait) = self.next_served(turn, queue) {
            match self.next_receivable(turn, queue, &mut search)? {
                Found::Message(key, reading) => self.hand_out(turn, wait, key, *reading),
                Found::Nothing => break,
                Found::Unfinished => {
                    unfinished = true;
                    break;
                }
            }
        }
        // The removal of what expired goes on with the search; nothing else needs a timer then.
        let wake_at_once = unfinished && search.expired.is_empty();
        self.expire(turn, search.expired, false);
        self.ready.touch(queue, |window| window.unfinished = unfinished);
        self.set_wake(turn.now, queue, wake_at_once);
        Ok(())
    }

    /// The first in line that may be served. Under an exclusive reader nothing is handed out while any message of the queue
    /// is held by another branch (P23).
    fn next_served(&self, turn: &Turn<'_>, queue: QueueId) -> Option<WaitId> {
        let mut line = self.waiting.line(queue);
        if self.exclusive.reader(queue).is_none() {
            return line.next().map(|waiter| waiter.id);
        }
        if turn.state.in_doubt_on(queue) > 0 && !is(Mutant::ReadsPastHeld) {
            return None;
        }
        let locked = self.locks.count(queue);
        let holds_all = |waiter: &&Waiter| {
            let branch = waiter.branch.and_then(|branch| self.branches.get(branch));
            branch.map_or(0, |branch| branch.held_on(queue)) == locked
        };
        line.find(holds_all).map(|waiter| waiter.id)
    }

    fn next_receivable(
        &mut self,
        turn: &mut Turn<'_>,
        queue: QueueId,
        search: &mut Search,
    ) -> Result<Found, StoreError> {
        let strict = self.exclusive.reader(queue).is_some();
        loop {
            if search.visits >= VISITS_MAX || search.expired.len() >= REMOVE_BATCH {
                return Ok(Found::Unfinished);
            }
            let (first, delayed) = self.ready.edit(queue, |window| {
                window.mature(turn.now);
                (window.first(), window.first_delayed())
            });
            // Strict order waits for the delay of the first message.
            let head_waits = |(key, _)| first.is_none_or(|first| key < first);
            if strict && delayed.is_some_and(head_waits) {
                return Ok(Found::Nothing);
            }
            let Some(key) = first else {
                if self.refill(turn, queue, search)? { continue } else { return Ok(Found::Nothing) }
            };
            let entry = self.ready.edit(queue, |window| window.take(&key)).expect("the first entry is there");
            if let Some(reading) = self.examine(turn, key, entry, search)? {
                return Ok(Found::Message(key, reading));
            }
            search.visits += 1;
        }
    }

    /// Reads a message whose turn has come, unless it cannot be handed out: it is gone, held, to be purged, delayed or
    /// expired; then its further way is set here.
    fn examine(
        &mut self,
        turn: &mut Turn<'_>,
        key: MessageKey,
        entry: Entry,
        search: &mut Search,
    ) -> Result<Option<Box<Reading>>, StoreError> {
        if !self.is_free(turn, &key) {
            return Ok(None);
        }
        let reading = match entry {
            Entry::Read(reading) => reading,
            Entry::Fresh | Entry::Unread => {
                let Some(message) = turn.state.message(turn.store, &key)? else { return Ok(None) };
                let status = match entry {
                    Entry::Fresh => Status::default(),
                    _ => turn.state.status(turn.store, &key)?,
                };
                Box::new(Reading { message, status })
            }
        };
        if let Some(to_dead_letter) = reading.status.purge {
            self.sweep_freed(turn, key, purge_fate(to_dead_letter));
            return Ok(None);
        }
        if reading.status.not_before > turn.now {
            let until = reading.status.not_before;
            self.ready.edit(key.queue, |window| {
                if !window.delay(key, until) {
                    window.retreat_before(key);
                }
            });
            return Ok(None);
        }
        if has_expired(turn, &key, &reading.message) {
            self.locks.lock(key, Owner::Command);
            search.expired.push(key);
            return Ok(None);
        }
        Ok(Some(reading))
    }

    /// Reads on where the window ends. `false`: there is nothing more, or nothing more fits.
    fn refill(&mut self, turn: &mut Turn<'_>, queue: QueueId, search: &mut Search) -> Result<bool, StoreError> {
        let (stop, frontier) =
            self.ready.edit(queue, |window| (window.is_complete() || window.delays_full(), window.frontier()));
        if stop {
            return Ok(false);
        }
        let found = scan(turn, queue, frontier, self.sizes.ready_keys_max)?;
        if found.is_empty() {
            self.ready.edit(queue, Window::reach_end);
            return Ok(false);
        }
        for (key, message) in found {
            if !self.is_free(turn, &key) {
                search.visits += 1;
                self.ready.edit(queue, |window| window.pass(key));
                continue;
            }
            let status = turn.state.status(turn.store, &key)?;
            let until = status.not_before;
            if until > turn.now {
                search.visits += 1;
                let aside = self.ready.edit(queue, |window| window.delay(key, until));
                if !aside {
                    break;
                }
                self.ready.edit(queue, |window| window.pass(key));
                continue;
            }
            let reading = Reading { message, status };
            let keep = reading.bytes() <= self.ready.room();
            let entry = if keep { Entry::Read(Box::new(reading)) } else { Entry::Unread };
            self.ready.edit(queue, |window| window.append(key, entry));
        }
        Ok(true)
    }

    /// Locks the message for whom it was found. A branch has it at once; a receive of its own transaction once its commit
    /// is applied.
    fn hand_out(&mut self, turn: &mut Turn<'_>, wait: WaitId, key: MessageKey, reading: Reading) {
        let waiter = self.leave_line(wait);
        let queue = turn.state.queue(key.queue).expect("a queue with a receivable message exists");
        let received = Box::new(received(&queue.name, key, reading));
        match waiter.branch {
            Some(id) => {
                self.locks.lock(key, Owner::Branch(id));
                let branch = self.branches.get_mut(id).expect("a waiting receive ends with its branch");
                branch.add_receive(key, waiter.connection);
                branch.charge += RECEIVE_BYTES;
                self.close_wait(&waiter);
                turn.answer(waiter.request, Ok(Answer::Received(received)));
                self.stage_overgrown(turn, id);
            }
            None => self.receive_for_good(turn, waiter, received),
        }
    }

    fn receive_for_good(&mut self, turn: &mut Turn<'_>, waiter: Waiter, received: Box<Received>) {
        let xid = match self.ordinals.draw_xid() {
            Ok(xid) => xid,
            Err(refused) => {
                self.ready.insert(received.key, Entry::Unread);
                self.close_wait(&waiter);
                self.active.release(RECEIVE_BYTES);
                turn.answer(waiter.request, Err(refused));
                return;
            }
        };
        self.locks.lock(received.key, Owner::Command);
        let work = Work { sends: Vec::new(), receives: vec![received.key], stage: None };
        let command = Command::Commit { xid, work, hold: false };
        let continuation = Continuation::Receive { waiter, received };
        self.in_flight.propose(turn.out, command, continuation);
    }

    /// A message may have become receivable: it joins the window if that covers its place.
    pub(super) fn arrive(&mut self, turn: &Turn<'_>, key: MessageKey, entry: Entry) {
        if is(Mutant::WakesNobody) {
            return;
        }
        if self.is_free(turn, &key) {
            self.ready.insert(key, entry);
        }
        self.stirred.insert(key.queue);
    }

    /// A message goes back to its place, unless a purge passed over it.
    pub(super) fn put_back(&mut self, turn: &mut Turn<'_>, key: MessageKey) {
        let lock = self.locks.release(&key);
        if self.expiry.passed_over > 0 {
            self.expiry.note(Some(turn.now));
        }
        match lock.purge {
            Some(fate) => self.sweep_freed(turn, key, fate),
            None => self.arrive(turn, key, Entry::Unread),
        }
    }

    /// A locked message is gone for good, or the state holds it now.
    pub(super) fn let_go(&mut self, key: &MessageKey) {
        self.locks.release(key);
        self.stirred.insert(key.queue);
    }

    /// Sets the timer for the next delayed message while somebody waits; lets the window rest otherwise.
    fn set_wake(&mut self, now: Timestamp, queue: QueueId, at_once: bool) {
        if self.waiting.count(queue) == 0 {
            self.ready.rest(queue);
        } else {
            self.ready.pin(queue);
        }
        let Some(window) = self.ready.get(queue) else { return };
        let strict = self.exclusive.reader(queue).is_some();
        let next = match window.first_delayed().filter(|_| strict) {
            Some((_, head)) => Some(head),
            None => window.next_due(),
        };
        let wake = if at_once { Some(now) } else { next };
        // A time that has passed woke this very look: what still stands in the way stirs the queue when it goes.
        let wake = wake.filter(|at| self.waiting.count(queue) > 0 && (at_once || *at > now));
        if wake == window.wake {
            return;
        }
        if let Some(before) = window.wake {
            self.timers.cancel(before, Timer::Queue(queue));
        }
        if let Some(at) = wake {
            self.timers.set(at, Timer::Queue(queue));
        }
        self.ready.touch(queue, |window| window.wake = wake);
    }
}
