//! The log on a real disk whose nth call fails, or is the process's last, for every n and every call that changes a file.
//!
//! What is checked: all that was reported synced is there, nothing half, and nothing but a prefix; an error poisons the log
//! (D12); a start after it shows the same at the next start.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use handfast_log::OpenError;
use handfast_test_disks::{Ending, Fault, Strace, Traced, memory_directory, say, skipped};
use tempfile::TempDir;

use crate::model::{History, Model};
use crate::script::{self, DIRECTORY, Step, script};
use crate::workload::SMALL;

const SEED: u64 = 3;

/// Steps between two starts, and starts: segments change, purges free some, and each start copies a tail.
const STEPS: usize = 16;
const STARTS: usize = 2;

/// Calls to the log's files that change nothing, as its disk makes them.
const HARMLESS: [&str; 9] =
    ["close", "fcntl", "fstat", "getdents64", "lseek", "newfstatat", "pread64", "read", "statx"];

/// Numbers of segments and spares that the script may come to.
const NUMBERS: u64 = 40;

/// What becomes of the nth call of a kind.
fn faults(call: &str) -> Vec<Fault> {
    let mut faults = vec![Fault::Kill, Fault::Error("EIO"), Fault::Error("ENOSPC")];
    match call {
        // It wrote nothing; and a lie: eight bytes are not there, and the caller goes on behind them.
        "pwrite64" => faults.extend([Fault::Returns(0), LIE]),
        // The file system cannot reserve: the log writes zeros.
        "fallocate" => faults.push(Fault::Error("EOPNOTSUPP")),
        _ => {}
    }
    faults
}

const LIE: Fault = Fault::Returns(8);

/// A spare may find no room, and a directory be there already. All else ends the log (D12).
fn may_go_on(call: &str, fault: Fault) -> bool {
    call == "mkdir" || fault == Fault::Error("EOPNOTSUPP") || fault == Fault::Error("ENOSPC")
}

fn steps() -> Vec<Step> {
    let mut steps = script(SEED, &Model::default(), STEPS * STARTS);
    for last in steps.iter_mut().skip(STEPS - 1).step_by(STEPS) {
        // A log that is closed has its end marked.
        last.is_marked = true;
    }
    steps
}

/// What the runs came to.
#[derive(Debug, Default)]
struct Tally {
    runs: BTreeMap<String, u32>,
    killed: u32,
    failed: u32,
    /// The fault was survived: a spare that could not be made, or zeros in place of a reservation.
    went_on: u32,
    lies: u32,
    lies_found_out: u32,
}

#[test]
fn a_fault_at_every_call_keeps_what_was_synced() {
    let strace = match Strace::find() {
        Ok(strace) => strace,
        Err(reason) => return skipped("a_fault_at_every_call_keeps_what_was_synced", &reason),
    };
    let (begun, steps, mut tally) = (Instant::now(), steps(), Tally::default());
    let plain = Run::new(&strace, None);
    assert_eq!((plain.traced.ending, plain.is_done()), (Ending::Returned, true), "{:?}", plain.traced.reports);
    let calls = plain.traced.calls;
    for (call, times) in calls.iter().filter(|(call, _)| !HARMLESS.contains(&call.as_str())) {
        for fault in faults(call) {
            for nth in 1..=*times {
                let run = Run::new(&strace, Some((call, nth, fault)));
                run.check(&steps, (call, fault), &format!("{call} {nth}: {fault}"), &mut tally);
                *tally.runs.entry(call.clone()).or_default() += 1;
            }
        }
    }
    let seconds = begun.elapsed().as_secs_f64();
    say(&format!("the log under strace: {} runs in {seconds:.1} s: {tally:?}", tally.runs.values().sum::<u32>()));
    for call in ["pwrite64", "fdatasync", "fsync", "fallocate", "rename", "unlink", "openat"] {
        assert!(tally.runs.contains_key(call), "{call} is called: {calls:?}");
    }
    assert!(tally.killed > 100 && tally.failed > 100 && tally.went_on > 0, "{tally:?}");
    assert!(tally.lies_found_out > 10, "{tally:?}");
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
        let name = |number: u64| [format!("{number:016x}.log"), format!("{number:016x}.spare")];
        let mut files: Vec<PathBuf> = (0..NUMBERS).flat_map(name).map(|name| path.join(name)).collect();
        files.push(path.clone());
        let traced = strace.run("syscalls::writes_and_starts_again", (DIRECTORY, &path), &files, fault);
        Run { traced, directory }
    }

    fn is_done(&self) -> bool {
        self.traced.reports.iter().any(|report| report == "done")
    }

    fn check(self, steps: &[Step], (call, fault): (&str, Fault), what: &str, tally: &mut Tally) {
        assert!(self.traced.struck, "{what}: the call came");
        let history = script::history(Model::default(), steps, self.traced.reports.iter().cloned());
        if fault == LIE {
            return self.check_after_lie(&history, what, tally);
        }
        match self.traced.ending {
            Ending::Killed => tally.killed += 1,
            Ending::Returned if self.is_done() => {
                assert!(may_go_on(call, fault), "{what}: the writer went on");
                tally.went_on += 1;
            }
            Ending::Returned => tally.failed += 1,
            Ending::Failed => panic!("{what}: {:?}", self.traced.reports),
        }
        let found = found(self.directory.path()).unwrap_or_else(|error| panic!("{what}: {error}"));
        match fault {
            Fault::Kill => history.check_after_kill(&found),
            Fault::Error(_) | Fault::Returns(_) => history.check_after_power_loss(&found),
        }
        assert_eq!(self::found(self.directory.path()).unwrap(), found, "{what}: a start has shown it");
    }

    /// The disk broke its word. The log tells damage, or nothing that was synced was in the bytes.
    fn check_after_lie(self, history: &History, what: &str, tally: &mut Tally) {
        tally.lies += 1;
        match found(self.directory.path()) {
            Err(OpenError::Corrupt { .. }) => tally.lies_found_out += 1,
            Err(other) => panic!("{what}: {other}"),
            Ok(found) => history.check_after_power_loss(&found),
        }
    }
}

fn found(directory: &Path) -> Result<Model, OpenError> {
    script::open(directory, SMALL).map(|log| Model::of(&log))
}

#[test]
#[ignore = "run by a_fault_at_every_call_keeps_what_was_synced, in a process of its own"]
fn writes_and_starts_again() {
    let steps = steps();
    for (start, part) in steps.chunks(STEPS).enumerate() {
        let mut log = match script::open(&script::directory(), SMALL) {
            Ok(log) => log,
            Err(error) => return println!("did not start: {error}"),
        };
        if let Err(error) = script::carry_out(&mut log, part, start * STEPS) {
            return println!("ended: {error}");
        }
    }
    println!("done");
}
