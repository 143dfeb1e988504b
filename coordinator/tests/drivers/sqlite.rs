//! The SQLite driver: its table, and what a file can do to it.

use std::fs;

use handfast_coordinator::drivers::conformance::Client;
use handfast_coordinator::drivers::{Finding, Target, conformance, driver};
use handfast_coordinator_core::{Ask, CallFailed, Identity, Resource, ResourceId, Told};
use handfast_protocol::{Outcome, ResourceKind};
use tempfile::TempDir;
use uuid::Uuid;

use crate::sqlite_client::SqliteClient;
use crate::world::{ATTACH, IDENTITY, add, drivers, fence, id, ledger, secrets};

const SQLITE: ResourceKind = ResourceKind::SqliteMarker;

fn path(dir: &TempDir, name: &str) -> String {
    dir.path().join(name).to_str().unwrap().to_owned()
}

/// A database that is there, added as `ledger`.
async fn added(address: &str) -> Resource {
    rusqlite::Connection::open(address).unwrap().execute_batch("CREATE TABLE orders (id int)").unwrap();
    add(&drivers(), SQLITE, address).await
}

fn unreachable(answer: Result<Told, CallFailed>) -> String {
    match answer {
        Err(CallFailed::Unreachable { resource, cause }) if resource == ledger() => cause,
        other => panic!("{other:?}"),
    }
}

async fn bad(target: Target<'_>) -> Vec<String> {
    let findings: Vec<Finding> = drivers().test(target).await;
    findings.iter().filter(|finding| !finding.ok).map(ToString::to_string).collect()
}

#[tokio::test]
async fn last_resource() {
    let dir = TempDir::new().unwrap();
    let address = path(&dir, "ledger.db");
    let added = drivers().install(SQLITE, ledger(), &address, IDENTITY).await.unwrap();
    assert_eq!(added.notes, [format!("{address} was not there and was created")]);
    let client = SqliteClient::of(&added.resource);
    let driver = driver(&added.resource, &secrets(&[]));
    for case in conformance::marker(IDENTITY, &ledger(), SQLITE) {
        conformance::run(&case, driver.as_ref(), &client).await.unwrap_or_else(|error| panic!("{error}"));
    }
}

/// P15: never created by recovery. An empty file made in passing would say "rolled back" to everything.
#[tokio::test]
async fn p15_a_missing_file_is_unreachable_and_not_created() {
    let dir = TempDir::new().unwrap();
    let address = path(&dir, "ledger.db");
    let resource = added(&address).await;
    let driver = driver(&resource, &secrets(&[]));
    assert_eq!(driver.call(ATTACH).await, Ok(Told::Attached { slots: None }));
    let away = path(&dir, "away.db");
    fs::rename(&address, &away).unwrap();
    let cause = unreachable(driver.call(fence(1)).await);
    assert!(cause.starts_with(&address) && !fs::exists(&address).unwrap(), "{cause}");
    fs::rename(&away, &address).unwrap();
    assert_eq!(driver.call(fence(1)).await, Ok(Told::Fenced(Outcome::RolledBack)));
}

#[tokio::test]
async fn p3_a_file_that_was_replaced_is_another_database_even_while_it_is_open() {
    let dir = TempDir::new().unwrap();
    let address = path(&dir, "ledger.db");
    let resource = added(&address).await;
    let driver = driver(&resource, &secrets(&[]));
    assert_eq!(driver.call(fence(1)).await, Ok(Told::Fenced(Outcome::RolledBack)));

    let stranger = added(&path(&dir, "other.db")).await;
    // As one who restores a backup should: a log that is left lying there would be read as the new file's.
    for beside in ["ledger.db-wal", "ledger.db-shm"] {
        fs::remove_file(path(&dir, beside)).unwrap();
    }
    fs::rename(&stranger.address, &address).unwrap();
    let wrong = |found| Err(CallFailed::WrongResource { resource: ledger(), expected: resource.resource_id, found });
    assert_eq!(driver.call(fence(2)).await, wrong(Some(stranger.resource_id)));
    assert_eq!(SqliteClient::of(&stranger_at(&stranger, &address)).rows().await, [], "nothing was fenced in it");

    fs::write(path(&dir, "empty.db"), "").unwrap();
    fs::rename(path(&dir, "empty.db"), &address).unwrap();
    assert_eq!(driver.call(fence(2)).await, wrong(None));
    assert_eq!(fs::metadata(&address).unwrap().len(), 0, "it was left as it was");
}

fn stranger_at(stranger: &Resource, address: &str) -> Resource {
    Resource { address: address.to_owned(), ..stranger.clone() }
}

/// Another database restored into the open file: the same inode, another id.
#[tokio::test]
async fn p3_an_id_that_changes_under_the_open_file_is_noticed() {
    let dir = TempDir::new().unwrap();
    let resource = added(&path(&dir, "ledger.db")).await;
    let driver = driver(&resource, &secrets(&[]));
    assert_eq!(driver.call(fence(1)).await, Ok(Told::Fenced(Outcome::RolledBack)));
    let other = ResourceId(Uuid::from_u128(7));
    SqliteClient::of(&resource).run(&format!("UPDATE handfast_resource SET resource_id = '{}'", other.0));
    let wrong =
        Err(CallFailed::WrongResource { resource: ledger(), expected: resource.resource_id, found: Some(other) });
    for ask in [ATTACH, fence(2)] {
        assert_eq!(driver.call(ask).await, wrong);
    }
    assert_eq!(SqliteClient::of(&resource).rows().await, [(id(1), Outcome::RolledBack)], "the fence was undone");
}

/// P15: BUSY is never an outcome.
#[tokio::test]
async fn p15_busy_is_asked_again() {
    let dir = TempDir::new().unwrap();
    let resource = added(&path(&dir, "ledger.db")).await;
    let driver = driver(&resource, &secrets(&[]));
    let client = SqliteClient::of(&resource);
    client.run("BEGIN IMMEDIATE");
    assert_eq!(driver.call(fence(1)).await, Err(CallFailed::TimedOut { resource: ledger() }));
    client.run("ROLLBACK");
    assert_eq!(driver.call(fence(1)).await, Ok(Told::Fenced(Outcome::RolledBack)));
}

#[tokio::test]
async fn p13_the_file_is_in_wal_mode_after_the_first_call() {
    let dir = TempDir::new().unwrap();
    let address = path(&dir, "ledger.db");
    let resource = added(&address).await;
    let plain = rusqlite::Connection::open(&address).unwrap();
    plain.execute_batch("PRAGMA journal_mode = DELETE").unwrap();
    drop(plain);
    assert_eq!(driver(&resource, &secrets(&[])).call(ATTACH).await, Ok(Told::Attached { slots: None }));
    let mode: String =
        rusqlite::Connection::open(&address).unwrap().query_row("PRAGMA journal_mode", [], |row| row.get(0)).unwrap();
    assert_eq!(mode, "wal");
}

#[tokio::test]
async fn p15_add_wants_an_absolute_path_in_a_directory_that_is_there() {
    let dir = TempDir::new().unwrap();
    let name = ledger();
    let nowhere = path(&dir, "nowhere/ledger.db");
    let table = [
        (
            "ledger.db".to_owned(),
            "ledger.db is not an absolute path; give the path from the root: the server has another working directory"
                .to_owned(),
        ),
        (
            nowhere.clone(),
            format!(
                "{nowhere} is not there, nor is its directory; make the directory, or give the path of a database that is there"
            ),
        ),
        (path(&dir, ""), format!("{} is not a file; give the path of the database file itself", path(&dir, ""))),
    ];
    for (address, text) in table {
        assert_eq!(
            bad(Target::Candidate { name: &name, kind: SQLITE, address: &address }).await,
            std::slice::from_ref(&text)
        );
        let error = drivers().install(SQLITE, ledger(), &address, IDENTITY).await.unwrap_err();
        assert_eq!(error.to_string(), format!("resource ledger cannot be added: {text}"));
    }
    let text_file = path(&dir, "orders.csv");
    fs::write(&text_file, "id,amount\n".repeat(100)).unwrap();
    let error = drivers().install(SQLITE, ledger(), &text_file, IDENTITY).await.unwrap_err();
    assert!(error.to_string().contains("the file is not a SQLite database"), "{error}");
    assert_eq!(fs::read_to_string(&text_file).unwrap(), "id,amount\n".repeat(100));
}

#[tokio::test]
async fn what_was_added_and_is_gone_or_another_is_told() {
    let dir = TempDir::new().unwrap();
    let address = path(&dir, "ledger.db");
    let resource = added(&address).await;
    let target = Target::Registered(&resource);
    let all: Vec<String> = drivers().test(target).await.iter().map(ToString::to_string).collect();
    let sound = [
        format!("{address} is there"),
        "it is a SQLite database in WAL mode".to_owned(),
        "table handfast_outcome is there".to_owned(),
        "table handfast_resource is there".to_owned(),
        "table handfast_coordinator is there".to_owned(),
        "it is the database that was added".to_owned(),
    ];
    assert_eq!(all, sound);
    let client = SqliteClient::of(&resource);
    client.run("UPDATE handfast_resource SET resource_id = 'x'");
    assert!(bad(target).await[0].starts_with("it is another database than was added"));
    client.run("DROP TABLE handfast_outcome; CREATE TABLE handfast_outcome (id int); DROP TABLE handfast_coordinator");
    let broken = bad(target).await;
    assert!(broken[0].starts_with("table handfast_outcome is not one of Handfast's: no such column"), "{broken:?}");
    assert!(broken[1].starts_with("table handfast_coordinator is missing; restore it"), "{broken:?}");
    fs::remove_file(&address).unwrap();
    let gone = format!(
        "{address} is missing; put the file back; if it is gone for good, resolve what is in doubt and run: handfast \
         resource remove ledger"
    );
    assert_eq!(bad(target).await, [gone]);
}

/// P3: the row of a later epoch stays for the operator to judge; adding says so.
#[tokio::test]
async fn p3_adding_a_database_that_is_ahead_notes_it_and_leaves_the_row() {
    let dir = TempDir::new().unwrap();
    let resource = added(&path(&dir, "ledger.db")).await;
    let later = Identity { epoch: IDENTITY.epoch + 1, ..IDENTITY };
    let driver = driver(&resource, &secrets(&[]));
    let attached = driver.call(Ask::Attach { identity: later, adopt: false }).await;
    assert_eq!(attached, Ok(Told::Attached { slots: None }));
    let again = drivers().install(SQLITE, ledger(), &resource.address, IDENTITY).await.unwrap();
    assert_eq!(again.resource, resource);
    let note = "another incarnation or a later epoch of this server used this database last; if this server is not a copy, \
                say: handfast resource adopt ledger";
    assert_eq!(again.notes, [note]);
    assert_eq!(driver.call(ATTACH).await, Ok(Told::Ahead { found: later }));
}
