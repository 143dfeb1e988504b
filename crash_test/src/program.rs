//! Processes of `handfast`, with everything that they print in log files of one directory.

use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::error::CrashTestError;

/// A port that nobody listens on, below those that the system gives to clients: nobody takes it while the server is down.
fn free_port() -> u16 {
    let is_free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    std::iter::repeat_with(|| fastrand::u16(18_000..20_000)).find(is_free).expect("it draws until it finds one")
}

#[derive(Debug, Clone)]
pub struct Program {
    path: PathBuf,
    directory: PathBuf,
    listen: String,
}

impl Program {
    pub fn new(path: &Path, directory: &Path) -> Program {
        let listen = format!("127.0.0.1:{}", free_port());
        Program { path: path.to_owned(), directory: directory.to_owned(), listen }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.listen)
    }

    /// Starts the server; over restarts it keeps its port. [`Program::ready`] waits for it.
    pub fn serve(&self) -> Result<Child, CrashTestError> {
        let mut command = self.command("serve", &["serve", "--data", "data", "--listen", &self.listen])?;
        self.spawn(command.stdout(Stdio::piped()))
    }

    /// Until the server is ready.
    pub async fn ready(&self, server: &mut Child) -> Result<(), CrashTestError> {
        let line = match &mut server.stdout {
            Some(stdout) => BufReader::new(stdout).lines().next_line().await.map_err(CrashTestError::Process)?,
            None => None,
        };
        match line {
            Some(line) if line.starts_with("listening on ") => Ok(()),
            _ => Err(CrashTestError::Start { last_words: self.tail("serve") }),
        }
    }

    /// Starts a command whose log has this name.
    pub fn start(&self, name: &str, args: &[&str], stdin: Option<File>) -> Result<Child, CrashTestError> {
        let mut command = self.command(name, args)?;
        if let Some(stdin) = stdin {
            command.stdin(stdin);
        }
        self.spawn(&mut command)
    }

    /// Runs a command that has to succeed.
    pub async fn done(&self, name: &str, args: &[&str]) -> Result<(), CrashTestError> {
        let status = self.start(name, args, None)?.wait().await.map_err(CrashTestError::Process)?;
        self.expect(name, status)
    }

    pub fn expect(&self, name: &str, status: ExitStatus) -> Result<(), CrashTestError> {
        if status.success() {
            return Ok(());
        }
        Err(CrashTestError::Ended { name: name.to_owned(), status, last_words: self.tail(name) })
    }

    /// The last that a process said.
    pub fn tail(&self, name: &str) -> String {
        let log = std::fs::read_to_string(self.log(name)).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(3)..].join("\n")
    }

    fn log(&self, name: &str) -> PathBuf {
        self.directory.join(format!("{name}.log"))
    }

    fn command(&self, name: &str, args: &[&str]) -> Result<Command, CrashTestError> {
        let path = self.log(name);
        let open = || File::options().create(true).append(true).open(&path);
        let (out, err) = open().and_then(|log| Ok((log.try_clone()?, log))).map_err(CrashTestError::file(&path))?;
        let mut command = Command::new(&self.path);
        command.args(args).current_dir(&self.directory).stdin(Stdio::null()).stdout(out).stderr(err);
        command.env_remove("RUST_LOG").env("HANDFAST_SERVER", self.url()).kill_on_drop(true);
        Ok(command)
    }

    fn spawn(&self, command: &mut Command) -> Result<Child, CrashTestError> {
        let failed = |cause| CrashTestError::Program { program: self.path.display().to_string(), cause };
        command.spawn().map_err(failed)
    }
}
