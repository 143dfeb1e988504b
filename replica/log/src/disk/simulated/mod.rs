//! A disk in memory that keeps what is durable and what is only written apart, and loses, tears,
//! reorders and refuses as it is told.
//!
//! A clone sees the same disk. `crash` ends the machine: handles and clones made before it are
//! refused from then on, the one that was given to `crash` goes on. The same calls give the same
//! results on every run.

mod change;
mod fault;
mod image;
mod split_mix;
mod world;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use fault::{Crash, Fault, Survival};
pub use split_mix::SplitMix64;
use world::World;

use super::{Cause, Disk, DiskError, DiskFile, Operation};

/// The one directory of a simulated machine.
#[derive(Clone, Default)]
pub struct SimulatedDisk {
    world: Arc<Mutex<World>>,
    generation: u64,
}

/// One open file of a `SimulatedDisk`.
#[derive(Debug)]
pub struct SimulatedFile {
    disk: SimulatedDisk,
    name: String,
    file: u64,
}

impl SimulatedDisk {
    pub fn new() -> Self {
        SimulatedDisk::default()
    }

    /// A disk of its own that is in the same state; handles stay with the old one.
    pub fn fork(&self) -> Self {
        let world = self.lock().clone();
        SimulatedDisk { world: Arc::new(Mutex::new(world)), generation: self.generation }
    }

    /// Ends the machine and starts it again; this handle is of the new one.
    pub fn crash(&mut self, crash: Crash) {
        let mut world = self.lock();
        world.crash(crash);
        let generation = world.generation;
        drop(world);
        self.generation = generation;
    }

    /// Plans a failure; a crash forgets what is planned.
    pub fn plan(&self, fault: Fault) {
        self.lock().plan.add(fault);
    }

    /// Bytes that all files together may be long, `None` for no bound.
    pub fn set_capacity(&self, capacity: Option<u64>) {
        self.lock().capacity = capacity;
    }

    /// Flips one bit of a file on the medium.
    pub fn flip(&self, name: &str, offset: u64, bit: u8) -> Result<(), DiskError> {
        self.world(Operation::Write, name, |world| world.flip(name, offset, bit))
    }

    /// Changes that a power loss could lose now.
    pub fn pending_changes(&self) -> usize {
        self.lock().pending_changes()
    }

    /// Changes of any kind asked for since the disk was made, what `Fault::Halt` counts.
    pub fn changes(&self) -> u64 {
        self.lock().counts.changes
    }

    pub fn writes(&self) -> u64 {
        self.lock().counts.writes
    }

    pub fn syncs(&self) -> u64 {
        self.lock().counts.syncs
    }

    fn lock(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn world<T>(
        &self,
        operation: Operation,
        name: &str,
        ask: impl FnOnce(&mut World) -> Result<T, Cause>,
    ) -> Result<T, DiskError> {
        let mut world = self.lock();
        let answer = if world.generation == self.generation { ask(&mut world) } else { Err(Cause::Crashed) };
        answer.map_err(|cause| DiskError::new(operation, name, cause))
    }

    fn file(&self, name: &str, file: u64) -> SimulatedFile {
        SimulatedFile { disk: self.clone(), name: name.to_owned(), file }
    }
}

/// Without the bytes: nobody reads megabytes of them in a failed test.
impl fmt::Debug for SimulatedDisk {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let world = self.lock();
        formatter
            .debug_struct("SimulatedDisk")
            .field("generation", &self.generation)
            .field("pending_changes", &world.pending_changes())
            .field("counts", &world.counts)
            .finish()
    }
}

impl Disk for SimulatedDisk {
    type File = SimulatedFile;

    fn create(&self, name: &str) -> Result<SimulatedFile, DiskError> {
        let file = self.world(Operation::Create, name, |world| world.create(name))?;
        Ok(self.file(name, file))
    }

    fn open(&self, name: &str) -> Result<SimulatedFile, DiskError> {
        let file = self.world(Operation::Open, name, |world| world.open(name))?;
        Ok(self.file(name, file))
    }

    fn list(&self) -> Result<Vec<String>, DiskError> {
        self.world(Operation::List, ".", |world| world.list())
    }

    fn remove(&self, name: &str) -> Result<(), DiskError> {
        self.world(Operation::Remove, name, |world| world.remove(name))
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), DiskError> {
        self.world(Operation::Rename, from, |world| world.rename(from, to))
    }

    fn sync_directory(&self) -> Result<(), DiskError> {
        self.world(Operation::SyncDirectory, ".", World::sync_directory)
    }
}

impl DiskFile for SimulatedFile {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), DiskError> {
        self.disk.world(Operation::Write, &self.name, |world| world.write(self.file, offset, bytes))
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), DiskError> {
        self.disk.world(Operation::Read, &self.name, |world| world.read(self.file, offset, buffer))
    }

    fn sync_data(&self) -> Result<(), DiskError> {
        self.disk.world(Operation::Sync, &self.name, |world| world.sync_data(self.file))
    }

    fn allocate(&self, length: u64) -> Result<(), DiskError> {
        self.disk.world(Operation::Allocate, &self.name, |world| world.allocate(self.file, length))
    }

    fn length(&self) -> Result<u64, DiskError> {
        self.disk.world(Operation::Length, &self.name, |world| world.length(self.file))
    }
}
