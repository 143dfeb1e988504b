//! The stored form of [`Command`].

use bytes::Bytes;
use handfast_protocol::{ProducerName, ProducerSequence};
use serde::{Deserialize, Serialize};

use super::Unreadable;
use super::parts::{
    FateRecord, KeyRecord, Octets, OutgoingRecord, SettingsRecord, WorkRecord, XidRecord, key_records, message_keys,
    outgoing_messages, outgoing_records, queue_name,
};
use crate::{Blame, BodyId, Command, QueueId, StageId};

/// A variant's place is its stored number: new ones go to the end.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum CommandRecord<'a> {
    CreateQueue {
        name: &'a str,
        settings: SettingsRecord,
        principal: &'a str,
    },
    DeleteQueue {
        queue: u32,
        fate: FateRecord,
    },
    Sweep {
        queue: u32,
        from: KeyRecord,
        through: KeyRecord,
        limit: u32,
        locked: Vec<KeyRecord>,
        fate: FateRecord,
    },
    Expire {
        messages: Vec<KeyRecord>,
    },
    Send {
        #[serde(borrow)]
        producer: Option<ProducerSequenceRecord<'a>>,
        #[serde(borrow)]
        sends: Vec<OutgoingRecord<'a>>,
    },
    StageBody {
        body: u64,
        part: u32,
        #[serde(borrow)]
        bytes: Octets<'a>,
    },
    StageWork {
        stage: u64,
        part: u32,
        #[serde(borrow)]
        work: WorkRecord<'a>,
    },
    Unstage {
        stages: Vec<u64>,
        bodies: Vec<u64>,
    },
    Commit {
        #[serde(borrow)]
        xid: XidRecord<'a>,
        #[serde(borrow)]
        work: WorkRecord<'a>,
        hold: bool,
    },
    Prepare {
        #[serde(borrow)]
        xid: XidRecord<'a>,
        #[serde(borrow)]
        work: WorkRecord<'a>,
    },
    CommitPrepared {
        #[serde(borrow)]
        xid: XidRecord<'a>,
        hold: bool,
    },
    RollbackPrepared {
        #[serde(borrow)]
        xid: XidRecord<'a>,
    },
    Release {
        #[serde(borrow)]
        xid: XidRecord<'a>,
    },
    Return {
        messages: Vec<KeyRecord>,
        #[serde(borrow)]
        blame: BlameRecord<'a>,
    },
    ReturnDeadLetters {
        messages: Vec<KeyRecord>,
        to: Option<u32>,
    },
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ProducerSequenceRecord<'a> {
    producer: &'a str,
    epoch: u64,
    sequence: u64,
    mark: u64,
}

impl<'a> From<&'a ProducerSequence> for ProducerSequenceRecord<'a> {
    fn from(place: &'a ProducerSequence) -> ProducerSequenceRecord<'a> {
        let ProducerSequence { producer, epoch, sequence, mark } = place;
        ProducerSequenceRecord { producer: producer.as_str(), epoch: *epoch, sequence: *sequence, mark: *mark }
    }
}

impl ProducerSequenceRecord<'_> {
    fn into_sequence(self) -> Result<ProducerSequence, Unreadable> {
        let producer = ProducerName::new(self.producer).map_err(Unreadable::malformed)?;
        Ok(ProducerSequence { producer, epoch: self.epoch, sequence: self.sequence, mark: self.mark })
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) enum BlameRecord<'a> {
    Message { error: &'a str },
    Reject { error: &'a str },
    Vanished,
}

impl<'a> From<&'a Blame> for BlameRecord<'a> {
    fn from(blame: &'a Blame) -> BlameRecord<'a> {
        match blame {
            Blame::Message { error } => BlameRecord::Message { error },
            Blame::Reject { error } => BlameRecord::Reject { error },
            Blame::Vanished => BlameRecord::Vanished,
        }
    }
}

impl From<BlameRecord<'_>> for Blame {
    fn from(record: BlameRecord<'_>) -> Blame {
        match record {
            BlameRecord::Message { error } => Blame::Message { error: error.to_owned() },
            BlameRecord::Reject { error } => Blame::Reject { error: error.to_owned() },
            BlameRecord::Vanished => Blame::Vanished,
        }
    }
}

impl<'a> From<&'a Command> for CommandRecord<'a> {
    fn from(command: &'a Command) -> CommandRecord<'a> {
        use CommandRecord as R;
        match command {
            Command::CreateQueue { name, settings, principal } => {
                R::CreateQueue { name: name.as_str(), settings: settings.into(), principal }
            }
            Command::DeleteQueue { queue, fate } => R::DeleteQueue { queue: queue.0, fate: (*fate).into() },
            Command::Sweep { queue, from, through, limit, locked, fate } => R::Sweep {
                queue: queue.0,
                from: from.into(),
                through: through.into(),
                limit: *limit,
                locked: key_records(locked),
                fate: (*fate).into(),
            },
            Command::Expire { messages } => R::Expire { messages: key_records(messages) },
            Command::Send { producer, sends } => {
                R::Send { producer: producer.as_ref().map(Into::into), sends: outgoing_records(sends) }
            }
            Command::StageBody { body, part, bytes } => {
                R::StageBody { body: body.0, part: *part, bytes: Octets(bytes) }
            }
            Command::StageWork { stage, part, work } => R::StageWork { stage: stage.0, part: *part, work: work.into() },
            Command::Unstage { stages, bodies } => R::Unstage {
                stages: stages.iter().map(|stage| stage.0).collect(),
                bodies: bodies.iter().map(|body| body.0).collect(),
            },
            Command::Commit { xid, work, hold } => R::Commit { xid: xid.into(), work: work.into(), hold: *hold },
            Command::Prepare { xid, work } => R::Prepare { xid: xid.into(), work: work.into() },
            Command::CommitPrepared { xid, hold } => R::CommitPrepared { xid: xid.into(), hold: *hold },
            Command::RollbackPrepared { xid } => R::RollbackPrepared { xid: xid.into() },
            Command::Release { xid } => R::Release { xid: xid.into() },
            Command::Return { messages, blame } => R::Return { messages: key_records(messages), blame: blame.into() },
            Command::ReturnDeadLetters { messages, to } => {
                R::ReturnDeadLetters { messages: key_records(messages), to: to.map(|queue| queue.0) }
            }
        }
    }
}

impl CommandRecord<'_> {
    pub(super) fn into_command(self, source: &Bytes) -> Result<Command, Unreadable> {
        use CommandRecord as R;
        Ok(match self {
            R::CreateQueue { name, settings, principal } => Command::CreateQueue {
                name: queue_name(name)?,
                settings: settings.into(),
                principal: principal.to_owned(),
            },
            R::DeleteQueue { queue, fate } => Command::DeleteQueue { queue: QueueId(queue), fate: fate.into() },
            R::Sweep { queue, from, through, limit, locked, fate } => Command::Sweep {
                queue: QueueId(queue),
                from: from.into(),
                through: through.into(),
                limit,
                locked: message_keys(locked),
                fate: fate.into(),
            },
            R::Expire { messages } => Command::Expire { messages: message_keys(messages) },
            R::Send { producer, sends } => Command::Send {
                producer: producer.map(ProducerSequenceRecord::into_sequence).transpose()?,
                sends: outgoing_messages(sends, source)?,
            },
            R::StageBody { body, part, bytes } => {
                Command::StageBody { body: BodyId(body), part, bytes: bytes.of(source) }
            }
            R::StageWork { stage, part, work } => {
                Command::StageWork { stage: StageId(stage), part, work: work.into_work(source)? }
            }
            R::Unstage { stages, bodies } => Command::Unstage {
                stages: stages.into_iter().map(StageId).collect(),
                bodies: bodies.into_iter().map(BodyId).collect(),
            },
            R::Commit { xid, work, hold } => {
                Command::Commit { xid: xid.into_xid()?, work: work.into_work(source)?, hold }
            }
            R::Prepare { xid, work } => Command::Prepare { xid: xid.into_xid()?, work: work.into_work(source)? },
            R::CommitPrepared { xid, hold } => Command::CommitPrepared { xid: xid.into_xid()?, hold },
            R::RollbackPrepared { xid } => Command::RollbackPrepared { xid: xid.into_xid()? },
            R::Release { xid } => Command::Release { xid: xid.into_xid()? },
            R::Return { messages, blame } => Command::Return { messages: message_keys(messages), blame: blame.into() },
            R::ReturnDeadLetters { messages, to } => {
                Command::ReturnDeadLetters { messages: message_keys(messages), to: to.map(QueueId) }
            }
        })
    }
}
