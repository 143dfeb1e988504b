//! What failed receives leave on a message, the way to the dead-letter queue, and the way back (P22, G5).

use std::collections::BTreeSet;
use std::time::Duration;

use handfast_mutants::{Mutant, is};
use handfast_protocol::limits::ERROR_TEXT_BYTES_MAX;
use handfast_protocol::{DeadLetterReason, QueueName, Timestamp};
use handfast_store::{Overlay, StoreError};

use super::State;
use super::messages::Resting;
use crate::limits::{RETRY_DELAY_FACTOR, RETRY_DELAY_FIRST, RETRY_DELAY_MAX};
use crate::{Blame, Done, MessageKey, QueueId, QueueSettings, Refused, Status, StoredMessage};

impl State {
    /// Counts what happened to the messages of a branch that was active until now, and moves those that had enough to the
    /// dead-letter queue, all in one record. What somebody else holds by now, or what is gone, is passed over.
    pub(super) fn apply_return(
        &mut self,
        overlay: &mut Overlay<'_>,
        now: Timestamp,
        keys: &[MessageKey],
        blame: &Blame,
    ) -> Result<Done, StoreError> {
        let mut left = Vec::new();
        for key in keys.iter().copied().collect::<BTreeSet<_>>() {
            if self.branches.holder(&key).is_some() {
                continue;
            }
            let Some(message) = self.read_message(overlay, &key)? else {
                continue;
            };
            if self.end_purge(overlay, now, &key)? || self.count(overlay, now, &key, message, blame)? {
                left.push(key);
            }
        }
        Ok(Done::Removed(left))
    }

    /// Says whether the message had enough and left.
    fn count(
        &mut self,
        overlay: &mut Overlay<'_>,
        now: Timestamp,
        key: &MessageKey,
        message: StoredMessage,
        blame: &Blame,
    ) -> Result<bool, StoreError> {
        let mut status = self.read_status(overlay, key)?;
        let settings = &self.queues.get(key.queue).expect("the message was found in it").record.settings;
        let reason = blamed(&mut status, now, settings, blame);
        match reason {
            Some(reason) if key.queue != QueueId::DEAD_LETTER => {
                self.bury(overlay, now, key, message, reason, status)?;
                Ok(true)
            }
            Some(_) | None => {
                self.write_status(overlay, key, &status)?;
                Ok(false)
            }
        }
    }

    /// Where each of the dead letters goes.
    pub(super) fn judge_return_dead_letters(
        &self,
        overlay: &Overlay<'_>,
        keys: &[MessageKey],
        to: Option<QueueId>,
    ) -> Result<Result<Vec<(StoredMessage, QueueId)>, Refused>, StoreError> {
        match to {
            Some(QueueId::DEAD_LETTER) => return Ok(Err(Refused::DeadLetterQueue)),
            Some(queue) if self.queues.open_for_use(queue).is_none() => return Ok(Err(Refused::QueueGone { queue })),
            Some(_) | None => {}
        }
        let (mut named, mut letters) = (BTreeSet::new(), Vec::with_capacity(keys.len()));
        for key in keys {
            let free = key.queue == QueueId::DEAD_LETTER && self.branches.holder(key).is_none() && named.insert(*key);
            let message = if free { self.read_message(overlay, key)? } else { None };
            let Some(message) = message else {
                return Ok(Err(Refused::DeadLetterGone { message: *key }));
            };
            let origin = message.dead_letter.as_ref().map(|dead| &dead.queue);
            match to.or_else(|| self.queues.named(origin?)) {
                Some(queue) => letters.push((message, queue)),
                None => {
                    let name = origin.cloned().unwrap_or_else(QueueName::dead_letter);
                    return Ok(Err(Refused::OriginGone { name }));
                }
            }
        }
        Ok(Ok(letters))
    }

    /// They start again as new arrivals, with nothing counted; a time to be received that ran out does not hold again.
    pub(super) fn apply_return_dead_letters(
        &mut self,
        overlay: &mut Overlay<'_>,
        now: Timestamp,
        keys: &[MessageKey],
        to: Option<QueueId>,
    ) -> Result<Result<Done, Refused>, StoreError> {
        let letters = match self.judge_return_dead_letters(overlay, keys, to)? {
            Ok(letters) => letters,
            Err(refused) => return Ok(Err(refused)),
        };
        let mut places = Vec::with_capacity(letters.len());
        for (key, (mut message, queue)) in keys.iter().zip(letters) {
            self.take(overlay, &Resting::of(key, &message))?;
            message.properties.time_to_be_received = None;
            message.arrived_at = now;
            message.dead_letter = None;
            message.dead_attempts = 0;
            message.dead_abandoned = 0;
            places.push(self.place(overlay, queue, &message));
        }
        Ok(Ok(Done::Committed(places)))
    }
}

/// Counts one failed receive, and says why the message is dead if it had enough. Only what the message itself caused
/// counts in `attempts` and waits (P22).
fn blamed(status: &mut Status, now: Timestamp, settings: &QueueSettings, blame: &Blame) -> Option<DeadLetterReason> {
    match blame {
        Blame::Message { .. } if is(Mutant::CountsNoAttempt) => {}
        Blame::Message { error } | Blame::Reject { error } => {
            status.attempts = status.attempts.saturating_add(1);
            status.not_before = now.after(retry_delay(status.attempts));
            status.error = cut(error).to_owned();
        }
        Blame::Vanished if is(Mutant::BlamesMessages) => status.abandoned = settings.max_abandoned,
        Blame::Vanished => status.abandoned = status.abandoned.saturating_add(1),
    }
    match blame {
        Blame::Reject { .. } => Some(DeadLetterReason::Rejected),
        Blame::Message { .. } if status.attempts >= settings.max_attempts => Some(DeadLetterReason::MaxAttempts),
        Blame::Vanished if status.abandoned >= settings.max_abandoned => Some(DeadLetterReason::MaxAbandoned),
        Blame::Message { .. } | Blame::Vanished => None,
    }
}

/// How long a message waits after so many failed attempts.
fn retry_delay(attempts: u32) -> Duration {
    let factor = RETRY_DELAY_FACTOR.saturating_pow(attempts.saturating_sub(1));
    RETRY_DELAY_FIRST.saturating_mul(factor).min(RETRY_DELAY_MAX)
}

/// The error text as far as it is kept, cut at a character boundary.
fn cut(error: &str) -> &str {
    &error[..error.floor_char_boundary(ERROR_TEXT_BYTES_MAX)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p22_the_delay_grows_to_its_bound() {
        let millis: Vec<u128> = (1..=8).map(|attempts| retry_delay(attempts).as_millis()).collect();
        assert_eq!(millis, [100, 400, 1_600, 6_400, 25_600, 60_000, 60_000, 60_000]);
        assert_eq!(retry_delay(u32::MAX), RETRY_DELAY_MAX);
    }

    #[test]
    fn a_long_error_is_cut_at_a_character() {
        let error = "ö".repeat(ERROR_TEXT_BYTES_MAX);
        assert_eq!(cut(&error).len(), ERROR_TEXT_BYTES_MAX);
        assert_eq!(cut(&format!("x{error}")).len(), ERROR_TEXT_BYTES_MAX - 1);
        assert_eq!(cut("short"), "short");
    }
}
