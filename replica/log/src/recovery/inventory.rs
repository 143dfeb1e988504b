//! The files of the log's directory, by what their names say.

use std::collections::BTreeSet;

use crate::disk::{Disk, DiskError};
use crate::segment::{FileName, Sequence};

use super::stored::Stored;

/// What the directory holds.
#[derive(Debug, Default)]
pub(super) struct Inventory {
    pub(super) segments: BTreeSet<Sequence>,
    pub(super) spares: BTreeSet<u64>,
}

impl Inventory {
    pub(super) fn take<D: Disk>(disk: &D) -> Result<Self, DiskError> {
        let mut inventory = Inventory::default();
        for name in disk.list()? {
            match FileName::parse(&name) {
                Some(FileName::Segment(sequence)) => {
                    inventory.segments.insert(sequence);
                }
                Some(FileName::Spare(number)) => {
                    inventory.spares.insert(number);
                }
                None => {}
            }
        }
        Ok(inventory)
    }

    /// A number that no spare of an earlier process has: its removal may not be durable.
    pub(super) fn next_spare(&self) -> u64 {
        self.spares.last().map_or(0, |last| last + 1)
    }

    /// Spares of an earlier process are not used again: one of them may be a draft with the very
    /// sequence, and so the very salt, of the next segment. They go first, as a full disk may need
    /// their room.
    pub(super) fn remove_spares<D: Disk>(&self, disk: &D) -> Result<(), DiskError> {
        self.spares.iter().try_for_each(|number| disk.remove(&FileName::Spare(*number).to_string()))
    }

    /// A crash may bring a removed segment back; it is then left over again.
    pub(super) fn remove_segments_but<D: Disk>(&self, disk: &D, kept: &[Stored<D::File>]) -> Result<(), DiskError> {
        let kept: BTreeSet<Sequence> = kept.iter().map(|stored| stored.header.sequence).collect();
        self.segments.difference(&kept).try_for_each(|sequence| disk.remove(&sequence.file_name()))
    }
}
