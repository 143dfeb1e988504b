//! `resource add` for a PostgreSQL database: the tables, the resource's id, the coordinator's row. One transaction.

use handfast_coordinator_core::{Identity, Resource, ResourceId};
use handfast_protocol::marker::RESOURCE_TABLE;
use handfast_protocol::{ResourceKind, ResourceName};
use tokio::time::timeout;
use tokio_postgres::Transaction;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;
use uuid::Uuid;

use super::session::{Session, read_resource_id};
use super::shared::{read_last_visit, write_last_visit};
use super::tables::Tables;
use crate::drivers::attachment::Judgement;
use crate::drivers::failure::Failure;
use crate::drivers::limits::CALL_TIMEOUT;
use crate::drivers::registration::{InstallError, Installed, adopt_note};
use crate::drivers::secrets::Secrets;

pub async fn install(
    kind: ResourceKind,
    name: ResourceName,
    address: &str,
    identity: Identity,
    secrets: &Secrets,
) -> Result<Installed, InstallError> {
    let done = timeout(CALL_TIMEOUT, make(&name, address, identity, secrets)).await;
    match done.unwrap_or(Err(Stopped::By(Failure::TimedOut))) {
        Ok(Made { schema, resource_id, judged }) => {
            let notes = match judged {
                Judgement::Advance | Judgement::Unknown => Vec::new(),
                Judgement::Ahead(_) => vec![adopt_note(&name)],
            };
            let address = address.to_owned();
            Ok(Installed { resource: Resource { name, kind, address, resource_id, schema }, notes })
        }
        Err(Stopped::ForeignTable(table)) => Err(InstallError::ForeignTable { name, table }),
        Err(Stopped::By(cause)) => Err(InstallError::Failed { name, cause }),
    }
}

struct Made {
    schema: String,
    resource_id: ResourceId,
    judged: Judgement,
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

async fn make(name: &ResourceName, address: &str, identity: Identity, secrets: &Secrets) -> Result<Made, Stopped> {
    let mut session = Session::connect(&address.parse().map_err(Failure::Address)?, name, secrets).await?;
    // Before the search path is ours: the schema that the user's unqualified names go to.
    let row = session.client.query_typed_one("SELECT quote_ident(current_schema())", &[]).await?;
    let schema: String = row.try_get::<_, Option<String>>(0)?.ok_or(Failure::NoSchema)?;
    session.prepare_for_work().await?;
    let tables = Tables::in_schema(&schema);
    let transaction = session.client.transaction().await?;
    // Two that install at a time would both find no table and both try to make it.
    transaction.batch_execute(ONE_AT_A_TIME).await?;
    transaction.batch_execute(&tables.create()).await?;
    for (table, probe) in tables.probes() {
        transaction.batch_execute(&probe).await.map_err(|error| match error.code() {
            Some(&SqlState::UNDEFINED_COLUMN) => Stopped::ForeignTable(table),
            _ => Stopped::By(error.into()),
        })?;
    }
    let resource_id = resource_id(&transaction, &tables).await?;
    let found = read_last_visit(&transaction, &tables, identity).await?;
    let judged = Judgement::of(found, identity, false);
    match judged {
        // Never here: to add the resource is to say that this coordinator may use it.
        Judgement::Advance | Judgement::Unknown => write_last_visit(&transaction, &tables, identity).await?,
        Judgement::Ahead(_) => {}
    }
    transaction.commit().await?;
    Ok(Made { schema, resource_id, judged })
}

/// The key is "handfast" in ASCII.
const ONE_AT_A_TIME: &str = "SELECT pg_advisory_xact_lock(x'68616e6466617374'::bigint)";

/// The id that is there, else a new one (P3).
async fn resource_id(transaction: &Transaction<'_>, tables: &Tables) -> Result<ResourceId, Failure> {
    let drawn = Uuid::now_v7().to_string();
    transaction.execute_typed(&tables.insert_resource_id(), &[(&drawn, Type::TEXT)]).await?;
    let row = transaction.query_typed_one(&tables.select_resource_id(), &[]).await?;
    let text: &str = row.try_get(0)?;
    read_resource_id(text).ok_or_else(|| Failure::RowUnreadable { table: RESOURCE_TABLE, found: text.to_owned() })
}
