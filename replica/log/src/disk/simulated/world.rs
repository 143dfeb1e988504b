//! What the simulated machine knows: for each file what is durable and what only the page cache
//! holds, and in which order the difference arose.

use std::collections::BTreeMap;

use super::change::{Change, apply_to_image, apply_to_names, sectors};
use super::fault::{Crash, Plan, SECTOR_BYTES, Survival, WriteFate};
use super::image::Image;
use super::split_mix::SplitMix64;
use crate::disk::Cause;

/// EIO, as the faults answer it.
const EIO: Cause = Cause::System(5);

/// How far into a lost extension of a file stale bytes are laid.
const STALE_SECTORS_MAX: u64 = 64;

/// Invariant: applying `pending` in order to what is durable gives what is cached.
#[derive(Debug, Default, Clone)]
pub(super) struct World {
    /// Counts crashes: a handle of an earlier generation is of a machine that is gone.
    pub(super) generation: u64,
    files: BTreeMap<u64, FileState>,
    durable_names: BTreeMap<String, u64>,
    names: BTreeMap<String, u64>,
    pending: Vec<Change>,
    next_file: u64,
    pub(super) plan: Plan,
    pub(super) capacity: Option<u64>,
    pub(super) counts: Counts,
}

/// What was asked of the disk since it was made.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) changes: u64,
    pub(super) writes: u64,
    pub(super) syncs: u64,
}

#[derive(Debug, Default, Clone)]
struct FileState {
    durable: Image,
    cached: Image,
}

impl World {
    pub(super) fn create(&mut self, name: &str) -> Result<u64, Cause> {
        self.change()?;
        if self.names.contains_key(name) {
            return Err(Cause::AlreadyExists);
        }
        let file = self.next_file;
        self.next_file += 1;
        self.files.insert(file, FileState::default());
        self.change_name(Change::Link { name: name.to_owned(), file });
        Ok(file)
    }

    pub(super) fn open(&self, name: &str) -> Result<u64, Cause> {
        self.alive()?;
        self.names.get(name).copied().ok_or(Cause::NotFound)
    }

    pub(super) fn list(&self) -> Result<Vec<String>, Cause> {
        self.alive()?;
        Ok(self.names.keys().cloned().collect())
    }

    pub(super) fn remove(&mut self, name: &str) -> Result<(), Cause> {
        self.change()?;
        self.open(name)?;
        self.change_name(Change::Unlink { name: name.to_owned() });
        Ok(())
    }

    pub(super) fn rename(&mut self, from: &str, to: &str) -> Result<(), Cause> {
        self.change()?;
        self.open(from)?;
        self.change_name(Change::Rename { from: from.to_owned(), to: to.to_owned() });
        Ok(())
    }

    pub(super) fn sync_directory(&mut self) -> Result<(), Cause> {
        self.sync(None)
    }

    pub(super) fn sync_data(&mut self, file: u64) -> Result<(), Cause> {
        self.sync(Some(file))
    }

    pub(super) fn write(&mut self, file: u64, offset: u64, bytes: &[u8]) -> Result<(), Cause> {
        self.change()?;
        self.counts.writes += 1;
        let (bytes, answer) = match self.plan.write() {
            WriteFate::Done => (bytes, Ok(())),
            WriteFate::Failed => return Err(EIO),
            WriteFate::Short(kept) => (&bytes[..kept.min(bytes.len())], Err(EIO)),
        };
        let end = offset + bytes.len() as u64;
        self.reserve(file, end)?;
        self.change_file(Change::Write { file, offset, bytes: bytes.to_vec() });
        answer
    }

    pub(super) fn allocate(&mut self, file: u64, length: u64) -> Result<(), Cause> {
        self.change()?;
        self.reserve(file, length)?;
        self.change_file(Change::Length { file, length });
        Ok(())
    }

    pub(super) fn read(&mut self, file: u64, offset: u64, buffer: &mut [u8]) -> Result<(), Cause> {
        self.alive()?;
        if self.plan.read_fails() {
            return Err(EIO);
        }
        if self.state(file).cached.read(offset, buffer) { Ok(()) } else { Err(Cause::UnexpectedEnd) }
    }

    pub(super) fn length(&self, file: u64) -> Result<u64, Cause> {
        self.alive()?;
        Ok(self.state(file).cached.length())
    }

    /// A flip strikes the medium, so the page cache is struck too: what matters is what is read
    /// next.
    pub(super) fn flip(&mut self, name: &str, offset: u64, bit: u8) -> Result<(), Cause> {
        let file = self.open(name)?;
        let state = self.state_mut(file);
        if offset < state.durable.length() {
            state.durable.flip(offset, bit);
        }
        state.cached.flip(offset, bit);
        Ok(())
    }

    pub(super) fn pending_changes(&self) -> usize {
        self.pending.len()
    }

    pub(super) fn crash(&mut self, crash: Crash) {
        self.generation += 1;
        self.plan.clear();
        match crash {
            Crash::ProcessKill => {}
            Crash::PowerLoss(survival) => self.lose_power(survival),
        }
    }

    fn alive(&self) -> Result<(), Cause> {
        if self.plan.halted() { Err(Cause::Crashed) } else { Ok(()) }
    }

    fn change(&mut self) -> Result<(), Cause> {
        if self.plan.change() {
            self.counts.changes += 1;
            Ok(())
        } else {
            Err(Cause::Crashed)
        }
    }

    fn state(&self, file: u64) -> &FileState {
        self.files.get(&file).expect("a handle's file lives until the handle's generation ends")
    }

    fn state_mut(&mut self, file: u64) -> &mut FileState {
        self.files.get_mut(&file).expect("a handle's file lives until the handle's generation ends")
    }

    /// Whether the file may grow to `end` within the capacity of the disk.
    fn reserve(&self, file: u64, end: u64) -> Result<(), Cause> {
        let grown = end.saturating_sub(self.state(file).cached.length());
        let used: u64 = self.names.values().map(|file| self.state(*file).cached.length()).sum();
        match self.capacity {
            Some(capacity) if grown > 0 && used + grown > capacity => Err(Cause::NoSpace),
            Some(_) | None => Ok(()),
        }
    }

    fn change_file(&mut self, change: Change) {
        let file = change.file().expect("the change is one of a file");
        apply_to_image(&mut self.state_mut(file).cached, &change);
        self.pending.push(change);
    }

    fn change_name(&mut self, change: Change) {
        apply_to_names(&mut self.names, &change);
        self.pending.push(change);
    }

    /// Makes the changes of one file durable, or those of the directory.
    fn sync(&mut self, file: Option<u64>) -> Result<(), Cause> {
        self.change()?;
        self.counts.syncs += 1;
        let fails = self.plan.sync_fails();
        let (due, later): (Vec<Change>, Vec<Change>) = self.pending.drain(..).partition(|change| change.file() == file);
        self.pending = later;
        if fails {
            return Err(EIO);
        }
        for change in &due {
            self.apply_durably(change);
        }
        Ok(())
    }

    fn apply_durably(&mut self, change: &Change) {
        match change.file() {
            Some(file) => apply_to_image(&mut self.state_mut(file).durable, change),
            None => apply_to_names(&mut self.durable_names, change),
        }
    }

    fn lose_power(&mut self, survival: Survival) {
        let pending = std::mem::take(&mut self.pending);
        match survival {
            Survival::Nothing => {}
            Survival::Everything => pending.iter().for_each(|change| self.apply_durably(change)),
            Survival::Prefix { changes } => pending.iter().take(changes).for_each(|change| self.apply_durably(change)),
            Survival::Torn { changes, bytes: kept } => {
                pending.iter().take(changes).for_each(|change| self.apply_durably(change));
                if let Some(Change::Write { file, offset, bytes }) = pending.get(changes) {
                    let kept = kept.min(bytes.len());
                    self.apply_durably(&Change::Write { file: *file, offset: *offset, bytes: bytes[..kept].to_vec() });
                }
            }
            Survival::Sectors { seed } => self.keep_sectors(&pending, &mut SplitMix64::new(seed)),
        }
        self.names = self.durable_names.clone();
        let names = &self.names;
        self.files.retain(|file, _| names.values().any(|named| named == file));
        for state in self.files.values_mut() {
            state.cached = state.durable.clone();
        }
    }

    fn keep_sectors(&mut self, pending: &[Change], generator: &mut SplitMix64) {
        for change in pending {
            match change {
                Change::Write { file, offset, bytes } => {
                    for (offset, part) in sectors(*offset, bytes) {
                        if generator.coin() {
                            self.state_mut(*file).durable.write(offset, part);
                        }
                    }
                }
                Change::Length { file, length } => {
                    if generator.coin() {
                        let durable = &mut self.state_mut(*file).durable;
                        let old = durable.length();
                        durable.set_length(*length);
                        lay_stale_bytes(durable, old, generator);
                    }
                }
                Change::Link { .. } | Change::Unlink { .. } | Change::Rename { .. } => {
                    if generator.coin() {
                        self.apply_durably(change);
                    }
                }
            }
        }
    }
}

/// A file that grew without its new blocks being written may show what was on them before.
fn lay_stale_bytes(image: &mut Image, old: u64, generator: &mut SplitMix64) {
    let first = old.div_ceil(SECTOR_BYTES);
    let last = (image.length() / SECTOR_BYTES).min(first + STALE_SECTORS_MAX);
    for sector in first..last {
        if generator.coin() {
            let stale: Vec<u8> = (0..SECTOR_BYTES).map(|_| generator.next_u64() as u8).collect();
            image.write(sector * SECTOR_BYTES, &stale);
        }
    }
}
