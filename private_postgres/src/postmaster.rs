//! One run of a server: from its launch to its end, whoever ends it.

use std::collections::VecDeque;
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};

use crate::PostgresError;
use crate::limits::{LOG_LINES_MAX, READY_WITHIN};

/// What the server logs when it accepts connections, in the C locale.
const READY: &str = "database system is ready to accept connections";

#[derive(Debug)]
pub struct Postmaster {
    child: Child,
    /// Reads the server's log until every process of the server has closed it: all of them are gone when it ends.
    log: Option<JoinHandle<()>>,
}

impl Postmaster {
    /// Starts `command` and waits until it accepts connections.
    pub fn launch(mut command: Command) -> Result<Postmaster, PostgresError> {
        let program = command.get_program().into();
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|cause| PostgresError::Program { program, cause })?;
        let stderr = child.stderr.take().expect("the command above pipes it");
        let (lines, log) = channel();
        let reader = thread::spawn(move || forward(stderr, &lines));
        let mut postmaster = Postmaster { child, log: Some(reader) };
        match until_ready(&log) {
            Ok(()) => Ok(postmaster),
            Err(error) => {
                postmaster.kill();
                Err(error)
            }
        }
    }

    pub fn process_id(&self) -> u32 {
        self.child.id()
    }

    /// SIGKILL to the server and all its children: nobody of them writes another byte.
    pub fn kill(&mut self) {
        let server = Pid::from_child(&self.child);
        // Stopped first, so that it neither forks nor reacts while its children die. A failed signal is a process that has ended.
        let _gone = kill_process(server, Signal::STOP).is_err();
        // A fork that is under way ends before it stops. A child of it that nobody kills may wait for a lock of one that is dead,
        // and holds the shared memory for ever.
        let stopped = WaitIdOptions::STOPPED | WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        let _gone = waitid(WaitId::Pid(server), stopped).is_err();
        for child in children_of(server) {
            let _gone = kill_process(child, Signal::KILL).is_err();
        }
        let _gone = kill_process(server, Signal::KILL).is_err();
        self.wait();
    }

    /// A fast shutdown: transactions in progress are rolled back, then everything is on disk.
    pub fn stop(&mut self) {
        let _gone = kill_process(Pid::from_child(&self.child), Signal::INT).is_err();
        self.wait();
    }

    /// Until no process of the server is left. PostgreSQL refuses to start while one of them still holds its shared memory.
    fn wait(&mut self) {
        drop(self.child.wait());
        if let Some(log) = self.log.take() {
            drop(log.join());
        }
    }
}

/// Hands every line of the log on; nobody may be listening any more.
fn forward(stderr: ChildStderr, lines: &Sender<String>) {
    for line in BufReader::new(stderr).split(b'\n').map_while(Result::ok) {
        let _nobody_listens = lines.send(String::from_utf8_lossy(&line).into_owned()).is_err();
    }
}

fn until_ready(log: &Receiver<String>) -> Result<(), PostgresError> {
    let mut seen = VecDeque::new();
    loop {
        match log.recv_timeout(READY_WITHIN) {
            Ok(line) if line.contains(READY) => return Ok(()),
            Ok(line) => {
                if seen.len() == LOG_LINES_MAX {
                    seen.pop_front();
                }
                seen.push_back(line);
            }
            Err(RecvTimeoutError::Disconnected) => {
                return Err(PostgresError::Ended { log: join(seen) });
            }
            Err(RecvTimeoutError::Timeout) => {
                return Err(PostgresError::NotReady { within: READY_WITHIN, log: join(seen) });
            }
        }
    }
}

fn join(lines: VecDeque<String>) -> String {
    Vec::from(lines).join("\n")
}

fn children_of(parent: Pid) -> Vec<Pid> {
    let Ok(processes) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    processes
        .filter_map(|process| {
            let process = process.ok()?;
            let id: i32 = process.file_name().to_str()?.parse().ok()?;
            let stat = fs::read_to_string(process.path().join("stat")).ok()?;
            if parent_in(&stat)? == parent.as_raw_nonzero().get() { Pid::from_raw(id) } else { None }
        })
        .collect()
}

/// `id (name) state parent ..`: the name may hold blanks and parentheses.
fn parent_in(stat: &str) -> Option<i32> {
    let (_, behind_name) = stat.rsplit_once(')')?;
    behind_name.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parent_is_found_behind_any_name() {
        assert_eq!(parent_in("12 (postgres: (a) b) S 7 12 12 0"), Some(7));
        assert_eq!(parent_in("12 (postgres"), None);
    }
}
