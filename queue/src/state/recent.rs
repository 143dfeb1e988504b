//! Messages that were read lately where they lie: whoever reads one is likely to receive it, and its commit asks for it again.

use std::cell::RefCell;
use std::collections::BTreeMap;

use super::messages::Resting;
use crate::limits::RECENT_MESSAGES_MAX;
use crate::{MessageKey, StoredMessage};

/// Says nothing that the store does not: two states are the same whatever is kept here.
#[derive(Debug, Clone, Default)]
pub(super) struct Recent(RefCell<Generations>);

/// The elder half goes when the younger one is full.
#[derive(Debug, Clone, Default)]
struct Generations {
    young: BTreeMap<MessageKey, Resting>,
    old: BTreeMap<MessageKey, Resting>,
}

impl Recent {
    /// The message was read, and is there.
    pub fn note(&self, key: MessageKey, message: &StoredMessage) {
        let Generations { young, old } = &mut *self.0.borrow_mut();
        if young.len() >= RECENT_MESSAGES_MAX / 2 {
            *old = std::mem::take(young);
        }
        young.insert(key, Resting::of(&key, message));
    }

    pub fn get(&self, key: &MessageKey) -> Option<Resting> {
        let generations = self.0.borrow();
        generations.young.get(key).or_else(|| generations.old.get(key)).cloned()
    }

    /// The message leaves its place.
    pub fn forget(&mut self, key: &MessageKey) {
        let Generations { young, old } = self.0.get_mut();
        young.remove(key);
        old.remove(key);
    }

    /// All that is kept.
    pub fn all(&self) -> Vec<Resting> {
        let generations = self.0.borrow();
        generations.young.values().chain(generations.old.values()).cloned().collect()
    }
}

impl PartialEq for Recent {
    fn eq(&self, _: &Recent) -> bool {
        true
    }
}

impl Eq for Recent {}
