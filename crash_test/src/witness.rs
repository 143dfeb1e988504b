//! What a worker of a crash test writes down of what it asks and hears: lines of a history, in a file of its process. A line is
//! there when it is written, whatever becomes of the process then.
//!
//! The worker also leaves marks by which the audit knows whose a thing is: a header in every message that it sends on, and a row
//! in a table of the test for every message whose statements it runs, in the same transaction as they.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use crate::error::CrashTestError;
use handfast_checker::history::{self, Event, Fact, Op, Row, What};
use handfast_client::{CommitOutcome, Message, Received};
use handfast_protocol::{GlobalId, Properties, QueueName, ResourceName};
use rustix::time::{ClockId, clock_gettime};

/// The header that names the transaction which sent a message on.
pub const SENT_BY: &str = "handfast-crash-test-transaction";

/// Microseconds of a clock that all processes of the machine share, and that nobody sets.
pub fn now() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec.unsigned_abs() * 1_000_000 + now.tv_nsec.unsigned_abs() / 1_000
}

/// As the checker knows a message: its key is the correlation id, which stays when it is sent on.
pub fn told(properties: &Properties, body: &[u8]) -> history::Message {
    let key = String::from_utf8_lossy(&properties.correlation_id).into_owned();
    let by = properties.extension.iter().find(|(name, _)| name == SENT_BY);
    let by = by.map(|(_, value)| String::from_utf8_lossy(value).into_owned());
    history::Message { key, digest: u64::from(crc32c::crc32c(body)), by, tokens: 0 }
}

/// A row in the table of the test.
#[derive(Debug, Clone)]
pub struct Mark<'t> {
    pub table: &'t str,
    /// Of the message.
    pub key: String,
    /// The transaction.
    pub by: String,
}

/// The statement that leaves a row in the table of the test; its parameters are the message's key and the transaction.
pub fn insert(table: &str, parameters: [&str; 2]) -> String {
    let [message, transaction] = parameters;
    format!("insert into {table} (message, transaction_id) values ({message}, {transaction})")
}

/// The file of one process.
#[derive(Debug)]
pub struct Witness {
    file: Mutex<File>,
    /// The process, as the history calls it.
    name: String,
    /// Where rows are left.
    table: String,
}

impl Witness {
    /// The name of the file is the name of the process.
    pub fn create(path: &Path, table: String) -> Result<Arc<Witness>, CrashTestError> {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let file = File::create_new(path).map_err(CrashTestError::file(path))?;
        Ok(Arc::new(Witness { file: Mutex::new(file), name, table }))
    }
}

/// What one worker tells. Without a witness it tells nothing.
#[derive(Debug, Clone, Default)]
pub struct Testimony {
    witness: Option<(Arc<Witness>, String)>,
}

impl Testimony {
    pub fn of(witness: Option<&Arc<Witness>>, worker: u16) -> Testimony {
        Testimony { witness: witness.map(|witness| (Arc::clone(witness), format!("{}.{worker}", witness.name))) }
    }

    /// The row to leave beside the statements of this message, if any.
    pub fn mark(&self, id: GlobalId, message: &Received) -> Option<Mark<'_>> {
        let (witness, _) = self.witness.as_ref()?;
        let key = told(&message.properties, &message.body).key;
        Some(Mark { table: &witness.table, key, by: id.to_string() })
    }

    /// The message with the header that says who sends it on.
    pub fn marked(&self, id: GlobalId, message: Message) -> Message {
        let mut message = message;
        if self.witness.is_some() {
            message.properties.extension.retain(|(name, _)| name != SENT_BY);
            message = message.header(SENT_BY, id.to_string());
        }
        message
    }

    fn tell(&self, what: impl FnOnce() -> What) {
        let Some((witness, process)) = &self.witness else { return };
        let event = Event { at: now(), process: process.clone(), what: what() };
        let line = event.to_line() + "\n";
        let written = witness.file.lock().unwrap_or_else(PoisonError::into_inner).write_all(line.as_bytes());
        if let Err(error) = written {
            // A history with a hole would accuse the innocent.
            tracing::error!(%error, "the history cannot be written");
            std::process::exit(1);
        }
    }

    pub fn began(&self, id: GlobalId) {
        self.tell(|| What::Ok(Op::Begin { transaction: id.to_string() }));
    }

    pub fn receives(&self, id: GlobalId, queue: &QueueName) {
        self.tell(|| What::Invoke(receive(id, queue, None)));
    }

    /// `None`: nobody knows whether there was a message.
    pub fn received(&self, id: GlobalId, queue: &QueueName, answer: Option<Option<&Received>>) {
        self.tell(|| match answer {
            Some(message) => What::Ok(receive(id, queue, message)),
            None => What::Unknown(receive(id, queue, None)),
        });
    }

    pub fn writes(&self, id: GlobalId, resource: &ResourceName, message: &Received) {
        self.tell(|| What::Invoke(write(id, resource, message)));
    }

    pub fn wrote(&self, id: GlobalId, resource: &ResourceName, message: &Received) {
        self.tell(|| What::Ok(write(id, resource, message)));
    }

    pub fn sends(&self, id: GlobalId, queue: &QueueName, message: &Message) {
        self.tell(|| What::Invoke(send(id, queue, message)));
    }

    pub fn sent(&self, id: GlobalId, queue: &QueueName, message: &Message) {
        self.tell(|| What::Ok(send(id, queue, message)));
    }

    pub fn commits(&self, id: GlobalId) {
        self.tell(|| What::Invoke(Op::Commit { transaction: id.to_string() }));
    }

    /// What the worker has learned of a commit.
    pub fn outcome(&self, id: GlobalId, outcome: &CommitOutcome) {
        let commit = || Op::Commit { transaction: id.to_string() };
        self.tell(|| match outcome {
            CommitOutcome::Committed => What::Ok(commit()),
            CommitOutcome::RolledBack { .. } => What::Fail(commit()),
            CommitOutcome::Heuristic { .. } | CommitOutcome::Unknown(_) => What::Unknown(commit()),
        });
        if let CommitOutcome::Heuristic { .. } = outcome {
            self.tell(|| What::Info(Fact::ToldHeuristic { transaction: id.to_string() }));
        }
    }

    pub fn rolls_back(&self, id: GlobalId) {
        self.tell(|| What::Invoke(Op::Rollback { transaction: id.to_string() }));
    }

    pub fn rolled_back(&self, id: GlobalId, is_certain: bool) {
        let rollback = || Op::Rollback { transaction: id.to_string() };
        self.tell(|| if is_certain { What::Ok(rollback()) } else { What::Unknown(rollback()) });
    }
}

fn receive(id: GlobalId, queue: &QueueName, message: Option<&Received>) -> Op {
    let message = message.map(|message| told(&message.properties, &message.body));
    Op::Receive { transaction: Some(id.to_string()), queue: queue.to_string(), message }
}

fn write(id: GlobalId, resource: &ResourceName, message: &Received) -> Op {
    let key = told(&message.properties, &message.body).key;
    let row = Row { key, by: id.to_string(), tokens: 0 };
    Op::Write { transaction: id.to_string(), resource: resource.to_string(), row }
}

fn send(id: GlobalId, queue: &QueueName, message: &Message) -> Op {
    let message = told(&message.properties, &message.body);
    Op::Send { transaction: Some(id.to_string()), queue: queue.to_string(), message }
}
