//! A directory of the operating system.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rustix::fs::FallocateFlags;
use rustix::io::Errno;

use super::{Disk, DiskError, DiskFile, Operation};
use crate::limits::ZERO_FILL_BYTES;

/// The disk behind one directory. Who may use the directory is the caller's concern: it takes the
/// lock and sets the rights.
#[derive(Debug)]
pub struct RealDisk {
    path: PathBuf,
    directory: File,
}

/// One open file of a `RealDisk`.
#[derive(Debug)]
pub struct RealFile {
    name: String,
    file: File,
}

impl RealDisk {
    /// The directory at `path`, made if it does not exist.
    pub fn open(path: &Path) -> Result<Self, DiskError> {
        let shown = path.to_string_lossy();
        fs::create_dir_all(path).map_err(|error| DiskError::from_io(Operation::Create, &shown, &error))?;
        let directory = File::open(path).map_err(|error| DiskError::from_io(Operation::Open, &shown, &error))?;
        Ok(RealDisk { path: path.to_owned(), directory })
    }

    fn file(&self, operation: Operation, name: &str, options: &OpenOptions) -> Result<RealFile, DiskError> {
        let file = options.open(self.path.join(name)).map_err(|error| DiskError::from_io(operation, name, &error))?;
        Ok(RealFile { name: name.to_owned(), file })
    }
}

impl Disk for RealDisk {
    type File = RealFile;

    fn create(&self, name: &str) -> Result<RealFile, DiskError> {
        self.file(Operation::Create, name, OpenOptions::new().read(true).write(true).create_new(true))
    }

    fn open(&self, name: &str) -> Result<RealFile, DiskError> {
        self.file(Operation::Open, name, OpenOptions::new().read(true).write(true))
    }

    fn list(&self) -> Result<Vec<String>, DiskError> {
        let failed = |error: io::Error| DiskError::from_io(Operation::List, &self.path.to_string_lossy(), &error);
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.path).map_err(failed)? {
            // A name that is not UTF-8 is none of ours.
            if let Ok(name) = entry.map_err(failed)?.file_name().into_string() {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    fn remove(&self, name: &str) -> Result<(), DiskError> {
        fs::remove_file(self.path.join(name)).map_err(|error| DiskError::from_io(Operation::Remove, name, &error))
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), DiskError> {
        fs::rename(self.path.join(from), self.path.join(to))
            .map_err(|error| DiskError::from_io(Operation::Rename, from, &error))
    }

    fn sync_directory(&self) -> Result<(), DiskError> {
        self.directory
            .sync_all()
            .map_err(|error| DiskError::from_io(Operation::SyncDirectory, &self.path.to_string_lossy(), &error))
    }
}

impl RealFile {
    fn failed(&self, operation: Operation) -> impl Fn(io::Error) -> DiskError {
        move |error| DiskError::from_io(operation, &self.name, &error)
    }

    /// For file systems that cannot reserve: every block is written once.
    fn fill_with_zeros(&self, length: u64) -> Result<(), DiskError> {
        let zeros = vec![0; ZERO_FILL_BYTES];
        let mut offset = 0;
        while offset < length {
            let step = (length - offset).min(ZERO_FILL_BYTES as u64);
            self.file.write_all_at(&zeros[..step as usize], offset).map_err(self.failed(Operation::Allocate))?;
            offset += step;
        }
        Ok(())
    }
}

impl DiskFile for RealFile {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), DiskError> {
        self.file.write_all_at(bytes, offset).map_err(self.failed(Operation::Write))
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), DiskError> {
        self.file.read_exact_at(buffer, offset).map_err(self.failed(Operation::Read))
    }

    fn sync_data(&self) -> Result<(), DiskError> {
        self.file.sync_data().map_err(self.failed(Operation::Sync))
    }

    fn allocate(&self, length: u64) -> Result<(), DiskError> {
        match rustix::fs::fallocate(&self.file, FallocateFlags::empty(), 0, length) {
            Ok(()) => Ok(()),
            Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => self.fill_with_zeros(length),
            Err(errno) => Err(self.failed(Operation::Allocate)(errno.into())),
        }
    }

    fn length(&self) -> Result<u64, DiskError> {
        Ok(self.file.metadata().map_err(self.failed(Operation::Length))?.len())
    }
}
