//! Why a transaction was, or can only be, rolled back, as far as this end knows.

use handfast_protocol::ResourceName;

use crate::blame::Blame;
use crate::send::SendError;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RollbackCause {
    /// The server rolled it back, in its own words.
    #[error("{reason}")]
    Server { reason: String },
    /// A statement failed (P6): nothing more can be done in its transaction.
    #[error("a statement failed at {resource}: {error}")]
    /// `blame`: what the queues were told of the messages (P22).
    Statement { resource: ResourceName, error: String, blame: Blame },
    /// What was to go out with the commit could not be sent.
    #[error("{error}")]
    Send { error: String },
    /// The database could not prepare or commit.
    #[error("{resource} could not commit: {error}")]
    Database { resource: ResourceName, error: String },
    /// Recovery wrote the opposite marker row before this commit came (P12, P21).
    #[error("recovery ended it before {resource} had committed")]
    Fenced { resource: ResourceName },
    /// A call was dropped before it was answered: nobody knows what it did, so that nothing of it may stay.
    #[error("{call} was cancelled before it was answered")]
    Cancelled { call: &'static str },
    /// The database joined the transaction, but this client could not begin its work there.
    #[error("{resource} could not be used: {error}")]
    Enlist { resource: ResourceName, error: String },
}

impl RollbackCause {
    /// Whether the same work may succeed when it is done again. A failed statement fails again, as far as one can tell; its
    /// blame says whose fault it was.
    pub fn is_retryable(&self) -> bool {
        match self {
            RollbackCause::Statement { .. } | RollbackCause::Send { .. } => false,
            RollbackCause::Server { .. }
            | RollbackCause::Database { .. }
            | RollbackCause::Fenced { .. }
            | RollbackCause::Cancelled { .. }
            | RollbackCause::Enlist { .. } => true,
        }
    }
}

/// What may succeed later is the server's cause.
impl From<SendError> for RollbackCause {
    fn from(error: SendError) -> RollbackCause {
        match error {
            SendError::RollbackOnly(cause) => cause,
            error if error.is_retryable() => RollbackCause::Server { reason: error.to_string() },
            error => RollbackCause::Send { error: error.to_string() },
        }
    }
}

/// The first thing that went wrong in a transaction: it cannot commit any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    pub cause: RollbackCause,
    pub blame: Blame,
}

impl Failure {
    pub fn of_statement(resource: ResourceName, error: String, blame: Blame) -> Failure {
        Failure { cause: RollbackCause::Statement { resource, error, blame: blame.clone() }, blame }
    }

    /// One that says nothing about the messages.
    pub fn blameless(cause: RollbackCause) -> Failure {
        Failure { cause, blame: Blame::None }
    }

    /// Whatever was cancelled may still be under way on its connection.
    pub fn is_cancelled(&self) -> bool {
        matches!(self.cause, RollbackCause::Cancelled { .. })
    }
}
