//! The ready windows of the queues in use, and their bounds together (G7). A queue that nobody reads has none.

use std::collections::{BTreeMap, BTreeSet};

use super::Sizes;
use super::limits::WINDOWS_MAX;
use super::window::{Entry, Window};
use crate::{MessageKey, QueueId};

#[derive(Debug)]
pub(super) struct Ready {
    sizes: Sizes,
    windows: BTreeMap<QueueId, Held>,
    /// Windows that nobody waits on, the least recently used first.
    resting: BTreeSet<(u64, QueueId)>,
    uses: u64,
    /// Bytes of messages that all windows keep.
    cached: usize,
}

#[derive(Debug)]
struct Held {
    window: Window,
    /// Its place in `resting`; `None` while somebody waits.
    rests: Option<u64>,
}

impl Ready {
    pub fn new(sizes: Sizes) -> Ready {
        Ready { sizes, windows: BTreeMap::new(), resting: BTreeSet::new(), uses: 0, cached: 0 }
    }

    /// Works on a queue's window, and makes one if there is none.
    pub fn edit<T>(&mut self, queue: QueueId, work: impl FnOnce(&mut Window) -> T) -> T {
        let fresh = || Held { window: Window::new(&self.sizes), rests: None };
        let window = &mut self.windows.entry(queue).or_insert_with(fresh).window;
        let before = window.cached();
        let done = work(window);
        self.cached = self.cached - before + window.cached();
        done
    }

    /// Works on a queue's window if it has one.
    pub fn touch(&mut self, queue: QueueId, work: impl FnOnce(&mut Window)) {
        if self.windows.contains_key(&queue) {
            self.edit(queue, work);
        }
    }

    pub fn get(&self, queue: QueueId) -> Option<&Window> {
        self.windows.get(&queue).map(|held| &held.window)
    }

    /// A message that became free.
    pub fn insert(&mut self, key: MessageKey, entry: Entry) {
        self.touch(key.queue, |window| window.insert(key, entry));
    }

    /// Bytes of messages that windows may keep beside those they have.
    pub fn room(&self) -> usize {
        self.sizes.ready_bytes_max.saturating_sub(self.cached)
    }

    /// Nobody waits on the queue any more: its window may go when others need the room.
    pub fn rest(&mut self, queue: QueueId) {
        let Some(held) = self.windows.get_mut(&queue) else { return };
        self.uses += 1;
        if let Some(before) = held.rests.replace(self.uses) {
            self.resting.remove(&(before, queue));
        }
        self.resting.insert((self.uses, queue));
        if self.resting.len() > WINDOWS_MAX {
            let (_, idle) = self.resting.first().copied().expect("it is over its limit");
            self.drop_window(idle);
        }
    }

    /// Somebody waits on the queue: its window stays.
    pub fn pin(&mut self, queue: QueueId) {
        let Some(held) = self.windows.get_mut(&queue) else { return };
        if let Some(before) = held.rests.take() {
            self.resting.remove(&(before, queue));
        }
    }

    /// Forgets what is known of the queue; the next search starts at its head.
    pub fn drop_window(&mut self, queue: QueueId) {
        let Some(held) = self.windows.remove(&queue) else { return };
        self.cached -= held.window.cached();
        if let Some(place) = held.rests {
            self.resting.remove(&(place, queue));
        }
    }

    pub fn windows(&self) -> impl Iterator<Item = (QueueId, &Window)> {
        self.windows.iter().map(|(queue, held)| (*queue, &held.window))
    }

    pub fn cached(&self) -> usize {
        self.cached
    }
}
