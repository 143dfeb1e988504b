//! Queues as they are made and looked at; peeks.

use std::ops::ControlFlow;

use bytes::Bytes;
use handfast_protocol::{Message, ProducerName, QueueName};
use handfast_store::StoreError;

use super::in_flight::Continuation;
use super::limits::{PEEK_BYTES_MAX, PEEK_MESSAGES_MAX, REFILL_BYTES_MAX};
use super::turn::{Caller, Reply, Turn};
use super::window::Reading;
use super::{Answer, Manager, QueueView, Received, RequestRefused};
use crate::{Body, BodyId, Command, MessageKey, QueueId, QueueRecord, QueueSettings, StoredMessage};

impl Manager {
    pub(super) fn create_queue(
        &mut self,
        turn: &mut Turn<'_>,
        caller: Caller,
        name: QueueName,
        settings: QueueSettings,
    ) -> Reply {
        let command = Command::CreateQueue { name, settings, principal: String::new() };
        self.in_flight.propose(turn.out, command, Continuation::Create { request: caller.request });
        Ok(None)
    }

    pub(super) fn list_queues(&self, turn: &Turn<'_>) -> Answer {
        Answer::Queues(turn.state.queues().map(|record| self.view(turn, record)).collect())
    }

    pub(super) fn show_queue(&self, turn: &Turn<'_>, name: &QueueName) -> Reply {
        let record = named(turn, name)?;
        Ok(Some(Answer::Queue(self.view(turn, record))))
    }

    fn view(&self, turn: &Turn<'_>, record: &QueueRecord) -> QueueView {
        QueueView {
            name: record.name.clone(),
            settings: record.settings.clone(),
            created_at: record.created_at,
            messages: record.messages,
            bytes: record.bytes,
            locked: self.locks.count(record.id) as u64,
            in_doubt: turn.state.in_doubt_on(record.id),
            waiting_receives: self.waiting.count(record.id) as u64,
            exclusive_reader: self.exclusive.reader(record.id).is_some(),
        }
    }

    pub(super) fn show_producer(turn: &Turn<'_>, producer: &ProducerName) -> Answer {
        match turn.state.producer(producer) {
            Some(place) => Answer::Producer(place),
            None => Answer::UnknownProducer,
        }
    }

    /// Pages run from the last key of the page before; an empty page is the end.
    pub(super) fn peek(
        &self,
        turn: &Turn<'_>,
        name: &QueueName,
        after: Option<MessageKey>,
        limit: usize,
        body_bytes: usize,
    ) -> Reply {
        let queue = named(turn, name)?.id;
        let limit = limit.min(PEEK_MESSAGES_MAX);
        let mut page: Vec<Received> = Vec::new();
        let (mut bytes, mut from) = (0, after);
        while page.len() < limit && bytes < PEEK_BYTES_MAX {
            let found = scan(turn, queue, from, limit)?;
            let Some((last, _)) = found.last() else { break };
            from = Some(*last);
            for (key, message) in found {
                if page.len() == limit || bytes >= PEEK_BYTES_MAX {
                    break;
                }
                if has_expired(turn, &key, &message) || !self.is_free(turn, &key) {
                    continue;
                }
                let status = turn.state.status(turn.store, &key)?;
                let mut shown = received(name, key, Reading { message, status });
                if shown.message.body.len() > body_bytes {
                    // A copy, so that a short look does not keep a long body alive.
                    shown.message.body = Bytes::copy_from_slice(&shown.message.body[..body_bytes]);
                }
                bytes += shown.message.body.len();
                page.push(shown);
            }
        }
        Ok(Some(Answer::Peeked(page)))
    }

    pub(super) fn read_body(turn: &Turn<'_>, body: BodyId, part: u32) -> Reply {
        let bytes = turn.state.body_part(turn.store, body, part)?;
        let bytes = bytes.ok_or(RequestRefused::BodyNotStaged { body })?;
        Ok(Some(Answer::BodyPart(bytes)))
    }

    /// Nobody holds it and no sweep is about to take it.
    pub(super) fn is_free(&self, turn: &Turn<'_>, key: &MessageKey) -> bool {
        !self.locks.contains(key) && turn.state.holder(key).is_none() && !self.removals.sweeps_over(key)
    }
}

/// Its time-to-be-received ran out. Dead letters do not expire.
pub(super) fn has_expired(turn: &Turn<'_>, key: &MessageKey, message: &StoredMessage) -> bool {
    key.queue != QueueId::DEAD_LETTER && message.expires_at().is_some_and(|at| at <= turn.now)
}

/// The queue of that name, unless it is being deleted.
pub(super) fn named<'a>(turn: &Turn<'a>, name: &QueueName) -> Result<&'a QueueRecord, RequestRefused> {
    turn.state.queue_named(name).ok_or_else(|| RequestRefused::QueueNotFound { name: name.clone() })
}

/// The next messages of a queue in order; none only at its end.
pub(super) fn scan(
    turn: &Turn<'_>,
    queue: QueueId,
    after: Option<MessageKey>,
    limit: usize,
) -> Result<Vec<(MessageKey, StoredMessage)>, StoreError> {
    let mut found = Vec::new();
    turn.state.scan(turn.store, queue, after, limit, REFILL_BYTES_MAX, &mut |key, message| {
        found.push((key, message));
        ControlFlow::Continue(())
    })?;
    Ok(found)
}

/// A message as its reader sees it.
pub(super) fn received(queue: &QueueName, key: MessageKey, reading: Reading) -> Received {
    let Reading { message, status } = reading;
    let (body, apart) = match message.body {
        Body::Inline(bytes) => (bytes, None),
        Body::Apart { body, length } => (Bytes::new(), Some((body, length))),
    };
    let message = Message {
        id: message.id,
        lookup_id: key.sequence,
        properties: message.properties,
        body,
        attempts: message.dead_attempts.saturating_add(status.attempts),
        abandoned: message.dead_abandoned.saturating_add(status.abandoned),
        sent_at: message.sent_at,
        arrived_at: message.arrived_at,
        dead_letter: message.dead_letter,
    };
    Received { key, queue: queue.clone(), message, apart }
}
