//! Why a question got no answer: the facts, before the resource's name is put to them.

use std::error::Error as _;
use std::io;
use std::path::PathBuf;

use handfast_coordinator_core::{CallFailed, Resource, ResourceId};
use handfast_protocol::limits::ERROR_TEXT_BYTES_MAX;
use handfast_protocol::{ResourceKind, Xid};
use handfast_wire::Malformed;

use super::postgres::AddressRefused;
use super::secrets::PasswordFileIgnored;

/// A call, a look or an installation that failed. Its text holds no secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    #[error("no answer in time")]
    TimedOut,
    /// The id row, or its table, is missing when `found` is `None`.
    #[error("the database is another one than was registered (its id is {found:?})")]
    WrongResource { found: Option<ResourceId> },
    #[error(transparent)]
    Address(#[from] AddressRefused),
    #[error(
        "{}: set {variable} or PGPASSWORD to the password of user {user}, or add a line to the password file{}",
        postgres_words(cause),
        ignored.as_ref().map(|ignored| format!(" ({ignored})")).unwrap_or_default()
    )]
    Authentication {
        user: String,
        variable: String,
        ignored: Option<PasswordFileIgnored>,
        cause: tokio_postgres::Error,
    },
    #[error("{}", postgres_words(.0))]
    Postgres(#[from] tokio_postgres::Error),
    #[error("the server is a standby or the database is read-only; give the address of the primary")]
    ReadOnly,
    #[error("the database would not set {name} to {wanted}: it is {found}")]
    Setting { name: &'static str, wanted: &'static str, found: String },
    #[error(
        "max_prepared_transactions is 0: PostgreSQL refuses PREPARE TRANSACTION; run ALTER SYSTEM SET max_prepared_transactions = 64, restart it, or add the resource without --two-phase"
    )]
    NoPreparedTransactions,
    #[error("the search path names no schema that exists; set one for this user: ALTER ROLE ... SET search_path = ...")]
    NoSchema,
    #[error("row of {table} cannot be read: {found}; somebody changed it")]
    RowUnreadable { table: &'static str, found: String },
    #[error("{}", sqlite_words(.0))]
    Sqlite(#[from] rusqlite::Error),
    #[error("{path}: {cause}", path = path.display())]
    File { path: PathBuf, cause: io::Error },
    #[error("{path} was replaced by another file meanwhile", path = path.display())]
    FileReplaced { path: PathBuf },
    #[error("{path} can only be read; let the server's user write it and its directory", path = path.display())]
    FileReadOnly { path: PathBuf },
    #[error("{path} is not an absolute path", path = path.display())]
    PathNotAbsolute { path: PathBuf },
    #[error("the address is not of the form http://HOST:PORT: {reason}")]
    ServiceAddress { reason: &'static str },
    #[error("{}", sources(.0))]
    Transport(#[from] tonic::transport::Error),
    #[error("{:?}: {}", .0.code(), .0.message())]
    Status(Box<tonic::Status>),
    #[error("it answers what cannot be understood: {0}")]
    Malformed(#[from] Malformed),
    #[error("it answers {value}, which this version does not know; update the older of the two")]
    UnknownAnswer { value: i32 },
    #[error("it has not let this coordinator in since the connection was made; attach comes first")]
    NotAttached,
    #[error("branch {xid} is not one of Handfast's")]
    ForeignBranch { xid: Xid },
    #[error("a {kind} resource takes no part in: {ask}")]
    NotItsPart { kind: ResourceKind, ask: &'static str },
}

/// What the core can do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Unreachable,
    TimedOut,
    Refused,
}

impl Failure {
    /// The failure of a call to this resource.
    pub fn at(self, resource: &Resource) -> CallFailed {
        let name = resource.name.clone();
        if let Some(found) = self.other_resource() {
            return CallFailed::WrongResource { resource: name, expected: resource.resource_id, found };
        }
        match self.class() {
            Class::TimedOut => CallFailed::TimedOut { resource: name },
            Class::Unreachable => CallFailed::Unreachable { resource: name, cause: cut(self.to_string()) },
            Class::Refused => CallFailed::Refused { resource: name, cause: cut(self.to_string()) },
        }
    }

    /// Whether the connection is not to be trusted any more, nor any that was made with it.
    pub(super) fn is_loss_of_connection(&self) -> bool {
        self.class() == Class::Unreachable || self.other_resource().is_some()
    }

    /// Whether what was asked did not answer in time.
    pub(super) fn is_silence(&self) -> bool {
        self.class() == Class::TimedOut
    }

    /// The id that stands at the address, when it is not ours.
    fn other_resource(&self) -> Option<Option<ResourceId>> {
        match self {
            Failure::WrongResource { found } => Some(*found),
            // Every statement of ours names our tables only: the database was emptied or exchanged under us (P3).
            Failure::Postgres(error) if error.code().is_some_and(|code| code.code() == UNDEFINED_TABLE) => Some(None),
            _ => None,
        }
    }

    fn class(&self) -> Class {
        match self {
            Failure::TimedOut => Class::TimedOut,
            Failure::Postgres(error) => postgres_class(error),
            Failure::Sqlite(error) => sqlite_class(error),
            Failure::Status(status) => status_class(status),
            Failure::File { .. } | Failure::FileReplaced { .. } | Failure::Transport(_) => Class::Unreachable,
            Failure::WrongResource { .. }
            | Failure::Address(_)
            | Failure::Authentication { .. }
            | Failure::ReadOnly
            | Failure::Setting { .. }
            | Failure::NoPreparedTransactions
            | Failure::NoSchema
            | Failure::RowUnreadable { .. }
            | Failure::FileReadOnly { .. }
            | Failure::PathNotAbsolute { .. }
            | Failure::ServiceAddress { .. }
            | Failure::Malformed(_)
            | Failure::UnknownAnswer { .. }
            | Failure::NotAttached
            | Failure::ForeignBranch { .. }
            | Failure::NotItsPart { .. } => Class::Refused,
        }
    }
}

impl From<tonic::Status> for Failure {
    fn from(status: tonic::Status) -> Failure {
        Failure::Status(Box::new(status))
    }
}

const UNDEFINED_TABLE: &str = "42P01";

/// By SQLSTATE. What has none never reached the server or lost it.
fn postgres_class(error: &tokio_postgres::Error) -> Class {
    let Some(code) = error.code() else {
        return Class::Unreachable;
    };
    match code.code() {
        // A lock that is held, a statement that ran out of time, a deadlock, a prepared transaction that another connection
        // is finishing right now: the next attempt may find it otherwise.
        "55P03" | "57014" | "40001" | "40P01" | "55000" => Class::TimedOut,
        // Shutting down, starting up, dropped, no connection free.
        "57P01" | "57P02" | "57P03" | "57P04" | "57P05" | "53300" => Class::Unreachable,
        code if code.starts_with("08") => Class::Unreachable,
        _ => Class::Refused,
    }
}

fn sqlite_class(error: &rusqlite::Error) -> Class {
    use rusqlite::ErrorCode;
    match error.sqlite_error_code() {
        // Never an outcome (P15): another connection writes.
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Class::TimedOut,
        Some(ErrorCode::CannotOpen | ErrorCode::SystemIoFailure) => Class::Unreachable,
        _ => Class::Refused,
    }
}

fn status_class(status: &tonic::Status) -> Class {
    match status.code() {
        tonic::Code::Unavailable => Class::Unreachable,
        tonic::Code::DeadlineExceeded | tonic::Code::Cancelled | tonic::Code::Aborted => Class::TimedOut,
        _ => Class::Refused,
    }
}

/// The server's own words with its SQLSTATE and hint; else every cause in turn.
fn postgres_words(error: &tokio_postgres::Error) -> String {
    let Some(said) = error.as_db_error() else {
        return sources(error);
    };
    let hint = said.hint().map(|hint| format!("; {hint}")).unwrap_or_default();
    format!("{} (SQLSTATE {}){hint}", said.message(), said.code().code())
}

fn sqlite_words(error: &rusqlite::Error) -> String {
    match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::NotADatabase) => "the file is not a SQLite database".to_owned(),
        _ => error.to_string(),
    }
}

fn sources(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let words = cause.to_string();
        // Some libraries repeat the cause in their own text.
        if !text.contains(&words) {
            text = format!("{text}: {words}");
        }
        next = cause.source();
    }
    text
}

/// Whether nothing was sent to or heard from the server: the network failed, not the login.
pub(super) fn is_network(error: &tokio_postgres::Error) -> bool {
    let mut next = error.source();
    while let Some(cause) = next {
        if cause.is::<io::Error>() {
            return true;
        }
        next = cause.source();
    }
    error.is_closed()
}

fn cut(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(ERROR_TEXT_BYTES_MAX));
    text
}
