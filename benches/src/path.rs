//! What is measured: so many messages through one path, some at a time as they come from many clients.

use std::time::Duration;

use bytes::Bytes;
use handfast_coordinator_core::{self as coordinator, Report};
use handfast_log::disk::SimulatedDisk;
use handfast_log::{Log, LogOptions, Record};
use handfast_machine::{Answer, Request, decode_batch, encode_batch};
use handfast_protocol::{GlobalId, Properties, QueueName, ResourceKind, ResourceName};
use handfast_queue::manager::{self, NewBody, NewMessage};

use crate::member::Member;

/// Requests that are under way at a time.
const AT_A_TIME: u64 = 64;
const BODY_BYTES: usize = 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Path {
    /// A message into a queue.
    Send,
    /// A message out of a queue, in a transaction of its own.
    Receive,
    /// From one queue to another, in one transaction.
    Transfer,
    /// The same beside a database that is prepared and committed.
    TwoPhase,
    /// The same beside a database whose marker row decides.
    Marker,
    /// The entries of sends, as a member applies them that only follows.
    Apply,
    /// A log entry of sends written and read.
    Codec,
    /// Log entries of 64 KiB into a log on a disk in memory, synced one by one.
    Log,
}

impl Path {
    pub const ALL: [Path; 8] =
        [Path::Send, Path::Receive, Path::Transfer, Path::TwoPhase, Path::Marker, Path::Apply, Path::Codec, Path::Log];

    pub fn name(self) -> &'static str {
        match self {
            Path::Send => "send",
            Path::Receive => "receive",
            Path::Transfer => "transfer",
            Path::TwoPhase => "two-phase",
            Path::Marker => "marker",
            Path::Apply => "apply",
            Path::Codec => "codec",
            Path::Log => "log",
        }
    }

    pub fn find(name: &str) -> Option<Path> {
        Path::ALL.into_iter().find(|path| path.name() == name)
    }

    /// Everything that is needed beforehand for at most so many messages; what it returns takes them through, some at a time.
    pub fn prepare(self, messages: u64) -> Box<dyn FnMut(u64)> {
        match self {
            Path::Send => {
                let mut member = with_queues();
                Box::new(move |count| send(&mut member, &source(), count))
            }
            Path::Receive | Path::Transfer | Path::TwoPhase | Path::Marker => {
                let mut member = with_queues();
                send(&mut member, &source(), messages);
                match self {
                    Path::TwoPhase => member.add(&ledger(), ResourceKind::PostgresTwoPhase),
                    Path::Marker => member.add(&ledger(), ResourceKind::PostgresMarker),
                    _ => {}
                }
                Box::new(move |count| in_steps(count, |some| self.transactions(&mut member, some)))
            }
            Path::Apply => {
                let mut leader = with_queues_kept();
                send(&mut leader, &source(), messages);
                let mut entries = leader.take_log().into_iter();
                let mut member = Member::following();
                // The epoch and the queues.
                entries.by_ref().take(3).for_each(|entry| member.apply(entry));
                Box::new(move |count| {
                    let entries = entries.by_ref().take((count / AT_A_TIME) as usize);
                    entries.for_each(|entry| member.apply(entry));
                })
            }
            Path::Codec => {
                let mut leader = with_queues_kept();
                send(&mut leader, &source(), AT_A_TIME);
                let entry = leader.take_log().pop().expect("the sends are committed");
                Box::new(move |count| {
                    in_steps(count, |_| {
                        let batch = decode_batch(&entry).expect("it was written by the same code");
                        assert_eq!(encode_batch(&batch).len(), entry.len(), "it is written as it was read");
                    });
                })
            }
            Path::Log => {
                let mut log = Log::open(SimulatedDisk::new(), LogOptions::default()).expect("a new log opens");
                let payload = Bytes::from(vec![0x5a; BODY_BYTES * AT_A_TIME as usize]);
                let mut index = 0;
                Box::new(move |count| {
                    in_steps(count, |_| {
                        index += 1;
                        log.append(&[Record::Entry { index, payload: payload.clone() }]).expect("the disk has room");
                        log.sync().expect("the disk does not fail");
                    });
                })
            }
        }
    }

    /// Some transactions side by side, from their begin to their end.
    fn transactions(self, member: &mut Member, count: u64) {
        for _ in 0..count {
            member.ask(Request::BeginReceive { timeout: Duration::ZERO, queue: source(), wait: Duration::ZERO });
        }
        let ids: Vec<GlobalId> = member.answers().into_iter().map(begun).collect();
        if matches!(self, Path::TwoPhase | Path::Marker) {
            ids.iter().for_each(|id| member.ask(coordinator::Request::Enlist { id: *id, resource: ledger() }));
        }
        for id in ids.iter().copied() {
            let prepared = if self == Path::TwoPhase { vec![ledger()] } else { Vec::new() };
            match self {
                Path::Receive => member.ask(coordinator::Request::Commit { id, prepared }),
                _ => member.ask(Request::SendCommit { id, prepared, messages: vec![message(&target())] }),
            }
        }
        member.settle();
        match self {
            Path::TwoPhase => {
                member.tell();
                member.settle();
            }
            Path::Marker => {
                for id in &ids {
                    member.ask(coordinator::Request::Report { id: *id, report: Report::Committed });
                }
                member.settle();
            }
            _ => {}
        }
        member.answers();
    }
}

fn source() -> QueueName {
    QueueName::new("source").expect("a queue's name")
}

fn target() -> QueueName {
    QueueName::new("target").expect("a queue's name")
}

fn ledger() -> ResourceName {
    ResourceName::new("ledger").expect("a resource's name")
}

fn with_queues() -> Member {
    with_queues_of(Member::following())
}

/// The same, with the log that led there.
fn with_queues_kept() -> Member {
    let mut member = Member::following();
    member.keep_log();
    with_queues_of(member)
}

fn with_queues_of(mut member: Member) -> Member {
    member.lead();
    member.create(&source());
    member.create(&target());
    member
}

fn begun(answer: Answer) -> GlobalId {
    match answer {
        Answer::Begun { id, .. } => id,
        other => panic!("not begun: {other:?}"),
    }
}

fn message(queue: &QueueName) -> NewMessage {
    let body = NewBody::Inline(Bytes::from_static(&[0x5a; BODY_BYTES]));
    NewMessage { queue: queue.clone(), properties: Properties::default(), body }
}

fn send(member: &mut Member, queue: &QueueName, count: u64) {
    in_steps(count, |some| {
        for _ in 0..some {
            member.ask(manager::Request::Send { xid: None, producer: None, messages: vec![message(queue)] });
        }
        member.settle();
        member.answers();
    });
}

fn in_steps(count: u64, mut step: impl FnMut(u64)) {
    let mut left = count;
    while left > 0 {
        let some = left.min(AT_A_TIME);
        step(some);
        left -= some;
    }
}
