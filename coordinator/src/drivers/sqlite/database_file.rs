//! An open SQLite file: never created here, durable at every commit, and still the file that its path names.

use std::fs::Metadata;
use std::path::{Path, PathBuf};

use handfast_coordinator_core::{Resource, ResourceId};
use handfast_protocol::marker::RESOURCE_TABLE;
use rusqlite::{Connection, OpenFlags, OptionalExtension};
use uuid::Uuid;

use super::tables::{SELECT_RESOURCE_ID, TABLE_EXISTS};
use crate::drivers::failure::Failure;
use crate::drivers::limits::BUSY_TIMEOUT;

#[derive(Debug)]
pub struct DatabaseFile {
    pub connection: Connection,
    path: PathBuf,
    identity: FileIdentity,
}

/// What tells a file from another one that was put in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
struct FileIdentity {
    #[cfg(unix)]
    device_and_inode: (u64, u64),
    #[cfg(not(unix))]
    created: Option<std::time::SystemTime>,
}

impl DatabaseFile {
    /// P15: an absolute path to a file that is there. It is opened for writing, or not at all.
    pub fn open(path: &Path) -> Result<DatabaseFile, Failure> {
        if !path.is_absolute() {
            return Err(Failure::PathNotAbsolute { path: path.to_owned() });
        }
        let identity = FileIdentity::of(&metadata(path)?);
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        let file = DatabaseFile { connection, path: path.to_owned(), identity };
        // Between the look and the open.
        file.check_in_place()?;
        // SQLite opens what it may not write for reading, without a word.
        if file.connection.is_readonly(rusqlite::MAIN_DB)? {
            return Err(Failure::FileReadOnly { path: path.to_owned() });
        }
        Ok(file)
    }

    /// A registered resource's file, ready for work: its commits flush, and it is the database that was added (P3).
    pub fn open_resource(resource: &Resource) -> Result<DatabaseFile, Failure> {
        let file = DatabaseFile::open(Path::new(&resource.address))?;
        file.check_resource(resource)?;
        file.make_durable()?;
        Ok(file)
    }

    /// P13: WAL with FULL, where a commit flushes the WAL; where WAL cannot be had, EXTRA, which also flushes the directory
    /// that the rollback journal is deleted from. Set and read back.
    pub fn make_durable(&self) -> Result<(), Failure> {
        let set_journal = "PRAGMA journal_mode = WAL";
        let journal: String = self.connection.query_row(set_journal, [], |row| row.get(0))?;
        let (set, level, wanted) = match journal.eq_ignore_ascii_case("wal") {
            true => ("PRAGMA synchronous = FULL", 2, "FULL"),
            false => ("PRAGMA synchronous = EXTRA", 3, "EXTRA"),
        };
        self.connection.execute_batch(set)?;
        let found: i64 = self.connection.query_row("PRAGMA synchronous", [], |row| row.get(0))?;
        match found == level {
            true => Ok(()),
            false => Err(Failure::Setting { name: "synchronous", wanted, found: found.to_string() }),
        }
    }

    /// Whether the path still names this file. What was written to one that was replaced is not in the database.
    pub fn check_in_place(&self) -> Result<(), Failure> {
        match FileIdentity::of(&metadata(&self.path)?) == self.identity {
            true => Ok(()),
            false => Err(Failure::FileReplaced { path: self.path.clone() }),
        }
    }

    pub fn check_resource(&self, resource: &Resource) -> Result<(), Failure> {
        let found = self.resource_id()?;
        match found == Some(resource.resource_id) {
            true => Ok(()),
            false => Err(Failure::WrongResource { found }),
        }
    }

    /// The id of the database; `None` where Handfast's tables are missing or empty.
    pub fn resource_id(&self) -> Result<Option<ResourceId>, Failure> {
        let there: bool = self.connection.query_row(TABLE_EXISTS, [RESOURCE_TABLE], |row| row.get(0))?;
        if !there {
            return Ok(None);
        }
        let found: Option<String> = self.connection.query_row(SELECT_RESOURCE_ID, [], |row| row.get(0)).optional()?;
        Ok(found.and_then(|text| Uuid::try_parse(&text).ok()).map(ResourceId))
    }
}

impl FileIdentity {
    #[cfg(unix)]
    fn of(metadata: &Metadata) -> FileIdentity {
        use std::os::unix::fs::MetadataExt;
        FileIdentity { device_and_inode: (metadata.dev(), metadata.ino()) }
    }

    #[cfg(not(unix))]
    fn of(metadata: &Metadata) -> FileIdentity {
        FileIdentity { created: metadata.created().ok() }
    }
}

fn metadata(path: &Path) -> Result<Metadata, Failure> {
    std::fs::metadata(path).map_err(|cause| Failure::File { path: path.to_owned(), cause })
}
