//! Why a test has no PostgreSQL.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PostgresError {
    #[error(
        "PostgreSQL's program {program} is neither in PATH nor in /usr/lib/postgresql/*/bin: install Debian's package postgresql"
    )]
    NotInstalled { program: &'static str },
    #[error("PostgreSQL refuses to run as root and /etc/passwd has neither the user postgres nor nobody: add one")]
    NoAccount,
    #[error("cannot {action} {path}: {cause}", path = path.display())]
    File { action: &'static str, path: PathBuf, cause: io::Error },
    #[error("cannot run {program}: {cause}", program = program.display())]
    Program { program: PathBuf, cause: io::Error },
    #[error("{program} failed ({status}): {output}", program = program.display())]
    ProgramFailed { program: PathBuf, status: String, output: String },
    #[error("PostgreSQL ended before it was ready; the end of its log:\n{log}")]
    Ended { log: String },
    #[error("PostgreSQL was not ready within {within:?}; the end of its log:\n{log}")]
    NotReady { within: Duration, log: String },
    #[error("no free port on 127.0.0.1 between {first} and {last}")]
    NoPort { first: u16, last: u16 },
}
