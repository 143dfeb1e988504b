//! Random work for a log, and the same work for its model.

use bytes::Bytes;
use handfast_log::disk::{SimulatedDisk, SplitMix64};
use handfast_log::{Log, LogError, LogOptions, Record};

use crate::model::{History, Model};

/// Small segments, so that a short run changes them often.
pub const SMALL: LogOptions = LogOptions { segment_bytes: 4096, cache_bytes: 1024, salt: 7 };

/// Draws what to do next. No payload is ever drawn twice, so whatever comes back wrongly is told
/// apart.
#[derive(Debug)]
pub struct Workload {
    pub generator: SplitMix64,
    drawn: u64,
}

impl Workload {
    pub fn new(seed: u64) -> Self {
        Workload { generator: SplitMix64::new(seed), drawn: 0 }
    }

    /// One of many for one log: what others draw is told apart too.
    pub fn numbered(seed: u64) -> Self {
        Workload { drawn: seed * 10_000, ..Workload::new(seed) }
    }

    pub fn payload(&mut self) -> Bytes {
        self.drawn += 1;
        let length = match self.generator.below(12) {
            0 => 0,
            1 => 1500,
            2 => 488,
            _ => self.generator.below(200),
        };
        let mut payload = format!("{:08}", self.drawn).into_bytes();
        payload.resize(payload.len() + length as usize, b'.');
        Bytes::from(payload)
    }

    fn small_payload(&mut self) -> Bytes {
        self.drawn += 1;
        Bytes::from(format!("small {}", self.drawn))
    }

    /// Between one and four records that follow from there.
    pub fn records(&mut self, from: &Model) -> Vec<Record> {
        let mut at = from.clone();
        let count = 1 + self.generator.below(4);
        let mut records = Vec::new();
        for _ in 0..count {
            let record = self.record(&at);
            at.apply(&record);
            records.push(record);
        }
        records
    }

    fn record(&mut self, at: &Model) -> Record {
        let present = at.last_index - at.purged_index();
        match self.generator.below(20) {
            0 | 1 => Record::State { payload: self.small_payload() },
            2 => Record::TruncateAfter { index: at.purged_index() + self.generator.below(present + 1) },
            3 | 4 => Record::Purge {
                index: at.purged_index() + self.generator.below(present + 1),
                payload: self.small_payload(),
            },
            5 if self.generator.below(8) == 0 => {
                Record::Purge { index: at.last_index + self.generator.below(3), payload: self.small_payload() }
            }
            _ => Record::Entry { index: at.last_index + 1, payload: self.payload() },
        }
    }

    /// One step: an append, and mostly a sync, sometimes a marker.
    pub fn step(&mut self, log: &mut Log<SimulatedDisk>, history: &mut History) -> Result<(), LogError> {
        let records = self.records(history.latest());
        history.tried(&records);
        match log.append(&records) {
            // Nothing was written, and the log goes on (P18).
            Err(LogError::NoSpace { .. }) => history.refused(),
            answer => {
                answer?;
                history.answered();
            }
        }
        assert_eq!(&Model::of(log), history.latest());
        if self.generator.below(3) > 0 {
            log.sync()?;
            history.synced();
        }
        if self.generator.below(8) == 0 {
            log.mark_synced()?;
            history.synced();
        }
        Ok(())
    }
}
