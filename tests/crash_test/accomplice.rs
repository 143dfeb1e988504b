//! Whoever crashes a database when the command is run: the command asks by a file, and waits until it is gone.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use handfast_private_postgres::PostgresServer;
use tempfile::TempDir;

pub struct Accomplice {
    url: String,
    command: String,
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    _dir: TempDir,
}

impl Accomplice {
    pub fn new(server: PostgresServer, crash: impl Fn(&mut PostgresServer) + Send + 'static) -> Accomplice {
        let dir = tempfile::tempdir().unwrap();
        let asked: PathBuf = dir.path().join("asked");
        let command = format!("touch '{0}'; while [ -e '{0}' ]; do sleep 0.01; done", asked.display());
        let (url, ended) = (server.url(), Arc::new(AtomicBool::new(false)));
        let has_ended = Arc::clone(&ended);
        let thread = thread::spawn(move || {
            let mut server = server;
            while !has_ended.load(Ordering::Relaxed) {
                if asked.exists() {
                    crash(&mut server);
                    std::fs::remove_file(&asked).unwrap();
                }
                thread::sleep(Duration::from_millis(5));
            }
        });
        Accomplice { url, command, ended, thread: Some(thread), _dir: dir }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    pub fn command(&self) -> &str {
        &self.command
    }
}

impl Drop for Accomplice {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}
