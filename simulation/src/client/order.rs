//! What a client is there for, what it wants done, and what it hears.

use handfast_machine::Request;
use handfast_protocol::{GlobalId, Heuristic, QueueName};
use handfast_queue::manager::NewMessage;
use std::time::Duration;

use crate::database::Statement;
use crate::plan::Way;
use crate::server::ServerId;

/// What a client does with each message: takes it from one queue, has the database note it if the way has one, sends it on.
#[derive(Debug, Clone)]
pub struct Job {
    pub way: Way,
    pub from: QueueName,
    pub to: QueueName,
    /// It wants strict order, and reads the queue alone (P23).
    pub reads_alone: bool,
    /// It begins a transaction with its receive, and sends with the request to commit.
    pub combines: bool,
    pub timeout: Duration,
}

/// What a client is there for, in each of its lives.
#[derive(Debug, Clone)]
pub enum Role {
    Work(Job),
    /// It sends these, each once (P24).
    Import(Vec<NewMessage>),
}

impl Role {
    pub fn sends_to(&self, queue: &QueueName) -> bool {
        match self {
            Role::Work(job) => job.to == *queue,
            Role::Import(messages) => messages.iter().any(|message| message.queue == *queue),
        }
    }
}

/// What the client wants done.
#[derive(Debug, Clone)]
pub enum Order {
    /// Its answer is waited for.
    Ask {
        server: ServerId,
        ask: Request,
    },
    /// Nobody waits.
    Tell {
        server: ServerId,
        ask: Request,
    },
    Execute(Statement),
    /// The connection to the database is given up.
    HangUp,
    Sleep(Duration),
    /// From now on signs of life are due.
    KeepAlive,
    /// The end of a transaction, as the client knows it.
    End {
        id: GlobalId,
        told: Told,
    },
    /// The client has nothing more to do.
    Leave,
}

/// How a client's transaction ended, as the client knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    Committed,
    RolledBack,
    /// Nobody could say.
    Unknown,
    Heuristic(Heuristic),
}

/// What a request came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    Answer(Result<handfast_machine::Answer, handfast_machine::Refusal>),
    /// The session broke: it may have been done.
    Lost,
    /// The server was not there: it was not done.
    Unreachable,
}
