//! How a message comes into a queue and leaves it: the only place that writes `Messages` and its indexes.

use handfast_mutants::{Mutant, is};
use handfast_protocol::{DeadLetter, DeadLetterReason, MessageId, Priority, Timestamp};
use handfast_store::{Overlay, StoreError};

use super::State;
use super::ground::BANDS;
use super::keys::Key;
use super::records;
use super::staging::delete_body;
use crate::codec;
use crate::command::Fate;
use crate::limits::INLINE_BODY_BYTES_MAX;
use crate::{Body, MessageKey, OutgoingMessage, QueueId, Status, StoredMessage};

/// What it takes to remove a message from its queue: not its inline body, so that a long list of them is small.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Resting {
    pub key: MessageKey,
    id: MessageId,
    size: u64,
    expires_at: Option<Timestamp>,
    /// Where its body rests, if apart.
    apart: Option<Body>,
}

impl Resting {
    pub(super) fn of(key: &MessageKey, message: &StoredMessage) -> Resting {
        let apart = match &message.body {
            Body::Inline(_) => None,
            apart @ Body::Apart { .. } => Some(apart.clone()),
        };
        Resting { key: *key, id: message.id, size: message.size(), expires_at: expiry_of(key, message), apart }
    }
}

impl State {
    /// Gives a send its place: the next one of its queue and band, so that order is commit order (G4).
    pub(super) fn place_send(
        &mut self,
        overlay: &mut Overlay<'_>,
        now: Timestamp,
        send: OutgoingMessage,
    ) -> MessageKey {
        let OutgoingMessage { queue, id, properties, body, sent_at } = send;
        let body = self.staging.settle(overlay, id, body, INLINE_BODY_BYTES_MAX);
        let message = StoredMessage {
            id,
            properties,
            body,
            sent_at,
            arrived_at: now,
            dead_letter: None,
            dead_attempts: 0,
            dead_abandoned: 0,
        };
        self.place(overlay, queue, &message)
    }

    pub(super) fn place(&mut self, overlay: &mut Overlay<'_>, queue: QueueId, message: &StoredMessage) -> MessageKey {
        let key = self.queues.change(queue).arrive(band_in(queue, message), message.size());
        records::put(overlay, &Key::Message(key), codec::encode_message(message));
        if let Some(time) = expiry_of(&key, message) {
            records::put(overlay, &Key::Expiry(time, key), codec::presence());
        }
        if queue == QueueId::DEAD_LETTER {
            records::put(overlay, &Key::DeadLetter(message.id), codec::encode_message_key(&key));
        }
        key
    }

    /// Takes a message out of its queue; where it rests apart, its body stays for whoever owns it next.
    pub(super) fn take(&mut self, overlay: &mut Overlay<'_>, message: &Resting) -> Result<(), StoreError> {
        let Resting { key, id, size, expires_at, .. } = message;
        self.recent.forget(key);
        records::delete(overlay, &Key::Message(*key));
        if let Some(time) = expires_at {
            records::delete(overlay, &Key::Expiry(*time, *key));
        }
        if key.queue == QueueId::DEAD_LETTER {
            records::delete(overlay, &Key::DeadLetter(*id));
        }
        self.clear_status(overlay, key)?;
        let entry = self.queues.change(key.queue);
        entry.leave(key, *size);
        if entry.ground.is_crowded() {
            self.clear_ground(overlay, key.queue)?;
        }
        Ok(())
    }

    /// The message leaves for good: received, expired, or purged.
    pub(super) fn discard(&mut self, overlay: &mut Overlay<'_>, message: &Resting) -> Result<(), StoreError> {
        self.take(overlay, message)?;
        if let Some(body) = &message.apart {
            delete_body(overlay, body);
        }
        Ok(())
    }

    /// Moves a message to the dead-letter queue, with what its consumers left on it (G5). It keeps its body where it rests.
    pub(super) fn bury(
        &mut self,
        overlay: &mut Overlay<'_>,
        now: Timestamp,
        key: &MessageKey,
        mut message: StoredMessage,
        reason: DeadLetterReason,
        status: Status,
    ) -> Result<(), StoreError> {
        assert_ne!(key.queue, QueueId::DEAD_LETTER, "a dead letter dies no second time");
        if !is(Mutant::DiesAndLives) {
            self.take(overlay, &Resting::of(key, &message))?;
        }
        let entry = self.queues.get(key.queue).expect("the message was counted in it just above");
        let queue = entry.record.name.clone();
        message.dead_letter = Some(DeadLetter { queue, reason, error: status.error, dead_at: now });
        message.dead_attempts = status.attempts;
        message.dead_abandoned = status.abandoned;
        self.place(overlay, QueueId::DEAD_LETTER, &message);
        Ok(())
    }

    /// What a purge or a delete does to a message that nobody holds.
    pub(super) fn sweep_away(
        &mut self,
        overlay: &mut Overlay<'_>,
        now: Timestamp,
        key: &MessageKey,
        message: StoredMessage,
        fate: Fate,
    ) -> Result<(), StoreError> {
        match fate {
            Fate::Discard => self.discard(overlay, &Resting::of(key, &message)),
            Fate::DeadLetter(reason) => {
                let status = self.read_status(overlay, key)?;
                self.bury(overlay, now, key, message, reason, status)
            }
        }
    }

    /// Ends a purge that found the message locked, now that its holder has let it go (P17). Says whether it left.
    pub(super) fn end_purge(
        &mut self,
        overlay: &mut Overlay<'_>,
        now: Timestamp,
        key: &MessageKey,
    ) -> Result<bool, StoreError> {
        let Some(to_dead_letter) = self.read_status(overlay, key)?.purge else {
            return Ok(false);
        };
        let message = records::must_get(overlay, &Key::Message(*key), codec::decode_message)?;
        let fate = if to_dead_letter { Fate::DeadLetter(DeadLetterReason::Purged) } else { Fate::Discard };
        self.sweep_away(overlay, now, key, message, fate)?;
        Ok(true)
    }

    pub(super) fn read_message(
        &self,
        overlay: &Overlay<'_>,
        key: &MessageKey,
    ) -> Result<Option<StoredMessage>, StoreError> {
        records::get(overlay, &Key::Message(*key), codec::decode_message)
    }

    /// The default while there is nothing to say; most queues never have a status record, and then none is looked for.
    pub(super) fn read_status(&self, overlay: &Overlay<'_>, key: &MessageKey) -> Result<Status, StoreError> {
        if self.queues.get(key.queue).is_none_or(|entry| entry.statuses == 0) {
            return Ok(Status::default());
        }
        let status = records::get(overlay, &Key::Status(*key), |bytes| codec::decode_status(bytes))?;
        Ok(status.unwrap_or_default())
    }

    /// The message must be in its queue.
    pub(super) fn write_status(
        &mut self,
        overlay: &mut Overlay<'_>,
        key: &MessageKey,
        status: &Status,
    ) -> Result<(), StoreError> {
        let encoded = Key::Status(*key);
        if overlay.get(encoded.family(), &encoded.encode())?.is_none() {
            self.queues.change(key.queue).statuses += 1;
        }
        records::put(overlay, &encoded, codec::encode_status(status));
        Ok(())
    }

    fn clear_status(&mut self, overlay: &mut Overlay<'_>, key: &MessageKey) -> Result<(), StoreError> {
        let entry = self.queues.change(key.queue);
        let status = Key::Status(*key);
        if entry.statuses > 0 && overlay.get(status.family(), &status.encode())?.is_some() {
            entry.statuses -= 1;
            records::delete(overlay, &status);
        }
        Ok(())
    }

    /// Too many stretches of the queue are gone: moves its heads to what is found resting, and forgets the shortest.
    fn clear_ground(&mut self, overlay: &Overlay<'_>, queue: QueueId) -> Result<(), StoreError> {
        for band in 0..BANDS {
            let entry = self.queues.get(queue).expect("the caller has changed it");
            let first = first_resting(overlay, queue, band, &entry.resting(band, 0, u64::MAX))?;
            let entry = self.queues.change(queue);
            let first = first.unwrap_or(entry.record.next_sequence[usize::from(band)]);
            entry.ground.raise(&mut entry.record.head, band, first);
        }
        let entry = self.queues.change(queue);
        if entry.ground.is_crowded() {
            entry.ground.thin();
        }
        Ok(())
    }
}

fn first_resting(
    overlay: &Overlay<'_>,
    queue: QueueId,
    band: u8,
    stretches: &[(u64, u64)],
) -> Result<Option<u64>, StoreError> {
    for (from, end) in stretches {
        let at = |sequence| Key::Message(MessageKey { queue, band, sequence });
        if let Some((Key::Message(key), _)) = records::range(overlay, &at(*from), &at(*end), 1)?.into_iter().next() {
            return Ok(Some(key.sequence));
        }
    }
    Ok(None)
}

/// The dead-letter queue is in the order of death: one band for all; the priority stays with the message.
fn band_in(queue: QueueId, message: &StoredMessage) -> u8 {
    let priority = if queue == QueueId::DEAD_LETTER { Priority::default() } else { message.properties.priority };
    MessageKey::band_of(priority)
}

/// Dead letters never expire.
pub(super) fn expiry_of(key: &MessageKey, message: &StoredMessage) -> Option<Timestamp> {
    message.expires_at().filter(|_| key.queue != QueueId::DEAD_LETTER)
}
