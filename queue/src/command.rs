//! The commands of the log that change queues, and what applying each one answers.
//!
//! A command is judged again when it is applied: the leader's judgement may be stale, the result of apply is the outcome
//! (P17). Every command is bounded; long deeds (purge, delete, expiry) are many commands.

use bytes::Bytes;
use handfast_protocol::{DeadLetterReason, MessageId, ProducerSequence, Properties, QueueName, Timestamp, Xid};

use crate::{BodyId, MessageKey, QueueId, QueueSettings, StageId};

/// A durable change of the queue manager.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// -> [`Done::Created`]
    CreateQueue { name: QueueName, settings: QueueSettings, principal: String },
    /// Marks the queue as going; [`Command::Sweep`] then takes its messages away, and the last sweep the queue itself.
    /// Refused while a prepared branch or a held send is on it (P17). `fate` is kept with the queue, so that a new leader
    /// goes on with a delete that was cut. -> [`Done::Deleting`]
    DeleteQueue { queue: QueueId, fate: Fate },
    /// One bounded step of a purge or a delete: takes away the messages in `from..=through`, at most `limit`, but not
    /// `locked` ones (active locks, named by the leader; prepared ones the state knows): those become purge-pending (P17).
    /// -> [`Done::Swept`]
    Sweep { queue: QueueId, from: MessageKey, through: MessageKey, limit: u32, locked: Vec<MessageKey>, fate: Fate },
    /// Removes messages whose time-to-be-received ran out: to the dead-letter queue, or away if they ask for that. Names
    /// that are gone, locked by a prepared branch or not yet due are passed over. The leader names none that an active branch
    /// holds (P17). -> [`Done::Removed`]
    Expire { messages: Vec<MessageKey> },

    /// A send outside a transaction: all of `sends` or none. -> [`Done::Sent`]; a repetition by the same producer is answered
    /// with the first result (P24): [`Done::Repeated`], or the first refusal.
    Send { producer: Option<ProducerSequence>, sends: Vec<OutgoingMessage> },
    /// A part of a large body, written ahead; it belongs to nothing until a command names the body (P26). -> [`Done::Staged`]
    StageBody { body: BodyId, part: u32, bytes: Bytes },
    /// A part of a branch's work, written ahead; without effect until a command names the stage (P26). Its inline bodies
    /// move to `Bodies`, so that the commit writes envelopes only. -> [`Done::Staged`]
    StageWork { stage: StageId, part: u32, work: Work },
    /// Forgets what was written ahead by branches and sends that came to nothing. -> [`Done::Staged`]
    Unstage { stages: Vec<StageId>, bodies: Vec<BodyId> },

    /// Commits an active branch in one record: a local transaction, a one-phase commit, or the queue's half of a one-log
    /// decision. `hold`: its sends keep their place but stay locked until [`Command::Release`] (P10).
    /// -> [`Done::Committed`] or [`Refused::Conflict`], and then nothing changed.
    Commit { xid: Xid, work: Work, hold: bool },
    /// Makes an active branch durable and in doubt. A foreign xid that is prepared already is refused.
    /// -> [`Done::Prepared`] or [`Refused::Conflict`]
    Prepare { xid: Xid, work: Work },
    /// Phase two. Never refused for want of space (P18). An xid that is not prepared -> [`Refused::UnknownXid`].
    CommitPrepared { xid: Xid, hold: bool },
    /// Phase two: receives go back to their places, sends vanish; counts no attempt (P22). -> [`Done::RolledBack`] with the
    /// messages that were returned. An xid that is not prepared -> [`Refused::UnknownXid`].
    RollbackPrepared { xid: Xid },
    /// The held sends of this branch become receivable (P10). -> [`Done::Released`] with their keys.
    Release { xid: Xid },

    /// An active branch was rolled back: counts what its receives did to their messages, and dead-letters those that reached
    /// their queue's limit, in one record (P22, D10). -> [`Done::Removed`]
    Return { messages: Vec<MessageKey>, blame: Blame },
    /// Sends dead letters back to the queues they came from, in one transaction: attempts start again from zero.
    /// -> [`Done::Committed`]; [`Refused`] if one is gone or its queue no longer exists, and then nothing changed.
    ReturnDeadLetters { messages: Vec<MessageKey>, to: Option<QueueId> },
}

/// What a branch did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Work {
    pub sends: Vec<OutgoingMessage>,
    pub receives: Vec<MessageKey>,
    /// Earlier parts, already in the log (P26); they come before `sends` in order.
    pub stage: Option<StageId>,
}

/// A message on its way into a queue. Its id is known; its place is given at apply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutgoingMessage {
    pub queue: QueueId,
    pub id: MessageId,
    pub properties: Properties,
    pub body: Body,
    pub sent_at: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    Inline(Bytes),
    /// Rests in `Family::Bodies` in parts.
    Apart {
        body: BodyId,
        length: u64,
    },
}

/// Where messages go that a purge or a delete takes away (P27).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    Discard,
    DeadLetter(DeadLetterReason),
}

/// What a rolled-back receive says about the message itself (P22).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Blame {
    /// The message caused it: counts in `attempts`; the text is kept with the message.
    Message { error: String },
    /// The consumer rejected it for good: a dead letter at once.
    Reject { error: String },
    /// The consumer vanished: counts in `abandoned`.
    Vanished,
}

/// What applying a command did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Done {
    Created(QueueId),
    Deleting,
    /// `next`: where the following step starts; `None`: finished, and a queue that was being deleted is gone.
    Swept {
        removed: u64,
        next: Option<MessageKey>,
    },
    /// Messages that left their queue.
    Removed(Vec<MessageKey>),
    Sent(Vec<MessageKey>),
    /// The ids that the first send of this sequence was given (P24); nothing changed.
    Repeated(Vec<MessageId>),
    Staged,
    /// The places that the branch's sends were given.
    Committed(Vec<MessageKey>),
    Prepared,
    RolledBack(Vec<MessageKey>),
    Released(Vec<MessageKey>),
}

/// A command that changed nothing, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    #[error("a queue named {name} exists already")]
    QueueExists { name: QueueName },
    #[error("there are {count} queues; this server allows no more")]
    TooManyQueues { count: usize },
    #[error("the queue is gone")]
    QueueGone { queue: QueueId },
    #[error("the dead-letter queue cannot be created, deleted or sent to")]
    DeadLetterQueue,
    #[error("transaction {xid} is in doubt on queue {name}; resolve it first")]
    QueueInDoubt { name: QueueName, xid: Xid },
    /// A received message is gone or locked by another branch, or a queue that was sent to is gone (P17).
    #[error("a message or queue of the transaction is gone")]
    Conflict,
    #[error("transaction {xid} is unknown here")]
    UnknownXid { xid: Xid },
    #[error("transaction {xid} is prepared already")]
    DuplicateXid { xid: Xid },
    #[error("a newer producer named {producer} has taken over (its epoch is {current})")]
    ProducerFenced { producer: String, current: u64 },
    #[error("producer {producer} sent sequence {sequence}, but {expected} is next")]
    ProducerGap { producer: String, sequence: u64, expected: u64 },
    #[error("producer {producer} is not known here (any more); start it again with a new epoch at sequence 0")]
    ProducerUnknown { producer: String },
    /// A repetition so old that its result is no longer kept.
    #[error("the result of sequence {sequence} of producer {producer} is no longer kept")]
    ProducerForgotten { producer: String, sequence: u64 },
    /// A repetition whose mark is not the one that its sequences were sent with: it is not the stream that was sent.
    #[error(
        "another stream was sent under the name of producer {producer}, up to sequence {through}; choose another name"
    )]
    ProducerDiverged { producer: String, through: u64 },
    #[error("dead letter {message:?} is gone")]
    DeadLetterGone { message: MessageKey },
    /// Without `to`, a dead letter goes back to the queue of the name it came from.
    #[error("queue {name}, which the dead letter came from, is gone; name another")]
    OriginGone { name: QueueName },
    /// Staged work or a staged body that is not there whole, or is not this transaction's to name.
    #[error("what was written ahead for the transaction is gone")]
    StageGone,
    #[error("the transaction's work exceeds {parts} parts of one log entry each")]
    StageFull { parts: u32 },
}
