//! System calls that fail on purpose: strace stops a process at the nth call of a kind to some files, and kills it, answers
//! with an error, or answers with a number, without the call.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::unavailable::output;
use crate::{Ending, Unavailable, Writer};

/// What happens in place of the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The process is killed.
    Kill,
    /// By its name in errno.h.
    Error(&'static str),
    /// The call answers this, and has done nothing. For a write a lie: so many bytes are not there.
    Returns(u64),
}

/// strace, which was seen to work here.
#[derive(Debug)]
pub struct Strace {
    scratch: TempDir,
}

/// A process that was traced to its end.
#[derive(Debug)]
pub struct Traced {
    pub reports: Vec<String>,
    pub ending: Ending,
    /// How often each call was made to the files, in the thread that made it most often: strace counts for each.
    pub calls: BTreeMap<String, u32>,
    /// The fault has come.
    pub struck: bool,
}

impl Strace {
    /// Containers may forbid a process to trace another, and strace may be missing.
    pub fn find() -> Result<Strace, Unavailable> {
        let scratch = tempfile::tempdir().map_err(|error| Unavailable(error.to_string()))?;
        let log = scratch.path().join("try");
        output(Command::new("strace").arg("-f").arg("-o").arg(&log).arg("true"))?;
        Ok(Strace { scratch })
    }

    /// Runs the ignored test `name` of this binary, with a fault at the nth call or none. Only calls to the files count.
    pub fn run(
        &self,
        name: &str,
        (variable, directory): (&str, &Path),
        files: &[PathBuf],
        fault: Option<(&str, u32, Fault)>,
    ) -> Traced {
        let log = self.scratch.path().join(directory.file_name().unwrap_or(OsStr::new("log")));
        let mut command = Command::new("strace");
        command.arg("-f").arg("-o").arg(&log);
        for file in files {
            command.arg("-P").arg(file);
        }
        if let Some((call, nth, fault)) = fault {
            command.arg("-e").arg(format!("trace={call}"));
            command.arg("-e").arg(format!("inject={call}:{fault}:when={nth}"));
        }
        let writer = Writer::command(name);
        command.arg(writer.get_program()).args(writer.get_args());
        command.env(variable, directory).stdin(Stdio::null()).stderr(Stdio::inherit());
        let ended = command.output().expect("strace was seen to start");
        let text = fs::read_to_string(&log).expect("strace leaves its log");
        Traced {
            reports: String::from_utf8_lossy(&ended.stdout).lines().map(str::to_owned).collect(),
            ending: Ending::of(ended.status),
            calls: count(&text),
            struck: text.contains("(INJECTED)") || text.contains("killed by SIGKILL"),
        }
    }
}

/// Each line is a thread, a call and its answer; a call that another thread interrupts is told in two.
fn count(log: &str) -> BTreeMap<String, u32> {
    let mut by_thread: BTreeMap<(&str, &str), u32> = BTreeMap::new();
    for line in log.lines() {
        let Some((thread, rest)) = line.split_once(' ') else { continue };
        if let Some((call, _)) = rest.trim_start().split_once('(')
            && call.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        {
            *by_thread.entry((thread, call)).or_default() += 1;
        }
    }
    let mut calls = BTreeMap::new();
    for ((_, call), times) in by_thread {
        let most: &mut u32 = calls.entry(call.to_owned()).or_default();
        *most = times.max(*most);
    }
    calls
}

/// As strace takes it.
impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Kill => formatter.write_str("signal=SIGKILL"),
            Fault::Error(name) => write!(formatter, "error={name}"),
            Fault::Returns(answer) => write!(formatter, "retval={answer}"),
        }
    }
}
