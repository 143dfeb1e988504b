//! Why a database did not join a transaction.

use std::time::Duration;

use handfast_protocol::{ResourceKind, ResourceName};
use uuid::Uuid;

use crate::blame::postgres_text;
use crate::error::{ConnectError, RequestError};
use crate::limits::BRANCHES_MAX;
use crate::password;
use crate::rollback::RollbackCause;

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EnlistError {
    #[error(transparent)]
    Request(#[from] RequestError),
    #[error("the transaction can only be rolled back: {0}")]
    RollbackOnly(RollbackCause),
    #[error("{resource} is registered as {kind}, which {asked} is not for")]
    Kind { resource: ResourceName, kind: ResourceKind, asked: &'static str },
    #[error("{resource} has joined the transaction already, with another connection")]
    Joined { resource: ResourceName },
    #[error("a transaction joins at most {BRANCHES_MAX} databases")]
    TooManyBranches,
    /// Without the address: somebody may have written a password into it.
    #[error("the address of {resource} cannot be used: {cause}")]
    Address { resource: ResourceName, cause: tokio_postgres::Error },
    #[error("{resource} asks for TLS (sslmode={mode}), which this client cannot do yet; use sslmode=prefer or disable")]
    Tls { resource: ResourceName, mode: &'static str },
    #[error(
        "{resource} cannot be reached: {}; a password comes from {}, PGPASSWORD or ~/.pgpass",
        postgres_text(cause),
        password::variable(resource)
    )]
    Postgres { resource: ResourceName, cause: tokio_postgres::Error },
    #[error("{resource} did not answer within {within:?}")]
    TimedOut { resource: ResourceName, within: Duration },
    #[error("{resource} cannot be opened: {cause}")]
    Sqlite { resource: ResourceName, cause: rusqlite::Error },
    /// The file of a SQLite resource is on the server's host, so that recovery can open it (P15).
    #[error("{path} of {resource} is not here: a SQLite resource is used on the server's host, by its absolute path")]
    NoFile { resource: ResourceName, path: String },
    /// P3: nothing is done in a database that is not the registered one.
    #[error(
        "{resource} is another database than the registered one: its id is {}, expected {expected}; add it anew with: handfast resource add {resource} ...",
        found.as_deref().unwrap_or("missing")
    )]
    WrongDatabase { resource: ResourceName, expected: Uuid, found: Option<String> },
    #[error("queue manager {resource} cannot be reached: {cause}")]
    QueueManager { resource: ResourceName, cause: ConnectError },
    /// P3 again.
    #[error(
        "{resource} is another queue manager than the registered one: its id is {}, expected {expected}; add it anew with: handfast resource add {resource} --service URL",
        found.map_or_else(|| "missing".to_owned(), |id| id.to_string())
    )]
    WrongQueueManager { resource: ResourceName, expected: Uuid, found: Option<Uuid> },
    #[error("{resource} is a standby or read-only; name its primary")]
    ReadOnly { resource: ResourceName },
    #[error("the connection given for {resource} is inside a transaction already; end that first")]
    TransactionOpen { resource: ResourceName },
    /// A commit over several files in WAL mode is not atomic.
    #[error("the connection given for {resource} has {schema} attached; a commit over several files is not atomic")]
    Attached { resource: ResourceName, schema: String },
    #[error("{resource} does not write durably: {setting} is {found}")]
    NotDurable { resource: ResourceName, setting: &'static str, found: String },
    #[error("no thread for {resource}: {cause}")]
    Thread { resource: ResourceName, cause: std::io::Error },
    #[error("the connection to {resource} broke")]
    Broken { resource: ResourceName },
}

impl EnlistError {
    /// Whether the same work may succeed when it is done again later, with nothing changed by a person.
    pub fn is_retryable(&self) -> bool {
        match self {
            EnlistError::Request(error) => error.is_retryable(),
            EnlistError::RollbackOnly(cause) => cause.is_retryable(),
            EnlistError::Postgres { .. }
            | EnlistError::TimedOut { .. }
            | EnlistError::Sqlite { .. }
            | EnlistError::ReadOnly { .. }
            | EnlistError::Thread { .. }
            | EnlistError::Broken { .. } => true,
            EnlistError::QueueManager { cause, .. } => match cause {
                ConnectError::Request(error) => error.is_retryable(),
                ConnectError::Url { .. } | ConnectError::Tls { .. } => false,
            },
            EnlistError::Kind { .. }
            | EnlistError::Joined { .. }
            | EnlistError::TooManyBranches
            | EnlistError::Address { .. }
            | EnlistError::Tls { .. }
            | EnlistError::NoFile { .. }
            | EnlistError::WrongDatabase { .. }
            | EnlistError::WrongQueueManager { .. }
            | EnlistError::TransactionOpen { .. }
            | EnlistError::Attached { .. }
            | EnlistError::NotDurable { .. } => false,
        }
    }
}
