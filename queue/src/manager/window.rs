//! The ready window of one queue: the next messages that may be handed out, in order.
//!
//! The window covers the queue up to its frontier. Every message up to there that nobody holds is in `entries` or in
//! `delayed`; what lies beyond is found by the next refill. Moving the frontier back is always safe: what lies beyond it is
//! read again, and the same key twice is the same entry.

use std::collections::{BTreeMap, BTreeSet};

use handfast_mutants::{Mutant, is};
use handfast_protocol::Timestamp;

use super::Sizes;
use crate::{MessageKey, Status, StoredMessage};

/// What the window knows of a message.
#[derive(Debug)]
pub(super) enum Entry {
    /// It has just arrived: no consumer has failed on it, so there is no status to read.
    Fresh,
    /// It is to be read when its turn comes.
    Unread,
    Read(Box<Reading>),
}

#[derive(Debug, Clone)]
pub(super) struct Reading {
    pub message: StoredMessage,
    pub status: Status,
}

#[derive(Debug)]
pub(super) struct Window {
    ready_keys_max: usize,
    delayed_keys_max: usize,
    entries: BTreeMap<MessageKey, Entry>,
    delayed: BTreeMap<MessageKey, Timestamp>,
    due: BTreeSet<(Timestamp, MessageKey)>,
    /// Covered up to here; `None`: nothing yet.
    frontier: Option<MessageKey>,
    /// The frontier is the end of the queue: what arrives is covered too.
    complete: bool,
    /// Bytes of the messages that `entries` keep.
    cached: usize,
    /// The last search stopped before it knew whether there is a message.
    pub unfinished: bool,
    /// The timer that is set for this queue.
    pub wake: Option<Timestamp>,
}

impl Window {
    pub fn new(sizes: &Sizes) -> Window {
        Window {
            ready_keys_max: sizes.ready_keys_max,
            delayed_keys_max: sizes.delayed_keys_max,
            entries: BTreeMap::new(),
            delayed: BTreeMap::new(),
            due: BTreeSet::new(),
            frontier: None,
            complete: false,
            cached: 0,
            unfinished: false,
            wake: None,
        }
    }

    pub fn frontier(&self) -> Option<MessageKey> {
        self.frontier
    }

    pub fn is_complete(&self) -> bool {
        self.complete
    }

    fn covers(&self, key: &MessageKey) -> bool {
        self.complete || self.frontier.is_some_and(|frontier| *key <= frontier)
    }

    /// A message that became free. One beyond the frontier is left to the next refill.
    pub fn insert(&mut self, key: MessageKey, entry: Entry) {
        if !self.covers(&key) {
            return;
        }
        if self.complete {
            self.frontier = self.frontier.max(Some(key));
        }
        self.put(key, entry);
        if self.entries.len() > self.ready_keys_max {
            let (last, entry) = self.entries.pop_last().expect("it is over its limit");
            self.cached -= entry.bytes();
            self.retreat_before(last);
        }
    }

    /// A message that a refill found, in order; it moves the frontier.
    pub fn append(&mut self, key: MessageKey, entry: Entry) {
        self.put(key, entry);
        self.pass(key);
    }

    /// The refill went past a message that is not free.
    pub fn pass(&mut self, key: MessageKey) {
        self.frontier = self.frontier.max(Some(key));
    }

    /// The refill found nothing more.
    pub fn reach_end(&mut self) {
        self.complete = true;
    }

    /// Messages may have arrived at the end that nobody named here.
    pub fn reopen(&mut self) {
        self.complete = false;
    }

    /// Sets a message aside until its time; `false`, and nothing done, when too many are set aside.
    #[must_use]
    pub fn delay(&mut self, key: MessageKey, until: Timestamp) -> bool {
        if self.delayed.len() >= self.delayed_keys_max && !self.delayed.contains_key(&key) {
            return false;
        }
        if let Some(before) = self.delayed.insert(key, until) {
            self.due.remove(&(before, key));
        }
        self.due.insert((until, key));
        true
    }

    /// Delayed messages whose time has come are ready again.
    pub fn mature(&mut self, now: Timestamp) {
        while let Some((at, key)) = self.due.first().copied().filter(|(at, _)| *at <= now) {
            self.due.remove(&(at, key));
            self.delayed.remove(&key);
            self.insert(key, Entry::Unread);
        }
    }

    /// Ends the cover just before `key`, which is read again later.
    pub fn retreat_before(&mut self, key: MessageKey) {
        let before = predecessor(key);
        self.frontier = if self.complete { before } else { self.frontier.min(before) };
        self.complete = false;
        let beyond = self.delayed.split_off(&key);
        for (key, until) in beyond {
            self.due.remove(&(until, key));
        }
    }

    pub fn first(&self) -> Option<MessageKey> {
        if is(Mutant::HandsOutNewest) {
            return self.entries.last_key_value().map(|(key, _)| *key);
        }
        let has_just_arrived = |(_, entry): &(_, &Entry)| matches!(entry, Entry::Fresh);
        if is(Mutant::RedeliversLast)
            && let Some((key, _)) = self.entries.iter().find(has_just_arrived)
        {
            return Some(*key);
        }
        self.entries.first_key_value().map(|(key, _)| *key)
    }

    pub fn first_delayed(&self) -> Option<(MessageKey, Timestamp)> {
        self.delayed.first_key_value().map(|(key, until)| (*key, *until))
    }

    pub fn delays_full(&self) -> bool {
        self.delayed.len() >= self.delayed_keys_max
    }

    /// When the next delayed message is ready.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.due.first().map(|(at, _)| *at)
    }

    pub fn take(&mut self, key: &MessageKey) -> Option<Entry> {
        let entry = self.entries.remove(key)?;
        self.cached -= entry.bytes();
        Some(entry)
    }

    /// Drops a message that somebody holds now.
    pub fn forget(&mut self, key: &MessageKey) {
        if let Some(until) = self.delayed.remove(key) {
            self.due.remove(&(until, *key));
        }
        self.take(key);
    }

    pub fn cached(&self) -> usize {
        self.cached
    }

    pub fn keys(&self) -> impl Iterator<Item = &MessageKey> {
        self.entries.keys().chain(self.delayed.keys())
    }

    fn put(&mut self, key: MessageKey, entry: Entry) {
        self.cached += entry.bytes();
        if let Some(before) = self.entries.insert(key, entry) {
            self.cached -= before.bytes();
        }
    }
}

impl Entry {
    /// What it keeps of the messages themselves.
    pub fn bytes(&self) -> usize {
        match self {
            Entry::Fresh | Entry::Unread => 0,
            Entry::Read(reading) => reading.bytes(),
        }
    }
}

impl Reading {
    /// Everything that is kept beside the key; bodies apart are not.
    pub fn bytes(&self) -> usize {
        let inline = match &self.message.body {
            crate::Body::Inline(bytes) => bytes.len(),
            crate::Body::Apart { .. } => 0,
        };
        let words = self.message.size().saturating_sub(self.message.body.len());
        size_of::<Reading>() + usize::try_from(words).unwrap_or(usize::MAX) + inline + self.status.error.len()
    }
}

/// The last place before `key`.
fn predecessor(key: MessageKey) -> Option<MessageKey> {
    if key.sequence > 0 {
        return Some(MessageKey { sequence: key.sequence - 1, ..key });
    }
    (key.band > 0).then(|| MessageKey { band: key.band - 1, sequence: u64::MAX, ..key })
}
