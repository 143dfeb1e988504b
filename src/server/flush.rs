//! Makes the store durable before too much log rests on it, so that a restart replays little and the log can be purged.

use handfast_crash_points::{CrashPoint, reach};
use handfast_replica::Replica;
use tokio::sync::Notify;

use super::core_thread::Core;
use super::limits::{FLUSH_AT_BYTES, FLUSH_AT_COMMANDS, HOUSEKEEPING};
use super::proposer::Applied;
use crate::store::Flusher;

/// A flush failed: what was written since the last one may never become durable, so the process ends (D12).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FlushFailed {
    #[error(transparent)]
    Store(#[from] handfast_store::StoreError),
    #[error("the flushed position could not be told to the log: {0}")]
    Replica(#[from] handfast_replica::FlushError),
    #[error("the flush did not finish")]
    Cut,
}

/// Flushes now: the position is taken first, so everything up to it is in the store before the flush begins.
pub async fn flush(core: &Core, replica: &Replica, flusher: &Flusher) -> Result<(), FlushFailed> {
    let Ok(Some(position)) = core.position().await else { return Ok(()) };
    let flusher = flusher.clone();
    reach(CrashPoint::Flushing);
    tokio::task::spawn_blocking(move || flusher.flush()).await.map_err(|_| FlushFailed::Cut)??;
    reach(CrashPoint::Flushed);
    replica.flushed(position).await?;
    reach(CrashPoint::Marked);
    Ok(())
}

/// Flushes whenever [`FLUSH_AT_BYTES`] of log or [`FLUSH_AT_COMMANDS`] rest on the store, or `wanted` says so. Ends only with a
/// failure.
pub async fn flush_when_due(
    core: Core,
    replica: Replica,
    flusher: Flusher,
    applied: Applied,
    wanted: &Notify,
    flushed: &Notify,
) -> FlushFailed {
    // What is replayed at the start is in the store again, and rests on the log.
    let mut in_files = 0;
    loop {
        let asked = tokio::select! {
            () = wanted.notified() => true,
            () = tokio::time::sleep(HOUSEKEEPING) => false,
        };
        let now = applied.count();
        if asked || replica.unflushed_bytes() >= FLUSH_AT_BYTES || now - in_files >= FLUSH_AT_COMMANDS {
            if let Err(failed) = flush(&core, &replica, &flusher).await {
                return failed;
            }
            in_files = now;
            flushed.notify_waiters();
        }
    }
}
