//! openraft's own suite for log stores, on ours.
//!
//! The suite also tests state machines and their snapshots. Ours have flush marks for snapshots
//! (P30), which it cannot set, so that a small one that keeps all in memory stands beside the log
//! store. And it appends entries 1, 2, .. to an empty log, which no Raft does: our log refuses the
//! gap, and `Gapped` lets such a log begin there.

use std::io;

use futures_util::{Stream, StreamExt};
use handfast_log::disk::RealDisk;
use handfast_log::{Log, LogOptions};
use openraft::entry::RaftEntry;
use openraft::rt::AsyncRuntime;
use openraft::storage::{EntryResponder, RaftStateMachine};
use openraft::testing::log::{StoreBuilder, Suite};
use openraft::{OptionalSend, RaftSnapshotBuilder, Snapshot, StorageError};
use tempfile::TempDir;

use super::*;
use crate::codec::encode_log_id;
use crate::raft::members_test::SeededRuntime;
use crate::raft::snapshot::{MarkOnly, MarkSnapshot};
use crate::raft::type_config::{Mark, StoredMembership};

struct Gapped {
    store: LogStore,
    begins_after: u64,
}

impl RaftLogStorage<TypeConfig> for Gapped {
    type LogReader = LogReader;

    async fn get_log_state(&mut self) -> Result<LogState<TypeConfig>, io::Error> {
        if self.store.log.last_index() == self.begins_after && self.store.purged.is_none() {
            return Ok(LogState::default());
        }
        self.store.get_log_state().await
    }

    async fn get_log_reader(&mut self) -> LogReader {
        self.store.get_log_reader().await
    }

    async fn save_vote(&mut self, vote: &Vote) -> Result<(), io::Error> {
        self.store.save_vote(vote).await
    }

    async fn save_committed(&mut self, committed: Option<LogId>) -> Result<(), io::Error> {
        self.store.save_committed(committed).await
    }

    async fn read_committed(&mut self) -> Result<Option<LogId>, io::Error> {
        self.store.read_committed().await
    }

    async fn append<I>(&mut self, entries: I, done: IOFlushed<TypeConfig>) -> Result<(), io::Error>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let entries: Vec<Entry> = entries.into_iter().collect();
        let first = entries[0].log_id.index;
        if self.store.log.last_index() == 0 && first > 0 {
            let payload = encode_log_id(&LogIdRecord { term: 0, index: first - 1 });
            self.store.write_durably(Record::Purge { index: first, payload }).await?;
            self.begins_after = first;
        }
        self.store.append(entries, done).await
    }

    async fn truncate_after(&mut self, last: Option<LogId>) -> Result<(), io::Error> {
        self.store.truncate_after(last).await
    }

    async fn purge(&mut self, upto: LogId) -> Result<(), io::Error> {
        if log_index(upto.index) == self.begins_after {
            self.store.purged = Some(upto);
            return Ok(());
        }
        self.store.purge(upto).await
    }
}

/// Keeps where it stands, and makes a snapshot of that when asked.
#[derive(Default)]
struct InMemory {
    applied: Mark,
    snapshot: Option<Mark>,
}

struct InMemoryBuilder {
    mark: Mark,
}

impl RaftSnapshotBuilder<TypeConfig> for InMemoryBuilder {
    type SnapshotData = MarkOnly;

    async fn build_snapshot(&mut self) -> Result<MarkSnapshot, io::Error> {
        Ok(Snapshot { meta: self.mark.clone(), snapshot: MarkOnly })
    }
}

impl RaftStateMachine<TypeConfig> for InMemory {
    type SnapshotData = MarkOnly;
    type SnapshotBuilder = InMemoryBuilder;

    async fn applied_state(&mut self) -> Result<(Option<LogId>, StoredMembership), io::Error> {
        Ok((self.applied.last_log_id, self.applied.last_membership.clone()))
    }

    async fn apply<S>(&mut self, mut entries: S) -> Result<(), io::Error>
    where
        S: Stream<Item = Result<EntryResponder<TypeConfig>, io::Error>> + Unpin + OptionalSend,
    {
        while let Some(item) = entries.next().await {
            let (entry, _) = item?;
            self.applied.last_log_id = Some(entry.log_id);
            if let Some(membership) = entry.get_membership() {
                let log_id = Some(entry.log_id);
                self.applied.last_membership = StoredMembership::new(log_id, membership);
            }
        }
        Ok(())
    }

    async fn get_snapshot_builder(&mut self) -> InMemoryBuilder {
        self.snapshot = Some(self.applied.clone());
        InMemoryBuilder { mark: self.applied.clone() }
    }

    async fn install_snapshot(&mut self, mark: &Mark, _data: MarkOnly) -> Result<(), io::Error> {
        self.applied = mark.clone();
        self.snapshot = Some(mark.clone());
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<MarkSnapshot>, io::Error> {
        Ok(self.snapshot.clone().map(|meta| Snapshot { meta, snapshot: MarkOnly }))
    }
}

struct Builder;

impl StoreBuilder<TypeConfig, Gapped, InMemory, TempDir> for Builder {
    async fn build(&self) -> Result<(TempDir, Gapped, InMemory), StorageError<TypeConfig>> {
        let directory = tempfile::tempdir().unwrap();
        let disk = RealDisk::open(directory.path()).unwrap();
        let options = LogOptions { segment_bytes: 1 << 20, ..LogOptions::default() };
        let log = LogWriter::start(Log::open(disk, options).unwrap());
        let unflushed = Arc::new(Unflushed::new(log.clone(), watch::Sender::new(None).subscribe()));
        let store = LogStore::open(log, FirstFailure::default(), unflushed).unwrap();
        Ok((directory, Gapped { store, begins_after: 0 }, InMemory::default()))
    }
}

#[test]
fn openraft_suite_passes() {
    SeededRuntime::new(1).block_on(Suite::test_all(Builder)).unwrap();
}
