//! The form of a log's segment, written down a second time from its description (`replica/log/src/frame.rs`, `segment.rs`): the
//! log's own code is what is judged by it.
//!
//! ```text
//! segment 0 magic   8 crc32c of bytes 12..64   12 version   16 sequence   24 salt   32 previous   40 its end
//!        48 next index   56 synced   64 batches
//! batch   0 crc32c of bytes 4..40   4 magic   8 salt   16 number   24 synced   32 bytes of records   36 records
//! record  0 crc32c of the salt and bytes 4..end   4 length of the payload   8 index   16 kind   17 version   24 payload
//! ```

use std::collections::BTreeSet;

const SEGMENT_HEADER: usize = 64;
const BATCH_HEADER: usize = 40;
const RECORD_HEADER: usize = 24;

pub const ENTRY: u8 = 1;
pub const STATE: u8 = 2;
pub const PURGE: u8 = 4;

/// The bytes of a segment's file.
#[derive(Debug, Clone)]
pub struct Segment(pub Vec<u8>);

/// A record whose checksum holds: kind, index, payload. A state has no index, whatever stands there.
pub type Written = (u8, u64, Vec<u8>);

impl Segment {
    /// Makes the checksums hold, batch by batch as far as they follow one another, whatever the rest says.
    pub fn repair(&mut self) {
        if self.0.len() < SEGMENT_HEADER {
            return;
        }
        let crc = crc32c::crc32c(&self.0[12..SEGMENT_HEADER]);
        self.0[8..12].copy_from_slice(&crc.to_le_bytes());
        let mut at = SEGMENT_HEADER;
        while let Some(end) = self.repair_batch(at) {
            at = end;
        }
    }

    /// Every record that anybody with this segment's salt could have written where it stands.
    pub fn written(&self) -> BTreeSet<Written> {
        let last = self.0.len().saturating_sub(RECORD_HEADER);
        let found = (SEGMENT_HEADER..=last).step_by(8).filter_map(|at| {
            let end = self.record_end(at)?;
            let is_known = self.0[at + 17] == 1 && (1..=4).contains(&self.0[at + 16]);
            if !is_known || self.record_crc(at, end) != self.u32(at) {
                return None;
            }
            let payload = self.0[at + RECORD_HEADER..][..self.u32(at + 4) as usize].to_vec();
            let (kind, index) = (self.0[at + 16], self.u64(at + 8));
            Some((kind, if kind == STATE { 0 } else { index }, payload))
        });
        found.collect()
    }

    /// Where the batch at `at` ends; None where there is none of this segment.
    fn repair_batch(&mut self, at: usize) -> Option<usize> {
        let ours = self.0.get(at + 8..at + BATCH_HEADER)?.starts_with(&self.0[24..32]);
        let body = at + BATCH_HEADER;
        let end = body.checked_add(self.u32(at + 32) as usize).filter(|end| ours && *end <= self.0.len())?;
        let mut record = body;
        for _ in 0..self.u32(at + 36) {
            let Some(record_end) = self.record_end(record).filter(|record_end| *record_end <= end) else { break };
            let crc = self.record_crc(record, record_end);
            self.0[record..record + 4].copy_from_slice(&crc.to_le_bytes());
            record = record_end;
        }
        let crc = crc32c::crc32c(&self.0[at + 4..body]);
        self.0[at..at + 4].copy_from_slice(&crc.to_le_bytes());
        Some(end)
    }

    fn record_end(&self, at: usize) -> Option<usize> {
        self.0.get(at..at + RECORD_HEADER)?;
        let end = at + RECORD_HEADER + (self.u32(at + 4) as usize).next_multiple_of(8);
        (end <= self.0.len()).then_some(end)
    }

    fn record_crc(&self, at: usize, end: usize) -> u32 {
        crc32c::crc32c_append(crc32c::crc32c(&self.0[24..32]), &self.0[at + 4..end])
    }

    fn u32(&self, at: usize) -> u32 {
        u32::from_le_bytes(std::array::from_fn(|byte| self.0[at + byte]))
    }

    fn u64(&self, at: usize) -> u64 {
        u64::from_le_bytes(std::array::from_fn(|byte| self.0[at + byte]))
    }
}
