//! The processes that work, and that are killed.

use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

use anyhow::{Context, bail};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// A port that nobody listens on, below those that the system gives to clients: nobody takes it while the server is down.
fn free_port() -> u16 {
    let is_free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    std::iter::repeat_with(|| fastrand::u16(18_000..20_000)).find(is_free).expect("it draws until it finds one")
}

/// Starts `handfast` with everything it prints in log files of one directory.
#[derive(Debug, Clone)]
pub struct Program {
    path: PathBuf,
    directory: PathBuf,
    server: Option<String>,
}

impl Program {
    pub fn new(path: Option<&Path>, directory: &Path) -> anyhow::Result<Program> {
        let built = || -> anyhow::Result<PathBuf> {
            let here = std::env::current_exe()?;
            let profile = here.parent().and_then(Path::parent).context("this program lies in no build directory")?;
            Ok(profile.join("handfast"))
        };
        let path = path.map_or_else(built, |path| Ok(path.to_owned()))?;
        if !path.exists() {
            bail!("{} is not there; build it, or name it with --handfast", path.display());
        }
        Ok(Program { path, directory: directory.to_owned(), server: None })
    }

    fn command(&self, name: &str, args: &[&str]) -> anyhow::Result<Command> {
        let log = self.directory.join(format!("{name}.log"));
        let log = File::options().create(true).append(true).open(log)?;
        let mut command = Command::new(&self.path);
        command.args(args).current_dir(&self.directory).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        command.env_remove("HANDFAST_SERVER").env_remove("RUST_LOG").kill_on_drop(true);
        if let Some(url) = &self.server {
            command.env("HANDFAST_SERVER", url);
        }
        Ok(command)
    }

    /// Starts the server, and waits until it is ready; it keeps its port over restarts.
    pub async fn serve(&mut self) -> anyhow::Result<Child> {
        let listen = match &self.server {
            Some(url) => url.trim_start_matches("http://").to_owned(),
            None => format!("127.0.0.1:{}", free_port()),
        };
        let args = ["serve", "--data", "data", "--listen", &listen];
        let mut child = self.command("serve", &args)?.stdout(Stdio::piped()).spawn()?;
        let stdout = child.stdout.as_mut().context("it is piped")?;
        let line = BufReader::new(stdout).lines().next_line().await?;
        let ready = line.as_deref().and_then(|line| line.strip_prefix("listening on "));
        let url = ready.with_context(|| format!("the server did not start: {}", self.tail("serve")))?;
        self.server = Some(url.to_owned());
        Ok(child)
    }

    pub fn url(&self) -> anyhow::Result<&str> {
        self.server.as_deref().context("the server was not started")
    }

    pub fn start(&self, name: &str, args: &[&str], stdin: Option<File>) -> anyhow::Result<Child> {
        let mut command = self.command(name, args)?;
        if let Some(stdin) = stdin {
            command.stdin(stdin);
        }
        Ok(command.spawn()?)
    }

    /// Runs a command that has to succeed.
    pub async fn done(&self, name: &str, args: &[&str]) -> anyhow::Result<()> {
        let status = self.start(name, args, None)?.wait().await?;
        self.expect(name, status)
    }

    pub fn expect(&self, name: &str, status: ExitStatus) -> anyhow::Result<()> {
        if !status.success() {
            bail!("{name} ended with {status}: {}", self.tail(name));
        }
        Ok(())
    }

    /// The last that a process said.
    pub fn tail(&self, name: &str) -> String {
        let log = std::fs::read_to_string(self.directory.join(format!("{name}.log"))).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(3)..].join("\n")
    }
}
