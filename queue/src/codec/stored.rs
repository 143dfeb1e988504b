//! The stored forms of what the state keeps; `state/keys.rs` says under which keys.

use bytes::Bytes;
use handfast_protocol::{DeadLetter, MessageId, Timestamp};
use serde::{Deserialize, Serialize};

use super::parts::{
    BodyRecord, FateRecord, IdRecord, KeyRecord, PropertiesRecord, ReasonRecord, SettingsRecord, WorkRecord,
    check_length, queue_name,
};
use super::{Unreadable, VERSION, read, write};
use crate::command::Fate;
use crate::{MessageKey, QueueId, QueueRecord, Status, StoredMessage, Work};

/// The changing part of a queue: written once per log entry that touches the queue.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Counters {
    pub next_sequence: [u64; 8],
    pub head: [u64; 8],
    pub messages: u64,
    pub bytes: u64,
    pub statuses: u64,
    /// Band, from, end.
    pub gone: Vec<(u8, u64, u64)>,
}

/// Messages of one queue and band with consecutive sequences.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Run {
    pub first: MessageKey,
    pub count: u64,
}

/// Messages of one manager with consecutive ordinals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct IdRun {
    pub first: MessageId,
    pub count: u64,
}

/// A prepared branch: the work of its prepare, with the stage that comes before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BranchRecord {
    pub prepared_at: Timestamp,
    pub work: Work,
}

/// A producer's place in its stream (P24).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ProducerRecord {
    pub epoch: u64,
    /// The sequence that is expected next.
    pub next: u64,
    /// The first sequence of the oldest result that is kept; equals `next` when there is none.
    pub oldest: u64,
    pub used_at: u64,
    /// Of the last send, as its producer gave it, or [`handfast_protocol::MARK_OF_REFUSED`].
    pub mark: u64,
}

/// What one send of a producer came to; the sequences it covers begin with the one in its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ProducerResult {
    pub count: u64,
    /// As its producer gave it; 0 says nothing.
    pub mark: u64,
    pub result: FirstResult,
}

/// The results that are kept: a repetition is answered with them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FirstResult {
    Sent(Vec<IdRun>),
    QueueGone(QueueId),
    DeadLetterQueue,
}

#[derive(Serialize, Deserialize)]
struct QueueForm<'a> {
    name: &'a str,
    settings: SettingsRecord,
    created_at: u64,
    owner: &'a str,
    deleting: Option<FateRecord>,
}

#[derive(Serialize, Deserialize)]
struct StatusForm<'a> {
    attempts: u32,
    abandoned: u32,
    not_before: u64,
    error: &'a str,
    purge: Option<bool>,
}

#[derive(Serialize, Deserialize)]
struct MessageForm<'a> {
    id: IdRecord,
    #[serde(borrow)]
    properties: PropertiesRecord<'a>,
    sent_at: u64,
    arrived_at: u64,
    #[serde(borrow)]
    dead: Option<DeadForm<'a>>,
    #[serde(borrow)]
    body: BodyRecord<'a>,
}

#[derive(Serialize, Deserialize)]
struct DeadForm<'a> {
    queue: &'a str,
    reason: ReasonRecord,
    error: &'a str,
    dead_at: u64,
    attempts: u32,
    abandoned: u32,
}

#[derive(Serialize, Deserialize)]
struct BranchForm<'a> {
    prepared_at: u64,
    #[serde(borrow)]
    work: WorkRecord<'a>,
}

#[derive(Serialize, Deserialize)]
struct RunForm(KeyRecord, u64);

#[derive(Serialize, Deserialize)]
struct IdRunForm(IdRecord, u64);

#[derive(Serialize, Deserialize)]
struct ProducerResultForm {
    count: u64,
    mark: u64,
    result: FirstResultForm,
}

#[derive(Serialize, Deserialize)]
enum FirstResultForm {
    Sent(Vec<IdRunForm>),
    QueueGone(u32),
    DeadLetterQueue,
}

/// The value of a key that says everything itself.
pub(crate) fn presence() -> Bytes {
    Bytes::from_static(&[VERSION])
}

pub(crate) fn encode_meta(next_queue: u32) -> Bytes {
    write(&next_queue, 6)
}

pub(crate) fn decode_meta(bytes: &[u8]) -> Result<u32, Unreadable> {
    read(bytes)
}

pub(crate) fn encode_queue(record: &QueueRecord) -> Bytes {
    let form = QueueForm {
        name: record.name.as_str(),
        settings: (&record.settings).into(),
        created_at: record.created_at.0,
        owner: &record.owner,
        deleting: record.deleting.map(FateRecord::from),
    };
    write(&form, 32 + form.name.len() + form.owner.len())
}

/// The record of queue `id`, its changing part still at zero.
pub(crate) fn decode_queue(id: QueueId, bytes: &[u8]) -> Result<QueueRecord, Unreadable> {
    let form: QueueForm<'_> = read(bytes)?;
    Ok(QueueRecord {
        id,
        name: queue_name(form.name)?,
        settings: form.settings.into(),
        created_at: Timestamp(form.created_at),
        owner: form.owner.to_owned(),
        next_sequence: [0; 8],
        head: [0; 8],
        messages: 0,
        bytes: 0,
        deleting: form.deleting.map(Fate::from),
    })
}

pub(crate) fn encode_counters(counters: &Counters) -> Bytes {
    write(counters, 64 + counters.gone.len() * 8)
}

pub(crate) fn decode_counters(bytes: &[u8]) -> Result<Counters, Unreadable> {
    read(bytes)
}

pub(crate) fn encode_status(status: &Status) -> Bytes {
    let Status { attempts, abandoned, not_before, error, purge } = status;
    let form =
        StatusForm { attempts: *attempts, abandoned: *abandoned, not_before: not_before.0, error, purge: *purge };
    write(&form, 32 + error.len())
}

pub(crate) fn decode_status(bytes: &[u8]) -> Result<Status, Unreadable> {
    let form: StatusForm<'_> = read(bytes)?;
    Ok(Status {
        attempts: form.attempts,
        abandoned: form.abandoned,
        not_before: Timestamp(form.not_before),
        error: form.error.to_owned(),
        purge: form.purge,
    })
}

pub(crate) fn encode_message(message: &StoredMessage) -> Bytes {
    let dead = message.dead_letter.as_ref().map(|dead| DeadForm {
        queue: dead.queue.as_str(),
        reason: dead.reason.into(),
        error: &dead.error,
        dead_at: dead.dead_at.0,
        attempts: message.dead_attempts,
        abandoned: message.dead_abandoned,
    });
    let form = MessageForm {
        id: message.id.into(),
        properties: (&message.properties).into(),
        sent_at: message.sent_at.0,
        arrived_at: message.arrived_at.0,
        dead,
        body: (&message.body).into(),
    };
    let inline = match &message.body {
        crate::Body::Inline(bytes) => bytes.len(),
        crate::Body::Apart { .. } => 18,
    };
    write(&form, 96 + message.properties.label.len() + inline)
}

/// The body, if inline, is a slice of `bytes`.
pub(crate) fn decode_message(bytes: &Bytes) -> Result<StoredMessage, Unreadable> {
    let form: MessageForm<'_> = read(bytes)?;
    form.body.check()?;
    let (dead_attempts, dead_abandoned) = form.dead.as_ref().map_or((0, 0), |dead| (dead.attempts, dead.abandoned));
    let dead_letter = |dead: DeadForm<'_>| {
        Ok(DeadLetter {
            queue: queue_name(dead.queue)?,
            reason: dead.reason.into(),
            error: dead.error.to_owned(),
            dead_at: Timestamp(dead.dead_at),
        })
    };
    Ok(StoredMessage {
        id: form.id.into(),
        properties: form.properties.into_properties(bytes)?,
        body: form.body.into_body(bytes),
        sent_at: Timestamp(form.sent_at),
        arrived_at: Timestamp(form.arrived_at),
        dead_letter: form.dead.map(dead_letter).transpose()?,
        dead_attempts,
        dead_abandoned,
    })
}

pub(crate) fn encode_message_key(key: &MessageKey) -> Bytes {
    write(&KeyRecord::from(key), 16)
}

pub(crate) fn decode_message_key(bytes: &[u8]) -> Result<MessageKey, Unreadable> {
    read::<KeyRecord>(bytes).map(MessageKey::from)
}

pub(crate) fn encode_work(work: &Work) -> Bytes {
    write(&WorkRecord::from(work), 256)
}

pub(crate) fn decode_work(bytes: &Bytes) -> Result<Work, Unreadable> {
    let record: WorkRecord<'_> = read(bytes)?;
    record.check()?;
    record.into_work(bytes)
}

pub(crate) fn encode_branch(prepared_at: Timestamp, work: &Work) -> Bytes {
    write(&BranchForm { prepared_at: prepared_at.0, work: work.into() }, 256)
}

pub(crate) fn decode_branch(bytes: &Bytes) -> Result<BranchRecord, Unreadable> {
    let form: BranchForm<'_> = read(bytes)?;
    form.work.check()?;
    Ok(BranchRecord { prepared_at: Timestamp(form.prepared_at), work: form.work.into_work(bytes)? })
}

pub(crate) fn encode_held(runs: &[Run]) -> Bytes {
    let forms: Vec<RunForm> = runs.iter().map(|run| RunForm((&run.first).into(), run.count)).collect();
    write(&forms, 32)
}

pub(crate) fn decode_held(bytes: &[u8]) -> Result<Vec<Run>, Unreadable> {
    let forms: Vec<RunForm> = read(bytes)?;
    Ok(forms.into_iter().map(|RunForm(first, count)| Run { first: first.into(), count }).collect())
}

pub(crate) fn encode_staged_body(length: u64) -> Bytes {
    write(&length, 10)
}

pub(crate) fn decode_staged_body(bytes: &[u8]) -> Result<u64, Unreadable> {
    let length = read(bytes)?;
    check_length(length)?;
    Ok(length)
}

pub(crate) fn encode_producer(record: &ProducerRecord) -> Bytes {
    write(record, 37)
}

pub(crate) fn decode_producer(bytes: &[u8]) -> Result<ProducerRecord, Unreadable> {
    read(bytes)
}

pub(crate) fn encode_producer_result(result: &ProducerResult) -> Bytes {
    let form = match &result.result {
        FirstResult::Sent(runs) => {
            FirstResultForm::Sent(runs.iter().map(|run| IdRunForm(run.first.into(), run.count)).collect())
        }
        FirstResult::QueueGone(queue) => FirstResultForm::QueueGone(queue.0),
        FirstResult::DeadLetterQueue => FirstResultForm::DeadLetterQueue,
    };
    write(&ProducerResultForm { count: result.count, mark: result.mark, result: form }, 40)
}

pub(crate) fn decode_producer_result(bytes: &[u8]) -> Result<ProducerResult, Unreadable> {
    let form: ProducerResultForm = read(bytes)?;
    let result = match form.result {
        FirstResultForm::Sent(forms) => {
            let run = |IdRunForm(first, count): IdRunForm| IdRun { first: first.into(), count };
            FirstResult::Sent(forms.into_iter().map(run).collect())
        }
        FirstResultForm::QueueGone(queue) => FirstResult::QueueGone(QueueId(queue)),
        FirstResultForm::DeadLetterQueue => FirstResult::DeadLetterQueue,
    };
    Ok(ProducerResult { count: form.count, mark: form.mark, result })
}
