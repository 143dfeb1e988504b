//! The writer's rounds done by hand: nothing happens by itself, and what happens is what the thread does.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use handfast_log::disk::{Fault, SimulatedDisk};
use handfast_log::{ByHand, Log, LogError, LogWriter, Record};

use crate::workload::SMALL;

type Answers = Arc<Mutex<Vec<(u64, Result<(), LogError>)>>>;

fn start(disk: &SimulatedDisk) -> (LogWriter, ByHand<SimulatedDisk>, Answers) {
    let (log, rounds) = LogWriter::by_hand(Log::open(disk.clone(), SMALL).unwrap());
    (log, rounds, Answers::default())
}

fn append(log: &LogWriter, index: u64, answers: &Answers) {
    let answers = Arc::clone(answers);
    let record = Record::Entry { index, payload: Bytes::from(vec![index as u8; 20]) };
    log.append(vec![record], Box::new(move |result| answers.lock().unwrap().push((index, result))));
}

fn taken(answers: &Answers) -> Vec<(u64, Result<(), LogError>)> {
    std::mem::take(&mut answers.lock().unwrap())
}

#[test]
fn a_turn_is_one_sync_for_all_that_waits() {
    let disk = SimulatedDisk::new();
    let (log, mut rounds, answers) = start(&disk);
    let (changes, syncs) = (disk.changes(), disk.syncs());
    (1..=3).for_each(|index| append(&log, index, &answers));
    assert_eq!((taken(&answers), disk.changes(), log.last_index()), (vec![], changes, 3));

    assert!(rounds.turn());
    assert_eq!(taken(&answers), [(1, Ok(())), (2, Ok(())), (3, Ok(()))]);
    assert_eq!(disk.syncs(), syncs + 1);
    assert!(!rounds.turn(), "nothing waits any more");

    // P28: the synced position is named once the log is idle.
    let writes = disk.writes();
    assert!(rounds.rest());
    assert_eq!(disk.writes(), writes + 1);
    assert!(!rounds.rest());
    drop((log, rounds));
    assert_eq!(Log::open(disk, SMALL).unwrap().last_index(), 3);
}

/// D12
#[test]
fn a_failed_turn_is_the_last() {
    let disk = SimulatedDisk::new();
    let (log, mut rounds, answers) = start(&disk);
    append(&log, 1, &answers);
    disk.plan(Fault::SyncError { nth: 0 });
    assert!(rounds.turn());
    assert!(matches!(taken(&answers).as_slice(), [(1, Err(LogError::Disk(_)))]));
    let changes = disk.changes();
    append(&log, 2, &answers);
    assert!(matches!(taken(&answers).as_slice(), [(2, Err(LogError::Poisoned { .. }))]));
    assert!(!rounds.turn() && !rounds.rest());
    assert_eq!(disk.changes(), changes);
}

#[test]
fn who_lets_go_of_the_rounds_closes_the_log() {
    let (log, rounds, answers) = start(&SimulatedDisk::new());
    append(&log, 1, &answers);
    drop(rounds);
    append(&log, 2, &answers);
    assert_eq!(taken(&answers), [(1, Err(LogError::Closed)), (2, Err(LogError::Closed))]);
}

#[test]
fn what_is_taken_in_before_a_shutdown_is_written_after_it() {
    let disk = SimulatedDisk::new();
    let (log, mut rounds, answers) = start(&disk);
    append(&log, 1, &answers);
    log.shutdown();
    append(&log, 2, &answers);
    assert_eq!(taken(&answers), [(2, Err(LogError::Closed))]);
    assert!(rounds.turn());
    assert_eq!(taken(&answers), [(1, Ok(()))]);
    assert!(rounds.turn(), "the end names the synced position");
    assert!(!rounds.turn());
    assert_eq!(Log::open(disk, SMALL).unwrap().last_index(), 1);
}
