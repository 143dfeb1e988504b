//! The SQLite driver: its table, and what a file can do to it.

use handfast_coordinator::drivers::{conformance, driver};
use handfast_protocol::ResourceKind;
use tempfile::TempDir;

use crate::sqlite_client::SqliteClient;
use crate::world::{IDENTITY, drivers, ledger, secrets};

fn path(dir: &TempDir, name: &str) -> String {
    dir.path().join(name).to_str().unwrap().to_owned()
}

#[tokio::test]
async fn last_resource() {
    let dir = TempDir::new().unwrap();
    let address = path(&dir, "ledger.db");
    let added = drivers().install(ResourceKind::SqliteMarker, ledger(), &address, IDENTITY).await.unwrap();
    assert_eq!(added.notes, [format!("{address} was not there and was created")]);
    let client = SqliteClient::of(&added.resource);
    let driver = driver(&added.resource, &secrets(&[]));
    for case in conformance::marker(IDENTITY, &ledger()) {
        conformance::run(&case, driver.as_ref(), &client).await.unwrap_or_else(|error| panic!("{error}"));
    }
}
