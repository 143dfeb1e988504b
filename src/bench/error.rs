//! Why a benchmark has no figures.

use std::path::PathBuf;

use handfast_client::{
    EnlistError, NotCommitted, PostgresStatementError, ReceiveError, RequestError, SendError, SqliteStatementError,
};

use handfast_private_postgres::PostgresError;

use super::limits::{BYTES_UNDER_WAY_MAX, ORDER_BYTES_MIN};

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BenchError {
    #[error(
        "{count} messages of {size} bytes are more than the {BYTES_UNDER_WAY_MAX} bytes that may be under way; choose a smaller --size or --concurrency"
    )]
    TooMuch { count: usize, size: usize },
    #[error("an order has at least {ORDER_BYTES_MIN} bytes; choose a larger --size")]
    TooSmall,
    #[error(
        "resource {name} is there already: another benchmark runs, or was killed; remove it with: handfast resource remove {name}"
    )]
    ResourceTaken { name: String },
    #[error("resource {name} did not become ready: {problem}")]
    NotAttached { name: String, problem: String },
    #[error("a message of the benchmark is not what it sent: {0}")]
    Order(serde_json::Error),
    #[error("a row of the comparison is not what was laid in: {0}")]
    RivalOrder(serde_json::Error),
    #[error("the PostgreSQL that is compared with: {0}")]
    Rival(#[from] tokio_postgres::Error),
    #[error("the SQLite file that is compared with: {0}")]
    RivalFile(#[from] rusqlite::Error),
    #[error("only pairs are compared with SQLite; say: handfast bench compare pair --sqlite FILE")]
    PairsOnly,
    #[error("no PostgreSQL to compare with can be started: {0}; name one with --postgres URL")]
    NoRival(#[from] PostgresError),
    #[error("{path} cannot be removed: {cause}")]
    File { path: PathBuf, cause: std::io::Error },
    #[error("interrupted before anything was measured")]
    Interrupted,
    #[error(transparent)]
    Disk(#[from] DiskLimitError),
    #[error(transparent)]
    Request(#[from] RequestError),
    #[error(transparent)]
    Send(#[from] SendError),
    #[error(transparent)]
    Receive(#[from] ReceiveError),
    #[error(transparent)]
    Enlist(#[from] EnlistError),
    #[error(transparent)]
    Postgres(#[from] PostgresStatementError),
    #[error(transparent)]
    Sqlite(#[from] SqliteStatementError),
    #[error("a transaction of the benchmark was not committed: {0}")]
    NotCommitted(#[from] NotCommitted),
}

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DiskLimitError {
    #[error(
        "the disk's limit cannot be measured: {path}: {cause}; choose a directory on the server's disk with --limit-dir"
    )]
    Create { path: PathBuf, cause: std::io::Error },
    #[error("the disk's limit cannot be measured: {path}: {cause}")]
    Write { path: PathBuf, cause: std::io::Error },
    #[error("the thread that measures the disk's limit cannot be started: {0}")]
    Thread(std::io::Error),
    #[error("the thread that measures the disk's limit ended early")]
    Ended,
}
