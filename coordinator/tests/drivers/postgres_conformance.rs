//! Both PostgreSQL drivers run the conformance tables, on a server whose defaults are against them.

use handfast_coordinator::drivers::{conformance, driver};
use handfast_protocol::ResourceKind;

use crate::postgres_client::PostgresClient;
use crate::world::{IDENTITY, add, drivers, ledger, postgres, secrets};

/// P12, P13: what the sessions need, they set themselves; and what they do not flush stays in memory.
const HOSTILE: [(&str, &str); 3] =
    [("synchronous_commit", "off"), ("default_transaction_isolation", "serializable"), ("wal_writer_delay", "10s")];

/// A schema whose name needs quotes, named by the address alone; a blank in `options` is escaped with a backslash.
const SCHEMA: &str = "?options=-csearch_path%3D%22Odd%5C%20Schema%22";

#[tokio::test]
async fn last_resource() {
    let server = postgres(&HOSTILE);
    server.psql("CREATE SCHEMA \"Odd Schema\"").unwrap();
    let address = server.url() + SCHEMA;
    let resource = add(&drivers(), ResourceKind::PostgresMarker, &address).await;
    assert_eq!(resource.schema, "\"Odd Schema\"");
    let client = PostgresClient::with_server(&resource, server).await;
    let driver = driver(&resource, &secrets(&[]));
    for case in conformance::marker(IDENTITY, &ledger(), ResourceKind::PostgresMarker) {
        conformance::run(&case, driver.as_ref(), &client).await.unwrap_or_else(|error| panic!("{error}"));
    }
}

#[tokio::test]
async fn two_phase() {
    let server = postgres(&HOSTILE);
    let resource = add(&drivers(), ResourceKind::PostgresTwoPhase, &server.url()).await;
    assert_eq!(resource.schema, "public");
    let client = PostgresClient::with_server(&resource, server).await;
    let driver = driver(&resource, &secrets(&[]));
    for case in conformance::two_phase(IDENTITY, &ledger(), 64) {
        conformance::run(&case, driver.as_ref(), &client).await.unwrap_or_else(|error| panic!("{error}"));
    }
}
