//! Purge, delete and expiry: messages that leave their queue without having been received, in bounded steps (P27).

use std::collections::BTreeSet;

use handfast_mutants::{Mutant, is};
use handfast_protocol::{DeadLetterReason, Timestamp};
use handfast_store::{Overlay, StoreError};

use super::State;
use super::ground::BANDS;
use super::keys::Key;
use super::messages::{Resting, expiry_of};
use super::records;
use crate::codec;
use crate::command::Fate;
use crate::limits::{SWEEP_BYTES_MAX, SWEEP_CHUNK, SWEEP_MESSAGES_MAX};
use crate::{Done, MessageKey, QueueId, Refused, StoredMessage};

/// One step of a purge or a delete.
#[derive(Debug)]
pub(super) struct Step {
    pub queue: QueueId,
    pub from: MessageKey,
    pub through: MessageKey,
    pub limit: u32,
    /// Held by active branches. Of a going queue they go all the same: what was received from it cannot be committed.
    pub locked: BTreeSet<MessageKey>,
    pub fate: Fate,
}

#[derive(Default)]
struct Progress {
    removed: u64,
    looked_at: u32,
    bytes: u64,
    /// The last message that was looked at.
    last: Option<MessageKey>,
}

impl State {
    pub(super) fn judge_sweep(&self, queue: QueueId, fate: Fate) -> Result<(), Refused> {
        if self.queues.get(queue).is_none() {
            return Err(Refused::QueueGone { queue });
        }
        match fate {
            Fate::DeadLetter(_) if queue == QueueId::DEAD_LETTER => Err(Refused::DeadLetterQueue),
            Fate::DeadLetter(_) | Fate::Discard => Ok(()),
        }
    }

    pub(super) fn apply_sweep(
        &mut self,
        overlay: &mut Overlay<'_>,
        now: Timestamp,
        step: Step,
    ) -> Result<Result<Done, Refused>, StoreError> {
        if let Err(refused) = self.judge_sweep(step.queue, step.fate) {
            return Ok(Err(refused));
        }
        let deleting = self.queues.get(step.queue).and_then(|entry| entry.record.deleting);
        let step = match deleting {
            Some(fate) => Step { locked: BTreeSet::new(), fate, ..step },
            None => step,
        };
        let (removed, next) = self.sweep(overlay, now, &step)?;
        let is_empty = self.queues.get(step.queue).is_some_and(|entry| entry.record.messages == 0);
        if deleting.is_some() && is_empty {
            self.queues.remove(overlay, step.queue);
        }
        Ok(Ok(Done::Swept { removed, next: next.filter(|_| !is_empty) }))
    }

    /// How many left, and where the next step starts.
    fn sweep(
        &mut self,
        overlay: &mut Overlay<'_>,
        now: Timestamp,
        step: &Step,
    ) -> Result<(u64, Option<MessageKey>), StoreError> {
        let limit = step.limit.clamp(1, SWEEP_MESSAGES_MAX);
        let mut progress = Progress::default();
        loop {
            let next = progress.last.map_or(step.from, |key| MessageKey { sequence: key.sequence + 1, ..key });
            if progress.looked_at >= limit || progress.bytes >= SWEEP_BYTES_MAX {
                return Ok((progress.removed, Some(next)));
            }
            let room = SWEEP_CHUNK.min((limit - progress.looked_at) as usize);
            let chunk = self.resting(overlay, step.queue, next, step.through, room)?;
            let is_last = chunk.len() < room;
            for (key, message) in chunk {
                progress.looked_at += 1;
                progress.bytes += message.size();
                progress.last = Some(key);
                progress.removed += u64::from(self.sweep_message(overlay, now, step, &key, message)?);
            }
            if is_last {
                return Ok((progress.removed, None));
            }
        }
    }

    /// Says whether it left; a locked one goes when its holder lets it go (P17). The first purge that found it decides how.
    fn sweep_message(
        &mut self,
        overlay: &mut Overlay<'_>,
        now: Timestamp,
        step: &Step,
        key: &MessageKey,
        message: StoredMessage,
    ) -> Result<bool, StoreError> {
        if self.branches.holder(key).is_none() && !step.locked.contains(key) {
            self.sweep_away(overlay, now, key, message, step.fate)?;
            return Ok(true);
        }
        let mut status = self.read_status(overlay, key)?;
        if status.purge.is_none() {
            status.purge = Some(matches!(step.fate, Fate::DeadLetter(_)));
            self.write_status(overlay, key, &status)?;
        }
        Ok(false)
    }

    /// At most `limit` messages of the queue in `from..=through`, in order, locked ones included.
    fn resting(
        &self,
        overlay: &Overlay<'_>,
        queue: QueueId,
        from: MessageKey,
        through: MessageKey,
        limit: usize,
    ) -> Result<Vec<(MessageKey, StoredMessage)>, StoreError> {
        let entry = self.queues.get(queue).expect("the step was judged");
        let mut found = Vec::new();
        for band in from.band..=through.band.min(BANDS - 1) {
            let first = if band == from.band { from.sequence } else { 0 };
            let last = if band == through.band { through.sequence } else { u64::MAX };
            for (start, end) in entry.resting(band, first, last) {
                let at = |sequence| Key::Message(MessageKey { queue, band, sequence });
                for (key, value) in records::range(overlay, &at(start), &at(end), limit - found.len())? {
                    let message = codec::decode_message(&value).map_err(|cause| records::unreadable(&key, &cause))?;
                    let Key::Message(key) = key else { unreachable!("the family holds only keys of its kind") };
                    found.push((key, message));
                }
                if found.len() >= limit {
                    return Ok(found);
                }
            }
        }
        Ok(found)
    }

    pub(super) fn apply_expire(
        &mut self,
        overlay: &mut Overlay<'_>,
        now: Timestamp,
        keys: &[MessageKey],
    ) -> Result<Done, StoreError> {
        let mut removed = Vec::new();
        let is_free = |key: &&MessageKey| self.branches.holder(key).is_none() || is(Mutant::ExpiresHeld);
        for key in keys.iter().filter(is_free).copied().collect::<Vec<_>>() {
            let Some(message) = self.read_message(overlay, &key)? else {
                continue;
            };
            if expiry_of(&key, &message).is_none_or(|time| time > now) {
                continue;
            }
            if message.properties.drop_expired {
                self.discard(overlay, &Resting::of(&key, &message))?;
            } else {
                let status = self.read_status(overlay, &key)?;
                self.bury(overlay, now, &key, message, DeadLetterReason::ReceiveTimeout, status)?;
            }
            removed.push(key);
        }
        Ok(Done::Removed(removed))
    }
}
