//! A server that a test owns: its directory, its port, and the process that runs now, if one does.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use tempfile::TempDir;

use crate::PostgresError;
use crate::account::Account;
use crate::binaries::Binaries;
use crate::cluster;
use crate::limits::{PORT_ATTEMPTS, PORTS};
use crate::orphan_guard::OrphanGuard;
use crate::postmaster::Postmaster;

/// How a server is started. Everything else is PostgreSQL's default, fsync included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// PostgreSQL ships with 0, which refuses PREPARE TRANSACTION.
    pub max_prepared_transactions: u32,
    /// More settings, name and value.
    pub extra: Vec<(String, String)>,
}

impl Default for Options {
    fn default() -> Self {
        Options { max_prepared_transactions: 64, extra: Vec::new() }
    }
}

/// A private PostgreSQL. Dropping it kills it and removes its directory.
#[derive(Debug)]
pub struct PostgresServer {
    // Dropped in this order, after `drop` has killed the server: the guard before the directory that it would remove.
    running: Option<Running>,
    dir: TempDir,
    port: u16,
    account: Account,
    binaries: Binaries,
    options: Options,
}

#[derive(Debug)]
struct Running {
    postmaster: Postmaster,
    _guard: OrphanGuard,
}

impl PostgresServer {
    /// A fresh server that accepts connections.
    pub fn start(options: Options) -> Result<PostgresServer, PostgresError> {
        let account = Account::find()?;
        let binaries = Binaries::find()?;
        let dir = cluster::create(account, &binaries)?;
        let mut server = PostgresServer { running: None, dir, port: 0, account, binaries, options };
        for attempt in 1..=PORT_ATTEMPTS {
            server.port = free_port()?;
            match server.launch() {
                Err(PostgresError::Ended { log }) if taken(&log) && attempt < PORT_ATTEMPTS => {}
                Err(error) => return Err(error),
                Ok(()) => break,
            }
        }
        Ok(server)
    }

    /// Where to connect: `postgres://handfast@127.0.0.1:PORT/postgres`, a superuser, no password. It stays the same over
    /// [`Self::restart`].
    pub fn url(&self) -> String {
        format!("postgres://{}@127.0.0.1:{}/postgres", cluster::USER, self.port)
    }

    /// What `kill -9` of every process of the server leaves. Does nothing if it does not run.
    pub fn kill(&mut self) {
        if let Some(mut running) = self.running.take() {
            running.postmaster.kill();
        }
    }

    /// A clean shutdown that does not wait for clients. Does nothing if it does not run.
    pub fn stop(&mut self) {
        if let Some(mut running) = self.running.take() {
            running.postmaster.stop();
        }
    }

    /// Kills the server if it runs, then starts it on the same directory and port; returns when recovery is done.
    pub fn restart(&mut self) -> Result<(), PostgresError> {
        self.kill();
        self.launch()
    }

    /// Keeps a copy of what is stored now for [`Self::restore`]. The server is stopped and started for it.
    pub fn back_up(&mut self) -> Result<(), PostgresError> {
        self.stop();
        cluster::copy(self.account, &cluster::data(self.dir.path()), &self.backup())?;
        self.launch()
    }

    /// Kills the server and starts it as it was when it was backed up: what came later is lost.
    pub fn restore(&mut self) -> Result<(), PostgresError> {
        self.kill();
        let path = cluster::data(self.dir.path());
        std::fs::remove_dir_all(&path).map_err(|cause| PostgresError::File { action: "remove", path, cause })?;
        cluster::copy(self.account, &self.backup(), &cluster::data(self.dir.path()))?;
        self.launch()
    }

    fn backup(&self) -> PathBuf {
        self.dir.path().join("backup")
    }

    /// Changes the settings that the next [`Self::restart`] uses.
    pub fn set_options(&mut self, options: Options) {
        self.options = options;
    }

    /// Runs `sql` through `psql`, for tests without a driver of their own: the rows, unaligned, fields between `|`.
    pub fn psql(&self, sql: &str) -> Result<String, PostgresError> {
        let program = &self.binaries.psql;
        let mut command = Command::new(program);
        command.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", &self.url(), "-c", sql]);
        cluster::run(program, command).map(|rows| rows.trim_end().to_owned())
    }

    /// The server's own directory: a test may look at its files.
    pub fn data_directory(&self) -> &Path {
        self.dir.path()
    }

    fn launch(&mut self) -> Result<(), PostgresError> {
        let mut postmaster = Postmaster::launch(self.command())?;
        match OrphanGuard::of_server(self.dir.path(), postmaster.process_id()) {
            Ok(guard) => {
                self.running = Some(Running { postmaster, _guard: guard });
                Ok(())
            }
            Err(error) => {
                postmaster.kill();
                Err(error)
            }
        }
    }

    fn command(&self) -> Command {
        let mut command = self.account.command(&self.binaries.postgres, self.dir.path());
        command.arg("-D").arg(cluster::data(self.dir.path())).arg("-p").arg(self.port.to_string());
        let ours = [
            ("listen_addresses", "127.0.0.1".to_owned()),
            ("unix_socket_directories", String::new()),
            ("max_prepared_transactions", self.options.max_prepared_transactions.to_string()),
            ("logging_collector", "off".to_owned()),
            ("log_destination", "stderr".to_owned()),
            ("lc_messages", "C".to_owned()),
        ];
        let extra = self.options.extra.iter().map(|(name, value)| (name.as_str(), value.clone()));
        for (name, value) in ours.into_iter().chain(extra) {
            command.arg("-c").arg(format!("{name}={value}"));
        }
        command
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A port of [`PORTS`] that nobody listens on now. Each process starts at another place, so that two rarely ask for the same.
fn free_port() -> Result<u16, PostgresError> {
    static ASKED: AtomicU32 = AtomicU32::new(0);
    const STRIDE: u32 = 97;
    let count = PORTS.len() as u32;
    for _ in 0..count {
        let asked = ASKED.fetch_add(1, Ordering::Relaxed);
        let offset = std::process::id().wrapping_mul(STRIDE).wrapping_add(asked) % count;
        let port = PORTS.start + u16::try_from(offset).expect("it is below the length of a range of u16");
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    Err(PostgresError::NoPort { first: PORTS.start, last: PORTS.end - 1 })
}

fn taken(log: &str) -> bool {
    log.contains("could not bind") || log.contains("could not create any TCP/IP sockets")
}
