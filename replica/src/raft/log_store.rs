//! openraft's writing side of our log.
//!
//! Entries are appended and answered by the log's thread when they are durable, or in place where that suits better; vote,
//! truncation and purge wait for it, because openraft goes on from them as from facts. The log is one sequence, so that what was
//! asked first is on disk first.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use bytes::BytesMut;
use handfast_log::{LogError, LogWriter, Record};
use openraft::storage::{IOFlushed, RaftLogStorage};
use openraft::{LogState, OptionalSend};
use tokio::sync::{oneshot, watch};

use super::failure::FirstFailure;
use super::in_place::InPlace;
use super::log_reader::LogReader;
use super::record::{encode_entry, entry_from_log, log_index};
use super::type_config::{Entry, EntryPayload, LogId, TypeConfig, Vote};
use super::unflushed::Unflushed;
use crate::codec::{self, LogIdRecord, PLAIN_HEADER_BYTES_MAX, StateRecord};
use crate::error::{DecodeError, StopReason};

pub(crate) struct LogStore {
    log: LogWriter,
    /// As saved; readers see it through their end of the channel.
    vote: watch::Sender<Option<Vote>>,
    committed: Option<LogId>,
    /// `committed` is newer than the log's state record. It rides along with the next append: alone
    /// it is worth no write.
    committed_unsaved: bool,
    purged: Option<LogId>,
    in_place: InPlace,
    failure: FirstFailure,
    unflushed: Arc<Unflushed>,
}

impl LogStore {
    pub(crate) fn open(log: LogWriter, failure: FirstFailure, unflushed: Arc<Unflushed>) -> Result<Self, DecodeError> {
        let state = match log.state() {
            Some(stored) => codec::decode_state(&stored)?,
            None => StateRecord::default(),
        };
        let purged = match log.purged() {
            Some((_, stored)) => Some(LogId::from(codec::decode_log_id(&stored)?)),
            None => None,
        };
        Ok(LogStore {
            log,
            vote: watch::Sender::new(state.vote.map(Vote::from)),
            committed: state.committed.map(LogId::from),
            committed_unsaved: false,
            purged,
            in_place: InPlace::default(),
            failure,
            unflushed,
        })
    }

    fn state_record(&self, vote: Option<&Vote>) -> Record {
        let state =
            StateRecord { vote: vote.map(Into::into), committed: self.committed.as_ref().map(LogIdRecord::from) };
        Record::State { payload: codec::encode_state(&state) }
    }

    async fn write_durably(&self, record: Record) -> Result<(), io::Error> {
        let (done, durable) = oneshot::channel();
        // The receiver is gone only when the Raft core is: then nobody is left to be told.
        self.log.append(vec![record], Box::new(move |result| drop(done.send(result))));
        match durable.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(self.failure.record(StopReason::Log(error))),
            Err(_) => Err(self.failure.record(StopReason::Log(LogError::Closed))),
        }
    }

    fn last_log_id(&self) -> Result<Option<LogId>, StopReason> {
        let last = self.log.last_index();
        if self.purged.as_ref().map_or(0, |purged| log_index(purged.index)) == last {
            return Ok(self.purged);
        }
        let read = self.log.read(last..last + 1, 0);
        let read = read.map_err(StopReason::Log)?;
        match read.first() {
            Some((index, stored)) => Ok(Some(entry_from_log(*index, stored)?.log_id)),
            None => Err(StopReason::Hole { index: last }),
        }
    }
}

/// Stored forms of a batch, cut from one allocation.
fn records(entries: impl IntoIterator<Item = Entry>) -> Vec<Record> {
    let entries: Vec<Entry> = entries.into_iter().collect();
    let payloads = entries.iter().map(|entry| match &entry.payload {
        EntryPayload::Normal(payload) => PLAIN_HEADER_BYTES_MAX + payload.0.len(),
        EntryPayload::Blank | EntryPayload::Membership(_) => PLAIN_HEADER_BYTES_MAX,
    });
    let mut buffer = BytesMut::with_capacity(payloads.sum());
    // One place more: for the state record that may ride along.
    let mut records = Vec::with_capacity(entries.len() + 1);
    for entry in &entries {
        encode_entry(&mut buffer, entry);
        let payload = buffer.split().freeze();
        records.push(Record::Entry { index: log_index(entry.log_id.index), payload });
    }
    records
}

impl RaftLogStorage<TypeConfig> for LogStore {
    type LogReader = LogReader;

    async fn get_log_state(&mut self) -> Result<LogState<TypeConfig>, io::Error> {
        let last_log_id = self.last_log_id().map_err(|reason| self.failure.record(reason))?;
        Ok(LogState { last_purged_log_id: self.purged, last_log_id })
    }

    async fn get_log_reader(&mut self) -> LogReader {
        LogReader { log: self.log.clone(), vote: self.vote.subscribe(), failure: self.failure.clone() }
    }

    async fn save_vote(&mut self, vote: &Vote) -> Result<(), io::Error> {
        self.write_durably(self.state_record(Some(vote))).await?;
        self.committed_unsaved = false;
        self.vote.send_replace(Some(*vote));
        Ok(())
    }

    async fn save_committed(&mut self, committed: Option<LogId>) -> Result<(), io::Error> {
        self.committed = committed;
        self.committed_unsaved = true;
        Ok(())
    }

    async fn read_committed(&mut self) -> Result<Option<LogId>, io::Error> {
        Ok(self.committed)
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<TypeConfig>) -> Result<(), io::Error>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let mut records = records(entries);
        if self.committed_unsaved {
            let state = self.state_record(self.vote.borrow().as_ref());
            records.push(state);
            self.committed_unsaved = false;
        }
        let failure = self.failure.clone();
        let done = move |result: Result<(), LogError>| {
            let result = result.map_err(|error| failure.record(StopReason::Log(error)));
            callback.io_completed(result);
        };
        if self.in_place.suits(&records) {
            let began = Instant::now();
            self.log.append_in_place(records, Box::new(done));
            self.in_place.took(began.elapsed());
        } else {
            self.log.append(records, Box::new(done));
        }
        self.unflushed.refresh();
        Ok(())
    }

    async fn truncate_after(&mut self, last: Option<LogId>) -> Result<(), io::Error> {
        let index = last.map_or(0, |log_id| log_index(log_id.index));
        if index >= self.log.last_index() {
            return Ok(());
        }
        self.write_durably(Record::TruncateAfter { index }).await?;
        self.unflushed.refresh();
        Ok(())
    }

    async fn purge(&mut self, upto: LogId) -> Result<(), io::Error> {
        let payload = codec::encode_log_id(&LogIdRecord::from(&upto));
        let index = log_index(upto.index);
        self.write_durably(Record::Purge { index, payload }).await?;
        self.purged = Some(upto);
        self.unflushed.refresh();
        Ok(())
    }
}

#[cfg(test)]
mod suite_test;
