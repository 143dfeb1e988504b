//! What the manager asks of the state. The store it gives is what was applied so far.

use std::ops::ControlFlow;

use bytes::Bytes;
use handfast_mutants::{Mutant, is};
use handfast_protocol::{MessageId, ProducerName, QueueName, Timestamp, Xid};
use handfast_store::{Family, Overlay, Store, StoreError};

use super::branches::Branch;
use super::ground::BANDS;
use super::keys::{Key, KeyKind};
use super::producers::ProducerPlace;
use super::{State, records};
use crate::codec::{self, ProducerRecord};
use crate::command::Fate;
use crate::{BodyId, MessageKey, QueueId, QueueRecord, Status, StoredMessage};

impl State {
    /// Going queues are among them.
    pub fn queue(&self, id: QueueId) -> Option<&QueueRecord> {
        self.queues.get(id).map(|entry| &entry.record)
    }

    /// Going queues have no name any more.
    pub fn queue_named(&self, name: &QueueName) -> Option<&QueueRecord> {
        self.queue(self.queues.named(name)?)
    }

    /// In the order of their names; going ones are left out.
    pub fn queues(&self) -> impl Iterator<Item = &QueueRecord> {
        self.queues.in_use()
    }

    /// The queues whose delete is under way, and where their messages go: a new leader goes on sweeping them.
    pub fn deleting(&self) -> impl Iterator<Item = (QueueId, Fate)> {
        self.queues.all().filter_map(|entry| Some((entry.record.id, entry.record.deleting?)))
    }

    /// The prepared branch that received the message, or the branch whose held send it is.
    pub fn holder(&self, key: &MessageKey) -> Option<&Xid> {
        self.branches.holder(key)
    }

    /// How many messages of the queue have a holder.
    pub fn in_doubt_on(&self, queue: QueueId) -> u64 {
        self.branches.in_doubt_on(queue)
    }

    pub fn branches(&self) -> impl Iterator<Item = &Xid> {
        self.branches.prepared().map(|(xid, _)| xid)
    }

    /// The prepared branches in order, those up to and with `after` left out.
    pub fn branches_after(&self, after: Option<&Xid>) -> impl Iterator<Item = &Xid> {
        self.branches.prepared_after(after)
    }

    pub fn is_prepared(&self, xid: &Xid) -> bool {
        self.branches.get(xid).is_some()
    }

    pub fn branch(&self, xid: &Xid) -> Option<&Branch> {
        self.branches.get(xid)
    }

    /// The branch's committed sends wait for [`crate::Command::Release`] (P10).
    pub fn holds(&self, xid: &Xid) -> bool {
        self.branches.holds(xid)
    }

    /// The branches whose committed sends wait for [`crate::Command::Release`] (P10).
    pub fn holding(&self) -> impl Iterator<Item = &Xid> {
        self.branches.holders()
    }

    pub fn producer(&self, name: &ProducerName) -> Option<ProducerPlace> {
        let place = |record: &ProducerRecord| {
            let ProducerRecord { epoch, next, mark, .. } = *record;
            ProducerPlace { epoch, next, mark }
        };
        self.producers.get(name).map(place)
    }

    pub fn message(&self, store: &dyn Store, key: &MessageKey) -> Result<Option<StoredMessage>, StoreError> {
        let message = self.read_message(&Overlay::new(store), key)?;
        if let Some(message) = &message {
            self.recent.note(*key, message);
        }
        Ok(message)
    }

    pub fn status(&self, store: &dyn Store, key: &MessageKey) -> Result<Status, StoreError> {
        self.read_status(&Overlay::new(store), key)
    }

    /// `None` past the last part.
    pub fn body_part(&self, store: &dyn Store, body: BodyId, part: u32) -> Result<Option<Bytes>, StoreError> {
        let key = Key::BodyPart(body, part);
        store.get(key.family(), &key.encode())
    }

    pub fn dead_letter_key(&self, store: &dyn Store, id: MessageId) -> Result<Option<MessageKey>, StoreError> {
        records::get(&Overlay::new(store), &Key::DeadLetter(id), |bytes| codec::decode_message_key(bytes))
    }

    /// Visits the messages of a queue in order, locked ones included, after `after` or from the start. Ends after `limit`
    /// messages, once those visited have `bytes_max` bytes together (the first is visited in any case), or when the visitor
    /// breaks.
    pub fn scan(
        &self,
        store: &dyn Store,
        queue: QueueId,
        after: Option<MessageKey>,
        limit: usize,
        bytes_max: usize,
        visit: &mut dyn FnMut(MessageKey, StoredMessage) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        let Some(entry) = self.queues.get(queue) else {
            return Ok(());
        };
        let visit = &mut |key, message: StoredMessage| {
            self.recent.note(key, &message);
            visit(key, message)
        };
        let mut window = Window { left: limit, bytes_left: bytes_max.max(1), failed: None, visit };
        for band in after.map_or(0, |key| key.band)..BANDS {
            let from = match after {
                Some(key) if key.band == band => key.sequence.saturating_add(1),
                Some(_) | None => 0,
            };
            for (start, end) in entry.resting(band, from, u64::MAX) {
                let at = |sequence| Key::Message(MessageKey { queue, band, sequence }).encode();
                if window.is_full() {
                    return Ok(());
                }
                store.scan(Family::Messages, &at(start), &at(end), &mut |key, value| window.take(key, value))?;
                if let Some(failed) = window.failed {
                    return Err(failed);
                }
            }
        }
        Ok(())
    }

    /// At most `limit` messages whose time to be received has run out, due ones first, those with a holder left out.
    pub fn expired(&self, store: &dyn Store, now: Timestamp, limit: usize) -> Result<Vec<MessageKey>, StoreError> {
        let mut found = Vec::new();
        self.visit_expiry(store, &mut |time, key| {
            if time <= now && found.len() < limit {
                found.push(key);
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        })?;
        Ok(found)
    }

    /// When [`State::expired`] will find something next.
    pub fn next_expiry(&self, store: &dyn Store) -> Result<Option<Timestamp>, StoreError> {
        let mut next = None;
        self.visit_expiry(store, &mut |time, _| {
            next = Some(time);
            ControlFlow::Break(())
        })?;
        Ok(next)
    }

    fn visit_expiry(
        &self,
        store: &dyn Store,
        visit: &mut dyn FnMut(Timestamp, MessageKey) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        let (start, end) = KeyKind::Expiry.range();
        let mut failed = None;
        store.scan(Family::State, &start, &end, &mut |key, _| match records::decode_key(Family::State, key) {
            Ok(Key::Expiry(_, key)) if self.branches.holder(&key).is_some() && !is(Mutant::ExpiresHeld) => {
                ControlFlow::Continue(())
            }
            Ok(Key::Expiry(time, key)) => visit(time, key),
            Ok(_) => unreachable!("the range holds only keys of its kind"),
            Err(error) => {
                failed = Some(error);
                ControlFlow::Break(())
            }
        })?;
        failed.map_or(Ok(()), Err)
    }
}

/// The bounds of one scan, and its visitor.
struct Window<'a> {
    left: usize,
    bytes_left: usize,
    failed: Option<StoreError>,
    visit: &'a mut dyn FnMut(MessageKey, StoredMessage) -> ControlFlow<()>,
}

impl Window<'_> {
    fn is_full(&self) -> bool {
        self.left == 0 || self.bytes_left == 0
    }

    fn take(&mut self, key: &[u8], value: &[u8]) -> ControlFlow<()> {
        let decoded = records::decode_key(Family::Messages, key).and_then(|key| {
            let message = codec::decode_message(&Bytes::copy_from_slice(value));
            message.map(|message| (key.clone(), message)).map_err(|cause| records::unreadable(&key, &cause))
        });
        match decoded {
            Ok((Key::Message(key), message)) => {
                self.left -= 1;
                self.bytes_left = self.bytes_left.saturating_sub(value.len());
                if (self.visit)(key, message).is_break() {
                    self.left = 0;
                }
            }
            Ok(_) => unreachable!("the family holds only keys of its kind"),
            Err(failed) => {
                self.failed = Some(failed);
                return ControlFlow::Break(());
            }
        }
        if self.is_full() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}
