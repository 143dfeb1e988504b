//! PostgreSQL as last resource: its local commit with a marker row is the decision (P11). Nothing is ever prepared here; the
//! coordinator asks only how a transaction ended, and by asking ends it (P12).

use async_trait::async_trait;
use handfast_coordinator_core::{Ask, CallFailed, Resource, Told};
use handfast_protocol::marker::{COMMITTED, OUTCOME_TABLE, ROLLED_BACK};
use handfast_protocol::{GlobalId, Outcome};
use tokio_postgres::types::Type;

use super::session::{Session, expect_resource, expect_setting, read_resource_id};
use super::sessions::Sessions;
use super::shared::{attach, clear_markers, within_time};
use super::tables::Tables;
use crate::drivers::Driver;
use crate::drivers::failure::Failure;
use crate::drivers::secrets::Secrets;

#[derive(Debug)]
pub struct PostgresMarker {
    resource: Resource,
    sessions: Sessions,
}

impl PostgresMarker {
    pub fn new(resource: &Resource, secrets: &Secrets) -> PostgresMarker {
        PostgresMarker { resource: resource.clone(), sessions: Sessions::new(resource, secrets) }
    }

    async fn answer(&self, ask: Ask) -> Result<Told, Failure> {
        let not_its_part = |ask| Err(Failure::NotItsPart { kind: self.resource.kind, ask });
        match ask {
            Ask::Attach { identity, adopt } => {
                let mut lease = self.sessions.take().await?;
                let judged = attach(&mut lease.session, &self.resource, identity, adopt).await?;
                lease.give_back();
                Ok(judged.told(None))
            }
            Ask::Fence { id } => {
                let lease = self.sessions.take().await?;
                let outcome = fence(&lease.session, &self.resource, id).await?;
                lease.give_back();
                Ok(Told::Fenced(outcome))
            }
            Ask::ClearMarkers { from, through } => {
                let lease = self.sessions.take().await?;
                clear_markers(&lease.session, &self.resource, from, through).await?;
                lease.give_back();
                Ok(Told::Done)
            }
            // It prepares nothing.
            Ask::Scan { .. } => Ok(Told::Scanned(Vec::new())),
            Ask::Prepare { .. } => not_its_part("prepare"),
            Ask::Commit { .. } => not_its_part("commit of a prepared branch"),
            Ask::Rollback { .. } => not_its_part("rollback of a prepared branch"),
            Ask::Forget { .. } => not_its_part("forget"),
        }
    }
}

#[async_trait]
impl Driver for PostgresMarker {
    async fn call(&self, ask: Ask) -> Result<Told, CallFailed> {
        within_time(&self.resource, &self.sessions, self.answer(ask)).await
    }
}

/// P12. The rows arrive before the commit does; only the end of the stream, which the client awaits, says that it is made.
async fn fence(session: &Session, resource: &Resource, id: GlobalId) -> Result<Outcome, Failure> {
    let gtrid = id.to_bytes();
    let fence = Tables::of(resource).fence();
    let row = session.client.query_typed_one(&fence, &[(&gtrid.as_slice(), Type::BYTEA)]).await?;
    expect_setting("synchronous_commit", "on", row.try_get(1)?)?;
    expect_setting("transaction_isolation", "read committed", row.try_get(2)?)?;
    expect_resource(resource, row.try_get::<_, Option<&str>>(3)?.and_then(read_resource_id))?;
    match row.try_get(0)? {
        COMMITTED => Ok(Outcome::Committed),
        ROLLED_BACK => Ok(Outcome::RolledBack),
        other => Err(Failure::RowUnreadable { table: OUTCOME_TABLE, found: String::from(other) }),
    }
}
