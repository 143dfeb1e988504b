//! Frames as clients and servers send them.

use std::time::Duration;

use bytes::Bytes;
use handfast_machine::local_branch;
use handfast_protocol::{DeadLetter, DeadLetterReason, MessageId, Properties, QueueName, Timestamp};
use handfast_wire::v1;
use handfast_wire::v1::reply::Answer;
use handfast_wire::v1::request::Ask;
use prost::Message;
use uuid::Uuid;

use super::{Seed, id, seed};

pub fn seeds() -> Vec<Seed> {
    let frame = |ask| v1::ClientFrame { id: 1, request: Some(v1::Request { ask: Some(ask) }) };
    let client = |ask| v1::ClientFrames { frames: vec![frame(ask)] }.encode_to_vec();
    let mut seeds: Vec<Seed> = asks().into_iter().map(|(name, ask)| seed("wire", name, client(ask))).collect();
    let all = v1::ClientFrames { frames: asks().into_iter().map(|(_, ask)| frame(ask)).collect() };
    seeds.push(seed("wire", "asks", all.encode_to_vec()));
    let frame = |answer| v1::ServerFrame { id: 1, reply: Some(v1::Reply { answer: Some(answer) }) };
    let answers = v1::ServerFrames { frames: answers().into_iter().map(frame).collect() };
    seeds.push(seed("wire", "answers", answers.encode_to_vec()));
    let recovered = v1::RecoverReply { xids: vec![xid()] };
    seeds.push(seed("wire", "recovered", recovered.encode_to_vec()));
    let attach = v1::AttachRequest {
        coordinator: id().coordinator.0.into_bytes().to_vec().into(),
        incarnation: 8,
        epoch: 9,
        adopt: false,
        first: true,
    };
    seeds.push(seed("wire", "attach", attach.encode_to_vec()));
    seeds
}

fn xid() -> v1::Xid {
    (&local_branch(id())).into()
}

fn properties() -> v1::Properties {
    let properties = Properties {
        label: "order 7".to_owned(),
        correlation_id: Bytes::from_static(b"c"),
        response_queue: Some(QueueName::new("Answers").unwrap()),
        time_to_be_received: Some(Duration::from_millis(15_250)),
        drop_expired: true,
        extension: [("trace".to_owned(), Bytes::from_static(b"\x01\x02"))].into_iter().collect(),
        ..Properties::default()
    };
    properties.into()
}

fn key() -> v1::MessageKey {
    v1::MessageKey { queue: 1, band: 3, sequence: 7 }
}

fn message_id() -> String {
    MessageId { manager: Uuid::from_u128(2), ordinal: 1 << 40 }.to_string()
}

fn transaction() -> Option<v1::Transaction> {
    Some(id().into())
}

fn send() -> v1::Send {
    use v1::new_message::Content;
    let message =
        |content| v1::NewMessage { queue: "Orders".to_owned(), properties: Some(properties()), content: Some(content) };
    v1::Send {
        transaction: transaction(),
        producer: Some(v1::ProducerSequence { producer: "import".to_owned(), epoch: 1, sequence: 2, mark: 3 }),
        messages: vec![message(Content::Body(Bytes::from_static(b"{}"))), message(Content::StagedBody(9))],
    }
}

/// One of each shape that a request can have.
fn asks() -> Vec<(&'static str, Ask)> {
    let (queue, gtrid, resource) = ("Orders".to_owned(), id().to_string(), "ledger".to_owned());
    let other = v1::transaction::Name::Xid(v1::Xid { format_id: 1, ..xid() });
    let in_other = Some(v1::Transaction { name: Some(other) });
    let blame = Some(v1::Blame { kind: v1::blame::Kind::Message.into(), error: "no such customer".to_owned() });
    let settings = Some(v1::QueueSettings { max_attempts: Some(3), max_abandoned: None });
    vec![
        ("hello", Ask::Hello(v1::Hello { version: 1, client: "a client".to_owned() })),
        ("create", Ask::CreateQueue(v1::CreateQueue { name: queue.clone(), settings })),
        ("send", Ask::Send(send())),
        ("stage", Ask::StageBody(v1::StageBody { body: 9, bytes: Bytes::from_static(b"part") })),
        (
            "receive",
            Ask::Receive(v1::Receive { transaction: in_other, queue: queue.clone(), wait_ms: 5_000, begin: None }),
        ),
        ("peek", Ask::Peek(v1::Peek { queue: queue.clone(), after: Some(key()), limit: 10, body_bytes: 80 })),
        ("exclusive", Ask::OpenExclusive(v1::OpenExclusive { queue: queue.clone(), wait_ms: 5_000 })),
        ("start", Ask::BranchStart(v1::BranchStart { xid: Some(xid()), timeout_ms: 60_000 })),
        ("prepare", Ask::BranchPrepare(v1::BranchPrepare { xid: Some(xid()) })),
        ("commit_branch", Ask::BranchCommit(v1::BranchCommit { xid: Some(xid()), one_phase: true })),
        ("roll_back_branch", Ask::BranchRollback(v1::BranchRollback { xid: Some(xid()), blame: blame.clone() })),
        ("recover", Ask::BranchRecover(v1::BranchRecover { after: Some(xid()), limit: 100 })),
        ("show_dead", Ask::ShowDeadLetter(v1::ShowDeadLetter { id: message_id() })),
        ("return_dead", Ask::ReturnDeadLetters(v1::ReturnDeadLetters { ids: vec![message_id()], to: Some(queue) })),
        ("begin", Ask::Begin(v1::Begin { timeout_ms: 60_000 })),
        ("enlist", Ask::Enlist(v1::Enlist { gtrid: gtrid.clone(), resource: resource.clone() })),
        (
            "commit",
            Ask::Commit(v1::Commit { gtrid: gtrid.clone(), prepared: vec![resource.clone()], messages: Vec::new() }),
        ),
        ("report", Ask::ReportOutcome(v1::ReportOutcome { gtrid: gtrid.clone(), committed: true })),
        ("roll_back", Ask::Rollback(v1::Rollback { gtrid: gtrid.clone(), blame })),
        (
            "add_resource",
            Ask::AddResource(v1::AddResource {
                name: resource,
                kind: "postgres-marker".to_owned(),
                address: "postgres://db/shop".to_owned(),
            }),
        ),
        ("list", Ask::ListTransactions(v1::ListTransactions { in_doubt: true, after: gtrid.clone(), limit: 10 })),
        ("resolve", Ask::ResolveTransaction(v1::ResolveTransaction { gtrid, commit: true, force: false })),
    ]
}

fn answers() -> Vec<Answer> {
    let dead = DeadLetter {
        queue: QueueName::new("Orders").unwrap(),
        reason: DeadLetterReason::Rejected,
        error: "no such customer".to_owned(),
        dead_at: Timestamp(1_700_000_000_000),
    };
    let received = v1::Received {
        queue: "Orders".to_owned(),
        id: message_id(),
        key: Some(key()),
        properties: Some(properties()),
        body: Bytes::from_static(b"{}"),
        body_length: 2,
        attempts: 1,
        sent_at_ms: 1_700_000_000_000,
        arrived_at_ms: 1_700_000_000_001,
        dead_letter: Some(dead.into()),
        ..v1::Received::default()
    };
    vec![
        Answer::Begun(v1::Begun { gtrid: id().to_string(), deadline_ms: 1_700_000_060_000 }),
        Answer::Sent(v1::Sent { ids: vec![v1::MessageIds { first: message_id(), count: 2 }], repeated_send: true }),
        Answer::Received(Box::new(received)),
        Answer::Branches(v1::Branches { xids: vec![xid()] }),
        Answer::Voted(v1::Voted { vote: v1::PrepareVote::ReadOnly.into() }),
    ]
}
