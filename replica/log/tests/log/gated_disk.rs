//! A disk with a gate before every sync of a file.

use std::sync::mpsc::{Receiver, Sender};
use std::sync::{Arc, Mutex};

use handfast_log::disk::{Disk, DiskError, DiskFile, SimulatedDisk};

/// A disk whose syncs wait until the test lets each one go, so that a test says what happens
/// meanwhile.
#[derive(Debug)]
pub struct GatedDisk {
    pub disk: SimulatedDisk,
    pub gate: Arc<Gate>,
}

#[derive(Debug)]
pub struct GatedFile {
    file: <SimulatedDisk as Disk>::File,
    gate: Arc<Gate>,
}

/// `arrived` hears of each sync that waits; one message through `passes` lets one go. A gate whose
/// test side is gone is open.
#[derive(Debug)]
pub struct Gate {
    pub arrived: Sender<()>,
    pub passes: Mutex<Receiver<()>>,
}

/// The test's side of the gate.
pub struct Keeper {
    pub arrived: Receiver<()>,
    pub passes: Sender<()>,
}

impl Keeper {
    pub fn wait_for_a_sync(&self) {
        self.arrived.recv().unwrap();
    }

    pub fn let_one_pass(&self) {
        self.passes.send(()).unwrap();
    }
}

impl Disk for GatedDisk {
    type File = GatedFile;

    fn create(&self, name: &str) -> Result<GatedFile, DiskError> {
        Ok(GatedFile { file: self.disk.create(name)?, gate: self.gate.clone() })
    }

    fn open(&self, name: &str) -> Result<GatedFile, DiskError> {
        Ok(GatedFile { file: self.disk.open(name)?, gate: self.gate.clone() })
    }

    fn list(&self) -> Result<Vec<String>, DiskError> {
        self.disk.list()
    }

    fn remove(&self, name: &str) -> Result<(), DiskError> {
        self.disk.remove(name)
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), DiskError> {
        self.disk.rename(from, to)
    }

    fn sync_directory(&self) -> Result<(), DiskError> {
        self.disk.sync_directory()
    }
}

impl DiskFile for GatedFile {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), DiskError> {
        self.file.write_at(offset, bytes)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), DiskError> {
        self.file.read_at(offset, buffer)
    }

    fn sync_data(&self) -> Result<(), DiskError> {
        if self.gate.arrived.send(()).is_ok() {
            // An error means that the keeper is gone, and the gate open.
            self.gate.passes.lock().unwrap().recv().unwrap_or_default();
        }
        self.file.sync_data()
    }

    fn allocate(&self, length: u64) -> Result<(), DiskError> {
        self.file.allocate(length)
    }

    fn length(&self) -> Result<u64, DiskError> {
        self.file.length()
    }
}
