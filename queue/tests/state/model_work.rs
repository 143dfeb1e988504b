//! The model's sends, branches and what is staged.

use std::collections::BTreeSet;

use bytes::Bytes;
use handfast_protocol::{ProducerSequence, Xid};
use handfast_queue::{Body, BodyId, Done, MessageKey, OutgoingMessage, QueueId, Refused, StageId, Status, Work};

use crate::model::{Deeds, Letter, Model, Producer};

const PART: usize = handfast_queue::limits::BODY_PART_BYTES;

impl Model {
    pub fn send(&mut self, at: Option<ProducerSequence>, sends: Vec<OutgoingMessage>) -> Result<Done, Refused> {
        let Some(at) = at else {
            self.judge_sends(&sends)?;
            return Ok(Done::Sent(self.place(sends)));
        };
        let name = at.producer.to_string();
        let gap = |expected| Err(Refused::ProducerGap { producer: name.clone(), sequence: at.sequence, expected });
        let known = self.producers.get(&at.producer);
        match known {
            None if at.sequence > 0 => return Err(Refused::ProducerUnknown { producer: name }),
            Some(known) if at.epoch < known.epoch => {
                return Err(Refused::ProducerFenced { producer: name, current: known.epoch });
            }
            Some(known) if at.epoch > known.epoch && at.sequence > 0 => return gap(0),
            Some(known) if at.epoch == known.epoch && at.sequence != known.results.len() as u64 => {
                let (from, end) = (at.sequence as usize, at.sequence as usize + sends.len());
                let Some(first) = known.results.get(from..end) else {
                    return gap(known.results.len() as u64);
                };
                let ids: Result<Vec<_>, Refused> = first.iter().cloned().collect();
                return ids.map(Done::Repeated);
            }
            None | Some(_) => {}
        }
        let judged = self.judge_sends(&sends);
        let kept = !sends.is_empty() && !matches!(judged, Err(Refused::StageGone));
        if kept {
            let producer = self.producers.entry(at.producer).or_default();
            if producer.epoch != at.epoch {
                *producer = Producer { epoch: at.epoch, results: Vec::new() };
            }
            let result = |send: &OutgoingMessage| judged.clone().map(|()| send.id);
            producer.results.extend(sends.iter().map(result));
        }
        judged?;
        Ok(Done::Sent(self.place(sends)))
    }

    pub fn stage_body(&mut self, body: BodyId, part: u32, bytes: &Bytes) -> Result<Done, Refused> {
        let length = self.bodies.get(&body).map_or(0, Vec::len);
        if length != part as usize * PART || bytes.is_empty() || bytes.len() > PART {
            return Err(Refused::StageGone);
        }
        self.bodies.entry(body).or_default().extend_from_slice(bytes);
        Ok(Done::Staged)
    }

    pub fn stage_work(&mut self, stage: StageId, part: u32, work: Work) -> Result<Done, Refused> {
        let parts = self.stages.get(&stage).map_or(0, Vec::len);
        if part as usize != parts || work.stage.is_some() || self.is_owned(stage) {
            return Err(Refused::StageGone);
        }
        self.judge_bodies(&work.sends)?;
        let deeds = self.read_in(work);
        self.stages.entry(stage).or_default().push(deeds);
        Ok(Done::Staged)
    }

    pub fn unstage(&mut self, stages: &[StageId], bodies: &[BodyId]) -> Done {
        for stage in stages {
            if !self.is_owned(*stage) {
                self.stages.remove(stage);
            }
        }
        bodies.iter().for_each(|body| drop(self.bodies.remove(body)));
        Done::Staged
    }

    pub fn commit(&mut self, xid: &Xid, work: Work, hold: bool) -> Result<Done, Refused> {
        self.judge_branch(xid, &work)?;
        let stage = work.stage;
        let deeds = self.read_in(work);
        let places = self.perform(stage, deeds);
        self.hold(xid, &places, hold);
        Ok(Done::Committed(places))
    }

    pub fn prepare(&mut self, xid: Xid, work: Work) -> Result<Done, Refused> {
        self.judge_branch(&xid, &work)?;
        let stage = work.stage;
        let deeds = self.read_in(work);
        for key in self.receives_of(stage, &deeds) {
            self.letter_mut(&key).unwrap().holder = Some(xid.clone());
        }
        self.branches.insert(xid, (deeds, stage));
        Ok(Done::Prepared)
    }

    pub fn commit_prepared(&mut self, xid: &Xid, hold: bool) -> Result<Done, Refused> {
        let (deeds, stage) = self.branches.remove(xid).ok_or_else(|| Refused::UnknownXid { xid: xid.clone() })?;
        let places = self.perform(stage, deeds);
        self.hold(xid, &places, hold);
        Ok(Done::Committed(places))
    }

    pub fn rollback_prepared(&mut self, xid: &Xid) -> Result<Done, Refused> {
        let (deeds, stage) = self.branches.remove(xid).ok_or_else(|| Refused::UnknownXid { xid: xid.clone() })?;
        let receives = self.receives_of(stage, &deeds);
        stage.map(|stage| self.stages.remove(&stage));
        Ok(Done::RolledBack(self.unlock(receives)))
    }

    pub fn release(&mut self, xid: &Xid) -> Done {
        let is_lock = |key: &MessageKey| {
            self.branches.get(xid).is_some_and(|(deeds, stage)| self.receives_of(*stage, deeds).contains(key))
        };
        let held = |letter: &&Letter| letter.holder.as_ref() == Some(xid) && !is_lock(&letter.key);
        let letters = self.queues.values().flat_map(|queue| &queue.letters);
        let keys: BTreeSet<MessageKey> = letters.filter(held).map(|letter| letter.key).collect();
        Done::Released(self.unlock(keys.into_iter().collect()))
    }

    pub fn return_dead_letters(&mut self, keys: &[MessageKey], to: Option<QueueId>) -> Result<Done, Refused> {
        match to {
            Some(QueueId::DEAD_LETTER) => return Err(Refused::DeadLetterQueue),
            Some(queue) if !self.is_open(queue) => return Err(Refused::QueueGone { queue }),
            Some(_) | None => {}
        }
        let (mut seen, mut targets) = (BTreeSet::new(), Vec::new());
        for key in keys {
            let letter = self.letter(key).filter(|letter| letter.dead.is_some() && letter.holder.is_none());
            let Some(letter) = letter.filter(|_| seen.insert(*key)) else {
                return Err(Refused::DeadLetterGone { message: *key });
            };
            let name = &letter.dead.as_ref().unwrap().0.queue;
            targets.push(to.or_else(|| self.named(name)).ok_or_else(|| Refused::OriginGone { name: name.clone() })?);
        }
        let mut places = Vec::new();
        for (key, queue) in keys.iter().zip(targets) {
            let mut letter = self.remove(key);
            letter.properties.time_to_be_received = None;
            letter.arrived_at = self.now;
            letter.dead = None;
            letter.status = Status::default();
            places.push(self.arrive(queue, letter));
        }
        Ok(Done::Committed(places))
    }

    fn is_owned(&self, stage: StageId) -> bool {
        self.branches.values().any(|(_, owned)| *owned == Some(stage))
    }

    fn judge_targets(&self, sends: &[OutgoingMessage]) -> Result<(), Refused> {
        for send in sends {
            if send.queue == QueueId::DEAD_LETTER {
                return Err(Refused::DeadLetterQueue);
            }
            if !self.is_open(send.queue) {
                return Err(Refused::QueueGone { queue: send.queue });
            }
        }
        Ok(())
    }

    fn judge_bodies(&self, sends: &[OutgoingMessage]) -> Result<(), Refused> {
        let mut named = BTreeSet::new();
        let whole = |send: &OutgoingMessage| match &send.body {
            Body::Inline(_) => true,
            Body::Apart { body, length } => {
                named.insert(*body) && self.bodies.get(body).map(|bytes| bytes.len() as u64) == Some(*length)
            }
        };
        if sends.iter().all(whole) { Ok(()) } else { Err(Refused::StageGone) }
    }

    fn judge_sends(&self, sends: &[OutgoingMessage]) -> Result<(), Refused> {
        self.judge_targets(sends)?;
        self.judge_bodies(sends)
    }

    fn judge_branch(&self, xid: &Xid, work: &Work) -> Result<(), Refused> {
        if self.branches.contains_key(xid) {
            return Err(Refused::DuplicateXid { xid: xid.clone() });
        }
        let missing = |stage: &StageId| !self.stages.contains_key(stage) || self.is_owned(*stage);
        if work.stage.as_ref().is_some_and(missing) {
            return Err(Refused::StageGone);
        }
        let staged = work.stage.map(|stage| &self.stages[&stage]).into_iter().flatten();
        let earlier = staged.clone().flat_map(|deeds| deeds.sends.iter().map(|(send, _)| send.clone()));
        let sends: Vec<OutgoingMessage> = earlier.chain(work.sends.iter().cloned()).collect();
        self.judge_targets(&sends).map_err(|refused| match refused {
            Refused::QueueGone { .. } => Refused::Conflict,
            other => other,
        })?;
        self.judge_bodies(&work.sends)?;
        let mut named = BTreeSet::new();
        let mut receives = staged.flat_map(|deeds| &deeds.receives).chain(&work.receives);
        let free = receives.all(|key| {
            let free = self.letter(key).is_some_and(|letter| letter.holder.is_none());
            free && self.is_open(key.queue) && named.insert(*key)
        });
        if free { Ok(()) } else { Err(Refused::Conflict) }
    }

    fn read_in(&mut self, work: Work) -> Deeds {
        let read = |send: OutgoingMessage| {
            let bytes = match &send.body {
                Body::Inline(bytes) => bytes.clone(),
                Body::Apart { body, .. } => self.bodies.remove(body).unwrap().into(),
            };
            (send, bytes)
        };
        Deeds { sends: work.sends.into_iter().map(read).collect(), receives: work.receives }
    }

    pub fn receives_of(&self, stage: Option<StageId>, deeds: &Deeds) -> Vec<MessageKey> {
        let staged = stage.map(|stage| &self.stages[&stage]).into_iter().flatten();
        staged.chain([deeds]).flat_map(|deeds| deeds.receives.iter().copied()).collect()
    }

    fn perform(&mut self, stage: Option<StageId>, deeds: Deeds) -> Vec<MessageKey> {
        let mut all = stage.map(|stage| self.stages.remove(&stage).unwrap()).unwrap_or_default();
        all.push(deeds);
        for key in all.iter().flat_map(|deeds| &deeds.receives) {
            self.remove(key);
        }
        all.into_iter().flat_map(|deeds| deeds.sends).map(|(send, bytes)| self.place_one(send, bytes)).collect()
    }

    fn place(&mut self, sends: Vec<OutgoingMessage>) -> Vec<MessageKey> {
        let deeds = self.read_in(Work { sends, ..Work::default() });
        deeds.sends.into_iter().map(|(send, bytes)| self.place_one(send, bytes)).collect()
    }

    fn place_one(&mut self, send: OutgoingMessage, body: Bytes) -> MessageKey {
        let letter = Letter {
            key: MessageKey { queue: send.queue, band: 0, sequence: 0 },
            id: send.id,
            properties: send.properties,
            body,
            sent_at: send.sent_at,
            arrived_at: self.now,
            dead: None,
            status: Status::default(),
            holder: None,
        };
        self.arrive(send.queue, letter)
    }

    fn hold(&mut self, xid: &Xid, places: &[MessageKey], hold: bool) {
        for key in places.iter().filter(|_| hold) {
            self.letter_mut(key).unwrap().holder = Some(xid.clone());
        }
    }

    /// Which of them stay in their queues.
    fn unlock(&mut self, keys: Vec<MessageKey>) -> Vec<MessageKey> {
        for key in &keys {
            self.letter_mut(key).unwrap().holder = None;
        }
        keys.into_iter().filter(|key| !self.let_go(key)).collect()
    }
}
