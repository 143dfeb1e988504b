//! How a store comes into being, and how it is opened again.
//!
//! A directory that exists holds a whole store: a new one is made beside it, under a name that ends in `.new`, and then
//! renamed. So what is missing from it is damage, never a store that was just begun (P29). RocksDB alone would begin an empty
//! store where its file `CURRENT` is lost.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use handfast_store::Family;
use rocksdb::{DB, DEFAULT_COLUMN_FAMILY_NAME, Error, ErrorKind, Options};

use super::{OpenError, options};

/// Messages are nobody else's to read.
const MODE: u32 = 0o700;

pub fn open(dir: &Path, all: &Options) -> Result<DB, OpenError> {
    if is_empty(dir).map_err(directory(dir, "read"))? {
        create(dir, all.clone())?;
    }
    DB::open_cf_descriptors(all, dir, options::families()).map_err(|error| reason(dir, &error))
}

/// Whether there is no such directory, or nothing in it.
fn is_empty(dir: &Path) -> io::Result<bool> {
    match fs::read_dir(dir) {
        Ok(mut entries) => Ok(entries.next().is_none()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(error),
    }
}

fn create(dir: &Path, mut all: Options) -> Result<(), OpenError> {
    let mut name = dir.as_os_str().to_owned();
    name.push(".new");
    let new = PathBuf::from(name);
    if new.exists() {
        // Begun by a process that died before it could use it.
        fs::remove_dir_all(&new).map_err(directory(&new, "remove"))?;
    }
    DirBuilder::new().mode(MODE).create(&new).map_err(directory(&new, "create"))?;
    all.create_if_missing(true);
    all.create_missing_column_families(true);
    let begun = DB::open_cf_descriptors(&all, &new, options::families());
    // Closed again: RocksDB remembers the name that it was opened under.
    drop(begun.map_err(|error| reason(&new, &error))?);
    sync(&new).map_err(directory(&new, "sync"))?;
    fs::rename(&new, dir).map_err(directory(dir, "create"))?;
    let parent = match dir.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    sync(parent).map_err(directory(parent, "sync"))
}

fn sync(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

fn directory(dir: &Path, action: &'static str) -> impl FnOnce(io::Error) -> OpenError {
    let dir = dir.to_path_buf();
    move |cause| OpenError::Directory { dir, action, cause }
}

/// RocksDB has a kind and a sentence for each failure; who reads ours needs to know what to do.
fn reason(dir: &Path, error: &Error) -> OpenError {
    let cause = error.to_string();
    let dir = dir.to_path_buf();
    match error.kind() {
        ErrorKind::IOError if cause.contains("/LOCK:") => OpenError::Locked { dir },
        ErrorKind::IOError if !cause.contains("No such file") => OpenError::Failed { dir, cause },
        ErrorKind::InvalidArgument => match unknown_family(&dir) {
            Some(family) => OpenError::Newer { dir, family },
            None => OpenError::Damaged { dir, cause },
        },
        ErrorKind::IOError | ErrorKind::Corruption | ErrorKind::NotFound => OpenError::Damaged { dir, cause },
        ErrorKind::NotSupported
        | ErrorKind::MergeInProgress
        | ErrorKind::Incomplete
        | ErrorKind::ShutdownInProgress
        | ErrorKind::TimedOut
        | ErrorKind::Aborted
        | ErrorKind::Busy
        | ErrorKind::Expired
        | ErrorKind::TryAgain
        | ErrorKind::CompactionTooLarge
        | ErrorKind::ColumnFamilyDropped
        | ErrorKind::Unknown => OpenError::Failed { dir, cause },
    }
}

fn unknown_family(dir: &Path) -> Option<String> {
    let known = Family::ALL.map(options::name);
    let found = DB::list_cf(&Options::default(), dir).ok()?;
    found.into_iter().find(|name| name != DEFAULT_COLUMN_FAMILY_NAME && !known.contains(&name.as_str()))
}
