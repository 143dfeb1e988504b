//! The purges and deletes under way: one line per queue, the first of which runs in bounded steps (P27).

use std::collections::{BTreeMap, VecDeque};

use super::RequestId;
use crate::command::Fate;
use crate::{MessageKey, QueueId};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Purge,
    Delete,
}

/// A purge or a delete.
#[derive(Debug)]
pub(super) struct Removal {
    pub kind: Kind,
    /// `None`: a delete that an earlier leader began.
    pub request: Option<RequestId>,
    pub fate: Fate,
    /// What is still to be swept: from one place through another. A purge takes what was there when it was asked, band by
    /// band; a delete everything.
    pub ranges: VecDeque<(MessageKey, MessageKey)>,
    pub removed: u64,
    pub running: bool,
}

#[derive(Debug, Default)]
pub(super) struct Removals {
    lines: BTreeMap<QueueId, VecDeque<Removal>>,
}

impl Removals {
    pub fn push(&mut self, queue: QueueId, removal: Removal) {
        self.lines.entry(queue).or_default().push_back(removal);
    }

    pub fn first_mut(&mut self, queue: QueueId) -> Option<&mut Removal> {
        self.lines.get_mut(&queue)?.front_mut()
    }

    pub fn pop(&mut self, queue: QueueId) -> Removal {
        let line = self.lines.get_mut(&queue).expect("a removal that ends stands in a line");
        let removal = line.pop_front().expect("a line is not empty");
        if line.is_empty() {
            self.lines.remove(&queue);
        }
        removal
    }

    /// A running sweep is about to take this message: nobody else may.
    pub fn sweeps_over(&self, key: &MessageKey) -> bool {
        let Some(first) = self.lines.get(&key.queue).and_then(VecDeque::front) else { return false };
        first.running && first.ranges.iter().any(|(from, through)| from <= key && key <= through)
    }

    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    pub fn drain(&mut self) -> impl Iterator<Item = Removal> {
        std::mem::take(&mut self.lines).into_values().flatten()
    }
}
