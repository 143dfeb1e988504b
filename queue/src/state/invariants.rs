//! What must hold between any two log entries, checked by reading the whole store: for tests and the simulator.
//!
//! It does not check what a command should have done; that is for the model in the tests.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use bytes::Bytes;
use handfast_protocol::{MessageId, Timestamp};
use handfast_store::{Family, Overlay, Store, StoreError};

use super::keys::{Key, KeyKind};
use super::messages::{Resting, expiry_of};
use super::staging::parts_of;
use super::{State, producers, records};
use crate::codec;
use crate::limits::{BODY_PART_BYTES, GONE_STRETCHES_MAX, PRODUCER_WINDOW, PRODUCERS_MAX, QUEUES_MAX, STAGE_PARTS_MAX};
use crate::{Body, BodyId, MessageKey, QueueId, StageId, Status, StoredMessage, Work};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Invariant {
    /// I1: a queue's `messages`, `bytes` and statuses are what a recount finds.
    Counts,
    /// I2: no message lies below its band's head, in a stretch that is gone, or at the next sequence or above.
    Ground,
    /// I3: the expiry index holds exactly the messages that expire, under their times.
    Expiry,
    /// I4: a status belongs to a message, and says something.
    Statuses,
    /// I5: every body apart is there in full and has exactly one owner; no other parts are there.
    Bodies,
    /// I6: the index of dead letters holds exactly the messages of the dead-letter queue, and they alone have a reason.
    DeadLetters,
    /// I7: what a prepared branch received is there; the queues that it sends to are open.
    Prepared,
    /// I8: held messages are there, and nobody else holds them.
    Held,
    /// I9: the parts of a stage are numbered from zero; a stage has at most one branch.
    Stages,
    /// I10: the results of a producer cover its window without a gap.
    Producers,
    /// I11: every queue has its own id and its own name; a message's queue is there; nothing is in doubt on a going queue.
    Queues,
    /// I12: the state in memory is what opening the store gives, and what it knows of messages is so.
    Mirror,
}

/// An invariant that does not hold, or a store that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Violation {
    #[error("{invariant:?}: {fact}")]
    Broken { invariant: Invariant, fact: String },
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Everything that the store holds, by what it is about.
#[derive(Default)]
struct Contents {
    messages: BTreeMap<MessageKey, StoredMessage>,
    statuses: BTreeMap<MessageKey, Status>,
    expiry: BTreeSet<(Timestamp, MessageKey)>,
    dead_letters: BTreeMap<MessageId, MessageKey>,
    stages: BTreeMap<StageId, Vec<u32>>,
    /// Work of stages and of prepared branches.
    work: Vec<Work>,
    staged_bodies: BTreeMap<BodyId, u64>,
    /// Lengths of the parts, by their numbers.
    parts: BTreeMap<BodyId, BTreeMap<u32, usize>>,
}

impl State {
    /// Reads the whole store and compares; the first violation found is told.
    pub fn check_invariants(&self, store: &dyn Store) -> Result<(), Violation> {
        let contents = Contents::read(store)?;
        self.check_queues(&contents)?;
        self.check_counts(&contents)?;
        self.check_ground(&contents)?;
        check_expiry(&contents)?;
        check_statuses(&contents)?;
        check_bodies(&contents)?;
        check_dead_letters(&contents)?;
        self.check_holders(&contents)?;
        self.check_stages(&contents)?;
        self.check_producers(store)?;
        for resting in self.recent.all() {
            let found = contents.messages.get(&resting.key).map(|message| Resting::of(&resting.key, message));
            let fact = || format!("known as {resting:?}, and in the store as {found:?}");
            hold(found.as_ref() == Some(&resting), Invariant::Mirror, fact)?;
        }
        let opened = State::open(store)?;
        hold(opened == *self, Invariant::Mirror, || format!("the store opens as {opened:?}, and in memory is {self:?}"))
    }

    fn check_queues(&self, contents: &Contents) -> Result<(), Violation> {
        let broken = |holds, fact: &dyn Fn() -> String| hold(holds, Invariant::Queues, fact);
        broken(self.queues.len() <= QUEUES_MAX, &|| format!("{} queues", self.queues.len()))?;
        let mut names = BTreeSet::new();
        for entry in self.queues.all() {
            let record = &entry.record;
            broken(record.id.0 < self.queues.next_id(), &|| format!("{:?} will be given again", record.id))?;
            let in_use = record.deleting.is_none();
            broken(!in_use || names.insert(&record.name), &|| format!("{} twice", record.name))?;
            broken(!in_use || self.queues.named(&record.name) == Some(record.id), &|| format!("{} lost", record.name))?;
            let in_doubt = self.branches.in_doubt_on(record.id);
            broken(in_use || in_doubt == 0, &|| format!("{} goes with {in_doubt} in doubt", record.name))?;
        }
        for key in contents.messages.keys() {
            broken(self.queues.get(key.queue).is_some(), &|| format!("{key:?} has no queue"))?;
        }
        Ok(())
    }

    fn check_counts(&self, contents: &Contents) -> Result<(), Violation> {
        let mut recount: BTreeMap<QueueId, (u64, u64, u64)> = BTreeMap::new();
        for (key, message) in &contents.messages {
            let (messages, bytes, _) = recount.entry(key.queue).or_default();
            *messages += 1;
            *bytes += message.size();
        }
        for key in contents.statuses.keys() {
            recount.entry(key.queue).or_default().2 += 1;
        }
        for entry in self.queues.all() {
            let counted = (entry.record.messages, entry.record.bytes, entry.statuses);
            let found = recount.get(&entry.record.id).copied().unwrap_or_default();
            hold(counted == found, Invariant::Counts, || {
                format!("{} counts (messages, bytes, statuses) {counted:?}, and holds {found:?}", entry.record.name)
            })?;
        }
        Ok(())
    }

    fn check_ground(&self, contents: &Contents) -> Result<(), Violation> {
        for key in contents.messages.keys() {
            let entry = self.queues.get(key.queue);
            let rests = entry.is_some_and(|entry| !entry.resting(key.band, key.sequence, key.sequence).is_empty());
            hold(rests, Invariant::Ground, || format!("{key:?} lies in ground that is said to be empty"))?;
        }
        for entry in self.queues.all() {
            let stretches = entry.ground.stretches();
            hold(stretches.len() <= GONE_STRETCHES_MAX, Invariant::Ground, || {
                format!("{} stretches", stretches.len())
            })?;
            for (band, from, end) in stretches {
                let at = usize::from(band);
                let within = entry.record.head[at] < from && from < end && end <= entry.record.next_sequence[at];
                hold(within, Invariant::Ground, || format!("{from}..{end} of band {band} in {:?}", entry.record))?;
            }
        }
        Ok(())
    }

    fn check_holders(&self, contents: &Contents) -> Result<(), Violation> {
        for (xid, branch) in self.branches.prepared() {
            for key in &branch.receives {
                let is_there = contents.messages.contains_key(key) && self.branches.holder(key) == Some(xid);
                hold(is_there, Invariant::Prepared, || format!("{xid} lost its {key:?}"))?;
            }
            for queue in branch.targets() {
                let is_open = self.queues.open_for_use(*queue).is_some();
                hold(is_open, Invariant::Prepared, || format!("{xid} sends to {queue:?}, which is gone"))?;
            }
        }
        let mut held = BTreeSet::new();
        for (xid, key) in self.branches.held() {
            let is_there = contents.messages.contains_key(&key) && self.branches.holder(&key) == Some(xid);
            hold(is_there && held.insert(key), Invariant::Held, || format!("{xid} lost its {key:?}"))?;
        }
        let locked: usize = self.branches.prepared().map(|(_, branch)| branch.receives.len()).sum();
        let in_doubt: u64 = self.queues.all().map(|entry| self.branches.in_doubt_on(entry.record.id)).sum();
        hold(in_doubt == (locked + held.len()) as u64, Invariant::Prepared, || {
            format!("{in_doubt} are counted as in doubt; {locked} are locked and {} held", held.len())
        })
    }

    fn check_stages(&self, contents: &Contents) -> Result<(), Violation> {
        let broken = |holds, fact: &dyn Fn() -> String| hold(holds, Invariant::Stages, fact);
        for (stage, parts) in &contents.stages {
            let numbered = parts.iter().copied().eq(0..parts.len() as u32) && parts.len() <= STAGE_PARTS_MAX as usize;
            broken(numbered, &|| format!("{stage:?} has the parts {parts:?}"))?;
        }
        let mut owned = BTreeSet::new();
        for stage in self.branches.prepared().filter_map(|(_, branch)| branch.stage) {
            broken(self.is_owned(stage) && owned.insert(stage), &|| format!("{stage:?} has two branches"))?;
            broken(contents.stages.contains_key(&stage), &|| format!("{stage:?} is gone"))?;
        }
        Ok(())
    }

    fn check_producers(&self, store: &dyn Store) -> Result<(), Violation> {
        let overlay = Overlay::new(store);
        let broken = |holds, fact: &dyn Fn() -> String| hold(holds, Invariant::Producers, fact);
        let (mut count, mut kept) = (0, 0);
        for (name, record) in self.producers.all() {
            count += 1;
            let mut next = record.oldest;
            for (first, result) in producers::results(&overlay, name, 0, u64::MAX)? {
                kept += 1;
                broken(first == next && result.count > 0, &|| format!("{name} has a gap at {first}"))?;
                next = first + result.count;
            }
            broken(next == record.next, &|| format!("{name} expects {}, and its results end at {next}", record.next))?;
            let in_window = record.next.saturating_sub(PRODUCER_WINDOW);
            broken(record.oldest <= in_window, &|| format!("{name} keeps results from {} on", record.oldest))?;
        }
        broken(count <= PRODUCERS_MAX, &|| format!("{count} producers"))?;
        let all = records::all(&overlay, KeyKind::ProducerResult)?.len();
        broken(all == kept, &|| format!("{} results have no producer", all - kept))
    }
}

impl Contents {
    fn read(store: &dyn Store) -> Result<Contents, StoreError> {
        let mut contents = Contents::default();
        for family in Family::ALL {
            let mut failed = None;
            let (start, end) = match family {
                Family::State => (vec![KeyKind::ALL[0] as u8], vec![0x40]),
                Family::Messages | Family::Bodies => (Vec::new(), Vec::new()),
            };
            store.scan(family, &start, &end, &mut |key, value| {
                let added = records::decode_key(family, key).and_then(|key| contents.add(&key, value));
                failed = added.err();
                if failed.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            })?;
            failed.map_or(Ok(()), Err)?;
        }
        Ok(contents)
    }

    fn add(&mut self, key: &Key, value: &[u8]) -> Result<(), StoreError> {
        let bytes = Bytes::copy_from_slice(value);
        let unreadable = |cause| records::unreadable(key, &cause);
        match key {
            Key::Message(at) => {
                self.messages.insert(*at, codec::decode_message(&bytes).map_err(unreadable)?);
            }
            Key::BodyPart(body, part) => {
                self.parts.entry(*body).or_default().insert(*part, value.len());
            }
            Key::Status(at) => {
                self.statuses.insert(*at, codec::decode_status(value).map_err(unreadable)?);
            }
            Key::Expiry(time, at) => {
                self.expiry.insert((*time, *at));
            }
            Key::DeadLetter(id) => {
                self.dead_letters.insert(*id, codec::decode_message_key(value).map_err(unreadable)?);
            }
            Key::Branch(_) => self.work.push(codec::decode_branch(&bytes).map_err(unreadable)?.work),
            Key::Stage(stage, part) => {
                self.stages.entry(*stage).or_default().push(*part);
                self.work.push(codec::decode_work(&bytes).map_err(unreadable)?);
            }
            Key::StagedBody(body) => {
                self.staged_bodies.insert(*body, codec::decode_staged_body(value).map_err(unreadable)?);
            }
            // Compared by Mirror and Producers.
            Key::Meta
            | Key::Queue(_)
            | Key::Counters(_)
            | Key::Held(_)
            | Key::Producer(_)
            | Key::ProducerResult(..) => {}
        }
        Ok(())
    }
}

fn check_expiry(contents: &Contents) -> Result<(), Violation> {
    let expiring = |(key, message): (&MessageKey, &StoredMessage)| Some((expiry_of(key, message)?, *key));
    let expected: BTreeSet<(Timestamp, MessageKey)> = contents.messages.iter().filter_map(expiring).collect();
    hold(contents.expiry == expected, Invariant::Expiry, || {
        format!("the index has {:?}; the messages ask for {expected:?}", contents.expiry)
    })
}

fn check_statuses(contents: &Contents) -> Result<(), Violation> {
    for (key, status) in &contents.statuses {
        let belongs = contents.messages.contains_key(key) && *status != Status::default();
        hold(belongs, Invariant::Statuses, || format!("{key:?} has {status:?}"))?;
    }
    Ok(())
}

fn check_bodies(contents: &Contents) -> Result<(), Violation> {
    let of_messages = contents.messages.values().map(|message| &message.body);
    let of_work = contents.work.iter().flat_map(|work| &work.sends).map(|send| &send.body);
    let named = of_messages.chain(of_work).filter_map(|body| match body {
        Body::Apart { body, length } => Some((*body, *length)),
        Body::Inline(_) => None,
    });
    let mut owned = BTreeMap::new();
    for (body, length) in named.chain(contents.staged_bodies.iter().map(|(body, length)| (*body, *length))) {
        let other = owned.insert(body, length);
        hold(other.is_none(), Invariant::Bodies, || format!("{body:?} has two owners"))?;
    }
    for (body, length) in &owned {
        let parts = contents.parts.get(body).cloned().unwrap_or_default();
        let full =
            |part: u32| (*length - u64::from(part) * BODY_PART_BYTES as u64).min(BODY_PART_BYTES as u64) as usize;
        let expected: BTreeMap<u32, usize> = (0..parts_of(*length)).map(|part| (part, full(part))).collect();
        hold(parts == expected, Invariant::Bodies, || format!("{body:?} of {length} bytes has the parts {parts:?}"))?;
    }
    let orphan = contents.parts.keys().find(|body| !owned.contains_key(body));
    hold(orphan.is_none(), Invariant::Bodies, || format!("{orphan:?} has no owner"))
}

fn check_dead_letters(contents: &Contents) -> Result<(), Violation> {
    let mut expected = BTreeMap::new();
    for (key, message) in &contents.messages {
        let is_dead = key.queue == QueueId::DEAD_LETTER;
        hold(is_dead == message.dead_letter.is_some(), Invariant::DeadLetters, || format!("{key:?} is {message:?}"))?;
        if is_dead {
            let other = expected.insert(message.id, *key);
            hold(other.is_none(), Invariant::DeadLetters, || format!("{} is dead twice", message.id))?;
        }
    }
    hold(contents.dead_letters == expected, Invariant::DeadLetters, || {
        format!("the index has {:?}; the queue {expected:?}", contents.dead_letters)
    })
}

fn hold(holds: bool, invariant: Invariant, fact: impl FnOnce() -> String) -> Result<(), Violation> {
    if holds { Ok(()) } else { Err(Violation::Broken { invariant, fact: fact() }) }
}
