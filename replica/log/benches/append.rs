//! Appends per second through `LogWriter`, beside what the disk itself gives to one thread that
//! writes the same bytes and syncs.
//!
//! `cargo bench -p handfast-log --bench append -- [DIRECTORY]`; the directory must be on the disk
//! to be measured and is left as it was. A logical writer appends its next record from the callback
//! of the last.

use std::env;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use bytes::Bytes;
use handfast_log::disk::{Disk, DiskFile, RealDisk};
use handfast_log::limits::SEGMENT_BYTES_DEFAULT;
use handfast_log::{Log, LogOptions, LogWriter, Record};

const PAYLOAD_BYTES: usize = 1024;
const WRITERS: [u64; 3] = [1, 64, 256];
const RUN: Duration = Duration::from_secs(3);
/// Entries kept before a purge, so that segments are recycled as in production.
const KEPT_ENTRIES: u64 = 100_000;

fn main() -> Result<(), Box<dyn Error>> {
    // Cargo passes `--bench` along.
    let base = env::args().skip(1).find(|argument| !argument.starts_with("--"));
    let base = base.map_or_else(env::temp_dir, PathBuf::from);
    println!("{:>8} {:>12} {:>12} {:>7}", "writers", "appends/s", "limit/s", "ratio");
    for writers in WRITERS {
        let directory = tempfile::tempdir_in(&base)?;
        let limit = limit_rate(directory.path(), writers)?;
        let log = append_rate(directory.path(), writers)?;
        println!("{writers:>8} {log:>12.0} {limit:>12.0} {:>7.2}", log / limit);
    }
    Ok(())
}

/// One thread, one preallocated file, the bytes of all writers in one write, one sync.
fn limit_rate(directory: &Path, writers: u64) -> Result<f64, Box<dyn Error>> {
    let disk = RealDisk::open(&directory.join("limit"))?;
    let file = disk.create("limit")?;
    file.allocate(SEGMENT_BYTES_DEFAULT)?;
    let bytes = vec![7; PAYLOAD_BYTES * writers as usize];
    let start = Instant::now();
    let mut offset = 0;
    let mut cycles = 0;
    while start.elapsed() < RUN {
        if offset + bytes.len() as u64 > SEGMENT_BYTES_DEFAULT {
            offset = 0;
        }
        file.write_at(offset, &bytes)?;
        file.sync_data()?;
        offset += bytes.len() as u64;
        cycles += 1;
    }
    Ok((cycles * writers) as f64 / start.elapsed().as_secs_f64())
}

/// What the logical writers share.
struct Load {
    log: LogWriter,
    payload: Bytes,
    next_index: AtomicU64,
    durable: AtomicU64,
    stopping: AtomicBool,
    done: Barrier,
    running: AtomicU64,
}

fn append_rate(directory: &Path, writers: u64) -> Result<f64, Box<dyn Error>> {
    let log = LogWriter::start(Log::open(RealDisk::open(&directory.join("log"))?, LogOptions::default())?);
    let load = Arc::new(Load {
        log: log.clone(),
        payload: Bytes::from(vec![7; PAYLOAD_BYTES]),
        next_index: AtomicU64::new(1),
        durable: AtomicU64::new(0),
        stopping: AtomicBool::new(false),
        done: Barrier::new(2),
        running: AtomicU64::new(writers),
    });
    let start = Instant::now();
    // All writers begin in one callback, so that every append comes from the log's own thread and
    // indexes stay in order.
    let first = Arc::clone(&load);
    log.append(
        Vec::new(),
        Box::new(move |result| {
            result.expect("nothing was appended yet");
            (0..writers).for_each(|_| append_next(&first));
        }),
    );
    std::thread::sleep(RUN);
    load.stopping.store(true, Ordering::Relaxed);
    load.done.wait();
    let rate = load.durable.load(Ordering::Relaxed) as f64 / start.elapsed().as_secs_f64();
    log.shutdown();
    Ok(rate)
}

fn append_next(load: &Arc<Load>) {
    let index = load.next_index.fetch_add(1, Ordering::Relaxed);
    let mut records = vec![Record::Entry { index, payload: load.payload.clone() }];
    if index.is_multiple_of(KEPT_ENTRIES) {
        records.push(Record::Purge { index: index - KEPT_ENTRIES / 2, payload: Bytes::new() });
    }
    let next = Arc::clone(load);
    load.log.append(
        records,
        Box::new(move |result| {
            result.expect("the disk works");
            next.durable.fetch_add(1, Ordering::Relaxed);
            if !next.stopping.load(Ordering::Relaxed) {
                append_next(&next);
            } else if next.running.fetch_sub(1, Ordering::Relaxed) == 1 {
                // The last writer lets the main thread go.
                let done = Arc::clone(&next);
                std::thread::spawn(move || done.done.wait());
            }
        }),
    );
}
