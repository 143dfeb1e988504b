//! Why the server gave no answer, and what may be done about it. Errors of one operation stand with that operation.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use handfast_wire::{Malformed, v1};

pub use handfast_wire::v1::refusal::Code as RefusalCode;

/// A request that had no answer of its kind.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// It was not sent.
    #[error("{server} cannot be reached: {cause}; is it running? start it with: handfast serve --data DIR")]
    Unreachable { server: Arc<str>, cause: Cause },
    /// It was sent, and the connection was lost before its answer came: it may or may not have happened.
    #[error("the connection to {server} was lost before the answer came: {cause}")]
    Lost { server: Arc<str>, cause: Cause },
    #[error(transparent)]
    Refused(#[from] Refused),
    /// Something else than a server of this protocol, or one of another version.
    #[error("{server} answered what this client cannot read: {what}")]
    Unreadable { server: Arc<str>, what: Unreadable },
}

/// The server's no. Its text names the thing, the reason and the remedy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Refused {
    pub code: RefusalCode,
    pub text: String,
    /// With [`RefusalCode::ProducerGap`]: the sequence that is next.
    pub expected: u64,
}

/// An answer that is not what the request asks for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unreadable {
    #[error(transparent)]
    Malformed(#[from] Malformed),
    #[error("{asked} was answered with something else")]
    OtherAnswer { asked: &'static str },
    #[error("{field} {value} is unknown to this version")]
    UnknownValue { field: &'static str, value: i32 },
    #[error("a body of {announced} bytes came as {found}")]
    BodyLength { announced: u64, found: u64 },
    #[error("it speaks version {0} of the protocol; this client speaks 1")]
    Version(u32),
}

/// Why a connection is not there. Shared, since many requests fail of one cause.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Cause {
    Transport(Arc<tonic::transport::Error>),
    Status(Arc<tonic::Status>),
    Refused(Refused),
    TimedOut,
    /// The server ended the session without a word.
    Ended,
    /// The client that made this transaction or reader is gone, or its connection was replaced by a newer one.
    Replaced,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // The first word of such an error says nothing; what it stems from does.
            Cause::Transport(error) => write_chain(f, error.as_ref()),
            Cause::Status(status) if status.message().is_empty() => write!(f, "{}", status.code()),
            Cause::Status(status) => f.write_str(status.message()),
            Cause::Refused(refused) => refused.fmt(f),
            Cause::TimedOut => f.write_str("no answer in time"),
            Cause::Ended => f.write_str("the server ended it"),
            Cause::Replaced => f.write_str("it belonged to an earlier connection"),
        }
    }
}

fn write_chain(f: &mut fmt::Formatter<'_>, error: &dyn Error) -> fmt::Result {
    write!(f, "{error}")?;
    let mut source = error.source();
    while let Some(error) = source {
        write!(f, ": {error}")?;
        source = error.source();
    }
    Ok(())
}

impl RequestError {
    /// Whether the same work may succeed when it is done again later, from its beginning: the server is away, restarts, or
    /// lacks room for now.
    pub fn is_retryable(&self) -> bool {
        match self {
            RequestError::Unreachable { .. } | RequestError::Lost { .. } => true,
            RequestError::Refused(refused) => refused.is_retryable(),
            RequestError::Unreadable { .. } => false,
        }
    }

    /// Whether the server may have done what was asked.
    pub fn may_have_happened(&self) -> bool {
        match self {
            RequestError::Lost { .. } | RequestError::Unreadable { .. } => true,
            RequestError::Refused(refused) => refused.code == RefusalCode::Unknown,
            RequestError::Unreachable { .. } => false,
        }
    }

    /// The server's code, where it refused.
    pub fn code(&self) -> Option<RefusalCode> {
        match self {
            RequestError::Refused(refused) => Some(refused.code),
            RequestError::Unreachable { .. } | RequestError::Lost { .. } | RequestError::Unreadable { .. } => None,
        }
    }
}

impl Refused {
    pub fn is_retryable(&self) -> bool {
        match self.code {
            RefusalCode::SharingViolation
            | RefusalCode::TransactionNotActive
            | RefusalCode::RolledBack
            | RefusalCode::TooMuch
            | RefusalCode::NoSpace
            | RefusalCode::InDoubt
            | RefusalCode::Resource
            | RefusalCode::Unknown
            | RefusalCode::NotLeader
            | RefusalCode::Stopping => true,
            RefusalCode::Unspecified
            | RefusalCode::Invalid
            | RefusalCode::QueueNotFound
            | RefusalCode::QueueExists
            | RefusalCode::DuplicateXid
            | RefusalCode::ProducerFenced
            | RefusalCode::ProducerGap
            | RefusalCode::ProducerUnknown
            | RefusalCode::ProducerDiverged
            | RefusalCode::NotFound
            | RefusalCode::CommitUnderWay
            | RefusalCode::DatabaseDisagrees
            | RefusalCode::NotHere => false,
        }
    }
}

impl From<v1::Refusal> for Refused {
    fn from(refusal: v1::Refusal) -> Refused {
        // A code of a later version is taken as "may have happened": the careful reading.
        let code = RefusalCode::try_from(refusal.code).unwrap_or(RefusalCode::Unknown);
        Refused { code, text: refusal.text, expected: refusal.expected }
    }
}

/// A server that could not be reached to begin with.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    #[error("{url} is not the URL of a server; it looks like http://127.0.0.1:1801")]
    Url { url: String, cause: tonic::transport::Error },
    #[error("{url} asks for TLS, which servers do not have yet; use http://, and a tunnel between machines")]
    Tls { url: String },
    #[error(transparent)]
    Request(#[from] RequestError),
}
