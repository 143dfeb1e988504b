//! Random commands. An operation is drawn blindly and becomes a command when it is met, so that most commands name
//! things that are there and some do not.

use std::time::Duration;

use bytes::Bytes;
use handfast_protocol::{
    DeadLetterReason, Priority, ProducerName, ProducerSequence, Properties, QueueName, Timestamp, Xid,
};
use handfast_queue::command::Fate;
use handfast_queue::{
    Blame, Body, BodyId, Command, MessageKey, OutgoingMessage, QueueId, QueueSettings, StageId, Work,
};
use proptest::prelude::*;
use proptest::sample::Index;

use crate::model::Model;
use crate::world::{Entry, id, xid};

#[derive(Debug, Clone)]
pub enum Op {
    Command(Deed),
    /// Several commands in one log entry.
    Several(Vec<Deed>),
    BeginEpoch,
    Pass {
        millis: u16,
    },
    Flush,
}

#[derive(Debug, Clone)]
pub enum Deed {
    Create { name: u8, strict: bool },
    Delete { queue: u8, fate: Fate },
    Sweep { queue: u8, band: Option<u8>, from: u8, limit: u32, locked: Vec<Index>, fate: Fate },
    Expire { messages: Vec<Index> },
    Send { sends: Vec<Draft> },
    Produce { name: u8, epoch: Epoch, back: u8, sends: Vec<Draft> },
    StageBody { body: u8, part: u8, full: bool },
    StageWork { stage: u8, work: Draw },
    Unstage { stage: u8, body: u8 },
    Commit { xid: u8, work: Draw, hold: bool },
    Prepare { xid: u8, work: Draw },
    CommitPrepared { xid: u8, hold: bool },
    RollbackPrepared { xid: u8 },
    Release { xid: u8 },
    Return { messages: Vec<Index>, blame: Blame },
    ReturnDeadLetters { messages: Vec<Index>, to: Option<u8> },
}

#[derive(Debug, Clone)]
pub struct Draft {
    queue: u8,
    priority: u8,
    ttbr: Option<u16>,
    drop_expired: bool,
    size: Size,
}

#[derive(Debug, Clone, Copy)]
pub enum Epoch {
    Older,
    Same,
    Newer,
}

#[derive(Debug, Clone)]
enum Size {
    Bytes(usize),
    Staged(u8),
}

#[derive(Debug, Clone)]
pub struct Draw {
    sends: Vec<Draft>,
    receives: Vec<Index>,
    stage: Option<u8>,
}

/// What a log entry needs beside the model: fresh ordinals.
#[derive(Debug, Default)]
pub struct Drawer {
    ordinal: u64,
    /// The body that each number means now: an id is never given twice.
    bodies: [u64; 3],
}

pub fn ops() -> impl Strategy<Value = Vec<Op>> {
    let op = prop_oneof![
        30 => deed().prop_map(Op::Command),
        4 => prop::collection::vec(deed(), 2..5).prop_map(Op::Several),
        1 => Just(Op::BeginEpoch),
        3 => any::<u16>().prop_map(|millis| Op::Pass { millis }),
        1 => Just(Op::Flush),
    ];
    let create = |name| Op::Command(Deed::Create { name, strict: name == 1 });
    prop::collection::vec(op, 1..80).prop_map(move |ops| (1..4).map(create).chain(ops).collect())
}

fn deed() -> impl Strategy<Value = Deed> {
    let indexes = || prop::collection::vec(any::<Index>(), 0..4);
    let drafts = || prop::collection::vec(draft(), 0..4);
    prop_oneof![
        2 => (0..4u8, any::<bool>()).prop_map(|(name, strict)| Deed::Create { name, strict }),
        1 => (0..5u8, fate()).prop_map(|(queue, fate)| Deed::Delete { queue, fate }),
        2 => (0..5u8, prop::option::of(0..8u8), 0..3u8, 0..5u32, indexes(), fate()).prop_map(
            |(queue, band, from, limit, locked, fate)| Deed::Sweep { queue, band, from, limit, locked, fate }
        ),
        2 => indexes().prop_map(|messages| Deed::Expire { messages }),
        6 => drafts().prop_map(|sends| Deed::Send { sends }),
        3 => (0..3u8, epoch(), 0..4u8, drafts())
            .prop_map(|(name, epoch, back, sends)| Deed::Produce { name, epoch, back, sends }),
        2 => (0..3u8, 0..3u8, any::<bool>()).prop_map(|(body, part, full)| Deed::StageBody { body, part, full }),
        2 => (0..3u8, draw()).prop_map(|(stage, work)| Deed::StageWork { stage, work }),
        1 => (0..3u8, 0..3u8).prop_map(|(stage, body)| Deed::Unstage { stage, body }),
        5 => (0..4u8, draw(), any::<bool>()).prop_map(|(xid, work, hold)| Deed::Commit { xid, work, hold }),
        5 => (0..4u8, draw()).prop_map(|(xid, work)| Deed::Prepare { xid, work }),
        3 => (0..4u8, any::<bool>()).prop_map(|(xid, hold)| Deed::CommitPrepared { xid, hold }),
        2 => (0..4u8).prop_map(|xid| Deed::RollbackPrepared { xid }),
        3 => (0..4u8).prop_map(|xid| Deed::Release { xid }),
        4 => (indexes(), blame()).prop_map(|(messages, blame)| Deed::Return { messages, blame }),
        2 => (indexes(), prop::option::of(0..5u8)).prop_map(|(messages, to)| Deed::ReturnDeadLetters { messages, to }),
    ]
}

fn epoch() -> impl Strategy<Value = Epoch> {
    prop_oneof![1 => Just(Epoch::Older), 16 => Just(Epoch::Same), 2 => Just(Epoch::Newer)]
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        Just(Fate::Discard),
        Just(Fate::DeadLetter(DeadLetterReason::Purged)),
        Just(Fate::DeadLetter(DeadLetterReason::QueueDeleted)),
    ]
}

fn blame() -> impl Strategy<Value = Blame> {
    prop_oneof![
        3 => "[a-z]{0,5}".prop_map(|error| Blame::Message { error }),
        1 => "[a-z]{0,5}".prop_map(|error| Blame::Reject { error }),
        2 => Just(Blame::Vanished),
    ]
}

fn draft() -> impl Strategy<Value = Draft> {
    let size = prop_oneof![
        12 => (0..20usize).prop_map(Size::Bytes),
        2 => Just(Size::Bytes(5_000)),
        1 => Just(Size::Bytes(70_000)),
        1 => (0..3u8).prop_map(Size::Staged),
    ];
    let queue = prop_oneof![60 => 1..5u8, 1 => Just(0u8)];
    (queue, 2..5u8, prop::option::weighted(0.3, any::<u16>()), any::<bool>(), size)
        .prop_map(|(queue, priority, ttbr, drop_expired, size)| Draft { queue, priority, ttbr, drop_expired, size })
}

fn draw() -> impl Strategy<Value = Draw> {
    let receives = prop::collection::vec(any::<Index>(), 0..3);
    (prop::collection::vec(draft(), 0..4), receives, prop::option::weighted(0.1, 0..3u8))
        .prop_map(|(sends, receives, stage)| Draw { sends, receives, stage })
}

impl Drawer {
    pub fn entry(&mut self, model: &Model, deeds: &[Deed]) -> Entry {
        Entry::Commands(deeds.iter().map(|deed| self.command(model, deed)).collect())
    }

    fn command(&mut self, model: &Model, deed: &Deed) -> Command {
        match deed.clone() {
            Deed::Create { name, strict } => {
                let settings =
                    if strict { QueueSettings { max_attempts: 2, max_abandoned: 2 } } else { QueueSettings::default() };
                let name = QueueName::new(["Orders", "orders", "shipments", "ledger"][usize::from(name)]).unwrap();
                Command::CreateQueue { name, settings, principal: "somebody".to_owned() }
            }
            Deed::Delete { queue, fate } => Command::DeleteQueue { queue: pick_queue(model, queue), fate },
            Deed::Sweep { queue, band, from, limit, locked, fate } => {
                let queue = pick_queue(model, queue);
                let low = MessageKey { queue, band: band.unwrap_or(0), sequence: u64::from(from) };
                let high = MessageKey { queue, band: band.unwrap_or(7), sequence: u64::MAX };
                let locked = pick_keys(model, &locked);
                Command::Sweep { queue, from: low, through: high, limit, locked, fate }
            }
            Deed::Expire { messages } => Command::Expire { messages: pick_keys(model, &messages) },
            Deed::Send { sends } => Command::Send { producer: None, sends: self.messages(model, &sends) },
            Deed::Produce { name, epoch, back, sends } => {
                let producer = ProducerName::new(["a", "b", "ab"][usize::from(name)]).unwrap();
                let known = model.producers.get(&producer);
                let next = known.map_or(0, |known| known.results.len() as u64);
                let now = known.map_or(1, |known| known.epoch);
                let (epoch, sequence) = match epoch {
                    Epoch::Older => (now.saturating_sub(1), next),
                    Epoch::Same => (now, (next + 1).saturating_sub(u64::from(back))),
                    Epoch::Newer => (now + 1, 0),
                };
                let at = ProducerSequence { producer, epoch, sequence, mark: 0 };
                Command::Send { producer: Some(at), sends: self.messages(model, &sends) }
            }
            Deed::StageBody { body, part, full } => {
                let length = if full { handfast_queue::limits::BODY_PART_BYTES } else { 3 };
                if part == 0 {
                    self.bodies[usize::from(body)] = self.ordinal();
                }
                Command::StageBody { body: self.body(body), part: u32::from(part), bytes: vec![body; length].into() }
            }
            Deed::StageWork { stage, work } => {
                let stage = StageId(u64::from(stage));
                let part = model.stages.get(&stage).map_or(0, Vec::len) as u32;
                Command::StageWork { stage, part, work: self.work(model, &work) }
            }
            Deed::Unstage { stage, body } => {
                Command::Unstage { stages: vec![StageId(u64::from(stage))], bodies: vec![self.body(body)] }
            }
            Deed::Commit { xid: number, work, hold } => {
                Command::Commit { xid: xid(number), work: self.work(model, &work), hold }
            }
            Deed::Prepare { xid: number, work } => Command::Prepare { xid: xid(number), work: self.work(model, &work) },
            Deed::CommitPrepared { xid: number, hold } => {
                Command::CommitPrepared { xid: pick_xid(model, number), hold }
            }
            Deed::RollbackPrepared { xid: number } => Command::RollbackPrepared { xid: pick_xid(model, number) },
            Deed::Release { xid: number } => Command::Release { xid: xid(number) },
            Deed::Return { messages, blame } => Command::Return { messages: pick_keys(model, &messages), blame },
            Deed::ReturnDeadLetters { messages, to } => {
                let dead: Vec<MessageKey> = model.queues[&QueueId::DEAD_LETTER].letters.iter().map(|l| l.key).collect();
                let picked = messages.iter().filter(|_| !dead.is_empty()).map(|at| *at.get(&dead)).collect();
                Command::ReturnDeadLetters { messages: picked, to: to.map(|queue| pick_queue(model, queue)) }
            }
        }
    }

    fn ordinal(&mut self) -> u64 {
        self.ordinal += 1;
        self.ordinal
    }

    fn body(&self, number: u8) -> BodyId {
        BodyId(self.bodies[usize::from(number)])
    }

    fn work(&mut self, model: &Model, draw: &Draw) -> Work {
        Work {
            sends: self.messages(model, &draw.sends),
            receives: pick_keys(model, &draw.receives),
            stage: draw.stage.map(|stage| StageId(u64::from(stage))),
        }
    }

    fn messages(&mut self, model: &Model, drafts: &[Draft]) -> Vec<OutgoingMessage> {
        drafts.iter().map(|draft| self.message(model, draft)).collect()
    }

    fn message(&mut self, model: &Model, draft: &Draft) -> OutgoingMessage {
        let ordinal = self.ordinal();
        let body = match draft.size {
            Size::Bytes(length) => Body::Inline(Bytes::from(vec![ordinal as u8; length])),
            Size::Staged(number) => {
                let body = self.body(number);
                Body::Apart { body, length: model.bodies.get(&body).map_or(9, |bytes| bytes.len() as u64) }
            }
        };
        let properties = Properties {
            label: "x".repeat(usize::from(draft.priority)),
            priority: Priority::new(draft.priority).unwrap(),
            time_to_be_received: draft.ttbr.map(|millis| Duration::from_millis(u64::from(millis))),
            drop_expired: draft.drop_expired,
            extension: vec![("k".to_owned(), Bytes::from_static(b"v"))],
            ..Properties::default()
        };
        let sent_at = Timestamp(model.now.0.saturating_sub(50));
        OutgoingMessage { queue: pick_queue(model, draft.queue), id: id(ordinal), properties, body, sent_at }
    }
}

/// 0: the dead-letter queue; else one that is there, or was, or is not yet.
fn pick_queue(model: &Model, number: u8) -> QueueId {
    let open: Vec<QueueId> = model.queues.keys().copied().filter(|queue| *queue != QueueId::DEAD_LETTER).collect();
    match usize::from(number).checked_sub(1) {
        None => QueueId::DEAD_LETTER,
        Some(at) => open.get(at).or(open.first()).copied().unwrap_or(QueueId(u32::from(number))),
    }
}

/// Mostly a prepared branch, if there is one.
fn pick_xid(model: &Model, number: u8) -> Xid {
    model.branches.keys().nth(usize::from(number)).cloned().unwrap_or_else(|| xid(number))
}

/// Mostly messages that are there; now and then one that is not.
fn pick_keys(model: &Model, at: &[Index]) -> Vec<MessageKey> {
    let mut keys = model.all_keys();
    keys.push(MessageKey { queue: QueueId(1), band: 4, sequence: 0 });
    at.iter().map(|at| *at.get(&keys)).collect()
}
