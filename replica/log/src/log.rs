//! The log as one owner drives it: synchronous, deterministic, nothing in the background.
//!
//! Order of a durable change: `append` puts the records into the file, where a kill of the process
//! cannot take them; `sync` makes them durable. Nobody may be told of a change before `sync`
//! answered.

use std::fmt;
use std::ops::Range;

use bytes::Bytes;

use handfast_mutants::{Mutant, is};

use crate::catalog::{Catalog, check_sizes};
use crate::chain::Chain;
use crate::disk::{Disk, DiskError};
use crate::error::{LogError, OpenError};
use crate::options::LogOptions;
use crate::position::Position;
use crate::record::Record;
use crate::recovery;
use crate::room::Room;
use crate::segment::{entry_bytes_max, opaque_bytes_max};

/// Invariant: once `failure` is set the chain is not touched again (D12).
pub struct Log<D: Disk> {
    chain: Chain<D>,
    catalog: Catalog,
    was_torn: bool,
    failure: Option<DiskError>,
}

impl<D: Disk> Log<D> {
    /// Everything that the log then knows is durable, a kept tail included (P28).
    pub fn open(disk: D, options: LogOptions) -> Result<Self, OpenError> {
        let (mut chain, mut catalog, was_torn) = recovery::open(disk, options)?;
        release(&mut chain, &mut catalog)?;
        keep_spare(&mut chain)?;
        Ok(Log { chain, catalog, was_torn, failure: None })
    }

    /// Writes the records as one batch (as a few, if they fill a segment or the write buffer). In
    /// the file, not durable.
    pub fn append(&mut self, records: &[Record]) -> Result<Position, LogError> {
        self.check_alive()?;
        check(&self.catalog, records, self.chain.segment_bytes())?;
        self.make_room(records)?;
        let first_serial = self.catalog.admit(records);
        let mut places = Vec::new();
        let written = self.chain.append(records, &mut places);
        self.poison_on(written)?;
        for segment in self.chain.take_begun() {
            self.catalog.attach(segment);
        }
        self.catalog.place(first_serial, &places);
        debug_assert_invariants(&self.catalog);
        Ok(self.chain.position())
    }

    /// Makes everything appended before durable, then lets purged segments go and keeps a spare.
    pub fn sync(&mut self) -> Result<Position, LogError> {
        self.check_alive()?;
        let synced = self.chain.sync();
        self.poison_on(synced)?;
        let position = self.chain.position();
        let kept = release(&mut self.chain, &mut self.catalog).and_then(|()| keep_spare(&mut self.chain));
        self.poison_on(kept)?;
        Ok(position)
    }

    /// Names the synced position by a marker, for a log that is idle (P28). Without anything to
    /// name it does nothing.
    pub fn mark_synced(&mut self) -> Result<Position, LogError> {
        self.check_alive()?;
        let marked = self.chain.mark_synced();
        self.poison_on(marked)?;
        Ok(self.chain.position())
    }

    /// The part of the range that is present, in order: the first entry in any case, more while the
    /// payloads stay within `max_bytes`.
    pub fn read(&self, range: Range<u64>, max_bytes: usize) -> Result<Vec<(u64, Bytes)>, LogError> {
        self.check_alive()?;
        self.catalog.plan_read(range, max_bytes).fetch()
    }

    /// The lowest index present, or the next one if there is none.
    pub fn first_index(&self) -> u64 {
        self.catalog.first_index()
    }

    /// The highest index present; in an empty log the purge point, 0 if nothing was ever purged.
    pub fn last_index(&self) -> u64 {
        self.catalog.last_index()
    }

    /// When it was opened, its last batch was there in part, and was cut (P28).
    pub fn was_torn(&self) -> bool {
        self.was_torn
    }

    pub fn state(&self) -> Option<Bytes> {
        self.catalog.standing().state.clone()
    }

    /// The purge point and its payload.
    pub fn purged(&self) -> Option<(u64, Bytes)> {
        self.catalog.standing().purged.clone()
    }

    /// Bytes in the log that the entries above `index` take.
    pub fn bytes_since(&self, index: u64) -> u64 {
        self.catalog.bytes_since(index)
    }

    /// Bytes that can be appended without asking the disk for more (P18). Each record takes
    /// `Log::record_cost` at most, and at the end of each segment up to one record's cost is
    /// wasted.
    pub fn headroom(&self) -> u64 {
        self.chain.room().headroom()
    }

    /// What a record takes of the headroom, at most.
    pub fn record_cost(record: &Record) -> u64 {
        Room::cost(record)
    }

    pub(crate) fn into_parts(self) -> (Chain<D>, Catalog, Option<DiskError>) {
        (self.chain, self.catalog, self.failure)
    }

    fn check_alive(&self) -> Result<(), LogError> {
        match &self.failure {
            Some(cause) => Err(LogError::Poisoned { cause: cause.clone() }),
            None => Ok(()),
        }
    }

    fn poison_on(&mut self, outcome: Result<(), DiskError>) -> Result<(), LogError> {
        if is(Mutant::GoesOnAfterSyncError) {
            return Ok(());
        }
        outcome.map_err(|cause| {
            self.failure = Some(cause.clone());
            LogError::Disk(cause)
        })
    }

    /// Has as many spares as the records may need, before anything is written (P18).
    fn make_room(&mut self, records: &[Record]) -> Result<(), LogError> {
        while !self.chain.room().admit(records) {
            let added = self.chain.add_spare();
            let mut made = false;
            self.poison_on(added.map(|added| made = added))?;
            if !made {
                let needed = records.iter().map(Room::cost).sum();
                return Err(LogError::NoSpace { needed, headroom: self.headroom() });
            }
        }
        Ok(())
    }
}

impl<D: Disk> fmt::Debug for Log<D> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Log")
            .field("first_index", &self.first_index())
            .field("last_index", &self.last_index())
            .field("position", &self.chain.position())
            .field("failure", &self.failure)
            .finish()
    }
}

/// Whether the log can take the records as they are.
pub(crate) fn check(catalog: &Catalog, records: &[Record], segment_bytes: u64) -> Result<(), LogError> {
    check_sizes(records, entry_bytes_max(segment_bytes), opaque_bytes_max(segment_bytes))?;
    catalog.standing().check(records)
}

/// Lets the segments go that hold nothing live. What made them so must be durable.
fn release<D: Disk>(chain: &mut Chain<D>, catalog: &mut Catalog) -> Result<(), DiskError> {
    let lowest = catalog.lowest_live(chain.active_sequence());
    catalog.detach_below(lowest);
    chain.release_below(lowest)
}

/// A disk without room for a spare is no failure: `headroom` says it (P18).
pub(crate) fn keep_spare<D: Disk>(chain: &mut Chain<D>) -> Result<(), DiskError> {
    if chain.lacks_spare() {
        chain.add_spare()?;
    }
    Ok(())
}

pub(crate) fn debug_assert_invariants(catalog: &Catalog) {
    if cfg!(debug_assertions) {
        catalog.check_invariants();
    }
}

#[cfg(test)]
#[path = "log_test.rs"]
mod tests;
