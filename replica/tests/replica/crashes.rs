//! A replica over a simulated disk: failed writes and syncs, kills and power losses. What was
//! applied once is applied again after every one of them (G2), in the same order, and nothing that
//! was never proposed.

use crate::recorder::{Kept, Record, Recorder};
use bytes::Bytes;
use handfast_log::disk::{Crash, Fault, SimulatedDisk, SplitMix64, Survival};
use handfast_log::{Log, LogError, LogOptions, LogWriter};
use handfast_replica::{Leadership, ProposeError, Replica, ReplicaConfig, StopReason};

/// Small segments, so that a few hundred entries change them often.
const SEGMENT_BYTES: u64 = 16 << 10;

/// Proposals on their way at once, at most.
const PIPELINED_MAX: usize = 20;

fn open_log(disk: &SimulatedDisk) -> Option<LogWriter> {
    let options = LogOptions {
        segment_bytes: SEGMENT_BYTES,
        // Replay reads segments, not only the cache.
        cache_bytes: 4 << 10,
        ..LogOptions::default()
    };
    Log::open(disk.clone(), options).ok().map(LogWriter::start)
}

async fn start(disk: &SimulatedDisk, kept: Kept) -> Option<(Replica, Record)> {
    let (machine, record) = Recorder::opened_with(kept);
    let log = open_log(disk)?;
    let replica = Replica::start(ReplicaConfig::default(), log, machine).await;
    Some((replica.ok()?, record))
}

/// Payloads are numbered through all runs of a test, so that one of a run that was cut off cannot be
/// taken for another.
fn payload(number: usize) -> Bytes {
    let mut bytes = format!("payload {number} ").into_bytes();
    bytes.resize(20 + number % 300, b'.');
    Bytes::from(bytes)
}

/// Proposes, some at a time, until the replica stops; says why it did.
async fn propose_until_stopped(replica: &Replica, record: &mut Record, next: &mut usize) -> StopReason {
    loop {
        let pipelined = 1 + *next % PIPELINED_MAX;
        let expected = record.kept().payloads.len() + pipelined;
        for _ in 0..pipelined {
            match replica.propose(payload(*next)).await {
                Ok(()) => *next += 1,
                Err(ProposeError::Stopped(_)) => break,
                Err(error) => panic!("refused: {error}"),
            }
        }
        if !record.until_payloads_or_end(expected).await {
            break;
        }
    }
    let mut leadership = replica.leadership();
    let stopped = |seen: &Leadership| matches!(seen, Leadership::Stopped { .. });
    leadership.wait_for(stopped).await.unwrap();
    replica.shutdown().await.expect_err("it had stopped before")
}

/// The entries that a store holds are those it had, and after them those that came.
fn assert_begins_with(all: &Kept, begin: &Kept, what: &str) {
    let count = begin.payloads.len();
    assert!(all.payloads.len() >= count, "{what}: lost what was applied");
    assert_eq!(all.payloads[..count], begin.payloads, "{what}");
}

/// Proposed in order, each at most once; some may be missing where a run was cut off.
fn assert_in_proposed_order(kept: &Kept, proposed: usize, what: &str) {
    let mut candidates = (0..proposed).map(payload);
    for (_, applied) in &kept.payloads {
        let known = candidates.any(|candidate| candidate == *applied);
        assert!(known, "{what}: never proposed, twice, or out of order: {applied:?}");
    }
}

/// D12: the first failed write or sync is the last thing that the log did, and the shell hears of it
/// with its cause.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_disk_stops_the_replica_and_says_why() {
    for nth in 0..12 {
        for fault in [Fault::SyncError { nth }, Fault::WriteError { nth }] {
            let mut disk = SimulatedDisk::new();
            let mut next = 0;
            let (replica, mut record) = start(&disk, Kept::default()).await.unwrap();
            disk.plan(fault);
            let reason = propose_until_stopped(&replica, &mut record, &mut next).await;
            assert!(matches!(reason, StopReason::Log(LogError::Disk(_))), "{fault:?}: {reason}");
            assert!(reason.to_string().contains("the process must end"), "{reason}");

            let applied = record.kept();
            disk.crash(Crash::PowerLoss(Survival::Nothing));
            let (replica, record) = start(&disk, Kept::default()).await.unwrap();
            let again = record.kept();
            assert_begins_with(&again, &applied, &format!("{fault:?}"));
            assert_in_proposed_order(&again, next, &format!("{fault:?}"));
            replica.shutdown().await.unwrap();
        }
    }
}

fn any_crash(random: &mut SplitMix64) -> Crash {
    let changes = random.below(8) as usize;
    match random.below(6) {
        0 => Crash::ProcessKill,
        1 => Crash::PowerLoss(Survival::Nothing),
        2 => Crash::PowerLoss(Survival::Everything),
        3 => Crash::PowerLoss(Survival::Prefix { changes }),
        4 => Crash::PowerLoss(Survival::Torn { changes, bytes: random.below(2000) as usize }),
        _ => Crash::PowerLoss(Survival::Sectors { seed: random.next_u64() }),
    }
}

/// Crash after crash of one machine, some of them during the start after the last one. Its store
/// falls back to the last flush with each, as the real one does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_applied_is_applied_again_after_every_crash() {
    for seed in 0..12 {
        let mut random = SplitMix64::new(seed);
        let mut disk = SimulatedDisk::new();
        let (mut flushed, mut applied, mut next) = (Kept::default(), Kept::default(), 0);
        let mut lives = 0;
        for crash in 0..20 {
            let what = format!("seed {seed}, crash {crash}");
            let early = random.below(4) == 0;
            if early {
                disk.plan(Fault::Halt { after: random.below(30) });
            }
            if let Some((replica, mut record)) = start(&disk, flushed.clone()).await {
                lives += 1;
                assert_begins_with(&record.kept(), &applied, &what);
                assert_in_proposed_order(&record.kept(), next, &what);
                if random.below(3) == 0 {
                    let durable = record.kept();
                    let marked = replica.flushed(durable.position.clone().unwrap()).await;
                    // The store is flushed before the log hears of it, and stays so.
                    flushed = durable;
                    assert!(marked.is_ok() || early, "{what}");
                }
                disk.plan(Fault::Halt { after: random.below(60) });
                propose_until_stopped(&replica, &mut record, &mut next).await;
                applied = record.kept();
            }
            disk.crash(any_crash(&mut random));
        }
        assert!(lives > 10, "seed {seed}: only {lives} lives");
        let (replica, record) = start(&disk, flushed).await.unwrap();
        assert_begins_with(&record.kept(), &applied, &format!("seed {seed}, at last"));
        assert_in_proposed_order(&record.kept(), next, &format!("seed {seed}, at last"));
        replica.shutdown().await.unwrap();
    }
}
