//! What a server bears, and what it takes for it: crowds of queues, connections and waiting receives, a long backlog, large
//! bodies. CI sees small ones; the figures of docs/performance.md are those of the ignored tests, one at a time:
//!
//! ```sh
//! cargo test --profile ci --test figures -- --ignored --nocapture crowd
//! ```

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![cfg(target_os = "linux")]

#[path = "../harness/mod.rs"]
mod harness;

mod backlog;
mod crowd;
mod large;

use std::path::Path;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use harness::Server;

const MIB: u64 = 1 << 20;

/// Resident memory of the server now, and the most that it has had.
fn memory(server: &Server) -> (u64, u64) {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let field = |name: &str| {
        let value = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        value.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
    };
    (field("VmRSS:"), field("VmHWM:"))
}

/// What the files of a directory and of those in it take of the disk.
fn disk(directory: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let entries = std::fs::read_dir(directory).unwrap();
    // A file may go while it is counted.
    let size = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => disk(&entry.path()),
        Ok(metadata) => metadata.blocks() * 512,
        Err(_) => 0,
    };
    entries.map(|entry| size(entry.unwrap())).sum()
}

/// Does `work` for each number below `count`, so many at a time. What it came to, in no order.
async fn in_parallel<T, F: Future<Output = T>>(count: usize, at_a_time: usize, work: impl Fn(usize) -> F) -> Vec<T> {
    let (mut next, mut done) = (0, Vec::with_capacity(count));
    let mut under_way = FuturesUnordered::new();
    while done.len() < count {
        while next < count && under_way.len() < at_a_time {
            under_way.push(work(next));
            next += 1;
        }
        done.extend(under_way.next().await);
    }
    done
}

/// Does `work` over and over, so many at a time, for so long: how often a second.
async fn rate<F: Future<Output = u64>>(span: Duration, at_a_time: usize, work: impl Fn() -> F) -> f64 {
    let began = Instant::now();
    let mut done = 0;
    let mut under_way: FuturesUnordered<F> = (0..at_a_time).map(|_| work()).collect();
    while let Some(count) = under_way.next().await {
        done += count;
        if began.elapsed() < span {
            under_way.push(work());
        }
    }
    done as f64 / began.elapsed().as_secs_f64()
}
