//! What the machine's log carries.

use std::time::Duration;

use bytes::Bytes;
use handfast_coordinator_core as coordinator;
use handfast_machine::{Approach, Batch, Command, encode_batch, local_branch};
use handfast_protocol::{
    DeadLetterReason, Heuristic, Incarnation, MessageId, Outcome, ProducerName, ProducerSequence, Properties,
    QueueName, ResourceKind, ResourceName, Timestamp,
};
use handfast_queue as queue;
use handfast_queue::command::Fate;
use handfast_queue::{BodyId, MessageKey, OutgoingMessage, QueueId, QueueSettings, StageId, Work};
use uuid::Uuid;

use super::{Seed, id, seed};

pub fn seeds() -> Vec<Seed> {
    let batch = |commands| Batch { epoch: 4, now: Timestamp(1_700_000_000_000), number: 6, commands };
    let queues = queue_commands().into_iter().map(Command::Queue);
    let coordinators = coordinator_commands().into_iter().map(Command::Coordinator);
    let batches = [
        ("machine", batch(machine_commands())),
        ("queues", batch(queues.collect())),
        ("coordinator", batch(coordinators.collect())),
        ("nothing", batch(Vec::new())),
    ];
    let mut seeds: Vec<Seed> =
        batches.iter().map(|(name, batch)| seed("log_entry", name, encode_batch(batch))).collect();
    for (number, command) in queue_commands().iter().enumerate() {
        let mut bytes = Vec::new();
        queue::encode_command(command, &mut bytes);
        seeds.push(seed("log_entry", &format!("queue_{number:02}"), bytes));
    }
    for (number, command) in coordinator_commands().iter().enumerate() {
        let mut bytes = Vec::new();
        coordinator::encode_command(command, &mut bytes);
        seeds.push(seed("log_entry", &format!("coordinator_{number}"), bytes));
    }
    seeds
}

fn machine_commands() -> Vec<Command> {
    let visitor = coordinator::Identity { coordinator: id().coordinator, incarnation: Incarnation(8), epoch: 9 };
    vec![
        Command::BeginEpoch {
            leadership: Uuid::from_u128(1),
            manager_id: Uuid::from_u128(2),
            incarnation: Incarnation(3),
            level: 1,
        },
        Command::Attach { visitor, approach: Approach::Again },
        Command::Together {
            queue: queue::Command::Commit { xid: local_branch(id()), work: work(), hold: true },
            coordinator: coordinator::Command::Decide { id: id(), branches: Vec::new() },
        },
    ]
}

fn key(sequence: u64) -> MessageKey {
    MessageKey { queue: QueueId(1), band: 3, sequence }
}

fn message(body: queue::Body) -> OutgoingMessage {
    let properties = Properties {
        label: "order 7".to_owned(),
        correlation_id: Bytes::from_static(b"c"),
        response_queue: Some(QueueName::new("Answers").unwrap()),
        time_to_be_received: Some(Duration::from_millis(15_250)),
        extension: [("trace".to_owned(), Bytes::from_static(b"\x01\x02"))].into_iter().collect(),
        ..Properties::default()
    };
    let id = MessageId { manager: Uuid::from_u128(2), ordinal: 1 << 40 };
    OutgoingMessage { queue: QueueId(1), id, properties, body, sent_at: Timestamp(1_700_000_000_000) }
}

fn work() -> Work {
    let inline = queue::Body::Inline(Bytes::from_static(b"{\"amount\": 12.50}"));
    let apart = queue::Body::Apart { body: BodyId(9), length: 300_000 };
    Work { sends: vec![message(inline), message(apart)], receives: vec![key(7), key(300)], stage: Some(StageId(5)) }
}

fn queue_commands() -> Vec<queue::Command> {
    use queue::Command;
    let xid = local_branch(id());
    let name = QueueName::new("Orders").unwrap();
    let fate = Fate::DeadLetter(DeadLetterReason::Purged);
    let producer = ProducerName::new("import").unwrap();
    let producer = Some(ProducerSequence { producer, epoch: 1, sequence: 2, mark: 3 });
    vec![
        Command::CreateQueue { name, settings: QueueSettings::default(), principal: "ann".to_owned() },
        Command::DeleteQueue { queue: QueueId(1), fate: Fate::Discard },
        Command::Sweep { queue: QueueId(1), from: key(0), through: key(99), limit: 10, locked: vec![key(7)], fate },
        Command::Expire { messages: vec![key(7)] },
        Command::Send { producer, sends: work().sends },
        Command::StageBody { body: BodyId(9), part: 1, bytes: Bytes::from_static(b"part") },
        Command::StageWork { stage: StageId(5), part: 0, work: work() },
        Command::Unstage { stages: vec![StageId(5)], bodies: vec![BodyId(9)] },
        Command::Commit { xid: xid.clone(), work: work(), hold: false },
        Command::Prepare { xid: xid.clone(), work: work() },
        Command::CommitPrepared { xid: xid.clone(), hold: true },
        Command::RollbackPrepared { xid: xid.clone() },
        Command::Release { xid },
        Command::Return {
            messages: vec![key(7)],
            blame: queue::Blame::Message { error: "no such customer".to_owned() },
        },
        Command::ReturnDeadLetters { messages: vec![key(7)], to: Some(QueueId(2)) },
    ]
}

fn coordinator_commands() -> Vec<coordinator::Command> {
    use coordinator::Command;
    let name = |name: &str| ResourceName::new(name).unwrap();
    let branches = || vec![coordinator::Branch { resource: name("stock") }];
    let resource = coordinator::Resource {
        name: name("ledger"),
        kind: ResourceKind::PostgresTwoPhase,
        address: "postgres://db/shop".to_owned(),
        resource_id: coordinator::ResourceId(Uuid::from_u128(7)),
        schema: "public".to_owned(),
    };
    vec![
        Command::AddResource { resource },
        Command::RemoveResource { name: name("ledger") },
        Command::Delegate { id: id(), resource: name("ledger"), branches: branches() },
        Command::Decide { id: id(), branches: branches() },
        Command::Conclude { id: id(), outcome: Outcome::RolledBack, forced: true },
        Command::Acknowledge { id: id(), resource: name("stock"), heuristic: Some(Heuristic::Hazard) },
        Command::Forget { id: id() },
        Command::ForgetOutcomes { before: Timestamp(5) },
        Command::MarkersCleared { resource: name("ledger"), through: id() },
    ]
}
