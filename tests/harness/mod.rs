//! A real server on a directory of its own, and the real command line against it. What it starts ends with it.

#![allow(dead_code, reason = "each test program uses its part of it")]

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

/// Longer than anything takes on a machine that does much else.
const PATIENCE: Duration = Duration::from_secs(60);

/// The program, with an environment of its own.
pub fn handfast(args: &[&str]) -> Command {
    program(env!("CARGO_BIN_EXE_handfast"), args)
}

/// The program that is a coordinator alone.
pub fn handfast_coordinator(args: &[&str]) -> Command {
    program(env!("CARGO_BIN_EXE_handfast-coordinator"), args)
}

fn program(path: &str, args: &[&str]) -> Command {
    let mut command = Command::new(path);
    command.args(args).env_remove("HANDFAST_SERVER").env_remove("RUST_LOG").stdin(Stdio::null());
    command
}

/// What a finished process left.
#[derive(Debug, PartialEq, Eq)]
pub struct Run {
    pub code: Option<i32>,
    pub stdout: Vec<u8>,
    pub stderr: String,
}

impl Run {
    pub fn of(command: &mut Command) -> Run {
        let output = command.output().expect("the program can be started");
        let stderr = String::from_utf8(output.stderr).expect("errors are text");
        Run { code: output.status.code(), stdout: output.stdout, stderr }
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.stdout).expect("what it printed is text")
    }

    /// Standard output of a command that must not fail.
    #[track_caller]
    pub fn ok(&self) -> &str {
        assert_eq!((self.code, self.stderr.as_str()), (Some(0), ""), "{}", String::from_utf8_lossy(&self.stdout));
        self.text()
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Standard error of a command that must fail with `code` and print nothing.
    #[track_caller]
    pub fn refused(&self, code: i32) -> &str {
        assert_eq!((self.code, self.text()), (Some(code), ""), "{}", self.stderr);
        &self.stderr
    }
}

/// What serves: called with its arguments.
type Program = fn(&[&str]) -> Command;

#[derive(Debug)]
pub struct Server {
    program: Program,
    process: Child,
    address: String,
    directory: TempDir,
}

impl Server {
    /// A queue manager on a new directory and any port.
    pub fn start() -> Server {
        Server::start_on(handfast, tempfile::tempdir().expect("a temporary directory"))
    }

    /// A coordinator alone.
    pub fn start_coordinator() -> Server {
        Server::start_on(handfast_coordinator, tempfile::tempdir().expect("a temporary directory"))
    }

    /// A queue manager on a new directory, at this address.
    pub fn start_at(address: &str) -> Server {
        Server::serve(handfast, tempfile::tempdir().expect("a temporary directory"), address)
    }

    /// On `data` inside this directory, which may hold some already.
    pub fn start_on(program: Program, directory: TempDir) -> Server {
        Server::serve(program, directory, &format!("127.0.0.1:{}", free_port()))
    }

    fn serve(program: Program, directory: TempDir, listen: &str) -> Server {
        let (process, address) = serve(program, None, &directory, listen);
        Server { program, process, address, directory }
    }

    /// A directory of the test's own beside the server's data.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn data(&self) -> PathBuf {
        self.path("data")
    }

    /// `HOST:PORT`.
    pub fn address(&self) -> &str {
        &self.address
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// SIGKILL; it stays away until [`Self::start_again`].
    pub fn kill(&mut self) {
        self.process.kill().expect("it is our child");
        self.process.wait().expect("it was killed");
    }

    /// Kills it; another one may be started on its directory.
    pub fn into_directory(mut self) -> TempDir {
        self.kill();
        std::mem::replace(&mut self.directory, tempfile::tempdir().expect("a temporary directory"))
    }

    /// On the same directory and port.
    pub fn start_again(&mut self) {
        (self.process, self.address) = serve(self.program, None, &self.directory, &self.address);
    }

    /// SIGKILL, and again on the same directory and port, to end (or stop) where it comes to this crash point.
    pub fn start_again_to_crash(&mut self, at: &str) {
        self.kill();
        (self.process, self.address) = serve(self.program, Some(at), &self.directory, &self.address);
    }

    /// Starts it to end at this crash point before it is ready.
    pub fn crash_at_start(&mut self, at: &str) {
        self.process = spawn(self.program, Some(at), &self.directory, &self.address);
        self.wait_for_crash();
    }

    /// Starts it, and it must refuse to; what it says.
    pub fn start_in_vain(&mut self) -> String {
        let before = self.log().len();
        self.process = spawn(self.program, None, &self.directory, &self.address);
        self.wait_for_failure();
        self.log().split_off(before)
    }

    /// Waits until it has ended by itself because it could not go on.
    pub fn wait_for_failure(&mut self) {
        assert_eq!(wait(&mut self.process).code(), Some(1), "{}", self.log());
    }

    pub fn has_ended(&mut self) -> bool {
        self.process.try_wait().expect("it is our child").is_some()
    }

    /// Waits until it has come to its crash point and ended there.
    pub fn wait_for_crash(&mut self) {
        assert_eq!(wait(&mut self.process).signal(), Some(Signal::ABORT.as_raw()), "{}", self.log());
    }

    /// Waits until it has come to its crash point and stopped there.
    pub fn wait_for_stop(&self) {
        wait_for_stop(self.pid());
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.process), signal).expect("it is our child");
    }

    /// A clean stop; what the server left on standard output after its first line.
    pub fn stop(&mut self, signal: Signal) -> (ExitStatus, String) {
        self.signal(signal);
        let mut rest = String::new();
        let stdout = self.process.stdout.as_mut().expect("it is piped");
        stdout.read_to_string(&mut rest).expect("what it printed is text");
        (wait(&mut self.process), rest)
    }

    /// What all servers of this directory have logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.path("serve.log")).expect("the log is there")
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = handfast(args);
        command.env("HANDFAST_SERVER", self.url()).current_dir(self.directory.path());
        command
    }

    pub fn run(&self, args: &[&str]) -> Run {
        Run::of(&mut self.command(args))
    }

    /// With standard input from a file, as a shell's `<` does.
    pub fn run_with(&self, args: &[&str], input: &[u8]) -> Run {
        let mut file = tempfile::tempfile().expect("a temporary file");
        file.write_all(input).expect("it has room");
        std::io::Seek::rewind(&mut file).expect("it is a file");
        Run::of(self.command(args).stdin(file))
    }

    /// `queue show`.
    pub fn queue(&self, name: &str) -> Value {
        self.run(&["queue", "show", name, "--output", "json"]).json()
    }

    /// The bodies of what is in a queue.
    pub fn bodies(&self, queue: &str) -> Vec<String> {
        let found = self.run(&["peek", queue, "--output", "json"]).json();
        let body = |message: &Value| message["body"].as_str().expect("a body is text").to_owned();
        found.as_array().expect("a list is one array").iter().map(body).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

/// A port that nobody listens on, below those that the system gives to clients: nobody takes it while its server is down.
fn free_port() -> u16 {
    const PORTS: u16 = 400;
    static ASKED: AtomicU16 = AtomicU16::new(0);
    let first = 10_000 + u16::try_from(std::process::id() % 20).expect("it is below 20") * PORTS;
    loop {
        let port = first + ASKED.fetch_add(1, Ordering::Relaxed) % PORTS;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// Waits until the process is stopped, as SIGSTOP does it.
pub fn wait_for_stop(pid: u32) {
    let is_stopped = || {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("the process is there");
        // Behind the name in parentheses, which may hold anything.
        stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T'))
    };
    until("the process stops", is_stopped);
}

/// To end at this crash point, if one is given.
fn spawn(program: Program, crash_at: Option<&str>, directory: &TempDir, listen: &str) -> Child {
    let log = File::options().create(true).append(true).open(directory.path().join("serve.log"));
    let data = directory.path().join("data");
    let mut command = program(&["serve", "--listen", listen, "--data"]);
    command.arg(data).envs(crash_at.map(|at| (handfast_crash_points::VARIABLE, at)));
    let started = command.stdout(Stdio::piped()).stderr(log.expect("it can be written")).spawn();
    started.expect("the program can be started")
}

/// Starts a server and waits for the line that says that it is ready.
fn serve(program: Program, crash_at: Option<&str>, directory: &TempDir, listen: &str) -> (Child, String) {
    let mut process = spawn(program, crash_at, directory, listen);
    let address = ready_line(&mut process);
    let address = address.unwrap_or_else(|| {
        let log = std::fs::read_to_string(directory.path().join("serve.log"));
        panic!("the server did not start: {}", log.unwrap_or_default())
    });
    (process, address)
}

/// The address in the ready line of a starting server; `None` when it ends instead.
pub fn ready_line(process: &mut Child) -> Option<String> {
    let stdout = process.stdout.as_mut().expect("it is piped");
    let mut line = String::new();
    // One byte at a time, so that what follows stays in the pipe.
    BufReader::with_capacity(1, stdout).read_line(&mut line).expect("what it printed is text");
    Some(line.strip_prefix("listening on http://")?.strip_suffix('\n')?.to_owned())
}

/// A command that runs on while the test feeds, kills or watches it. Killed when it is dropped.
#[derive(Debug)]
pub struct Running {
    process: Child,
    pub stdin: Option<ChildStdin>,
}

impl Running {
    pub fn start(command: &mut Command) -> Running {
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn().expect("the program can be started");
        let stdin = process.stdin.take();
        Running { process, stdin }
    }

    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    pub fn is_running(&mut self) -> bool {
        self.process.try_wait().expect("it is our child").is_none()
    }

    /// More of its standard input; the test goes on when the process has taken it.
    pub fn feed(&mut self, input: &[u8]) {
        let stdin = self.stdin.as_mut().expect("it is open");
        stdin.write_all(input).and_then(|()| stdin.flush()).expect("the process reads on");
    }

    /// Nobody reads its standard output any more.
    pub fn close_stdout(&mut self) {
        drop(self.process.stdout.take());
    }

    pub fn kill(mut self) {
        self.process.kill().expect("it is our child");
        self.process.wait().expect("it was killed");
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.process), signal).expect("it is our child");
    }

    /// Closes its standard input and waits for its end.
    pub fn finish(mut self) -> Run {
        drop(self.stdin.take());
        self.end()
    }

    /// Waits for its end, with its standard input as it is.
    pub fn end(mut self) -> Run {
        let mut run = Run { code: None, stdout: Vec::new(), stderr: String::new() };
        if let Some(mut stdout) = self.process.stdout.take() {
            stdout.read_to_end(&mut run.stdout).expect("a pipe can be read");
        }
        let mut stderr = self.process.stderr.take().expect("it is piped");
        stderr.read_to_string(&mut run.stderr).expect("errors are text");
        run.code = wait(&mut self.process).code();
        run
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

/// The end of a process that is about to end.
pub fn wait(process: &mut Child) -> ExitStatus {
    let mut status = None;
    until("the process ends", || {
        status = process.try_wait().expect("it is our child");
        status.is_some()
    });
    status.expect("it was waited for")
}

/// Looks until `holds`.
#[track_caller]
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let since = Instant::now();
    while !holds() {
        assert!(since.elapsed() < PATIENCE, "in vain: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Puts a word in the place of what differs from run to run, after a look at its form.
pub fn plain(mut value: Value) -> Value {
    smooth(&mut value);
    value
}

fn smooth(value: &mut Value) {
    match value {
        Value::Array(elements) => elements.iter_mut().for_each(smooth),
        Value::Object(fields) => {
            for (name, value) in fields {
                match (name.as_str(), &*value) {
                    ("id", Value::String(id)) if id.len() > 33 && id.as_bytes()[32] == b'-' => *value = "ID".into(),
                    ("sent_at" | "arrived_at" | "dead_at" | "created_at" | "began_at", Value::String(time))
                        if time.len() == 24 && time.ends_with('Z') && time.starts_with("20") =>
                    {
                        *value = "TIME".into();
                    }
                    _ => smooth(value),
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// An HTTP/1.1 request as simple as can be; the whole answer.
pub fn http_get(address: &str, path: &str) -> String {
    let mut stream = std::net::TcpStream::connect(address).expect("the server listens");
    let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("it is open");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("the answer is text");
    answer
}

/// The mode of a file or directory.
pub fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).expect("it is there").permissions().mode() & 0o777
}
