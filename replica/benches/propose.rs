//! Proposals a second through log and Raft, at 1, 64 and 256 in flight: propose, fdatasync, apply.
//!
//! `cargo bench -p handfast-replica` (in a temporary directory; `HANDFAST_BENCH_DIR` for another
//! file system).

use std::env;
use std::time::{Duration, Instant};

use bytes::Bytes;
use handfast_log::disk::RealDisk;
use handfast_log::{Log, LogOptions, LogWriter};
use handfast_replica::{Committed, Replica, ReplicaConfig, StateMachine, StateMachineError};
use tokio::sync::mpsc;

const PAYLOAD_BYTES: usize = 1024;
const RUN: Duration = Duration::from_secs(3);
const IN_FLIGHT: [u64; 3] = [1, 64, 256];

/// Tells how many payloads were applied, and where: the bench flushes in its name.
struct Counter {
    applied: mpsc::UnboundedSender<(u64, Bytes)>,
}

impl StateMachine for Counter {
    async fn position(&mut self) -> Result<Option<Bytes>, StateMachineError> {
        Ok(None)
    }

    async fn apply(&mut self, entries: Vec<Committed>) -> Result<(), StateMachineError> {
        let payloads = entries.iter().filter(|entry| entry.payload.is_some()).count();
        let last = entries.into_iter().next_back().expect("never empty");
        self.applied.send((payloads as u64, last.position)).map_err(StateMachineError::new)
    }
}

async fn run(replica: &Replica, applied: &mut mpsc::UnboundedReceiver<(u64, Bytes)>, width: u64) {
    let payload = Bytes::from(vec![b'x'; PAYLOAD_BYTES]);
    let (begun, mut batches, mut done, mut in_flight) = (Instant::now(), 0, 0, 0);
    while begun.elapsed() < RUN || in_flight > 0 {
        while in_flight < width && begun.elapsed() < RUN {
            replica.propose(payload.clone()).await.expect("leads");
            in_flight += 1;
        }
        let (payloads, position) = applied.recv().await.expect("the state machine lives");
        (batches, done, in_flight) = (batches + 1, done + payloads, in_flight - payloads);
        if replica.unflushed_bytes() >= handfast_replica::UNFLUSHED_BYTES_FLUSH {
            replica.flushed(position).await.expect("applied");
        }
    }
    let seconds = begun.elapsed().as_secs_f64();
    println!(
        "{width:>4} in flight: {:>9.0}/s, {:>6.0} us a round, {:>6.1} entries an apply",
        done as f64 / seconds,
        seconds * 1e6 * width as f64 / done as f64,
        done as f64 / batches as f64,
    );
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let parent = env::var_os("HANDFAST_BENCH_DIR").unwrap_or_else(|| env::temp_dir().into());
    let directory = tempfile::tempdir_in(parent).expect("a directory to write to");
    let disk = RealDisk::open(directory.path()).expect("just made");
    let log = LogWriter::start(Log::open(disk, LogOptions::default()).expect("empty"));
    let (applied, mut receiver) = mpsc::unbounded_channel();
    let replica = Replica::start(ReplicaConfig::default(), log, Counter { applied });
    let replica = replica.await.expect("a pristine directory");
    receiver.recv().await.expect("the leader's own entries");
    for width in IN_FLIGHT {
        run(&replica, &mut receiver, width).await;
    }
    replica.shutdown().await.expect("nothing failed");
}
