//! What `resource test` finds at a SQLite file. It changes nothing, not even the journal mode.

use std::path::{Path, PathBuf};

use handfast_coordinator_core::{Resource, ResourceId};
use rusqlite::Connection;
use tokio::task::spawn_blocking;

use super::database_file::DatabaseFile;
use super::tables::{PROBES, TABLE_EXISTS};
use crate::drivers::failure::Failure;
use crate::drivers::findings::{Finding, Target};

pub async fn examine(target: Target<'_>) -> Vec<Finding> {
    let path = PathBuf::from(target.address());
    let registered = target.registered().cloned();
    match spawn_blocking(move || look(&path, registered.as_ref())).await {
        Ok(findings) => findings,
        Err(ended) => std::panic::resume_unwind(ended.into_panic()),
    }
}

fn look(path: &Path, registered: Option<&Resource>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let shown = path.display();
    if !path.is_absolute() {
        let what = format!("{shown} is not an absolute path");
        return vec![Finding::bad(what, "give the path from the root: the server has another working directory")];
    }
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_file() => findings.push(Finding::good(format!("{shown} is there"))),
        Ok(_) => {
            return vec![Finding::bad(format!("{shown} is not a file"), "give the path of the database file itself")];
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return vec![missing(path, registered)];
        }
        Err(error) => {
            let what = format!("{shown} cannot be looked at: {error}");
            return vec![Finding::bad(what, "let the server's user reach the file")];
        }
    }
    if let Err(failure) = look_inside(path, registered, &mut findings) {
        let remedy = match failure {
            Failure::FileReadOnly { .. } => "SQLite keeps its log beside the file: both must be writable",
            _ => {
                "check that the file is a SQLite database, and that the server's user may read and write it and its directory"
            }
        };
        findings.push(Finding::bad(failure.to_string(), remedy));
    }
    findings
}

/// A file that is registered must be there; one that is to be added is made, if it has a directory to be in.
fn missing(path: &Path, registered: Option<&Resource>) -> Finding {
    let shown = path.display();
    if let Some(resource) = registered {
        let remedy = format!(
            "put the file back; if it is gone for good, resolve what is in doubt and run: handfast resource remove {}",
            resource.name
        );
        return Finding::bad(format!("{shown} is missing"), remedy);
    }
    let directory = path.parent().filter(|directory| directory.is_dir());
    Finding::when(
        directory.is_some(),
        format!("{shown} is not there and can be created"),
        format!("{shown} is not there, nor is its directory"),
        "make the directory, or give the path of a database that is there",
    )
}

fn look_inside(path: &Path, registered: Option<&Resource>, findings: &mut Vec<Finding>) -> Result<(), Failure> {
    let file = DatabaseFile::open(path)?;
    let journal: String = file.connection.query_row("PRAGMA journal_mode", [], |row| row.get(0))?;
    findings.push(Finding::good(match journal.to_ascii_lowercase().as_str() {
        "wal" => "it is a SQLite database in WAL mode".to_owned(),
        mode => format!("it is a SQLite database in {mode} mode; Handfast sets WAL where the file system allows it"),
    }));
    let Some(resource) = registered else {
        return Ok(());
    };
    let add_again =
        format!("restore it, or remove the resource and add it again: handfast resource add {}", resource.name);
    let mut whole = true;
    for (table, probe) in PROBES {
        let finding = table_finding(&file.connection, table, probe, &add_again)?;
        whole &= finding.ok;
        findings.push(finding);
    }
    if whole {
        findings.push(same_database(file.resource_id()?, resource));
    }
    Ok(())
}

fn table_finding(connection: &Connection, table: &str, probe: &str, remedy: &str) -> Result<Finding, Failure> {
    let there: bool = connection.query_row(TABLE_EXISTS, [table], |row| row.get(0))?;
    let finding = match (there, connection.prepare(probe)) {
        (false, _) => Finding::bad(format!("table {table} is missing"), remedy),
        (true, Err(error)) => Finding::bad(format!("table {table} is not one of Handfast's: {error}"), remedy),
        (true, Ok(_)) => Finding::good(format!("table {table} is there")),
    };
    Ok(finding)
}

fn same_database(found: Option<ResourceId>, resource: &Resource) -> Finding {
    Finding::when(
        found == Some(resource.resource_id),
        "it is the database that was added",
        "it is another database than was added: what is in doubt there stays in doubt",
        "put the resource's own file back, or resolve what is in doubt, remove the resource and add it again",
    )
}
