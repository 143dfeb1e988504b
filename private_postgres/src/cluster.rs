//! The data directory of a server: made by `initdb` once for this process, then copied, which is ten times as fast.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

use tempfile::TempDir;

use crate::PostgresError;
use crate::account::Account;
use crate::binaries::Binaries;
use crate::orphan_guard::OrphanGuard;

/// Superuser of every server here; connections from loopback are trusted.
pub const USER: &str = "handfast";

/// What `initdb` made for this process. A static is never dropped: its guard removes the directory when the process ends.
static TEMPLATE: Mutex<Option<Template>> = Mutex::new(None);

struct Template {
    data: PathBuf,
    _dir: TempDir,
    _guard: OrphanGuard,
}

/// A new directory that holds a fresh cluster in `data`.
pub fn create(account: Account, binaries: &Binaries) -> Result<TempDir, PostgresError> {
    let dir = temporary_directory(account)?;
    // Held while `initdb` runs: other threads wait for its result.
    let mut template = TEMPLATE.lock().unwrap_or_else(PoisonError::into_inner);
    if template.is_none() {
        *template = Some(initialise(account, binaries)?);
    }
    if let Some(template) = template.as_ref() {
        copy(account, &template.data, &data(dir.path()))?;
    }
    Ok(dir)
}

/// Of a cluster that no server uses; `to` is not there yet.
pub fn copy(account: Account, from: &Path, to: &Path) -> Result<(), PostgresError> {
    let program = Path::new("/bin/cp");
    let mut copy = account.command(program, Path::new("/"));
    copy.args(["-a", "--reflink=auto", "--"]).arg(from).arg(to);
    run(program, copy).map(|_| ())
}

/// The cluster inside the directory that [`create`] made.
pub fn data(dir: &Path) -> PathBuf {
    dir.join("data")
}

fn initialise(account: Account, binaries: &Binaries) -> Result<Template, PostgresError> {
    let dir = temporary_directory(account)?;
    let guard = OrphanGuard::of_directory(dir.path())?;
    let data = data(dir.path());
    let mut initdb = account.command(&binaries.initdb, dir.path());
    initdb
        .args(["--username", USER, "--auth", "trust", "--encoding", "UTF8", "--no-locale", "--no-sync"])
        .arg("--pgdata")
        .arg(&data);
    run(&binaries.initdb, initdb)?;
    Ok(Template { data, _dir: dir, _guard: guard })
}

fn temporary_directory(account: Account) -> Result<TempDir, PostgresError> {
    let dir = tempfile::Builder::new().prefix("handfast-postgres-").tempdir().map_err(|cause| PostgresError::File {
        action: "create a directory in",
        path: std::env::temp_dir(),
        cause,
    })?;
    account.own(dir.path())?;
    Ok(dir)
}

/// Runs `command` to its end. What it printed is in the error.
pub fn run(program: &Path, mut command: Command) -> Result<String, PostgresError> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|cause| PostgresError::Program { program: program.to_path_buf(), cause })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(PostgresError::ProgramFailed {
        program: program.to_path_buf(),
        status: output.status.to_string(),
        output: [output.stdout, output.stderr].iter().map(|bytes| String::from_utf8_lossy(bytes)).collect(),
    })
}
