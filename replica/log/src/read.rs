//! Fetching entries, apart from the catalog that says where they are: the plan is made under a lock
//! and carried out without it.

use std::sync::Arc;

use bytes::Bytes;

use crate::catalog::ReadableSegment;
use crate::disk::DiskFile;
use crate::error::LogError;
use crate::frame::{Kind, Salt, decode_record, framed_bytes};
use crate::limits::READ_GAP_BYTES;
use crate::segment::Sequence;

/// Entries in order of their index, some at hand and some to be fetched.
#[derive(Debug, Default)]
pub(crate) struct ReadPlan {
    parts: Vec<Part>,
}

#[derive(Debug)]
enum Part {
    Cached(u64, Bytes),
    Stored(Run),
}

/// Entries that lie close together in one segment: one read fetches them.
#[derive(Debug)]
struct Run {
    sequence: Sequence,
    salt: Salt,
    /// Keeps the file from being used again under the read.
    file: Arc<dyn DiskFile>,
    end: u64,
    entries: Vec<StoredEntry>,
}

/// An entry's record in a segment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StoredEntry {
    pub(crate) index: u64,
    pub(crate) offset: u64,
    pub(crate) payload_bytes: u64,
}

impl StoredEntry {
    fn end(&self) -> u64 {
        self.offset + framed_bytes(self.payload_bytes)
    }
}

impl ReadPlan {
    pub(crate) fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    pub(crate) fn push_cached(&mut self, index: u64, payload: Bytes) {
        self.parts.push(Part::Cached(index, payload));
    }

    pub(crate) fn push_stored(&mut self, segment: &ReadableSegment, entry: StoredEntry) {
        if let Some(Part::Stored(run)) = self.parts.last_mut() {
            let near = run.sequence == segment.sequence && (run.end..=run.end + READ_GAP_BYTES).contains(&entry.offset);
            if near {
                run.end = entry.end();
                run.entries.push(entry);
                return;
            }
        }
        self.parts.push(Part::Stored(Run {
            sequence: segment.sequence,
            salt: segment.salt,
            file: Arc::clone(&segment.file),
            end: entry.end(),
            entries: vec![entry],
        }));
    }

    pub(crate) fn fetch(self) -> Result<Vec<(u64, Bytes)>, LogError> {
        let mut entries = Vec::with_capacity(self.parts.len());
        for part in self.parts {
            match part {
                Part::Cached(index, payload) => entries.push((index, payload)),
                Part::Stored(run) => run.fetch(&mut entries)?,
            }
        }
        Ok(entries)
    }
}

impl Run {
    fn fetch(&self, entries: &mut Vec<(u64, Bytes)>) -> Result<(), LogError> {
        let start = self.entries.first().map_or(self.end, |entry| entry.offset);
        let mut buffer = vec![0; (self.end - start) as usize];
        self.file.read_at(start, &mut buffer).map_err(LogError::Read)?;
        let buffer = Bytes::from(buffer);
        for entry in &self.entries {
            let from = (entry.offset - start) as usize;
            let to = (entry.end() - start) as usize;
            match decode_record(&buffer[from..to], self.salt) {
                Ok((view, _)) if view.kind == Kind::Entry && view.index == entry.index => {
                    entries.push((entry.index, buffer.slice_ref(view.payload)));
                }
                Ok(_) | Err(_) => return Err(self.damaged(entry)),
            }
        }
        Ok(())
    }

    fn damaged(&self, entry: &StoredEntry) -> LogError {
        LogError::Corrupt { file: self.sequence.file_name(), offset: entry.offset, index: entry.index }
    }
}
