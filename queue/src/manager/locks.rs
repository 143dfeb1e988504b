//! The messages that are spoken for, by an active branch or by a command in flight. What prepared branches hold is in the
//! durable state, not here.

use std::collections::BTreeMap;

use super::branch::BranchId;
use crate::command::Fate;
use crate::{MessageKey, QueueId};

/// Who holds a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    Branch(BranchId),
    /// A command in flight that takes it away or counts an attempt.
    Command,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lock {
    pub owner: Owner,
    /// A purge passed over it: it goes there once it is free (P17).
    pub purge: Option<Fate>,
}

/// All locks, in the order of the messages.
#[derive(Debug, Default)]
pub(super) struct Locks {
    held: BTreeMap<MessageKey, Lock>,
    /// Only queues with locks.
    by_queue: BTreeMap<QueueId, usize>,
}

impl Locks {
    pub fn lock(&mut self, key: MessageKey, owner: Owner) {
        let before = self.held.insert(key, Lock { owner, purge: None });
        assert!(before.is_none(), "{key:?} is locked by {before:?} and was given to {owner:?}");
        *self.by_queue.entry(key.queue).or_default() += 1;
    }

    /// Passes a lock on to another owner; what a purge noted on it stays.
    pub fn pass_on(&mut self, key: &MessageKey, owner: Owner) {
        let lock = self.held.get_mut(key).expect("only what is locked is passed on");
        lock.owner = owner;
    }

    pub fn release(&mut self, key: &MessageKey) -> Lock {
        let lock = self.held.remove(key).expect("whoever unlocks a message has locked it");
        let count = self.by_queue.get_mut(&key.queue).expect("a queue with a lock is counted");
        *count -= 1;
        if *count == 0 {
            self.by_queue.remove(&key.queue);
        }
        lock
    }

    pub fn contains(&self, key: &MessageKey) -> bool {
        self.held.contains_key(key)
    }

    pub fn get_mut(&mut self, key: &MessageKey) -> Option<&mut Lock> {
        self.held.get_mut(key)
    }

    pub fn count(&self, queue: QueueId) -> usize {
        self.by_queue.get(&queue).copied().unwrap_or(0)
    }

    pub fn len(&self) -> usize {
        self.held.len()
    }

    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// The locks from one place to another, both included.
    pub fn range(&self, from: MessageKey, through: MessageKey) -> impl Iterator<Item = (&MessageKey, &Lock)> {
        // A range that ends before it starts is empty here, not an error.
        self.held.range(from..).take_while(move |(key, _)| **key <= through)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&MessageKey, &Lock)> {
        self.held.iter()
    }
}
