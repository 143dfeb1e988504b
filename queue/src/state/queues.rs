//! The mirror of all queues: what every command looks at, without reading the store.

use std::collections::{BTreeMap, BTreeSet};

use handfast_protocol::{QueueName, Timestamp};
use handfast_store::{Overlay, StoreError};

use super::ground::Ground;
use super::keys::{Key, KeyKind};
use super::records;
use crate::codec::{self, Counters};
use crate::command::Fate;
use crate::{MessageKey, QueueId, QueueRecord, QueueSettings};

/// Invariant: after [`Queues::finish`] it equals what [`Queues::open`] reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Queues {
    /// Ids are never given again (the dead-letter queue has the first).
    next_id: u32,
    by_id: BTreeMap<QueueId, Entry>,
    /// By folded name; going queues are not in it, so that their names are free.
    by_name: BTreeMap<String, QueueId>,
    /// Whose counters this log entry changed.
    changed: BTreeSet<QueueId>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub record: QueueRecord,
    /// Messages with a status record: while there is none, none is looked for.
    pub statuses: u64,
    pub ground: Ground,
}

impl Queues {
    pub(super) fn open(overlay: &Overlay<'_>) -> Result<Queues, StoreError> {
        let next_id = records::get(overlay, &Key::Meta, |bytes| codec::decode_meta(bytes))?.unwrap_or(0);
        let mut queues = Queues { next_id, by_id: BTreeMap::new(), by_name: BTreeMap::new(), changed: BTreeSet::new() };
        for (key, value) in records::all(overlay, KeyKind::Queue)? {
            let Key::Queue(id) = key else { unreachable!("the range holds only keys of its kind") };
            let record = codec::decode_queue(id, &value).map_err(|cause| records::unreadable(&key, &cause))?;
            if record.deleting.is_none() {
                queues.by_name.insert(record.name.folded().to_owned(), id);
            }
            queues.by_id.insert(id, Entry { record, statuses: 0, ground: Ground::default() });
        }
        for (key, value) in records::all(overlay, KeyKind::Counters)? {
            let Key::Counters(id) = key else { unreachable!("the range holds only keys of its kind") };
            let counters = codec::decode_counters(&value).map_err(|cause| records::unreadable(&key, &cause))?;
            if let Some(entry) = queues.by_id.get_mut(&id) {
                entry.set_counters(counters);
            }
        }
        Ok(queues)
    }

    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(super) fn get(&self, id: QueueId) -> Option<&Entry> {
        self.by_id.get(&id)
    }

    /// The queue, if it takes messages and gives them: not a going one.
    pub(super) fn open_for_use(&self, id: QueueId) -> Option<&Entry> {
        self.by_id.get(&id).filter(|entry| entry.record.deleting.is_none())
    }

    pub(super) fn named(&self, name: &QueueName) -> Option<QueueId> {
        self.by_name.get(name.folded()).copied()
    }

    /// Those that have names, in the order of their names.
    pub(super) fn in_use(&self) -> impl Iterator<Item = &QueueRecord> {
        self.by_name.values().filter_map(|id| self.by_id.get(id)).map(|entry| &entry.record)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Entry> {
        self.by_id.values()
    }

    pub(super) fn next_id(&self) -> u32 {
        self.next_id
    }

    /// The caller has checked that the name is free and that there is room.
    pub(super) fn create(
        &mut self,
        overlay: &mut Overlay<'_>,
        now: Timestamp,
        name: QueueName,
        settings: QueueSettings,
        owner: String,
    ) -> QueueId {
        let id = QueueId(self.next_id);
        self.next_id += 1;
        records::put(overlay, &Key::Meta, codec::encode_meta(self.next_id));
        let record = QueueRecord {
            id,
            name,
            settings,
            created_at: now,
            owner,
            next_sequence: [0; 8],
            head: [0; 8],
            messages: 0,
            bytes: 0,
            deleting: None,
        };
        records::put(overlay, &Key::Queue(id), codec::encode_queue(&record));
        self.by_name.insert(record.name.folded().to_owned(), id);
        self.by_id.insert(id, Entry { record, statuses: 0, ground: Ground::default() });
        id
    }

    /// From here on it is invisible, and its name is free.
    pub(super) fn begin_delete(&mut self, overlay: &mut Overlay<'_>, id: QueueId, fate: Fate) {
        let entry = self.by_id.get_mut(&id).expect("the caller has looked it up");
        assert!(entry.record.deleting.is_none(), "the caller has looked that it is in use");
        entry.record.deleting = Some(fate);
        self.by_name.remove(entry.record.name.folded());
        records::put(overlay, &Key::Queue(id), codec::encode_queue(&entry.record));
    }

    /// The end of a going queue that has become empty.
    pub(super) fn remove(&mut self, overlay: &mut Overlay<'_>, id: QueueId) {
        let entry = self.by_id.remove(&id).expect("the caller has looked it up");
        assert!(entry.record.deleting.is_some(), "a queue goes only after its delete was applied");
        assert_eq!(entry.record.messages, 0, "a queue goes only when its messages are gone");
        self.changed.remove(&id);
        records::delete(overlay, &Key::Queue(id));
        records::delete(overlay, &Key::Counters(id));
    }

    /// For a change of its counters.
    ///
    /// # Panics
    /// When there is no such queue: the caller has judged the command.
    pub(super) fn change(&mut self, id: QueueId) -> &mut Entry {
        self.changed.insert(id);
        self.by_id.get_mut(&id).expect("a judged command names a queue that exists")
    }

    /// Writes the counters of the queues that the log entry changed, once each.
    pub(super) fn finish(&mut self, overlay: &mut Overlay<'_>) {
        for id in std::mem::take(&mut self.changed) {
            let entry = self.by_id.get(&id).expect("a removed queue is taken off the list");
            records::put(overlay, &Key::Counters(id), codec::encode_counters(&entry.counters()));
        }
    }
}

impl Entry {
    /// The next place in `band`.
    pub(super) fn arrive(&mut self, band: u8, size: u64) -> MessageKey {
        let next = &mut self.record.next_sequence[usize::from(band)];
        let key = MessageKey { queue: self.record.id, band, sequence: *next };
        *next += 1;
        self.record.messages += 1;
        self.record.bytes += size;
        key
    }

    pub(super) fn leave(&mut self, key: &MessageKey, size: u64) {
        assert!(self.record.messages > 0, "a message that leaves was counted when it arrived");
        assert!(self.record.bytes >= size, "a message that leaves was counted when it arrived");
        self.record.messages -= 1;
        self.record.bytes -= size;
        if self.record.messages == 0 {
            self.ground.clear();
            self.record.head = self.record.next_sequence;
        } else {
            self.ground.remove(&mut self.record.head, key.band, key.sequence);
        }
    }

    /// Where messages of `band` may rest within `from..=through`, ascending and half-open.
    pub(super) fn resting(&self, band: u8, from: u64, through: u64) -> Vec<(u64, u64)> {
        let at = usize::from(band);
        let end = through.saturating_add(1).min(self.record.next_sequence[at]);
        self.ground.resting(band, from.max(self.record.head[at]), end)
    }

    fn counters(&self) -> Counters {
        Counters {
            next_sequence: self.record.next_sequence,
            head: self.record.head,
            messages: self.record.messages,
            bytes: self.record.bytes,
            statuses: self.statuses,
            gone: self.ground.stretches(),
        }
    }

    fn set_counters(&mut self, counters: Counters) {
        let Counters { next_sequence, head, messages, bytes, statuses, gone } = counters;
        self.record = QueueRecord { next_sequence, head, messages, bytes, ..self.record.clone() };
        self.statuses = statuses;
        self.ground = Ground::from_stretches(gone);
    }
}
