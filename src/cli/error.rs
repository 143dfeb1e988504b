//! Why a command failed, in the words that its user reads.

use std::io;
use std::time::Duration;

use handfast_client::{ConnectError, NotCommitted, ProducerError, ReceiveError, RequestError, SendError};
use handfast_crash_test::CrashTestError;
use handfast_protocol::{GlobalId, Xid};

use super::send_many::ImportFailed;
use crate::bench::BenchError;
use crate::server::ServeError;
use crate::trigger::TriggerError;

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    #[error("cannot reach {server}: {cause}; start one with: handfast serve")]
    Unreachable { server: String, cause: handfast_client::Cause },
    #[error(transparent)]
    Connect(ConnectError),
    #[error(transparent)]
    Request(RequestError),
    #[error(transparent)]
    Send(SendError),
    #[error(transparent)]
    Receive(ReceiveError),
    #[error(transparent)]
    Producer(ProducerError),
    /// What was received is printed, and may come again.
    #[error("what was printed last may come again: {0}")]
    NotCommitted(#[from] NotCommitted),
    #[error(transparent)]
    Import(#[from] Box<ImportFailed>),
    #[error("no answer from {server} for {within:?}; run the same command again to go on")]
    Away { server: String, within: Duration },
    #[error(transparent)]
    Serve(#[from] Box<ServeError>),
    #[error(transparent)]
    Trigger(Box<TriggerError>),
    #[error(transparent)]
    Bench(Box<BenchError>),
    #[error(transparent)]
    CrashTest(Box<CrashTestError>),
    #[error(
        "transaction {gtrid} is another coordinator's, which decides it; resolve it there: handfast --server ITS-URL transaction resolve {gtrid} ..."
    )]
    OtherCoordinators { gtrid: GlobalId },
    #[error("transaction {name} is decided by the coordinator that prepared it; resolve it there")]
    ForeignTransaction { name: String },
    #[error("transaction {xid} is unknown here; see: handfast transaction list")]
    UnknownXid { xid: Xid },
    #[error("there is no place for data: neither XDG_DATA_HOME nor HOME is set; name one with --data DIR")]
    NoDataDirectory,
    #[error("{path} cannot be made absolute: {cause}")]
    Path { path: String, cause: io::Error },
    #[error("standard input cannot be read: {0}")]
    Input(io::Error),
    #[error("standard output cannot be written: {0}")]
    Output(#[from] io::Error),
    #[error("the process cannot be set up: {0}")]
    Process(io::Error),
}

impl CommandError {
    /// The server is away, or about to serve: the same may work in a moment.
    pub fn is_away(&self) -> bool {
        match self {
            CommandError::Unreachable { .. } => true,
            CommandError::Request(error) => error.is_retryable(),
            CommandError::Connect(ConnectError::Request(error)) => error.is_retryable(),
            CommandError::Producer(ProducerError::Request(error)) => error.is_retryable(),
            _ => false,
        }
    }

    /// Whoever read standard output has closed it.
    pub fn is_broken_pipe(&self) -> bool {
        matches!(self, CommandError::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }
}

impl From<RequestError> for CommandError {
    fn from(error: RequestError) -> CommandError {
        match error {
            RequestError::Unreachable { server, cause } => {
                CommandError::Unreachable { server: server.to_string(), cause }
            }
            error => CommandError::Request(error),
        }
    }
}

impl From<ConnectError> for CommandError {
    fn from(error: ConnectError) -> CommandError {
        match error {
            ConnectError::Request(error) => error.into(),
            error => CommandError::Connect(error),
        }
    }
}

impl From<SendError> for CommandError {
    fn from(error: SendError) -> CommandError {
        match error {
            SendError::Request(error) => error.into(),
            error => CommandError::Send(error),
        }
    }
}

impl From<ReceiveError> for CommandError {
    fn from(error: ReceiveError) -> CommandError {
        match error {
            ReceiveError::Request(error) => error.into(),
            error => CommandError::Receive(error),
        }
    }
}

impl From<ProducerError> for CommandError {
    fn from(error: ProducerError) -> CommandError {
        match error {
            ProducerError::Request(error) => error.into(),
            error => CommandError::Producer(error),
        }
    }
}

impl From<ServeError> for CommandError {
    fn from(error: ServeError) -> CommandError {
        CommandError::Serve(Box::new(error))
    }
}

impl From<ImportFailed> for CommandError {
    fn from(error: ImportFailed) -> CommandError {
        CommandError::Import(Box::new(error))
    }
}

impl From<TriggerError> for CommandError {
    fn from(error: TriggerError) -> CommandError {
        match error {
            TriggerError::Request(error) => error.into(),
            error => CommandError::Trigger(Box::new(error)),
        }
    }
}

impl From<BenchError> for CommandError {
    fn from(error: BenchError) -> CommandError {
        match error {
            BenchError::Request(error) => error.into(),
            error => CommandError::Bench(Box::new(error)),
        }
    }
}

impl From<CrashTestError> for CommandError {
    fn from(error: CrashTestError) -> CommandError {
        CommandError::CrashTest(Box::new(error))
    }
}
