//! A replica of one over a real log in a temporary directory: order, restarts, flush marks, and how
//! it stops.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::recorder::{Kept, Record, Recorder};
use bytes::Bytes;
use handfast_log::disk::RealDisk;
use handfast_log::{Log, LogOptions, LogWriter};
use handfast_replica::{
    Leadership, PAYLOAD_BYTES_MAX, ProposeError, Replica, ReplicaConfig, StartError, StopReason, UNFLUSHED_BYTES_MAX,
};

fn open_log(directory: &Path) -> LogWriter {
    let disk = RealDisk::open(directory).unwrap();
    let options = LogOptions { segment_bytes: 1 << 20, ..LogOptions::default() };
    LogWriter::start(Log::open(disk, options).unwrap())
}

async fn start(directory: &Path, kept: Kept) -> (Replica, Record) {
    let (machine, record) = Recorder::opened_with(kept);
    let log = open_log(directory);
    let replica = Replica::start(ReplicaConfig::default(), log, machine).await.unwrap();
    (replica, record)
}

/// Leads, with the gate of its state machine closed.
async fn start_gated(directory: &Path) -> (Replica, Record) {
    let (replica, record) = start(directory, Kept::default()).await;
    let known = record.kept();
    replica.shutdown().await.unwrap();
    let (machine, mut record) = Recorder::gated(known.clone());
    let log = open_log(directory);
    let starting = tokio::spawn(Replica::start(ReplicaConfig::default(), log, machine));
    // The new leader's own entry is all that is left to apply, and start waits for it.
    record.until_asked(known.index + 1).await;
    assert!(!starting.is_finished());
    record.open_gate_for(1);
    (starting.await.unwrap().unwrap(), record)
}

async fn start_error(directory: &Path, config: ReplicaConfig, kept: Kept) -> StartError {
    let (machine, _) = Recorder::opened_with(kept);
    Replica::start(config, open_log(directory), machine).await.unwrap_err()
}

fn payload(number: usize) -> Bytes {
    Bytes::from(format!("payload {number}"))
}

fn payloads(numbers: std::ops::Range<usize>) -> Vec<Bytes> {
    numbers.map(payload).collect()
}

async fn propose(replica: &Replica, numbers: std::ops::Range<usize>) {
    for number in numbers {
        replica.propose(payload(number)).await.unwrap();
    }
}

fn applied(kept: &Kept) -> Vec<Bytes> {
    kept.payloads.iter().map(|(_, payload)| payload.clone()).collect()
}

fn term(replica: &Replica) -> u64 {
    match &*replica.leadership().borrow() {
        Leadership::Leader { term } => *term,
        other => panic!("leads nothing: {other:?}"),
    }
}

async fn until_stopped(replica: &Replica) -> StopReason {
    let mut leadership = replica.leadership();
    let stopped = |seen: &Leadership| matches!(seen, Leadership::Stopped { .. });
    match &*leadership.wait_for(stopped).await.unwrap() {
        Leadership::Stopped { reason } => reason.clone(),
        other => panic!("not stopped: {other:?}"),
    }
}

#[tokio::test]
async fn leads_without_waiting_for_an_election_timeout() {
    let directory = tempfile::tempdir().unwrap();
    let mut last_term = 0;
    for _ in 0..3 {
        let before = Instant::now();
        let (replica, _) = start(directory.path(), Kept::default()).await;
        let took = before.elapsed();
        assert!(took < Duration::from_secs(1), "took {took:?}");
        // P2: every start is a new leadership.
        assert!(term(&replica) > last_term);
        last_term = term(&replica);
        replica.shutdown().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pipelined_proposals_are_applied_in_order() {
    let directory = tempfile::tempdir().unwrap();
    let (replica, mut record) = start(directory.path(), Kept::default()).await;
    propose(&replica, 0..1000).await;
    let kept = record.until_payloads(1000).await;
    assert_eq!(applied(&kept), payloads(0..1000));
    replica.shutdown().await.unwrap();
}

/// G2, D1: whatever the store kept of what was applied, a restart brings the rest, once and in
/// order. The recorder itself asserts that no index is skipped or repeated.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restart_replays_exactly_what_is_above_the_position() {
    let directory = tempfile::tempdir().unwrap();
    let mut kept = vec![Kept::default()];
    let mut proposed = 0;
    for _ in 0..4 {
        let (replica, mut record) = start(directory.path(), kept[kept.len() - 1].clone()).await;
        for step in [1, 7, 100] {
            propose(&replica, proposed..proposed + step).await;
            proposed += step;
            kept.push(record.until_payloads(proposed).await);
        }
        replica.shutdown().await.unwrap();
    }
    for flushed in kept {
        let from = flushed.payloads.len();
        let (replica, record) = start(directory.path(), flushed).await;
        // No waiting: `start` returns when all is applied again.
        let again = record.kept();
        assert_eq!(applied(&again), payloads(0..proposed), "store flushed at {from}");
        replica.shutdown().await.unwrap();
    }
}

/// P30: the mark purges the log, and what is left is enough for a store that holds the rest.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p30_flushed_purges_and_a_restart_goes_on_from_there() {
    let directory = tempfile::tempdir().unwrap();
    let log = open_log(directory.path());
    let (machine, mut record) = Recorder::opened_with(Kept::default());
    let replica = Replica::start(ReplicaConfig::default(), log.clone(), machine).await.unwrap();

    propose(&replica, 0..100).await;
    let flushed = record.until_payloads(100).await;
    propose(&replica, 100..150).await;
    record.until_payloads(150).await;
    let before = replica.unflushed_bytes();
    replica.flushed(flushed.position.clone().unwrap()).await.unwrap();
    assert_eq!(log.first_index(), flushed.index + 1);
    assert!(replica.unflushed_bytes() < before);
    assert_eq!(replica.unflushed_bytes(), log.bytes_since(flushed.index));
    // The same again, and an older one, are no news.
    replica.flushed(flushed.position.clone().unwrap()).await.unwrap();
    assert_eq!(log.first_index(), flushed.index + 1);
    replica.shutdown().await.unwrap();

    let (replica, mut record) = start(directory.path(), flushed).await;
    assert_eq!(applied(&record.kept()), payloads(0..150));
    propose(&replica, 150..160).await;
    let all = record.until_payloads(160).await;
    assert_eq!(applied(&all), payloads(0..160));
    // Everything flushed, nothing left in the log: the next start has nothing to replay.
    replica.flushed(all.position.clone().unwrap()).await.unwrap();
    assert_eq!(replica.unflushed_bytes(), 0);
    replica.shutdown().await.unwrap();
    let (replica, record) = start(directory.path(), all.clone()).await;
    assert_eq!(record.kept().payloads, all.payloads);
    replica.shutdown().await.unwrap();
}

/// P29, D12: a directory that was lost or put back from another time stops the start.
#[tokio::test]
async fn store_and_log_that_do_not_belong_together_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let (replica, mut record) = start(directory.path(), Kept::default()).await;
    propose(&replica, 0..10).await;
    let flushed = record.until_payloads(10).await;
    replica.flushed(flushed.position.clone().unwrap()).await.unwrap();
    propose(&replica, 10..20).await;
    let all = record.until_payloads(20).await;
    replica.shutdown().await.unwrap();

    let config = ReplicaConfig::default();
    let error = start_error(directory.path(), config.clone(), Kept::default()).await;
    assert!(matches!(error, StartError::StoreBehindLog { position: 0, purged } if purged == flushed.index), "{error}");

    let other = tempfile::tempdir().unwrap();
    let error = start_error(other.path(), config.clone(), all.clone()).await;
    assert!(matches!(error, StartError::LogBehindStore { position, last: 0 } if position == all.index), "{error}");

    // A log as long, whose second leadership wrote what the first did in the store's log.
    for round in 0..2 {
        let (replica, mut record) = start(other.path(), Kept::default()).await;
        propose(&replica, 0..20 * round).await;
        record.until_payloads(20 * round).await;
        replica.shutdown().await.unwrap();
    }
    let error = start_error(other.path(), config, all.clone()).await;
    assert!(matches!(error, StartError::Diverged { index, .. } if index == all.index), "{error}");

    let mut garbled = all;
    garbled.position = Some(Bytes::from_static(b"\x09nonsense"));
    let error = start_error(directory.path(), ReplicaConfig::default(), garbled).await;
    assert!(matches!(error, StartError::Position(_)), "{error}");
}

#[tokio::test]
async fn another_nodes_directory_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let (replica, _) = start(directory.path(), Kept::default()).await;
    replica.shutdown().await.unwrap();
    let error = start_error(directory.path(), ReplicaConfig { node_id: 2 }, Kept::default()).await;
    assert!(matches!(&error, StartError::Members { node_id: 2, voters } if voters == &[1]), "{error}");
    // Nothing was changed by the refusal.
    let (replica, _) = start(directory.path(), Kept::default()).await;
    replica.shutdown().await.unwrap();
}

/// P8: the barrier waits for what was committed before it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn read_barrier_waits_for_the_apply_of_what_is_committed() {
    let directory = tempfile::tempdir().unwrap();
    let (replica, mut record) = start_gated(directory.path()).await;
    let led = record.kept().index;
    propose(&replica, 0..1).await;
    record.until_asked(led + 1).await;
    let mut barrier = Box::pin(replica.read_barrier());
    let early = tokio::time::timeout(Duration::from_millis(50), &mut barrier).await;
    assert!(early.is_err(), "the barrier did not wait for the apply");
    record.open_gate();
    barrier.await.unwrap();
    assert_eq!(applied(&record.kept()), payloads(0..1));
    replica.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_failed_state_machine_stops_the_replica_and_says_why() {
    let directory = tempfile::tempdir().unwrap();
    let (machine, record) = Recorder::opened_with(Kept::default());
    let machine = machine.failing_on(b"payload 1");
    let log = open_log(directory.path());
    let replica = Replica::start(ReplicaConfig::default(), log, machine).await.unwrap();
    propose(&replica, 0..1).await;
    replica.propose(payload(1)).await.unwrap();
    let reason = until_stopped(&replica).await;
    assert!(matches!(reason, StopReason::StateMachine(_)), "{reason}");
    assert!(reason.to_string().contains("the disk of the state machine is gone"), "{reason}");
    let refused = replica.propose(payload(2)).await.unwrap_err();
    assert!(matches!(refused, ProposeError::Stopped(StopReason::StateMachine(_))), "{refused}");
    assert!(matches!(replica.shutdown().await, Err(StopReason::StateMachine(_))));
    // It is in the log: a restart with a state machine in order applies it.
    let (replica, record) = start(directory.path(), record.kept()).await;
    assert_eq!(applied(&record.kept()), payloads(0..2));
    replica.shutdown().await.unwrap();
}

/// D12: nothing else is on its way to the state machine that could find it gone.
#[tokio::test]
async fn a_panic_of_the_state_machine_stops_the_replica_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let (machine, record) = Recorder::opened_with(Kept::default());
    let machine = machine.panicking_on(b"payload 0");
    let log = open_log(directory.path());
    let replica = Replica::start(ReplicaConfig::default(), log, machine).await.unwrap();
    propose(&replica, 0..1).await;
    let reason = until_stopped(&replica).await;
    assert!(matches!(reason, StopReason::StateMachinePanicked), "{reason}");
    replica.shutdown().await.unwrap_err();

    // In the middle of a start, too.
    let (machine, _) = Recorder::opened_with(record.kept());
    let machine = machine.panicking_on(b"payload 0");
    let log = open_log(directory.path());
    let error = Replica::start(ReplicaConfig::default(), log, machine).await;
    assert!(matches!(error, Err(StartError::Stopped(StopReason::StateMachinePanicked))), "{error:?}");
}

#[tokio::test]
async fn after_shutdown_everything_answers_stopped() {
    let directory = tempfile::tempdir().unwrap();
    let (replica, record) = start(directory.path(), Kept::default()).await;
    replica.shutdown().await.unwrap();
    assert!(matches!(until_stopped(&replica).await, StopReason::Shutdown));
    let proposed = replica.propose(payload(0)).await;
    assert!(matches!(proposed, Err(ProposeError::Stopped(StopReason::Shutdown))));
    replica.read_barrier().await.unwrap_err();
    // The position is of the leader's own entry, which no mark covers yet.
    replica.flushed(record.kept().position.unwrap()).await.unwrap_err();
    replica.shutdown().await.unwrap();
}

/// The shell closes its store after `shutdown`: no apply may come, or still run, after it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shutdown_waits_for_the_apply_under_way() {
    let directory = tempfile::tempdir().unwrap();
    let (replica, mut record) = start_gated(directory.path()).await;
    let led = record.kept().index;
    propose(&replica, 0..1).await;
    record.until_asked(led + 1).await;
    let mut shutdown = Box::pin(replica.shutdown());
    let early = tokio::time::timeout(Duration::from_millis(50), &mut shutdown).await;
    assert!(early.is_err(), "shutdown did not wait for the apply");
    record.open_gate();
    shutdown.await.unwrap();
    assert_eq!(applied(&record.kept()), payloads(0..1));
}

/// P30, G7: both limits refuse before anything is written, and a flush opens the way again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_large_and_too_much_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let disk = RealDisk::open(directory.path()).unwrap();
    let log = LogWriter::start(Log::open(disk, LogOptions::default()).unwrap());
    let (machine, mut record) = Recorder::opened_with(Kept::default());
    let replica = Replica::start(ReplicaConfig::default(), log, machine).await.unwrap();

    let refused = replica.propose(Bytes::from(vec![0; PAYLOAD_BYTES_MAX + 1])).await.unwrap_err();
    assert!(matches!(refused, ProposeError::TooLarge { bytes } if bytes == PAYLOAD_BYTES_MAX + 1));

    let large = Bytes::from(vec![0; PAYLOAD_BYTES_MAX]);
    let fill = UNFLUSHED_BYTES_MAX as usize / PAYLOAD_BYTES_MAX;
    for number in 1..=fill {
        replica.propose(large.clone()).await.unwrap();
        record.until_payloads(number).await;
    }
    let refused = replica.propose(payload(0)).await.unwrap_err();
    assert!(matches!(refused, ProposeError::Unflushed { bytes } if bytes >= UNFLUSHED_BYTES_MAX), "{refused}");
    replica.flushed(record.kept().position.unwrap()).await.unwrap();
    replica.propose(payload(0)).await.unwrap();
    assert_eq!(record.until_payloads(fill + 1).await.payloads[fill].1, payload(0));
    replica.shutdown().await.unwrap();
}
