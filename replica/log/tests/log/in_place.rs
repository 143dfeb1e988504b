//! Appends whose caller does the round itself, beside the thread.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::thread;

use handfast_log::disk::{Crash, Fault, SimulatedDisk, Survival};
use handfast_log::limits::IDLE_MARK;
use handfast_log::{Log, LogError};

use crate::workload::SMALL;
use crate::writer::{Notes, entry, gated, start, wait_until_named};

#[test]
fn it_is_durable_and_answered_on_the_callers_thread_before_it_returns() {
    let mut disk = SimulatedDisk::new();
    let log = start(&disk, SMALL);
    for index in 1..=3 {
        let answered = Arc::new(Mutex::new(None));
        let answer = Arc::clone(&answered);
        let done = move |result| *answer.lock().unwrap() = Some((thread::current().id(), result));
        log.append_in_place(vec![entry(index, 10)], Box::new(done));
        assert_eq!(*answered.lock().unwrap(), Some((thread::current().id(), Ok(()))));
    }
    disk.crash(Crash::PowerLoss(Survival::Nothing));
    assert_eq!(Log::open(disk, SMALL).unwrap().last_index(), 3);
}

#[test]
fn during_a_round_it_waits_for_the_next_one_as_any_other() {
    let disk = SimulatedDisk::new();
    let (log, keeper) = gated(&disk, SMALL);
    let notes = Notes::new();
    log.append(vec![entry(1, 10)], notes.done(1));
    keeper.wait_for_a_sync();
    log.append_in_place(vec![entry(2, 10)], notes.done(2));
    log.append_in_place(vec![entry(3, 10)], notes.done(3));
    assert!(notes.is_empty());
    let syncs = disk.syncs();
    keeper.let_one_pass();
    keeper.wait_for_a_sync();
    keeper.let_one_pass();
    assert_eq!(notes.take(3), [(1, Ok(())), (2, Ok(())), (3, Ok(()))]);
    assert_eq!(disk.syncs() - syncs, 2, "the two shared a sync");
}

/// The thread was asleep when the round was done: it is told that there is something to name.
#[test]
fn p28_an_idle_log_names_what_was_synced_in_place() {
    let disk = SimulatedDisk::new();
    let log = start(&disk, SMALL);
    let notes = Notes::new();
    thread::sleep(3 * IDLE_MARK);
    log.append_in_place(vec![entry(1, 8)], notes.done(1));
    wait_until_named(&disk);
}

#[test]
fn d12_a_failed_sync_is_told_and_poisons() {
    let mut disk = SimulatedDisk::new();
    let log = start(&disk, SMALL);
    let notes = Notes::new();
    disk.plan(Fault::SyncError { nth: 0 });
    log.append_in_place(vec![entry(1, 10)], notes.done(1));
    let answers = notes.take(1);
    let Err(LogError::Disk(cause)) = answers[0].1.clone() else { panic!("{answers:?}") };
    let poisoned = LogError::Poisoned { cause };
    assert_eq!(log.append_blocking(vec![entry(2, 10)]), Err(poisoned.clone()));
    log.append_in_place(vec![entry(2, 10)], notes.done(2));
    assert_eq!(notes.take(1), [(2, Err(poisoned))]);
    log.shutdown();
    disk.crash(Crash::PowerLoss(Survival::Nothing));
    assert_eq!(Log::open(disk, SMALL).unwrap().last_index(), 0);
}

#[test]
fn a_callback_may_append_and_shut_down() {
    let disk = SimulatedDisk::new();
    let log = start(&disk, SMALL);
    let notes = Notes::new();
    let (again, second, third) = (log.clone(), notes.done(2), notes.done(3));
    let done = move |result: Result<(), LogError>| {
        result.unwrap();
        again.append_in_place(vec![entry(2, 10)], second);
        again.append(vec![entry(3, 10)], third);
        again.shutdown();
    };
    log.append_in_place(vec![entry(1, 10)], Box::new(done));
    assert_eq!(notes.take(2), [(2, Ok(())), (3, Ok(()))]);
    log.shutdown();
    drop(log);
    assert_eq!(Log::open(disk, SMALL).unwrap().last_index(), 3);
}

#[test]
fn a_callback_that_panics_closes_the_log() {
    let disk = SimulatedDisk::new();
    let log = start(&disk, SMALL);
    let notes = Notes::new();
    let (other, second) = (log.clone(), notes.done(2));
    let done = move |_| {
        other.append(vec![entry(2, 10)], second);
        panic!("on purpose");
    };
    let append = || log.append_in_place(vec![entry(1, 10)], Box::new(done));
    assert!(catch_unwind(AssertUnwindSafe(append)).is_err());
    assert_eq!(notes.take(1), [(2, Err(LogError::Closed))]);
    assert_eq!(log.append_blocking(vec![entry(3, 10)]), Err(LogError::Closed));
    log.shutdown();
}
