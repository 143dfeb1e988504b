//! Cleans up behind a test that was killed.
//!
//! A small shell waits on a pipe from this process. However the process ends, the pipe closes; the shell then kills the server
//! (if one is named) and removes the directory. Dropping the guard ends the shell without either.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::PostgresError;

/// `$1` is the directory, `$2` the server's process id or empty. The server's own children end by themselves when it is gone;
/// the second is theirs.
const SCRIPT: &str = r#"read -r _; if [ -n "$2" ]; then kill -9 "$2"; sleep 1; fi; rm -rf -- "$1""#;

#[derive(Debug)]
pub struct OrphanGuard {
    shell: Child,
}

impl OrphanGuard {
    pub fn of_directory(dir: &Path) -> Result<OrphanGuard, PostgresError> {
        OrphanGuard::spawn(dir, "")
    }

    pub fn of_server(dir: &Path, process_id: u32) -> Result<OrphanGuard, PostgresError> {
        OrphanGuard::spawn(dir, &process_id.to_string())
    }

    fn spawn(dir: &Path, process_id: &str) -> Result<OrphanGuard, PostgresError> {
        let program = PathBuf::from("/bin/sh");
        Command::new(&program)
            .args(["-c", SCRIPT, "sh"])
            .arg(dir)
            .arg(process_id)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // A group of its own: Ctrl-C at the terminal ends the test and not its guard.
            .process_group(0)
            .spawn()
            .map(|shell| OrphanGuard { shell })
            .map_err(|cause| PostgresError::Program { program, cause })
    }
}

impl Drop for OrphanGuard {
    fn drop(&mut self) {
        // The shell sits in `read`: killed before its pipe closes, it does nothing. The only failure is that it has ended.
        if self.shell.kill().is_ok() {
            drop(self.shell.wait());
        }
    }
}
