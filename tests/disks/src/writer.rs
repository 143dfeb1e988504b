//! A test binary that runs one of its own ignored tests in a process of its own, which writes and reports until it ends.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Lines};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};

/// The process, with its reports. It does not outlive this.
#[derive(Debug)]
pub struct Writer {
    child: Child,
    reports: Lines<BufReader<ChildStdout>>,
}

/// How a writer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// By itself, at its end or at the first error of its disk.
    Returned,
    Killed,
    /// It has failed an assertion of its own.
    Failed,
}

impl Writer {
    /// The command that runs the ignored test `name`.
    pub(crate) fn command(name: &str) -> Command {
        let mut command = Command::new(std::env::current_exe().expect("a test runs from a file"));
        command.args(["--exact", name, "--ignored", "--nocapture", "--quiet"]);
        command
    }

    pub fn start<'e>(name: &str, variables: impl IntoIterator<Item = (&'e str, &'e OsStr)>) -> Writer {
        let mut command = Writer::command(name);
        command.envs(variables).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut child = command.spawn().expect("a test starts itself again");
        let output = child.stdout.take().expect("its output is piped");
        Writer { child, reports: BufReader::new(output).lines() }
    }

    /// The reports that it made before can still be read.
    pub fn kill(&mut self) {
        self.child.kill().expect("a child can be killed");
    }

    /// Waits for the process to end.
    pub fn end(&mut self) -> Ending {
        Ending::of(self.child.wait().expect("a child can be waited for"))
    }
}

impl Ending {
    pub(crate) fn of(status: ExitStatus) -> Ending {
        match status.signal() {
            Some(_) => Ending::Killed,
            None if status.success() => Ending::Returned,
            None => Ending::Failed,
        }
    }
}

/// The lines that the process prints, until it ends.
impl Iterator for Writer {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        self.reports.next().map(|line| line.expect("a report is text"))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // It fails where the process has ended, as it mostly has.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
