//! Requests from the wire.

use std::time::Duration;

use bytes::Bytes;
use handfast_coordinator_core as coordinator;
use handfast_machine::{Request, local_branch};
use handfast_protocol::limits::CHUNK_BYTES_MAX;
use handfast_protocol::{
    GlobalId, MessageId, MessageInvalid, Outcome, ProducerName, ProducerSequence, Properties, QueueName, ResourceKind,
    ResourceName, Xid,
};
use handfast_queue::manager::{self, NewBody, NewMessage};
use handfast_queue::{Blame, BodyId, MessageKey, QueueId, QueueSettings};
use handfast_wire::{Malformed, v1};

/// What a frame asks for.
#[derive(Debug)]
pub enum Asked {
    Machine(Request),
    Hello(v1::Hello),
    KeepAlive,
    ShowServer,
    ShowStatus,
    /// Needs a driver before the coordinator: the shell installs, then registers.
    AddResource {
        name: ResourceName,
        kind: ResourceKind,
        address: String,
    },
    TestResource {
        name: ResourceName,
    },
}

/// The most that one peek may ask for.
const PEEK_MAX: usize = 1000;

/// The most transactions in one page.
const PAGE_MAX: usize = 1000;

/// A frame as the machine understands it.
pub fn request(wire: v1::Request) -> Result<Asked, Malformed> {
    use v1::request::Ask;
    let ask = wire.ask.ok_or(Malformed::Missing("ask"))?;
    let asked = match ask {
        Ask::Hello(hello) => return Ok(Asked::Hello(hello)),
        Ask::KeepAlive(_) => return Ok(Asked::KeepAlive),
        Ask::ShowServer(_) => return Ok(Asked::ShowServer),
        Ask::ShowStatus(_) => return Ok(Asked::ShowStatus),
        Ask::AddResource(add) => {
            let kind = ResourceKind::ALL.into_iter().find(|kind| kind.as_str() == add.kind);
            let kind = kind.ok_or(Malformed::ResourceKind(add.kind))?;
            return Ok(Asked::AddResource { name: ResourceName::new(add.name)?, kind, address: add.address });
        }
        Ask::TestResource(test) => return Ok(Asked::TestResource { name: ResourceName::new(test.name)? }),
        Ask::Rollback(rollback) => {
            Request::Rollback { id: rollback.gtrid.parse()?, blame: rollback.blame.and_then(blame) }
        }
        Ask::Receive(v1::Receive { transaction: None, begin: Some(begin), queue, wait_ms }) => Request::BeginReceive {
            timeout: Duration::from_millis(begin.timeout_ms),
            queue: QueueName::new(queue)?,
            wait: Duration::from_millis(wait_ms),
        },
        Ask::Receive(v1::Receive { begin: Some(_), .. }) => return Err(Malformed::BeginInTransaction),
        Ask::Commit(commit) if !commit.messages.is_empty() => Request::SendCommit {
            id: commit.gtrid.parse()?,
            prepared: prepared(commit.prepared)?,
            messages: new_messages(commit.messages)?,
        },
        Ask::ListForeignBranches(list) => Request::ListForeign {
            after: list.after.map(Xid::try_from).transpose()?,
            limit: (list.limit as usize).min(PAGE_MAX),
        },
        ask => match queue_request(ask)? {
            Ok(request) => Request::Queue(request),
            Err(ask) => Request::Coordinator(coordinator_request(ask)?),
        },
    };
    Ok(Asked::Machine(asked))
}

/// A request for the queues, or the frame back if it is for the coordinator.
fn queue_request(ask: v1::request::Ask) -> Result<Result<manager::Request, v1::request::Ask>, Malformed> {
    use manager::Request;
    use v1::request::Ask;
    Ok(Ok(match ask {
        Ask::CreateQueue(create) => {
            Request::CreateQueue { name: QueueName::new(create.name)?, settings: settings(create.settings) }
        }
        Ask::DeleteQueue(delete) => {
            Request::DeleteQueue { name: QueueName::new(delete.name)?, discard: delete.discard }
        }
        Ask::PurgeQueue(purge) => {
            Request::Purge { name: QueueName::new(purge.name)?, to_dead_letter: purge.to_dead_letter }
        }
        Ask::ListQueues(_) => Request::ListQueues,
        Ask::ShowQueue(show) => Request::ShowQueue { name: QueueName::new(show.name)? },
        Ask::Send(send) => Request::Send {
            xid: transaction(send.transaction)?,
            producer: send.producer.map(ProducerSequence::try_from).transpose()?,
            messages: new_messages(send.messages)?,
        },
        Ask::StageBody(stage) => {
            Request::StageBody { body: (stage.body != 0).then_some(BodyId(stage.body)), bytes: chunk(stage.bytes)? }
        }
        Ask::ShowProducer(show) => Request::ShowProducer { producer: ProducerName::new(show.producer)? },
        Ask::Receive(receive) => Request::Receive {
            xid: transaction(receive.transaction)?,
            queue: QueueName::new(receive.queue)?,
            wait: Duration::from_millis(receive.wait_ms),
        },
        Ask::Peek(peek) => Request::Peek {
            queue: QueueName::new(peek.queue)?,
            after: peek.after.map(message_key),
            limit: (peek.limit as usize).min(PEEK_MAX),
            body_bytes: (peek.body_bytes as usize).min(CHUNK_BYTES_MAX),
        },
        Ask::ReadBody(read) => Request::ReadBody { body: BodyId(read.body), part: read.part },
        Ask::OpenExclusive(open) => {
            Request::OpenExclusive { queue: QueueName::new(open.queue)?, wait: Duration::from_millis(open.wait_ms) }
        }
        Ask::CloseExclusive(close) => Request::CloseExclusive { queue: QueueName::new(close.queue)? },
        Ask::BranchStart(start) => {
            Request::Start { xid: xid(start.xid)?, timeout: Duration::from_millis(start.timeout_ms) }
        }
        Ask::BranchEnd(end) => Request::End { xid: xid(end.xid)? },
        Ask::BranchPrepare(prepare) => Request::Prepare { xid: xid(prepare.xid)? },
        Ask::BranchCommit(commit) => Request::Commit { xid: xid(commit.xid)?, one_phase: commit.one_phase },
        Ask::BranchRollback(rollback) => {
            Request::Rollback { xid: xid(rollback.xid)?, blame: rollback.blame.and_then(blame) }
        }
        Ask::BranchRecover(recover) => Request::Recover {
            after: recover.after.map(Xid::try_from).transpose()?,
            limit: (recover.limit as usize).min(PAGE_MAX),
        },
        Ask::BranchForget(forget) => Request::Forget { xid: xid(forget.xid)? },
        Ask::ShowDeadLetter(show) => Request::ShowDeadLetter { id: show.id.parse()? },
        Ask::ReturnDeadLetters(back) => Request::ReturnDeadLetters {
            ids: back.ids.iter().map(|id| id.parse::<MessageId>()).collect::<Result<_, _>>()?,
            to: back.to.map(QueueName::new).transpose()?,
        },
        other => return Ok(Err(other)),
    }))
}

fn coordinator_request(ask: v1::request::Ask) -> Result<coordinator::Request, Malformed> {
    use coordinator::Request;
    use v1::request::Ask;
    let resource = ResourceName::new;
    Ok(match ask {
        Ask::Begin(begin) => Request::Begin { timeout: Duration::from_millis(begin.timeout_ms) },
        Ask::Enlist(enlist) => Request::Enlist { id: enlist.gtrid.parse()?, resource: resource(enlist.resource)? },
        Ask::Commit(commit) => Request::Commit { id: commit.gtrid.parse()?, prepared: prepared(commit.prepared)? },
        Ask::ReportOutcome(report) => Request::Report {
            id: report.gtrid.parse()?,
            report: if report.committed { coordinator::Report::Committed } else { coordinator::Report::Uncertain },
        },
        Ask::AskOutcome(ask) => Request::Outcome { id: ask.gtrid.parse()?, wait: Duration::from_millis(ask.wait_ms) },
        Ask::RemoveResource(remove) => Request::RemoveResource { name: resource(remove.name)? },
        Ask::ListResources(_) => Request::ListResources,
        Ask::AdoptResource(adopt) => Request::Adopt { name: resource(adopt.name)? },
        Ask::ListTransactions(list) => Request::ListTransactions {
            in_doubt: list.in_doubt,
            after: if list.after.is_empty() { None } else { Some(list.after.parse::<GlobalId>()?) },
            limit: (list.limit as usize).min(PAGE_MAX),
        },
        Ask::ShowTransaction(show) => Request::ShowTransaction { id: show.gtrid.parse()? },
        Ask::ResolveTransaction(resolve) => Request::Resolve {
            id: resolve.gtrid.parse()?,
            outcome: if resolve.commit { Outcome::Committed } else { Outcome::RolledBack },
            force: resolve.force,
        },
        Ask::ForgetTransaction(forget) => Request::Forget { id: forget.gtrid.parse()? },
        _ => return Err(Malformed::Missing("a request that this server knows")),
    })
}

/// Either a transaction of this server's own coordinator, whose local branch it is, or a whole xid of another's.
fn transaction(wire: Option<v1::Transaction>) -> Result<Option<Xid>, Malformed> {
    use v1::transaction::Name;
    match wire.and_then(|transaction| transaction.name) {
        None => Ok(None),
        Some(Name::Gtrid(gtrid)) => Ok(Some(local_branch(gtrid.parse()?))),
        Some(Name::Xid(xid)) => Ok(Some(xid.try_into()?)),
    }
}

fn xid(wire: Option<v1::Xid>) -> Result<Xid, Malformed> {
    wire.ok_or(Malformed::Missing("xid"))?.try_into()
}

fn settings(wire: Option<v1::QueueSettings>) -> QueueSettings {
    let (default, wire) = (QueueSettings::default(), wire.unwrap_or_default());
    QueueSettings {
        max_attempts: wire.max_attempts.unwrap_or(default.max_attempts),
        max_abandoned: wire.max_abandoned.unwrap_or(default.max_abandoned),
    }
}

fn prepared(wire: Vec<String>) -> Result<Vec<ResourceName>, Malformed> {
    Ok(wire.into_iter().map(ResourceName::new).collect::<Result<_, _>>()?)
}

fn new_messages(wire: Vec<v1::NewMessage>) -> Result<Vec<NewMessage>, Malformed> {
    wire.into_iter().map(new_message).collect()
}

fn new_message(wire: v1::NewMessage) -> Result<NewMessage, Malformed> {
    use v1::new_message::Content;
    let body = match wire.content {
        None => NewBody::Inline(Bytes::new()),
        Some(Content::Body(bytes)) => NewBody::Inline(chunk(bytes)?),
        Some(Content::StagedBody(body)) => NewBody::Staged(BodyId(body)),
    };
    let properties = Properties::try_from(wire.properties.unwrap_or_default())?;
    Ok(NewMessage { queue: QueueName::new(wire.queue)?, properties, body })
}

/// Larger bodies come in parts (D11).
fn chunk(bytes: Bytes) -> Result<Bytes, Malformed> {
    if bytes.len() > CHUNK_BYTES_MAX {
        return Err(MessageInvalid::BodyTooLong { bytes: bytes.len() }.into());
    }
    Ok(bytes)
}

fn message_key(wire: v1::MessageKey) -> MessageKey {
    let band = u8::try_from(wire.band).unwrap_or(u8::MAX);
    MessageKey { queue: QueueId(wire.queue), band, sequence: wire.sequence }
}

fn blame(wire: v1::Blame) -> Option<Blame> {
    use v1::blame::Kind;
    match wire.kind() {
        Kind::None => None,
        Kind::Message => Some(Blame::Message { error: wire.error }),
        Kind::Reject => Some(Blame::Reject { error: wire.error }),
    }
}
