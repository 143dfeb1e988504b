//! An active branch: what one transaction has done here so far, in memory only. Its commit or prepare makes it durable.

use std::collections::{BTreeMap, BTreeSet};

use handfast_protocol::{Timestamp, Xid};

use super::ConnectionId;
use super::limits::{
    BRANCH_BYTES, PART_SLACK_BYTES, RECEIVE_ENCODED_BYTES, SEND_BYTES, STAGED_RECORD_BYTES, WORK_BYTES_MAX,
};
use super::waiting::WaitId;
use crate::{Body, BodyId, MessageKey, OutgoingMessage, QueueId, StageId, Work};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct BranchId(pub u64);

/// ```text
/// Active --end--> Ended --resolved--> gone      (a coordinator beside the manager proposes its command)
///   |  \--xa_end--> Idle --commit, prepare--> Deciding --applied--> gone    (the manager proposes it)
///   |               |
///   \---------------+--rollback, timeout--> gone; a lost connection takes an active branch along, no idle one
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Active,
    /// Its client has done its work: it belongs to its xid alone, and waits for its coordinator.
    Idle,
    Ended,
    Deciding,
}

#[derive(Debug)]
pub(super) struct Branch {
    pub xid: Xid,
    /// The connection that started it: its loss rolls the branch back while it is active.
    pub connection: Option<ConnectionId>,
    pub deadline: Timestamp,
    pub phase: Phase,
    /// All its locks, per queue.
    pub receives: BTreeMap<QueueId, BTreeSet<MessageKey>>,
    /// Through which connection it received last from each of these queues.
    pub readers: BTreeMap<QueueId, ConnectionId>,
    /// Bodies that rest apart and that its sends name; they vanish with it.
    pub bodies: Vec<BodyId>,
    /// Its waiting receives.
    pub waits: BTreeSet<WaitId>,
    /// When the first of its sends expires.
    pub expires: Option<Timestamp>,
    /// What it holds of the budget of active branches, beside staged parts in flight.
    pub charge: usize,
    /// What it holds of the budget of staged bytes.
    pub staged_charge: usize,
    sends: Vec<OutgoingMessage>,
    sends_bytes: usize,
    /// Receives that are not staged yet.
    received: Vec<MessageKey>,
    /// Where its work is written ahead, if it outgrows one log entry (P26).
    stage: StageId,
    /// How many parts of it are.
    parts: u32,
}

/// A part of a branch's work to write ahead, and what it holds of the budget of active branches until it is applied.
#[derive(Debug)]
pub(super) struct Part {
    pub stage: StageId,
    pub part: u32,
    pub work: Work,
    pub charge: usize,
}

impl Phase {
    /// Nothing decides about it yet: it may be rolled back, and runs out of time (D6).
    pub fn is_undecided(self) -> bool {
        match self {
            Phase::Active | Phase::Idle => true,
            Phase::Ended | Phase::Deciding => false,
        }
    }
}

impl Branch {
    pub fn new(xid: Xid, connection: Option<ConnectionId>, deadline: Timestamp, stage: StageId) -> Branch {
        Branch {
            xid,
            connection,
            deadline,
            phase: Phase::Active,
            receives: BTreeMap::new(),
            readers: BTreeMap::new(),
            bodies: Vec::new(),
            waits: BTreeSet::new(),
            expires: None,
            charge: BRANCH_BYTES,
            staged_charge: 0,
            sends: Vec::new(),
            sends_bytes: 0,
            received: Vec::new(),
            stage,
            parts: 0,
        }
    }

    /// Neither sends nor receives: its prepare is read-only, its commit needs no command.
    pub fn is_empty(&self) -> bool {
        self.sends.is_empty() && self.receives.is_empty() && self.parts == 0
    }

    pub fn add_send(&mut self, message: OutgoingMessage) {
        self.sends_bytes += send_bytes(&message);
        self.sends.push(message);
    }

    pub fn add_receive(&mut self, key: MessageKey, by: ConnectionId) {
        self.readers.insert(key.queue, by);
        let new = self.receives.entry(key.queue).or_default().insert(key);
        assert!(new, "{key:?} was handed to one branch twice");
        self.received.push(key);
    }

    /// How many messages of the queue it holds.
    pub fn held_on(&self, queue: QueueId) -> usize {
        self.receives.get(&queue).map_or(0, BTreeSet::len)
    }

    pub fn locked(&self) -> impl Iterator<Item = MessageKey> {
        self.receives.values().flatten().copied()
    }

    /// What it has written ahead.
    pub fn stage(&self) -> Option<StageId> {
        (self.parts > 0).then_some(self.stage)
    }

    /// What its work not yet staged takes in a log entry.
    fn work_bytes(&self) -> usize {
        self.sends_bytes + self.received.len() * RECEIVE_ENCODED_BYTES
    }

    /// Whether what is not yet staged is more than one log entry is to carry.
    pub fn outgrows(&self, work_bytes_max: usize) -> bool {
        self.work_bytes() > work_bytes_max
    }

    /// All its work so far and `more`, as far as one commit can carry it.
    pub fn size_with(&self, more: usize) -> usize {
        self.parts as usize * (WORK_BYTES_MAX - PART_SLACK_BYTES) + self.work_bytes() + more
    }

    /// What is not staged yet; the stage itself is named. The branch keeps its locks.
    pub fn take_work(&mut self) -> Work {
        self.sends_bytes = 0;
        Work {
            sends: std::mem::take(&mut self.sends),
            receives: std::mem::take(&mut self.received),
            stage: self.stage(),
        }
    }

    /// The next part to stage: as many sends as fit one log entry (one always does), and with the last of them the receives.
    pub fn take_part(&mut self, work_bytes_max: usize) -> Part {
        let mut bytes = 0;
        let fits = |message: &&OutgoingMessage| {
            let is_first = bytes == 0;
            bytes += send_bytes(message);
            is_first || bytes <= work_bytes_max
        };
        let count = self.sends.iter().take_while(fits).count();
        let rest = self.sends.split_off(count);
        let sends = std::mem::replace(&mut self.sends, rest);
        let charge = sends.iter().map(send_bytes).sum();
        self.sends_bytes -= charge;
        self.charge -= charge;
        let receives = if self.sends.is_empty() { std::mem::take(&mut self.received) } else { Vec::new() };
        assert!(!sends.is_empty() || !receives.is_empty(), "a part that carries nothing would be taken for ever");
        let part = self.parts;
        self.parts += 1;
        Part { stage: self.stage, part, work: Work { sends, receives, stage: None }, charge }
    }
}

/// What a send holds in memory and, roughly, takes in a log entry.
pub(super) fn send_bytes(message: &OutgoingMessage) -> usize {
    let inline = match &message.body {
        Body::Inline(bytes) => bytes.len(),
        Body::Apart { .. } => 0,
    };
    envelope_bytes(&message.properties) + inline
}

/// A send without its body.
pub(super) fn envelope_bytes(properties: &handfast_protocol::Properties) -> usize {
    let extension: usize = properties.extension.iter().map(|(name, value)| name.len() + value.len()).sum();
    let answer = properties.response_queue.as_ref().map_or(0, |name| name.as_str().len());
    SEND_BYTES + properties.label.len() + properties.correlation_id.len() + answer + extension
}

/// What a record of `bytes` is charged when it is written ahead.
pub(super) fn staged_bytes(bytes: usize) -> usize {
    bytes.max(STAGED_RECORD_BYTES)
}
