//! Where a client is in its job.

use handfast_machine::Request;
use handfast_protocol::{GlobalId, Heuristic, QueueName, Xid};
use handfast_queue::Blame;
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

/// What the client waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The end of a pause; then it begins anew.
    Pausing,
    Opening,
    Beginning,
    EnlistingQueues,
    StartingBranch,
    Receiving,
    /// The body of the message that it has received rests apart.
    ReadingBody,
    EnlistingDatabase,
    Inserting,
    Sending,
    EndingBranch,
    Checking,
    Preparing,
    Committing,
    Deciding,
    Reporting {
        committed: bool,
    },
    /// The end of a pause; then it reports again.
    ReportingAgain {
        committed: bool,
    },
    Asking,
    /// The end of a pause; then it asks again.
    AskingAgain,
    /// The database rolls back; then the coordinator is asked for the outcome.
    LettingGo {
        known: Known,
    },
    /// The database rolls back; then the coordinator is told to.
    RollingBackRows,
    /// A queue manager of its own rolls back, and hears whose fault it was; then the coordinator is told to.
    RollingBackBranch,
    RollingBack,
    /// The commit has come to nothing. A coordinator that restarted before it prepared the branch knows nothing of it.
    ClearingUp,
    Looking,
    Finished,
}

/// What the coordinator has said of the outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    Committed,
    RolledBack,
    NotYet,
}

/// One transaction of the client.
#[derive(Debug, Clone)]
pub struct Attempt {
    pub id: GlobalId,
    /// Its branch at the queues.
    pub xid: Xid,
    /// That is one of a queue manager that is not the coordinator's, and it has begun: who ends the transaction otherwise than
    /// committed ends the branch there, too.
    pub has_branch: bool,
    pub order: Option<String>,
    /// The queue was empty: nothing is to be done but to look whether it stays so.
    pub found_nothing: bool,
    /// What the failure says about the order (P22).
    pub blame: Option<Blame>,
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
