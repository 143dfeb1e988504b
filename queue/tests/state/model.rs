//! What the state should be, said as simply as possible: a list of letters for each queue, in the order of arrival.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use handfast_protocol::{DeadLetter, DeadLetterReason, MessageId, ProducerName, Properties, QueueName, Timestamp, Xid};
use handfast_queue::command::Fate;
use handfast_queue::{
    Blame, Body, BodyId, Command, Done, MessageKey, OutgoingMessage, QueueId, QueueSettings, Refused, StageId, Status,
};

use crate::world::World;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    pub key: MessageKey,
    pub id: MessageId,
    pub properties: Properties,
    pub body: Bytes,
    pub sent_at: Timestamp,
    pub arrived_at: Timestamp,
    pub dead: Option<(DeadLetter, u32, u32)>,
    pub status: Status,
    pub holder: Option<Xid>,
}

#[derive(Debug, Clone)]
pub struct Queue {
    pub name: QueueName,
    pub settings: QueueSettings,
    pub deleting: Option<Fate>,
    pub letters: Vec<Letter>,
    pub arrived: [u64; 8],
}

/// Sends with their bodies read in, and receives.
#[derive(Debug, Clone, Default)]
pub struct Deeds {
    pub sends: Vec<(OutgoingMessage, Bytes)>,
    pub receives: Vec<MessageKey>,
}

#[derive(Debug, Clone, Default)]
pub struct Producer {
    pub epoch: u64,
    /// One for each sequence.
    pub results: Vec<Result<MessageId, Refused>>,
}

#[derive(Debug, Clone, Default)]
pub struct Model {
    pub queues: BTreeMap<QueueId, Queue>,
    pub created: u32,
    pub branches: BTreeMap<Xid, (Deeds, Option<StageId>)>,
    pub stages: BTreeMap<StageId, Vec<Deeds>>,
    pub bodies: BTreeMap<BodyId, Vec<u8>>,
    pub producers: BTreeMap<ProducerName, Producer>,
    pub now: Timestamp,
}

impl Model {
    pub fn begin_epoch(&mut self) {
        if self.queues.is_empty() {
            let settings = QueueSettings { max_attempts: u32::MAX, max_abandoned: u32::MAX };
            self.add_queue(QueueName::dead_letter(), settings);
        }
        self.bodies.clear();
        let owned: BTreeSet<StageId> = self.branches.values().filter_map(|(_, stage)| *stage).collect();
        self.stages.retain(|stage, _| owned.contains(stage));
    }

    pub fn apply(&mut self, command: Command) -> Result<Done, Refused> {
        match command {
            Command::CreateQueue { name, settings, .. } => self.create(name, settings),
            Command::DeleteQueue { queue, fate } => self.delete(queue, fate),
            Command::Sweep { queue, from, through, limit, locked, fate } => {
                self.sweep(queue, from, through, limit, &locked, fate)
            }
            Command::Expire { messages } => Ok(self.expire(&messages)),
            Command::Send { producer, sends } => self.send(producer, sends),
            Command::StageBody { body, part, bytes } => self.stage_body(body, part, &bytes),
            Command::StageWork { stage, part, work } => self.stage_work(stage, part, work),
            Command::Unstage { stages, bodies } => Ok(self.unstage(&stages, &bodies)),
            Command::Commit { xid, work, hold } => self.commit(&xid, work, hold),
            Command::Prepare { xid, work } => self.prepare(xid, work),
            Command::CommitPrepared { xid, hold } => self.commit_prepared(&xid, hold),
            Command::RollbackPrepared { xid } => self.rollback_prepared(&xid),
            Command::Release { xid } => Ok(self.release(&xid)),
            Command::Return { messages, blame } => Ok(self.give_back(&messages, &blame)),
            Command::ReturnDeadLetters { messages, to } => self.return_dead_letters(&messages, to),
        }
    }

    pub fn letter(&self, key: &MessageKey) -> Option<&Letter> {
        self.queues.get(&key.queue)?.letters.iter().find(|letter| letter.key == *key)
    }

    pub fn letter_mut(&mut self, key: &MessageKey) -> Option<&mut Letter> {
        self.queues.get_mut(&key.queue)?.letters.iter_mut().find(|letter| letter.key == *key)
    }

    pub fn is_open(&self, queue: QueueId) -> bool {
        self.queues.get(&queue).is_some_and(|queue| queue.deleting.is_none())
    }

    pub fn named(&self, name: &QueueName) -> Option<QueueId> {
        let open = |(id, queue): (&QueueId, &Queue)| (queue.deleting.is_none() && queue.name == *name).then_some(*id);
        self.queues.iter().find_map(open)
    }

    /// Highest priority first, and within one priority in the order of arrival (P25).
    pub fn in_order(&self, queue: QueueId) -> Vec<&Letter> {
        let mut letters: Vec<&Letter> = self.queues[&queue].letters.iter().collect();
        letters.sort_by_key(|letter| letter.key.band);
        letters
    }

    pub fn all_keys(&self) -> Vec<MessageKey> {
        self.queues.keys().flat_map(|queue| self.in_order(*queue)).map(|letter| letter.key).collect()
    }

    pub fn arrive(&mut self, queue: QueueId, mut letter: Letter) -> MessageKey {
        let band = if queue == QueueId::DEAD_LETTER { 4 } else { 7 - letter.properties.priority.get() };
        let queue_of = self.queues.get_mut(&queue).unwrap();
        let sequence = queue_of.arrived[usize::from(band)];
        queue_of.arrived[usize::from(band)] += 1;
        letter.key = MessageKey { queue, band, sequence };
        queue_of.letters.push(letter);
        MessageKey { queue, band, sequence }
    }

    pub fn remove(&mut self, key: &MessageKey) -> Letter {
        let letters = &mut self.queues.get_mut(&key.queue).unwrap().letters;
        let at = letters.iter().position(|letter| letter.key == *key).unwrap();
        letters.remove(at)
    }

    fn add_queue(&mut self, name: QueueName, settings: QueueSettings) -> QueueId {
        let id = QueueId(self.created);
        self.created += 1;
        self.queues.insert(id, Queue { name, settings, deleting: None, letters: Vec::new(), arrived: [0; 8] });
        id
    }

    fn create(&mut self, name: QueueName, settings: QueueSettings) -> Result<Done, Refused> {
        if name == QueueName::dead_letter() {
            return Err(Refused::DeadLetterQueue);
        }
        if self.named(&name).is_some() {
            return Err(Refused::QueueExists { name });
        }
        Ok(Done::Created(self.add_queue(name, settings)))
    }

    fn delete(&mut self, queue: QueueId, fate: Fate) -> Result<Done, Refused> {
        if queue == QueueId::DEAD_LETTER {
            return Err(Refused::DeadLetterQueue);
        }
        let Some(found) = self.queues.get(&queue) else {
            return Err(Refused::QueueGone { queue });
        };
        let sends_to = |deeds: &Deeds| deeds.sends.iter().any(|(send, _)| send.queue == queue);
        let staged = |stage: &Option<StageId>| stage.is_some_and(|stage| self.stages[&stage].iter().any(sends_to));
        let mut holding: Vec<&Letter> = found.letters.iter().filter(|letter| letter.holder.is_some()).collect();
        holding.sort_by_key(|letter| letter.key);
        let first = holding.iter().find(|letter| self.is_lock(letter)).or(holding.first());
        let sender = || self.branches.iter().find(|(_, (deeds, stage))| sends_to(deeds) || staged(stage));
        let holder = first.and_then(|letter| letter.holder.clone());
        if let Some(xid) = holder.or_else(|| sender().map(|(xid, _)| xid.clone())) {
            return Err(Refused::QueueInDoubt { name: found.name.clone(), xid });
        }
        self.queues.get_mut(&queue).unwrap().deleting.get_or_insert(fate);
        Ok(Done::Deleting)
    }

    fn is_lock(&self, letter: &Letter) -> bool {
        self.branches.values().any(|(deeds, stage)| self.receives_of(*stage, deeds).contains(&letter.key))
    }

    fn sweep(
        &mut self,
        queue: QueueId,
        from: MessageKey,
        through: MessageKey,
        limit: u32,
        locked: &[MessageKey],
        fate: Fate,
    ) -> Result<Done, Refused> {
        let deleting = self.queues.get(&queue).ok_or(Refused::QueueGone { queue })?.deleting;
        if queue == QueueId::DEAD_LETTER && fate != Fate::Discard {
            return Err(Refused::DeadLetterQueue);
        }
        let fate = deleting.unwrap_or(fate);
        let keys: Vec<MessageKey> = self.in_order(queue).iter().map(|letter| letter.key).collect();
        let within: Vec<MessageKey> = keys.into_iter().filter(|key| *key >= from && *key <= through).collect();
        let step: Vec<MessageKey> = within.iter().take(limit.max(1) as usize).copied().collect();
        let mut removed = 0;
        for key in &step {
            let letter = self.letter_mut(key).unwrap();
            if letter.holder.is_some() || (locked.contains(key) && deleting.is_none()) {
                letter.status.purge.get_or_insert(matches!(fate, Fate::DeadLetter(_)));
            } else {
                self.sweep_away(key, fate);
                removed += 1;
            }
        }
        let is_empty = self.queues[&queue].letters.is_empty();
        if is_empty && deleting.is_some() {
            self.queues.remove(&queue);
        }
        let full = step.len() as u32 == limit.max(1) && !is_empty;
        let next = step.last().filter(|_| full).map(|key| MessageKey { sequence: key.sequence + 1, ..*key });
        Ok(Done::Swept { removed, next })
    }

    pub fn sweep_away(&mut self, key: &MessageKey, fate: Fate) {
        match fate {
            Fate::Discard => drop(self.remove(key)),
            Fate::DeadLetter(reason) => self.bury(key, reason),
        }
    }

    fn bury(&mut self, key: &MessageKey, reason: DeadLetterReason) {
        let mut letter = self.remove(key);
        let queue = self.queues[&key.queue].name.clone();
        let status = std::mem::take(&mut letter.status);
        let dead = DeadLetter { queue, reason, error: status.error, dead_at: self.now };
        letter.dead = Some((dead, status.attempts, status.abandoned));
        self.arrive(QueueId::DEAD_LETTER, letter);
    }

    fn expire(&mut self, keys: &[MessageKey]) -> Done {
        let mut removed = Vec::new();
        for key in keys {
            let now = self.now;
            let due = self.letter(key).filter(|letter| {
                let span = letter.properties.time_to_be_received;
                letter.holder.is_none() && span.is_some_and(|span| letter.sent_at.after(span) <= now)
            });
            let Some(letter) = due.filter(|_| key.queue != QueueId::DEAD_LETTER) else {
                continue;
            };
            let fate = if letter.properties.drop_expired {
                Fate::Discard
            } else {
                Fate::DeadLetter(DeadLetterReason::ReceiveTimeout)
            };
            self.sweep_away(key, fate);
            removed.push(*key);
        }
        Done::Removed(removed)
    }

    /// Ends a pending purge; says whether the letter left.
    pub fn let_go(&mut self, key: &MessageKey) -> bool {
        match self.letter(key).and_then(|letter| letter.status.purge) {
            Some(true) => self.sweep_away(key, Fate::DeadLetter(DeadLetterReason::Purged)),
            Some(false) => self.sweep_away(key, Fate::Discard),
            None => return false,
        }
        true
    }

    fn give_back(&mut self, keys: &[MessageKey], blame: &Blame) -> Done {
        let keys: BTreeSet<MessageKey> = keys.iter().copied().collect();
        let left = |key: &MessageKey| {
            let free = self.letter(key).is_some_and(|letter| letter.holder.is_none());
            free && (self.let_go(key) || self.count(key, blame))
        };
        Done::Removed(keys.into_iter().filter(left).collect())
    }

    fn count(&mut self, key: &MessageKey, blame: &Blame) -> bool {
        let (settings, now) = (self.queues[&key.queue].settings.clone(), self.now);
        let status = &mut self.letter_mut(key).unwrap().status;
        let reason = match blame {
            Blame::Vanished => {
                status.abandoned += 1;
                (status.abandoned >= settings.max_abandoned).then_some(DeadLetterReason::MaxAbandoned)
            }
            Blame::Message { error } | Blame::Reject { error } => {
                status.attempts += 1;
                status.error.clone_from(error);
                let delay = 100 * 4u64.pow(status.attempts.min(10) - 1);
                status.not_before = Timestamp(now.0 + delay.min(60_000));
                let enough = (status.attempts >= settings.max_attempts).then_some(DeadLetterReason::MaxAttempts);
                if matches!(blame, Blame::Reject { .. }) { Some(DeadLetterReason::Rejected) } else { enough }
            }
        };
        match reason.filter(|_| key.queue != QueueId::DEAD_LETTER) {
            Some(reason) => self.bury(key, reason),
            None => return false,
        }
        true
    }

    /// The whole of the real state, compared.
    pub fn compare(&self, world: &World, with_bodies: bool) {
        let named: BTreeSet<&str> = world.state.queues().map(|record| record.name.as_str()).collect();
        let open = self.queues.values().filter(|queue| queue.deleting.is_none());
        assert_eq!(named, open.map(|queue| queue.name.as_str()).collect());
        for queue in self.queues.keys() {
            let expected = self.in_order(*queue);
            let found = world.messages(*queue);
            assert_eq!(found.len(), expected.len(), "{queue:?}");
            for ((key, message), letter) in found.iter().zip(expected) {
                let body = if with_bodies || matches!(message.body, Body::Inline(_)) {
                    world.body(&message.body)
                } else {
                    assert_eq!(message.body.len(), letter.body.len() as u64);
                    letter.body.clone()
                };
                let dead = message.dead_letter.clone();
                let found = Letter {
                    key: *key,
                    id: message.id,
                    properties: message.properties.clone(),
                    body,
                    sent_at: message.sent_at,
                    arrived_at: message.arrived_at,
                    dead: dead.map(|dead| (dead, message.dead_attempts, message.dead_abandoned)),
                    status: world.status(key),
                    holder: world.state.holder(key).cloned(),
                };
                assert_eq!(&found, letter);
                let by_id = world.state.dead_letter_key(&world.store, letter.id).unwrap();
                assert_eq!(by_id, letter.dead.as_ref().map(|_| letter.key));
            }
            let in_doubt = self.queues[queue].letters.iter().filter(|letter| letter.holder.is_some()).count();
            assert_eq!(world.state.in_doubt_on(*queue), in_doubt as u64);
        }
        let prepared: Vec<&Xid> = world.state.branches().collect();
        assert_eq!(prepared, self.branches.keys().collect::<Vec<_>>());
        for (name, producer) in &self.producers {
            let known = world.state.producer(name).map(|place| (place.epoch, place.next));
            assert_eq!(known, Some((producer.epoch, producer.results.len() as u64)));
        }
        self.compare_expiry(world);
    }

    fn compare_expiry(&self, world: &World) {
        let of_queue = self.queues.iter().filter(|(id, _)| **id != QueueId::DEAD_LETTER);
        let expiring = of_queue.flat_map(|(_, queue)| &queue.letters).filter(|letter| letter.holder.is_none());
        let times = expiring
            .filter_map(|letter| Some((letter.sent_at.after(letter.properties.time_to_be_received?), letter.key)));
        let times: BTreeSet<(Timestamp, MessageKey)> = times.collect();
        let due: Vec<MessageKey> =
            times.iter().filter(|(time, _)| *time <= self.now).map(|(_, key)| *key).take(3).collect();
        assert_eq!(world.state.expired(&world.store, self.now, 3).unwrap(), due);
        assert_eq!(world.state.next_expiry(&world.store).unwrap(), times.first().map(|(time, _)| *time));
    }
}
