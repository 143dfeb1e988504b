//! Why a crash test cannot be run, or was not finished.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use handfast_client::{ConnectError, ProducerError, RequestError, SendError};
use handfast_import::ImportError;
use handfast_trigger::TriggerFileError;

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CrashTestError {
    #[error("{}: {cause}", path.display())]
    File { path: PathBuf, cause: io::Error },
    #[error("{}: {cause}", path.display())]
    Messages { path: PathBuf, cause: ImportError },
    #[error("{} is there already; choose another --dir, or take it away", path.display())]
    NotEmpty { path: PathBuf },
    #[error("{} has no rows, so there is nothing to send", path.display())]
    NoMessages { path: PathBuf },
    #[error(transparent)]
    Trigger(#[from] TriggerFileError),
    #[error("the trigger reads from {queue}, which cannot be sent to; choose another queue")]
    Queue { queue: String },
    #[error("{program} cannot be run: {cause}")]
    Program { program: String, cause: io::Error },
    /// It was not killed by the test.
    #[error("{name} ended with {status}: {last_words}")]
    Ended { name: String, status: ExitStatus, last_words: String },
    #[error("the server does not start: {last_words}")]
    Start { last_words: String },
    #[error("no progress for {waited:?}; the trigger's last words: {last_words}")]
    Stuck { waited: Duration, last_words: String },
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error(transparent)]
    Request(#[from] RequestError),
    #[error(transparent)]
    Producer(#[from] ProducerError),
    #[error(transparent)]
    Send(#[from] SendError),
    #[error("the database: {0}")]
    Postgres(#[from] tokio_postgres::Error),
    #[error("the database: {0}")]
    Sqlite(#[from] rusqlite::Error),
    #[error("the command that crashes the database ended with {status}: {command}")]
    CrashDatabase { command: String, status: ExitStatus },
    #[error("the processes of the test cannot be watched: {0}")]
    Process(io::Error),
    #[error("{path} has a line that is none of a history: {what}", path = path.display())]
    History { path: PathBuf, what: String },
}

impl CrashTestError {
    /// Whether it is what the test looks for: a process that ends by itself, does not start, or does not get on.
    pub(crate) fn is_finding(&self) -> bool {
        matches!(self, CrashTestError::Ended { .. } | CrashTestError::Start { .. } | CrashTestError::Stuck { .. })
    }

    pub(crate) fn file(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> CrashTestError {
        let path = path.into();
        move |cause| CrashTestError::File { path, cause }
    }
}
