//! `resource add` for a SQLite file: the file if its directory is there, the tables, the resource's id, the coordinator's row.

use std::fs::OpenOptions;
use std::io;
use std::path::Path;

use handfast_coordinator_core::{Identity, Resource, ResourceId};
use handfast_protocol::{ResourceKind, ResourceName};
use rusqlite::TransactionBehavior;
use tokio::task::spawn_blocking;
use uuid::Uuid;

use super::database_file::DatabaseFile;
use super::marker::{read_last_visit, write_last_visit};
use super::tables::{CREATE, INSERT_RESOURCE_ID, PROBES};
use crate::drivers::attachment::Judgement;
use crate::drivers::failure::Failure;
use crate::drivers::registration::{InstallError, Installed, adopt_note};

pub async fn install(name: ResourceName, address: &str, identity: Identity) -> Result<Installed, InstallError> {
    let address = address.to_owned();
    match spawn_blocking(move || make(name, address, identity)).await {
        Ok(made) => made,
        Err(ended) => std::panic::resume_unwind(ended.into_panic()),
    }
}

fn make(name: ResourceName, address: String, identity: Identity) -> Result<Installed, InstallError> {
    match make_tables(&name, Path::new(&address), identity) {
        Ok((resource_id, notes)) => {
            let kind = ResourceKind::SqliteMarker;
            let resource = Resource { name, kind, address, resource_id, schema: String::new() };
            Ok(Installed { resource, notes })
        }
        Err(Stopped::ForeignTable(table)) => Err(InstallError::ForeignTable { name, table }),
        Err(Stopped::By(cause)) => Err(InstallError::Failed { name, cause }),
    }
}

enum Stopped {
    ForeignTable(&'static str),
    By(Failure),
}

impl<E: Into<Failure>> From<E> for Stopped {
    fn from(cause: E) -> Stopped {
        Stopped::By(cause.into())
    }
}

fn make_tables(name: &ResourceName, path: &Path, identity: Identity) -> Result<(ResourceId, Vec<String>), Stopped> {
    let mut notes = Vec::new();
    if create_file(path).map_err(|cause| Failure::File { path: path.to_owned(), cause })? {
        notes.push(format!("{} was not there and was created", path.display()));
    }
    let mut file = DatabaseFile::open(path)?;
    file.make_durable()?;
    let transaction = file.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute_batch(CREATE)?;
    for (table, probe) in PROBES {
        transaction.prepare(probe).map_err(|_| Stopped::ForeignTable(table))?;
    }
    transaction.execute(INSERT_RESOURCE_ID, [Uuid::now_v7().to_string()])?;
    match Judgement::of(read_last_visit(&transaction, identity)?, identity, false) {
        // Never here: to add the resource is to say that this coordinator may use it.
        Judgement::Advance | Judgement::Unknown => write_last_visit(&transaction, identity)?,
        Judgement::Ahead(_) => notes.push(adopt_note(name)),
    }
    transaction.commit()?;
    let resource_id = file.resource_id()?.ok_or(Failure::WrongResource { found: None })?;
    file.check_in_place()?;
    Ok((resource_id, notes))
}

/// An empty file is an empty database. Whether it was made now. The only place that creates one (P15), and its name is made
/// durable before anything rests on it.
fn create_file(path: &Path) -> io::Result<bool> {
    match OpenOptions::new().write(true).create_new(true).open(path) {
        Ok(file) => {
            file.sync_all()?;
            sync_directory(path)?;
            Ok(true)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(unix)]
fn sync_directory(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |directory| std::fs::File::open(directory)?.sync_all())
}

/// A directory cannot be flushed there; the file system journals its names.
#[cfg(not(unix))]
fn sync_directory(_: &Path) -> io::Result<()> {
    Ok(())
}
