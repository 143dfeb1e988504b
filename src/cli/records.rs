//! What is printed, field by field: the contract of `docs/json.md`. A field that is here stays; new ones may come.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use handfast_client::{BranchView, Finding, QueueView, Received, ResourceView, TransactionView};
use handfast_protocol::Heuristic;
use serde::Serialize;

#[derive(Debug, Serialize)]
pub struct QueueRecord {
    name: String,
    messages: u64,
    bytes: u64,
    locked: u64,
    in_doubt: u64,
    /// `None`: no limit.
    max_attempts: Option<u32>,
    max_abandoned: Option<u32>,
    waiting_receives: u64,
    exclusive_reader: bool,
    created_at: String,
}

impl From<QueueView> for QueueRecord {
    fn from(view: QueueView) -> QueueRecord {
        QueueRecord {
            name: view.name,
            messages: view.messages,
            bytes: view.bytes,
            locked: view.locked,
            in_doubt: view.in_doubt,
            max_attempts: limited(view.max_attempts),
            max_abandoned: limited(view.max_abandoned),
            waiting_receives: view.waiting_receives,
            exclusive_reader: view.has_exclusive_reader,
            created_at: view.created_at.to_string(),
        }
    }
}

/// The greatest number stands for no limit.
fn limited(count: u32) -> Option<u32> {
    (count != u32::MAX).then_some(count)
}

/// Bytes as text where they are text.
#[derive(Debug, PartialEq, Eq)]
struct Encoded {
    text: String,
    encoding: Option<&'static str>,
}

impl Encoded {
    fn new(bytes: &Bytes) -> Encoded {
        match std::str::from_utf8(bytes) {
            Ok(text) => Encoded { text: text.to_owned(), encoding: None },
            Err(_) => Encoded { text: STANDARD.encode(bytes), encoding: Some("base64") },
        }
    }
}

#[derive(Debug, Serialize)]
struct HeaderRecord {
    name: String,
    value: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    value_encoding: Option<&'static str>,
}

#[derive(Debug, Serialize)]
pub struct MessageRecord {
    id: String,
    label: String,
    body: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    body_encoding: Option<&'static str>,
    attempts: u32,
    abandoned: u32,
    priority: u8,
    correlation_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    correlation_id_encoding: Option<&'static str>,
    response_queue: Option<String>,
    time_to_be_received_ms: Option<u64>,
    drop_expired: bool,
    headers: Vec<HeaderRecord>,
    lookup_id: u64,
    sent_at: String,
    arrived_at: String,
    #[serde(flatten)]
    dead_letter: Option<DeadLetterRecord>,
}

/// What a dead letter has beside.
#[derive(Debug, Serialize)]
struct DeadLetterRecord {
    queue: String,
    reason: &'static str,
    error: String,
    dead_at: String,
}

impl From<&Received> for MessageRecord {
    fn from(received: &Received) -> MessageRecord {
        let message = &received.message;
        let properties = &message.properties;
        let (body, correlation_id) = (Encoded::new(&message.body), Encoded::new(&properties.correlation_id));
        let header = |(name, value): &(String, Bytes)| {
            let value = Encoded::new(value);
            HeaderRecord { name: name.clone(), value: value.text, value_encoding: value.encoding }
        };
        let dead_letter = message.dead_letter.as_ref().map(|letter| DeadLetterRecord {
            queue: letter.queue.to_string(),
            reason: letter.reason.as_str(),
            error: letter.error.clone(),
            dead_at: letter.dead_at.to_string(),
        });
        let millis = |span: std::time::Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        MessageRecord {
            id: message.id.to_string(),
            label: properties.label.clone(),
            body: body.text,
            body_encoding: body.encoding,
            attempts: message.attempts,
            abandoned: message.abandoned,
            priority: properties.priority.get(),
            correlation_id: correlation_id.text,
            correlation_id_encoding: correlation_id.encoding,
            response_queue: properties.response_queue.as_ref().map(ToString::to_string),
            time_to_be_received_ms: properties.time_to_be_received.map(millis),
            drop_expired: properties.drop_expired,
            headers: properties.extension.iter().map(header).collect(),
            lookup_id: message.lookup_id,
            sent_at: message.sent_at.to_string(),
            arrived_at: message.arrived_at.to_string(),
            dead_letter,
        }
    }
}

#[derive(Debug, Serialize)]
pub struct ResourceRecord {
    name: String,
    kind: &'static str,
    address: String,
    attached: bool,
    in_doubt: u64,
    problem: String,
    resource_id: String,
}

impl From<ResourceView> for ResourceRecord {
    fn from(view: ResourceView) -> ResourceRecord {
        ResourceRecord {
            name: view.resource.name.to_string(),
            kind: view.resource.kind.as_str(),
            address: view.resource.address,
            attached: view.is_attached,
            in_doubt: view.in_doubt,
            problem: view.problem,
            resource_id: view.resource.id.to_string(),
        }
    }
}

#[derive(Debug, Serialize)]
pub struct FindingRecord {
    pub ok: bool,
    pub what: String,
    pub remedy: String,
}

impl From<Finding> for FindingRecord {
    fn from(finding: Finding) -> FindingRecord {
        FindingRecord { ok: finding.is_ok, what: finding.what, remedy: finding.remedy }
    }
}

#[derive(Debug, Serialize)]
struct BranchRecord {
    resource: String,
    state: String,
    error: String,
    heuristic: Option<&'static str>,
}

impl From<BranchView> for BranchRecord {
    fn from(view: BranchView) -> BranchRecord {
        let heuristic = view.heuristic.map(heuristic_word);
        BranchRecord { resource: view.resource, state: view.state, error: view.error, heuristic }
    }
}

/// The one word of a heuristic outcome.
pub fn heuristic_word(heuristic: Heuristic) -> &'static str {
    match heuristic {
        Heuristic::Commit => "commit",
        Heuristic::Rollback => "rollback",
        Heuristic::Mixed => "mixed",
        Heuristic::Hazard => "hazard",
    }
}

#[derive(Debug, Serialize)]
pub struct TransactionRecord {
    gtrid: String,
    state: String,
    outcome: String,
    age_seconds: Option<f64>,
    began_at: Option<String>,
    suggestion: String,
    branches: Vec<BranchRecord>,
}

impl From<TransactionView> for TransactionRecord {
    fn from(view: TransactionView) -> TransactionRecord {
        TransactionRecord {
            gtrid: view.gtrid,
            state: view.state,
            outcome: view.outcome,
            age_seconds: view.age.map(|age| age.as_millis() as f64 / 1000.0),
            began_at: view.began_at.map(|at| at.to_string()),
            suggestion: view.suggestion,
            branches: view.branches.into_iter().map(BranchRecord::from).collect(),
        }
    }
}
