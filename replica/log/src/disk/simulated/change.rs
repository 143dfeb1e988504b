//! One thing that was asked of the simulated disk and that a crash may lose.

use std::collections::BTreeMap;

use super::fault::SECTOR_BYTES;
use super::image::Image;

#[derive(Debug, Clone)]
pub(super) enum Change {
    Write { file: u64, offset: u64, bytes: Vec<u8> },
    Length { file: u64, length: u64 },
    Link { name: String, file: u64 },
    Unlink { name: String },
    Rename { from: String, to: String },
}

impl Change {
    pub(super) fn file(&self) -> Option<u64> {
        match self {
            Change::Write { file, .. } | Change::Length { file, .. } => Some(*file),
            Change::Link { .. } | Change::Unlink { .. } | Change::Rename { .. } => None,
        }
    }
}

pub(super) fn apply_to_image(image: &mut Image, change: &Change) {
    match change {
        Change::Write { offset, bytes, .. } => image.write(*offset, bytes),
        Change::Length { length, .. } => image.set_length(*length),
        Change::Link { .. } | Change::Unlink { .. } | Change::Rename { .. } => {
            unreachable!("names are not in a file")
        }
    }
}

/// A rename whose source is not there does nothing: the change before it was lost.
pub(super) fn apply_to_names(names: &mut BTreeMap<String, u64>, change: &Change) {
    match change {
        Change::Link { name, file } => {
            names.insert(name.clone(), *file);
        }
        Change::Unlink { name } => {
            names.remove(name);
        }
        Change::Rename { from, to } => {
            if let Some(file) = names.remove(from) {
                names.insert(to.clone(), file);
            }
        }
        Change::Write { .. } | Change::Length { .. } => {
            unreachable!("bytes are not in the directory")
        }
    }
}

/// A write cut at the sector boundaries of the file.
pub(super) fn sectors(offset: u64, bytes: &[u8]) -> Vec<(u64, &[u8])> {
    let mut parts = Vec::new();
    let mut start = offset;
    let mut rest = bytes;
    while !rest.is_empty() {
        let room = SECTOR_BYTES - start % SECTOR_BYTES;
        let (part, later) = rest.split_at(rest.len().min(room as usize));
        parts.push((start, part));
        start += part.len() as u64;
        rest = later;
    }
    parts
}
