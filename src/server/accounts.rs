//! What the server has taken of memory and disk, beside its bounds (G7), and what it recovered when it began.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use handfast_machine::{Recovery, Request};
use handfast_protocol::Gauge;
use handfast_queue::manager;
use handfast_replica::{Replica, UNFLUSHED_BYTES_MAX};
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};

use super::core_thread::Core;
use super::limits::REQUESTED_KIB_MAX;
use crate::store::Flusher;

/// Where everything that can be counted is.
#[derive(Debug)]
pub struct Accounts {
    pub core: Core,
    pub replica: Replica,
    pub store: Flusher,
    /// Of the log, and of the store.
    pub directories: [PathBuf; 2],
    /// Bytes that are kept free (P18).
    pub reserve: u64,
    /// Every session holds a clone.
    pub sessions: Arc<()>,
    /// A permit for each KiB of messages that requests without an answer may hold.
    pub requested: Arc<Semaphore>,
}

impl Accounts {
    /// Waits until the messages of a request have room beside those of all others; they have it as long as what this gives
    /// lives.
    pub async fn hold_messages(&self, ask: &Request) -> Result<Option<OwnedSemaphorePermit>, AcquireError> {
        // One that is larger than it can be has more messages than are taken: it waits for all of the room, and is refused.
        let kib = message_bytes(ask).div_ceil(1 << 10).min(REQUESTED_KIB_MAX);
        let kib = u32::try_from(kib).expect("the bound is far below");
        if kib == 0 {
            return Ok(None);
        }
        Arc::clone(&self.requested).acquire_many_owned(kib).await.map(Some)
    }

    /// All figures, those of the core last; `None` while the server stops.
    pub async fn gauges(&self) -> Option<Vec<Gauge>> {
        let mut gauges = vec![Gauge::new("sessions", "Open sessions", Arc::strong_count(&self.sessions) - 1)];
        let held = REQUESTED_KIB_MAX.saturating_sub(self.requested.available_permits()) << 10;
        let held = Gauge::new("requested_bytes", "Messages of requests that have no answer yet", held);
        gauges.push(held.of(REQUESTED_KIB_MAX << 10));
        gauges.extend(memory().map(|bytes| Gauge::new("memory_bytes", "Memory of the process", bytes)));
        let unflushed =
            Gauge::new("log_unflushed_bytes", "Log that rests on the store", self.replica.unflushed_bytes());
        gauges.push(unflushed.of(UNFLUSHED_BYTES_MAX));
        gauges.extend(self.store.gauges());
        gauges.extend(self.disk());
        let (recovery, core) = self.core.accounts().await.ok()?;
        gauges.extend(recovery.into_iter().flat_map(recovered));
        gauges.extend(core);
        Some(gauges)
    }

    /// What cannot be asked is left out.
    fn disk(&self) -> impl Iterator<Item = Gauge> {
        let [log, store] = &self.directories;
        let free = rustix::fs::statvfs(log).map(|fs| fs.f_bavail.saturating_mul(fs.f_frsize));
        let free = free.map(|free| Gauge::new("disk_free_bytes", "Free space of the file system", free)).ok();
        let reserve = Gauge::new("disk_reserve_bytes", "Free space below which nothing new is taken", self.reserve);
        let log =
            allocated(log).map(|bytes| Gauge::new("log_disk_bytes", "The log on disk, room ahead included", bytes));
        let store = allocated(store).map(|bytes| Gauge::new("store_disk_bytes", "The store on disk", bytes));
        log.ok().into_iter().chain(store.ok()).chain(free).chain([reserve])
    }
}

/// What the request's messages take, with their bodies.
fn message_bytes(ask: &Request) -> usize {
    match ask {
        Request::Queue(manager::Request::Send { messages, .. }) | Request::SendCommit { messages, .. } => {
            messages.iter().map(manager::NewMessage::bytes).sum()
        }
        Request::Queue(manager::Request::StageBody { bytes, .. }) => bytes.len(),
        _ => 0,
    }
}

fn recovered(recovery: Recovery) -> [Gauge; 3] {
    let Recovery { entries, transactions, branches } = recovery;
    let undecided = "Transactions that were in doubt when serving began";
    [
        Gauge::new("recovered_log_entries", "Log entries that were applied before serving began", entries),
        Gauge::new("recovered_transactions", undecided, transactions),
        Gauge::new("recovered_branches", "Branches that were prepared when serving began", branches),
    ]
}

/// Bytes that the files of a directory take.
fn allocated(directory: &Path) -> std::io::Result<u64> {
    use std::os::unix::fs::MetadataExt;
    const BLOCK_BYTES: u64 = 512;
    let mut bytes = 0;
    for entry in std::fs::read_dir(directory)? {
        // A file may go while it is counted.
        bytes += entry?.metadata().map_or(0, |file| file.blocks() * BLOCK_BYTES);
    }
    Ok(bytes)
}

/// Resident, where the system says it.
fn memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes << 10)
}
