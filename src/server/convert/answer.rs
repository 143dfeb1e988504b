//! Answers to the wire.

use std::time::Duration;

use handfast_coordinator_core as coordinator;
use handfast_coordinator_core::{KnownOutcome, TransactionState};
use handfast_machine::{Answer, ForeignBranch};
use handfast_protocol::{GlobalId, Heuristic, Timestamp};
use handfast_queue::MessageKey;
use handfast_queue::manager::{self, QueueView, Received};
use handfast_queue::state::ProducerPlace;
use handfast_wire::v1;
use handfast_wire::v1::reply::Answer as Wire;

/// What the machine answered, on the wire.
pub fn reply(answer: Answer) -> v1::Reply {
    let answer = match answer {
        Answer::Queue(answer) => of_queue(answer),
        Answer::Coordinator(answer) => of_coordinator(answer),
        Answer::Begun { id, deadline, received: message } => {
            Wire::Received(Box::new(v1::Received { begun: Some(begun(id, deadline)), ..received(*message) }))
        }
        Answer::Recovered(xids) => Wire::Branches(v1::Branches { xids: xids.iter().map(v1::Xid::from).collect() }),
        Answer::Foreign(branches) => {
            Wire::Transactions(v1::Transactions { transactions: branches.iter().map(foreign).collect() })
        }
        Answer::Attached(_) => unreachable!("only the service ResourceManager is asked to attach"),
    };
    v1::Reply { answer: Some(answer) }
}

fn of_queue(answer: manager::Answer) -> Wire {
    use manager::Answer;
    match answer {
        Answer::Done => Wire::Done(v1::Done {}),
        Answer::Queues(queues) => Wire::Queues(v1::Queues { queues: queues.iter().map(queue).collect() }),
        Answer::Queue(view) => Wire::Queues(v1::Queues { queues: vec![queue(&view)] }),
        Answer::Purged { removed } => Wire::Purged(v1::Purged { removed }),
        Answer::Sent { ids, repeated } => Wire::Sent(v1::Sent::of(&ids, repeated)),
        Answer::Staged { body } => Wire::Staged(v1::Staged { body: body.0 }),
        Answer::Producer(ProducerPlace { epoch, next, mark }) => {
            Wire::Producer(v1::Producer { known: true, epoch, next, mark })
        }
        Answer::UnknownProducer => Wire::Producer(v1::Producer::default()),
        Answer::Received(message) => Wire::Received(Box::new(received(*message))),
        Answer::NoMessage => Wire::NoMessage(v1::NoMessage {}),
        Answer::Peeked(messages) => Wire::Peeked(v1::Peeked { messages: messages.into_iter().map(received).collect() }),
        Answer::BodyPart(bytes) => Wire::BodyPart(v1::BodyPart { bytes }),
        Answer::Voted(vote) => Wire::Voted(v1::Voted { vote: v1::PrepareVote::from(vote).into() }),
        Answer::Branches(xids) => Wire::Branches(v1::Branches { xids: xids.iter().map(v1::Xid::from).collect() }),
    }
}

fn queue(view: &QueueView) -> v1::Queue {
    v1::Queue {
        name: view.name.as_str().to_owned(),
        messages: view.messages,
        bytes: view.bytes,
        locked: view.locked,
        in_doubt: view.in_doubt,
        max_attempts: view.settings.max_attempts,
        max_abandoned: view.settings.max_abandoned,
        created_at_ms: view.created_at.0,
        waiting_receives: view.waiting_receives,
        exclusive_reader: view.exclusive_reader,
    }
}

fn received(received: Received) -> v1::Received {
    let Received { key, queue, message, apart } = received;
    let length = apart.map_or(message.body.len() as u64, |(_, length)| length);
    v1::Received {
        queue: queue.as_str().to_owned(),
        id: message.id.to_string(),
        key: Some(message_key(key)),
        properties: Some(message.properties.into()),
        body: message.body,
        apart_body: apart.map_or(0, |(body, _)| body.0),
        body_length: length,
        attempts: message.attempts,
        abandoned: message.abandoned,
        sent_at_ms: message.sent_at.0,
        arrived_at_ms: message.arrived_at.0,
        dead_letter: message.dead_letter.map(v1::DeadLetter::from),
        begun: None,
    }
}

fn begun(id: GlobalId, deadline: Timestamp) -> v1::Begun {
    v1::Begun { gtrid: id.to_string(), deadline_ms: deadline.0 }
}

fn message_key(key: MessageKey) -> v1::MessageKey {
    v1::MessageKey { queue: key.queue.0, band: u32::from(key.band), sequence: key.sequence }
}

fn of_coordinator(answer: coordinator::Answer) -> Wire {
    use coordinator::Answer;
    match answer {
        Answer::Done => Wire::Done(v1::Done {}),
        Answer::Begun { id, deadline } => Wire::Begun(begun(id, deadline)),
        Answer::Enlisted(enlisted) => Wire::Enlisted(v1::Enlisted {
            xid: Some((&enlisted.xid).into()),
            resource: Some(resource(enlisted.resource)),
        }),
        Answer::Go => Wire::Go(v1::Go {}),
        Answer::Outcome(outcome) => Wire::Outcome(known(outcome)),
        Answer::Resources(resources) => {
            Wire::Resources(v1::Resources { resources: resources.into_iter().map(resource_state).collect() })
        }
        Answer::Transactions(transactions) => {
            Wire::Transactions(v1::Transactions { transactions: transactions.into_iter().map(transaction).collect() })
        }
        Answer::Transaction(view) => Wire::Transactions(v1::Transactions { transactions: vec![transaction(view)] }),
    }
}

fn known(outcome: KnownOutcome) -> v1::TransactionOutcome {
    use v1::transaction_outcome::Kind;
    let (kind, reason, heuristic): (Kind, String, Option<Heuristic>) = match outcome {
        KnownOutcome::Committed => (Kind::Committed, String::new(), None),
        KnownOutcome::RolledBack(reason) => (Kind::RolledBack, reason.to_string(), None),
        KnownOutcome::Heuristic(heuristic) => (Kind::Heuristic, heuristic.to_string(), Some(heuristic)),
        KnownOutcome::Undecided(state) => (Kind::Undecided, state_text(state).to_owned(), None),
        KnownOutcome::Forgotten => (Kind::Forgotten, String::new(), None),
    };
    v1::TransactionOutcome { kind: kind.into(), reason, heuristic: v1::Heuristic::from(heuristic).into() }
}

/// MSDTC's names of the states.
fn state_text(state: TransactionState) -> &'static str {
    match state {
        TransactionState::Active => "active",
        TransactionState::Preparing => "preparing",
        TransactionState::InDoubt => "in-doubt",
        TransactionState::Committing => "committing",
        TransactionState::Aborting => "aborting",
        TransactionState::CannotNotify => "cannot-notify",
        TransactionState::Forced => "forced",
        TransactionState::Ended => "ended",
    }
}

fn resource(resource: coordinator::Resource) -> v1::Resource {
    v1::Resource {
        name: resource.name.as_str().to_owned(),
        kind: resource.kind.as_str().to_owned(),
        address: resource.address,
        resource_id: resource.resource_id.0.into_bytes().to_vec().into(),
        schema: resource.schema,
    }
}

fn resource_state(view: coordinator::ResourceView) -> v1::ResourceState {
    v1::ResourceState {
        resource: Some(resource(view.resource)),
        attached: view.attached,
        problem: view.problem.unwrap_or_default(),
        in_doubt: view.in_doubt,
    }
}

fn transaction(view: coordinator::TransactionView) -> v1::TransactionState {
    let branch = |branch: coordinator::BranchView| v1::TransactionBranch {
        resource: branch.resource.as_str().to_owned(),
        state: branch.state,
        error: branch.error.unwrap_or_default(),
        heuristic: v1::Heuristic::from(branch.heuristic).into(),
    };
    v1::TransactionState {
        gtrid: GlobalId::to_string(&view.id),
        state: state_text(view.state).to_owned(),
        outcome: view.outcome.map(|outcome| outcome.to_string()).unwrap_or_default(),
        began_at_ms: view.began_at.map(|at| at.0),
        age_ms: view.age.map(milliseconds),
        branches: view.branches.into_iter().map(branch).collect(),
        suggestion: view.suggestion,
        foreign: None,
    }
}

fn milliseconds(age: Duration) -> u64 {
    u64::try_from(age.as_millis()).unwrap_or(u64::MAX)
}

/// A branch of another coordinator's transaction, told in the words of a transaction.
fn foreign(branch: &ForeignBranch) -> v1::TransactionState {
    let xid = &branch.xid;
    let own = GlobalId::try_from(xid).ok();
    let gtrid = xid.to_string();
    let bqual = std::str::from_utf8(xid.bqual.as_bytes()).map_or_else(|_| xid.bqual.to_string(), str::to_owned);
    let who = match own {
        Some(id) => format!(
            "coordinator {} decides and tells this server by itself; see there: handfast --server ITS-URL transaction show \
             {gtrid}",
            id.coordinator.0.simple()
        ),
        None => "the coordinator that prepared it decides; see there".to_owned(),
    };
    let (received, sent) = (branch.received, branch.sent);
    v1::TransactionState {
        gtrid,
        state: state_text(TransactionState::InDoubt).to_owned(),
        outcome: String::new(),
        began_at_ms: Some(branch.prepared_at.0),
        age_ms: Some(milliseconds(branch.age)),
        branches: vec![v1::TransactionBranch {
            resource: bqual,
            state: "prepared here".to_owned(),
            error: String::new(),
            heuristic: v1::Heuristic::None.into(),
        }],
        suggestion: format!(
            "{who}. Until then {received} received messages stay locked and {sent} sent ones stay invisible"
        ),
        foreign: Some(xid.into()),
    }
}
