//! What may be asked of the queue manager, and what it answers.

use std::time::Duration;

use bytes::Bytes;
use handfast_protocol::{
    DeadLetterReason, Message, MessageId, PrepareVote, ProducerName, ProducerSequence, Properties, QueueName,
    RollbackReason, Timestamp, Xid,
};

use super::branch::envelope_bytes;
use super::limits::STAGED_RECORD_BYTES;
use crate::state::ProducerPlace;
use crate::{Blame, BodyId, MessageKey, QueueSettings, Refused};

/// One caller's wait for one answer. Drawn by the shell; the manager only hands it back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// A client connection: what its loss rolls back (P23) and whose waiting receives it cancels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    CreateQueue {
        name: QueueName,
        settings: QueueSettings,
    },
    /// Deletes the queue and what is in it: `discard` or to the dead-letter queue (P27).
    DeleteQueue {
        name: QueueName,
        discard: bool,
    },
    /// Purges what is in the queue now; answered when every step is done (P27).
    Purge {
        name: QueueName,
        to_dead_letter: bool,
    },
    ListQueues,
    ShowQueue {
        name: QueueName,
    },

    /// Without `xid` a transaction of its own. All of `messages` or none.
    Send {
        xid: Option<Xid>,
        producer: Option<ProducerSequence>,
        messages: Vec<NewMessage>,
    },
    /// A part of a body too large for one message frame; the body is then named by a send of the same connection (P26).
    /// `body: None` begins one and answers its id.
    StageBody {
        body: Option<BodyId>,
        bytes: Bytes,
    },
    /// The next sequence that is expected of a producer, with its epoch (P24); `None` when it is not known.
    ShowProducer {
        producer: ProducerName,
    },

    /// Takes one message. With `xid` it is locked for the branch; without, it is received at once for good.
    Receive {
        xid: Option<Xid>,
        queue: QueueName,
        wait: Duration,
    },
    /// Up to `limit` messages after `after`, locked ones left out, bodies cut to `body_bytes`.
    Peek {
        queue: QueueName,
        after: Option<MessageKey>,
        limit: usize,
        body_bytes: usize,
    },
    /// A part of the body of a message that this branch has received, or that a peek showed: for bodies that rest apart.
    ReadBody {
        body: BodyId,
        part: u32,
    },
    /// Becomes the queue's exclusive reader (P23); waits that long for another's lease to end, then SharingViolation.
    OpenExclusive {
        queue: QueueName,
        wait: Duration,
    },
    CloseExclusive {
        queue: QueueName,
    },

    // XA verbs (XA+ 2.3), for branches of other coordinators.
    Start {
        xid: Xid,
        timeout: Duration,
    },
    /// The branch's work is done (TMSUCCESS): nothing joins it any more, and it belongs to its xid, no longer to the
    /// connection that started it. Its timeout goes on until it is prepared.
    End {
        xid: Xid,
    },
    Prepare {
        xid: Xid,
    },
    /// `one_phase`: an ended branch, else a prepared one.
    Commit {
        xid: Xid,
        one_phase: bool,
    },
    /// `blame`: what the failure says about the received messages themselves (P22).
    Rollback {
        xid: Xid,
        blame: Option<Blame>,
    },
    /// The prepared branches, after `after`, at most `limit`.
    Recover {
        after: Option<Xid>,
        limit: usize,
    },
    Forget {
        xid: Xid,
    },

    /// A dead letter by its message id -> [`Answer::Peeked`] with that one.
    ShowDeadLetter {
        id: MessageId,
    },
    ReturnDeadLetters {
        ids: Vec<MessageId>,
        to: Option<QueueName>,
    },
}

/// A message as its sender gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewMessage {
    pub queue: QueueName,
    pub properties: Properties,
    pub body: NewBody,
}

impl NewMessage {
    /// What it takes of memory until it is written, about.
    pub fn bytes(&self) -> usize {
        let inline = match &self.body {
            NewBody::Inline(bytes) => bytes.len(),
            NewBody::Staged(_) => 0,
        };
        envelope_bytes(&self.properties) + inline
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NewBody {
    Inline(Bytes),
    /// Staged before on the same connection; its length is known to the manager.
    Staged(BodyId),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    Done,
    Queues(Vec<QueueView>),
    Queue(QueueView),
    Purged {
        removed: u64,
    },
    Sent {
        ids: Vec<MessageId>,
        repeated: bool,
    },
    Staged {
        body: BodyId,
    },
    Producer(ProducerPlace),
    UnknownProducer,
    Received(Box<Received>),
    /// The wait ended without a message.
    NoMessage,
    Peeked(Vec<Received>),
    BodyPart(Bytes),
    Voted(PrepareVote),
    Branches(Vec<Xid>),
}

/// A message handed to a reader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    pub key: MessageKey,
    pub queue: QueueName,
    /// `body` is empty when it rests apart: read it with [`Request::ReadBody`].
    pub message: Message,
    pub apart: Option<(BodyId, u64)>,
}

/// A queue as `queue show` prints it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueView {
    pub name: QueueName,
    pub settings: QueueSettings,
    pub created_at: Timestamp,
    /// All of them, locked and held ones included.
    pub messages: u64,
    pub bytes: u64,
    /// Locked by active branches.
    pub locked: u64,
    /// Locked by prepared branches, or held behind a branch that has not yet acknowledged (P10).
    pub in_doubt: u64,
    pub waiting_receives: u64,
    pub exclusive_reader: bool,
}

/// A request that had no effect, and why. Each variant is final for this request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestRefused {
    #[error("queue {name} does not exist; create it with: handfast queue create {name}")]
    QueueNotFound { name: QueueName },
    #[error("queue {name} is opened by an exclusive reader")]
    SharingViolation { name: QueueName },
    #[error("transaction {xid} is not active here; it has ended, timed out or never begun")]
    TransactionNotActive { xid: Xid },
    #[error("transaction {xid} was rolled back: {reason}")]
    RolledBack { xid: Xid, reason: RollbackReason },
    #[error("transaction {xid} exists already")]
    DuplicateXid { xid: Xid },
    #[error("a message of the transaction cannot be accepted: {0}")]
    Message(#[from] handfast_protocol::MessageInvalid),
    #[error("transaction {xid} is not prepared; prepare it first, or commit it in one phase")]
    NotPrepared { xid: Xid },
    /// XAER_PROTO: its client may still be at work.
    #[error("transaction {xid} has not been ended here; end its work before its commit")]
    NotEnded { xid: Xid },
    #[error("transaction {xid} is prepared; commit it in its second phase")]
    PreparedAlready { xid: Xid },
    #[error("a producer's sequence cannot be used inside transaction {xid}: its commit happens once by itself")]
    ProducerInTransaction { xid: Xid },
    #[error("the server's memory for open transactions is used up ({limit} bytes); commit some and try again")]
    TooMuchActive { limit: usize },
    #[error("open transactions and bodies on their way have written ahead as much as this server allows ({} records); commit some and try again", limit / STAGED_RECORD_BYTES)]
    TooMuchStaged { limit: usize },
    #[error("transaction {xid} does too much for one commit ({limit} bytes); split it")]
    TransactionTooLarge { xid: Xid, limit: usize },
    #[error("one request names {count} messages; at most {limit} are allowed: use a transaction or several requests")]
    TooManyMessages { count: usize, limit: usize },
    #[error("the messages of one request hold {bytes} bytes beside their bodies; at most {limit} are allowed")]
    SendTooLarge { bytes: usize, limit: usize },
    #[error("this server has given out all message ids of its epoch; restart it to begin another")]
    OrdinalsUsedUp,
    #[error(
        "the body has {bytes} bytes or more, and this server takes at most {limit}; it takes larger ones with: handfast serve --max-body SIZE"
    )]
    BodyTooLarge { bytes: usize, limit: usize },
    #[error("the server has no disk space left for new messages; receives and commits go on")]
    NoSpace,
    #[error("too many receives wait on queue {name} ({limit})")]
    TooManyWaiting { name: QueueName, limit: usize },
    #[error("body {body:?} is not staged on this connection")]
    BodyNotStaged { body: BodyId },
    #[error("no dead letter {id} exists")]
    DeadLetterNotFound { id: MessageId },
    #[error("dead letter {id} is held by a transaction; try again when that has ended")]
    DeadLetterLocked { id: MessageId },
    #[error("queue {name} of dead letter {id} is gone; name another with --to")]
    OriginGone { id: MessageId, name: QueueName },
    #[error("reason {reason} cannot be used here")]
    Reason { reason: DeadLetterReason },
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The leadership ended before the result was known: it may or may not have happened.
    #[error("the server restarted before it could say whether this was done")]
    Unknown,
}
