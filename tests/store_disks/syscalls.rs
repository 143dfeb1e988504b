//! The store on a real disk whose nth call fails, or is the process's last, for every call that changes a file. RocksDB makes
//! many: each n meets one of the faults, and with `HANDFAST_SYSCALLS=all` (the nightly tier) all of them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use handfast::store::RocksStore;
use handfast_store::Store;
use handfast_test_disks::{Ending, Fault, Strace, Traced, memory_directory, say, skipped};
use tempfile::TempDir;

use crate::batches::{assert_whole, batch, count, latest};

/// Set in the writer's process: the directory that the store's directory is in.
const DIRECTORY: &str = "HANDFAST_TEST_STORE_PARENT";

const STARTS: u64 = 2;
const FLUSHES: u64 = 3;

/// Calls to the store's files that change nothing, as RocksDB makes them, and those whose failure it may pass over.
const HARMLESS: [&str; 17] = [
    "access",
    "close",
    "fadvise64",
    "fcntl",
    "fstat",
    "fstatfs",
    "getdents64",
    "lseek",
    "madvise",
    "mmap",
    "newfstatat",
    "pread64",
    "read",
    "readahead",
    "readlink",
    "statx",
    "sync_file_range",
];

const FAULTS: [Fault; 3] = [Fault::Kill, Fault::Error("EIO"), Fault::Error("ENOSPC")];

/// For calls that write: nothing is written, and the caller has to try again.
const SHORT: Fault = Fault::Returns(0);

fn faults(call: &str) -> Vec<Fault> {
    let writes = matches!(call, "write" | "pwrite64");
    FAULTS.into_iter().chain(writes.then_some(SHORT)).collect()
}

/// What is only tidied away or reserved, or is there already. Whatever else fails is told.
const MAY_GO_ON: [&str; 5] = ["fallocate", "ftruncate", "mkdir", "openat", "unlink"];

/// Numbers of files that the writer may come to.
const NUMBERS: u64 = 60;

#[derive(Debug, Default)]
struct Tally {
    runs: BTreeMap<String, u32>,
    killed: u32,
    failed: u32,
    /// The fault was survived: a file that is only tidied away, or a reservation.
    went_on: BTreeMap<String, u32>,
}

#[test]
fn a_fault_at_every_call_keeps_what_was_flushed() {
    let strace = match Strace::find() {
        Ok(strace) => strace,
        Err(reason) => return skipped("a_fault_at_every_call_keeps_what_was_flushed", &reason),
    };
    let (begun, mut tally) = (Instant::now(), Tally::default());
    let plain = Run::new(&strace, None);
    assert!(plain.is_done(), "{:?}", plain.traced.reports);
    let calls = plain.traced.calls;
    let is_all = std::env::var("HANDFAST_SYSCALLS").is_ok_and(|which| which == "all");
    for (call, times) in calls.iter().filter(|(call, _)| !HARMLESS.contains(&call.as_str())) {
        let faults = faults(call);
        for nth in 1..=*times {
            let turn = (nth - 1) as usize % faults.len();
            let met = if is_all { &faults[..] } else { &faults[turn..=turn] };
            for fault in met {
                let run = Run::new(&strace, Some((call, nth, *fault)));
                run.check((call, *fault), &format!("{call} {nth}: {fault}"), &mut tally);
                *tally.runs.entry(call.clone()).or_default() += 1;
            }
        }
    }
    let seconds = begun.elapsed().as_secs_f64();
    say(&format!("the store under strace: {} runs in {seconds:.1} s: {tally:?}", tally.runs.values().sum::<u32>()));
    for call in ["openat", "write", "fdatasync", "fsync", "rename", "unlink"] {
        assert!(tally.runs.contains_key(call), "{call} is called: {calls:?}");
    }
    assert!(tally.killed > 50 && tally.failed > 50, "{tally:?}");
}

/// A writer that was traced to its end, and the directory it left.
struct Run {
    traced: Traced,
    directory: TempDir,
}

impl Run {
    fn new(strace: &Strace, fault: Option<(&str, u32, Fault)>) -> Run {
        let directory = memory_directory();
        let path = directory.path().canonicalize().unwrap();
        let traced = strace.run("syscalls::writes_and_starts_again", (DIRECTORY, &path), &files(&path), fault);
        Run { traced, directory }
    }

    fn is_done(&self) -> bool {
        self.traced.reports.iter().any(|report| report == "done")
    }

    fn check(&self, (call, fault): (&str, Fault), what: &str, tally: &mut Tally) {
        match self.traced.ending {
            Ending::Killed => tally.killed += 1,
            Ending::Returned if self.is_done() => {
                assert!(MAY_GO_ON.contains(&call) || fault == SHORT, "{what}: the writer went on");
                *tally.went_on.entry(call.to_owned()).or_default() += 1;
            }
            Ending::Returned => tally.failed += 1,
            Ending::Failed => panic!("{what}: {:?}", self.traced.reports),
        }
        let path = self.directory.path().join("store");
        let store = RocksStore::open(&path).unwrap_or_else(|error| panic!("{what}: {error}"));
        let (flushed, written) = (latest(&self.traced.reports, "flushed"), latest(&self.traced.reports, "writing"));
        let count = assert_whole(&store);
        assert!(
            (flushed..=written).contains(&count),
            "{what}: {count} batches are left of {written}, {flushed} flushed"
        );
    }
}

/// The directories of the store and every file that may come to be in them.
fn files(parent: &Path) -> Vec<PathBuf> {
    let mut files = vec![parent.to_owned()];
    for store in [parent.join("store"), parent.join("store.new")] {
        files.extend(["CURRENT", "IDENTITY"].map(|name| store.join(name)));
        for number in 0..NUMBERS {
            let names = [
                format!("{number:06}.sst"),
                format!("{number:06}.dbtmp"),
                format!("MANIFEST-{number:06}"),
                format!("OPTIONS-{number:06}"),
                format!("OPTIONS-{number:06}.dbtmp"),
            ];
            files.extend(names.map(|name| store.join(name)));
        }
        files.push(store);
    }
    files
}

#[test]
#[ignore = "run by a_fault_at_every_call_keeps_what_was_flushed, in a process of its own"]
fn writes_and_starts_again() {
    let path = PathBuf::from(std::env::var_os(DIRECTORY).unwrap()).join("store");
    for _ in 0..STARTS {
        let mut store = match RocksStore::open(&path) {
            Ok(store) => store,
            Err(error) => return println!("did not start: {error}"),
        };
        let mut written = count(&store);
        for _ in 0..FLUSHES {
            for _ in 0..2 {
                written += 1;
                println!("writing {written}");
                if let Err(error) = store.write(batch(written)) {
                    end(&error);
                }
            }
            match store.flush() {
                Ok(()) => println!("flushed {written}"),
                Err(error) => end(&error),
            }
        }
    }
    println!("done");
}

/// Ends as the server does (D12), without RocksDB's own close, which waits for its disk to get well.
fn end(error: &handfast_store::StoreError) -> ! {
    println!("ended: {error}");
    std::process::exit(0);
}
