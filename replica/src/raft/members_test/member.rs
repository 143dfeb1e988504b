//! One member: what of it outlives its processes (disk, flushed store), and the process that runs, if one does.

use std::time::Duration;

use bytes::Bytes;
use handfast_log::disk::{Crash, Disk, Fault, SimulatedDisk};
use handfast_log::{ByHand, Log, LogOptions, LogWriter, OpenError, Record};
use handfast_protocol::Timestamp;
use handfast_store::{Family, MemStore, Store, WriteBatch};
use openraft::rt::AsyncRuntime;
use tokio::sync::mpsc;

use super::network::{Call, Outbox, SimulatedNetwork};
use super::runtime::SeededRuntime;
use super::shell::{Ends, Shell, Start, position_of};
use super::{Mistake, TICK};
use crate::codec::{StateRecord, decode_state, encode_state};

/// Small segments, so that a run changes them often and a purge frees them; with room for the largest append of a
/// leader to a member that was away.
const SEGMENT_BYTES: u64 = 256 << 10;

/// Replay and replication read segments, not only the cache.
const CACHE_BYTES: usize = 4 << 10;

pub(super) struct Member {
    pub id: u64,
    disk: SimulatedDisk,
    /// As it was last flushed.
    store: MemStore,
    /// The last entry that was applied when the log was durable up to its end: a crash does not take it away.
    pub safe: u64,
    pub life: Option<Life>,
    /// A failure of its log is no surprise.
    pub is_struck: bool,
    mistake: Option<Mistake>,
    /// What a mistake makes of the disk when power is lost.
    forgetful: Option<SimulatedDisk>,
}

pub(super) struct Life {
    runtime: SeededRuntime,
    pub shell: Shell,
    pub calls: mpsc::UnboundedSender<(u64, Call)>,
    pub outbox: Outbox,
    log: ByHand<SimulatedDisk>,
    pub writer: LogWriter,
    /// The log was durable up to there after its last round, at least.
    pub durable: u64,
    pub number: u64,
    /// When the disk is free for the next round.
    pub turn_at: u64,
    /// A store image on its way to the disk: durable once every member has its log up to there.
    flushing: Option<Image>,
}

struct Image {
    store: MemStore,
    index: u64,
    position: Bytes,
}

impl Member {
    pub fn new(id: u64, mistake: Option<Mistake>) -> Member {
        let (disk, store) = (SimulatedDisk::new(), MemStore::default());
        Member { id, disk, store, safe: 0, life: None, is_struck: false, mistake, forgetful: None }
    }

    /// A new process over what is there.
    pub fn start(&mut self, life: u64, seed: u64, now: Timestamp, apply_time: Duration) -> Result<(), OpenError> {
        let options = LogOptions { segment_bytes: SEGMENT_BYTES, cache_bytes: CACHE_BYTES, salt: self.id };
        let mut log = Log::open(self.disk.clone(), options)?;
        if self.mistake == Some(Mistake::ForgetsVote) {
            forget_vote(&mut log);
        }
        let (writer, log) = LogWriter::by_hand(log);
        let mut runtime = SeededRuntime::new(1);
        runtime.set_seed(seed);
        let outbox = Outbox::default();
        let network = SimulatedNetwork { from: self.id, outbox: outbox.clone() };
        let start = Start { id: self.id, life, log: writer.clone(), network, apply_time, mistake: self.mistake };
        let store = self.store.clone();
        let Ends { shell, calls } =
            runtime.block_on(async { Shell::start(start, store, now) }).expect("a store of ours");
        let durable = writer.last_index();
        let (number, turn_at, flushing) = (life, 0, None);
        self.life = Some(Life { runtime, shell, calls, outbox, log, writer, durable, number, turn_at, flushing });
        Ok(())
    }

    /// Its disk will fail. A crash forgets what has not come yet.
    pub fn strike(&mut self, fault: Fault) {
        self.is_struck = true;
        self.disk.plan(fault);
    }

    /// The process ends in the middle of what its disk is doing: so many changes of it still happen.
    pub fn crash(&mut self, crash: Crash, changes: u64) {
        if let Some(Life { runtime, shell, mut log, .. }) = self.life.take() {
            if self.mistake == Some(Mistake::FlushesAheadOfLog) {
                self.store = flushed(shell.desk().node.store());
            }
            // With it goes everything that runs: nobody hears any more what becomes of the round.
            drop(runtime);
            self.disk.plan(Fault::Halt { after: changes });
            log.turn();
        }
        if let (Crash::PowerLoss(_), Some(forgetful)) = (crash, self.forgetful.take()) {
            self.disk = forgetful;
        }
        self.disk.crash(crash);
        self.is_struck = false;
    }

    /// A round of the log, or what it does when idle. Whether there was anything to do.
    pub fn turn(&mut self) -> bool {
        let Some(life) = &mut self.life else { return false };
        let before = (self.mistake == Some(Mistake::AnswersBeforeSync)).then(|| self.disk.fork());
        let worked = life.log.turn();
        if worked {
            self.forgetful = before;
        } else {
            life.log.rest();
        }
        // Of a log that may have failed nothing is known.
        if !self.is_struck {
            // All that the log was given is durable.
            life.durable = life.writer.last_index();
            self.safe = self.safe.max(life.shell.desk().last);
        }
        worked
    }

    /// Begins to flush the store as it is now.
    pub fn begin_flush(&mut self) {
        let Some(life) = self.life.as_mut().filter(|life| life.flushing.is_none()) else { return };
        let desk = life.shell.desk();
        let Some(position) = desk.node.state().position().cloned() else { return };
        let store = flushed(desk.node.store());
        drop(desk);
        let (index, _) = position_of(&position);
        life.flushing = Some(Image { store, index, position });
    }

    /// Ends it where no member could be in need of what is purged then: snapshots carry no data yet (P30). `spare` is
    /// the last entry that nobody asks for any more.
    pub fn end_flush(&mut self, spare: u64) -> Option<u64> {
        let life = self.life.as_mut()?;
        let replica = life.shell.desk().replica.clone()?;
        let Image { mut store, index, position } = life.flushing.take_if(|image| image.index <= spare)?;
        if self.mistake == Some(Mistake::FlushesPositionOnly) {
            let mut batch = WriteBatch::default();
            batch.put(Family::State, POSITION_KEY, position.clone());
            store = self.store.clone();
            store.write(batch).expect("in memory");
            store.flush().expect("in memory");
        }
        self.store = store;
        let flushed = life.shell.clone().flushed(replica, position);
        life.runtime.block_on(async { drop(tokio::spawn(flushed)) });
        Some(index)
    }
}

impl Life {
    /// Lets the process run for a tick.
    pub fn run(&mut self, now: Timestamp) -> Result<(), handfast_machine::Fatal> {
        let mut desk = self.shell.desk();
        desk.now = now;
        desk.tick()?;
        drop(desk);
        self.runtime.block_on(async { tokio::time::sleep(TICK).await });
        Ok(())
    }
}

/// The machine's own key, as its store has it.
const POSITION_KEY: &[u8] = &[0xF1];

/// All of a store, durable.
fn flushed(store: &MemStore) -> MemStore {
    store.crashed(store.unflushed())
}

fn forget_vote<D: Disk>(log: &mut Log<D>) {
    let Some(stored) = log.state() else { return };
    let state = StateRecord { vote: None, ..decode_state(&stored).expect("a record of ours") };
    // Where the disk fails, so does the start.
    drop(log.append(&[Record::State { payload: encode_state(&state) }]));
    drop(log.sync());
}
