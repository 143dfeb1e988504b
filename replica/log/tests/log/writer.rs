//! The thread around the log: grouping, order, failure, and what a reader sees meanwhile.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use handfast_log::disk::{Cause, Crash, Fault, SimulatedDisk, Survival};
use handfast_log::{Log, LogError, LogOptions, LogWriter, Record};

use crate::gated_disk::{Gate, GatedDisk, Keeper};
use crate::model::Model;
use crate::workload::{SMALL, Workload};

/// How long a test waits for the thread before it fails; nothing is ever as slow.
const PATIENCE: Duration = Duration::from_secs(60);

pub fn entry(index: u64, bytes: usize) -> Record {
    Record::Entry { index, payload: Bytes::from(vec![index as u8; bytes]) }
}

pub fn start(disk: &SimulatedDisk, options: LogOptions) -> LogWriter {
    LogWriter::start(Log::open(disk.clone(), options).unwrap())
}

/// A log on a gated disk, opened with the gate open.
pub fn gated(disk: &SimulatedDisk, options: LogOptions) -> (LogWriter, Keeper) {
    let (arrived, hears) = channel();
    let (lets, passes) = channel();
    let gate = Arc::new(Gate { arrived, passes: Mutex::new(passes) });
    let keeper = Keeper { arrived: hears, passes: lets };
    // The syncs of the open: the spare, the segment, and one more spare.
    (0..3).for_each(|_| keeper.let_one_pass());
    let log = Log::open(GatedDisk { disk: disk.clone(), gate }, options).unwrap();
    (0..3).for_each(|_| keeper.wait_for_a_sync());
    (LogWriter::start(log), keeper)
}

/// Callbacks that note their number and their answer, in the order in which they ran.
pub struct Notes {
    sender: Sender<(u64, Result<(), LogError>)>,
    receiver: Receiver<(u64, Result<(), LogError>)>,
}

impl Notes {
    pub fn new() -> Self {
        let (sender, receiver) = channel();
        Notes { sender, receiver }
    }

    pub fn done(&self, number: u64) -> Box<dyn FnOnce(Result<(), LogError>) + Send> {
        let sender = self.sender.clone();
        Box::new(move |result| sender.send((number, result)).unwrap())
    }

    pub fn take(&self, count: usize) -> Vec<(u64, Result<(), LogError>)> {
        (0..count).map(|_| self.receiver.recv().unwrap()).collect()
    }

    pub fn is_empty(&self) -> bool {
        self.receiver.try_recv().is_err()
    }
}

#[test]
fn what_arrives_during_a_sync_shares_the_next_one() {
    let disk = SimulatedDisk::new();
    let (log, keeper) = gated(&disk, SMALL);
    let notes = Notes::new();
    log.append(vec![entry(1, 10)], notes.done(1));
    keeper.wait_for_a_sync();
    let (writes, syncs) = (disk.writes(), disk.syncs());
    for index in 2..=20 {
        log.append(vec![entry(index, 10)], notes.done(index));
    }
    assert!(notes.is_empty(), "nothing is answered before its sync");
    keeper.let_one_pass();
    keeper.wait_for_a_sync();
    assert_eq!(notes.take(1), [(1, Ok(()))]);
    assert!(notes.is_empty());
    keeper.let_one_pass();
    assert_eq!(notes.take(19), (2..=20).map(|number| (number, Ok(()))).collect::<Vec<_>>());
    assert_eq!((disk.writes() - writes, disk.syncs() - syncs), (1, 2), "nineteen appends took one write and one sync");
    drop(keeper);
}

#[test]
fn entries_are_readable_as_soon_as_append_returns_and_no_reader_waits_for_a_sync() {
    let disk = SimulatedDisk::new();
    // No cache: what is not written is readable nevertheless.
    let (log, keeper) = gated(&disk, LogOptions { cache_bytes: 0, ..SMALL });
    let notes = Notes::new();
    log.append(vec![entry(1, 10), Record::State { payload: Bytes::from_static(b"s") }], notes.done(1));
    keeper.wait_for_a_sync();
    log.append(vec![entry(2, 20), entry(3, 30)], notes.done(2));
    // The first entry comes from the file, the others from memory; the sync still stands at the
    // gate.
    let expected: Vec<(u64, Bytes)> =
        (1..=3).map(|index| (index, Bytes::from(vec![index as u8; 10 * index as usize]))).collect();
    assert_eq!(log.read(0..9, usize::MAX).unwrap(), expected);
    assert_eq!((log.first_index(), log.last_index(), log.state()), (1, 3, Some(Bytes::from_static(b"s"))));
    assert_eq!(log.bytes_since(1), 2 * 24 + 24 + 32);
    assert!(notes.is_empty());
    drop(keeper);
    assert_eq!(notes.take(2), [(1, Ok(())), (2, Ok(()))]);
}

/// While one entry is being written, its index is truncated and taken again.
#[test]
fn an_index_taken_again_during_a_write_reads_as_the_later_entry() {
    let disk = SimulatedDisk::new();
    let (log, keeper) = gated(&disk, LogOptions { cache_bytes: 0, ..SMALL });
    let notes = Notes::new();
    log.append(vec![entry(1, 10), entry(2, 10)], notes.done(1));
    keeper.wait_for_a_sync();
    let later = Bytes::from_static(b"the later one");
    log.append(
        vec![Record::TruncateAfter { index: 1 }, Record::Entry { index: 2, payload: later.clone() }],
        notes.done(2),
    );
    drop(keeper);
    notes.take(2);
    assert_eq!(log.read(2..3, 0).unwrap(), [(2, later)]);
}

#[test]
fn what_was_answered_survives_a_power_loss() {
    for seed in 0..20 {
        let mut disk = SimulatedDisk::new();
        let log = start(&disk, SMALL);
        let mut workload = Workload::new(seed);
        let mut model = Model::default();
        for _ in 0..30 {
            let records = workload.records(&model);
            records.iter().for_each(|record| model.apply(record));
            log.append_blocking(records).unwrap();
        }
        disk.crash(Crash::PowerLoss(Survival::Nothing));
        assert_eq!(Model::of(&Log::open(disk, SMALL).unwrap()), model);
    }
}

#[test]
fn many_threads_append_through_one_log() {
    let disk = SimulatedDisk::new();
    let log = start(&disk, LogOptions { segment_bytes: 65_536, ..SMALL });
    let next = Arc::new(Mutex::new(1));
    let threads: Vec<_> = (0..8)
        .map(|thread| {
            let (log, next) = (log.clone(), next.clone());
            std::thread::spawn(move || {
                for _ in 0..200 {
                    let (sender, receiver) = channel();
                    {
                        // The index is drawn and appended in one step, as the one who owns the
                        // order does.
                        let mut next = next.lock().unwrap();
                        let mut records = vec![entry(*next, 100)];
                        if *next % 50 == 0 {
                            records.push(Record::Purge { index: *next - 20, payload: Bytes::new() });
                        }
                        let done = Box::new(move |result| sender.send(result).unwrap());
                        if thread % 2 == 0 {
                            log.append(records, done);
                        } else {
                            log.append_in_place(records, done);
                        }
                        *next += 1;
                    }
                    assert_eq!(receiver.recv().unwrap(), Ok(()));
                    let first = log.first_index();
                    log.read(first..first + 5, 1000).unwrap();
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert_eq!((log.first_index(), log.last_index()), (1581, 1600));
    log.shutdown();
    assert_eq!(Log::open(disk, SMALL).unwrap().last_index(), 1600);
}

#[test]
fn d12_a_failed_sync_answers_all_that_wait_and_every_later_call() {
    let mut disk = SimulatedDisk::new();
    let (log, keeper) = gated(&disk, SMALL);
    let notes = Notes::new();
    log.append(vec![entry(1, 10)], notes.done(1));
    keeper.wait_for_a_sync();
    log.append(vec![entry(2, 10)], notes.done(2));
    log.append(vec![entry(3, 10)], notes.done(3));
    disk.plan(Fault::SyncError { nth: 0 });
    drop(keeper);
    let answers = notes.take(3);
    let Err(LogError::Disk(cause)) = answers[0].1.clone() else { panic!("{answers:?}") };
    assert_eq!(cause.cause, Cause::System(5));
    let poisoned = Err(LogError::Poisoned { cause });
    assert_eq!(answers[1..], [(2, poisoned.clone()), (3, poisoned.clone())]);
    assert_eq!(log.append_blocking(vec![entry(4, 10)]), poisoned);
    assert_eq!(log.read(1..2, 10).map(|_| ()), poisoned);
    log.shutdown();
    disk.crash(Crash::PowerLoss(Survival::Everything));
    assert_eq!(Log::open(disk, SMALL).unwrap().last_index(), 0, "what no sync answered was answered to nobody");
}

#[test]
fn a_log_that_failed_before_its_thread_started_stays_failed() {
    let disk = SimulatedDisk::new();
    let mut log = Log::open(disk.clone(), SMALL).unwrap();
    disk.plan(Fault::WriteError { nth: 0 });
    assert!(log.append(&[entry(1, 1)]).is_err());
    let log = LogWriter::start(log);
    assert!(matches!(log.append_blocking(vec![entry(1, 1)]), Err(LogError::Poisoned { .. })));
}

#[test]
fn p18_a_full_disk_refuses_and_the_log_goes_on() {
    let disk = SimulatedDisk::new();
    disk.set_capacity(Some(2 * SMALL.segment_bytes));
    let log = start(&disk, SMALL);
    let mut index = 1;
    let refused = loop {
        match log.append_blocking(vec![entry(index, 500)]) {
            Ok(()) => index += 1,
            Err(refused) => break refused,
        }
    };
    assert!(matches!(refused, LogError::NoSpace { needed: 568, .. }), "{refused}");
    assert_eq!(log.last_index(), index - 1, "what was refused was not taken in");
    log.append_blocking(vec![Record::Purge { index: index - 1, payload: Bytes::new() }]).unwrap();
    // The segments go back after the purge was answered; the next append waits for them if it must.
    log.append_blocking(vec![entry(index, 500)]).unwrap();
    // Room that the operator makes is found without a restart.
    disk.set_capacity(None);
    (index + 1..index + 20).for_each(|index| log.append_blocking(vec![entry(index, 500)]).unwrap());
}

/// What a purge gives back is told without a further append. The segments go after the answer, so
/// this waits for the thread.
#[test]
fn p18_headroom_grows_when_segments_come_back() {
    let disk = SimulatedDisk::new();
    let log = start(&disk, SMALL);
    (1..=10).for_each(|index| log.append_blocking(vec![entry(index, 1000)]).unwrap());
    let before = log.headroom();
    log.append_blocking(vec![Record::Purge { index: 10, payload: Bytes::new() }]).unwrap();
    let deadline = Instant::now() + PATIENCE;
    while log.headroom() <= before {
        assert!(Instant::now() < deadline, "the room never came back");
        std::thread::yield_now();
    }
}

#[test]
fn refused_records_run_their_callback_at_once_and_take_no_index() {
    let disk = SimulatedDisk::new();
    let log = start(&disk, SMALL);
    let notes = Notes::new();
    log.append(vec![entry(2, 10)], notes.done(1));
    assert_eq!(notes.take(1), [(1, Err(LogError::OutOfOrder { expected: 1, found: 2 }))]);
    assert_eq!(log.append_blocking(vec![entry(1, 10)]), Ok(()));
}

#[test]
fn a_callback_may_append() {
    let disk = SimulatedDisk::new();
    let log = start(&disk, SMALL);
    let notes = Notes::new();
    let (again, done) = (log.clone(), notes.done(2));
    log.append(
        vec![entry(1, 10)],
        Box::new(move |result| {
            result.unwrap();
            again.append(vec![entry(2, 10)], done);
        }),
    );
    assert_eq!(notes.take(1), [(2, Ok(()))]);
}

#[test]
fn a_shutdown_makes_durable_what_was_taken_in_and_closes() {
    let mut disk = SimulatedDisk::new();
    let log = start(&disk, SMALL);
    let notes = Notes::new();
    log.append((1..=5).map(|index| entry(index, 10)).collect(), notes.done(1));
    log.shutdown();
    log.shutdown();
    assert_eq!(notes.take(1), [(1, Ok(()))]);
    assert_eq!(log.append_blocking(vec![entry(6, 10)]), Err(LogError::Closed));
    disk.crash(Crash::PowerLoss(Survival::Nothing));
    // P28: the last batch is named too.
    let end = 64 + 40 + 40 + 5 * (24 + 16);
    assert!(flipped_is_damage(&disk, end - 1));
    assert_eq!(Log::open(disk, SMALL).unwrap().last_index(), 5);
}

fn flipped_is_damage(disk: &SimulatedDisk, offset: u64) -> bool {
    let disk = disk.fork();
    disk.flip("0000000000000001.log", offset, 0).unwrap();
    Log::open(disk, SMALL).is_err()
}

#[test]
fn the_thread_ends_with_the_last_handle() {
    let disk = SimulatedDisk::new();
    let log = start(&disk, SMALL);
    let other = log.clone();
    drop(log);
    other.append_blocking(vec![entry(1, 10)]).unwrap();
    drop(other);
    // Whoever opens next has the files alone.
    assert_eq!(Log::open(disk, SMALL).unwrap().last_index(), 1);
}

#[test]
fn a_callback_that_panics_closes_the_log() {
    let disk = SimulatedDisk::new();
    let (log, keeper) = gated(&disk, SMALL);
    let notes = Notes::new();
    log.append(vec![entry(1, 10)], Box::new(|_| panic!("on purpose")));
    keeper.wait_for_a_sync();
    log.append(vec![entry(2, 10)], notes.done(2));
    drop(keeper);
    assert_eq!(notes.take(1), [(2, Err(LogError::Closed))]);
    assert_eq!(log.append_blocking(vec![entry(3, 10)]), Err(LogError::Closed));
    log.shutdown();
}

/// The idle time is the thread's own, so this waits for it.
#[test]
fn p28_an_idle_log_names_its_synced_position() {
    let disk = SimulatedDisk::new();
    let log = start(&disk, SMALL);
    log.append_blocking(vec![entry(1, 8)]).unwrap();
    wait_until_named(&disk);
}

/// Until the synced position behind the one entry of 8 bytes is named on the disk (P28).
pub fn wait_until_named(disk: &SimulatedDisk) {
    let end = 64 + 40 + 40 + 24 + 8;
    let deadline = Instant::now() + PATIENCE;
    let named = || {
        let mut crashed = disk.fork();
        crashed.crash(Crash::PowerLoss(Survival::Nothing));
        flipped_is_damage(&crashed, end - 1)
    };
    while !named() {
        assert!(Instant::now() < deadline, "the marker never came");
        std::thread::yield_now();
    }
}
