//! What both kinds of PostgreSQL resource do in the same way: attach, clear markers, and end a call.

use handfast_coordinator_core::{CallFailed, Identity, Resource, Told};
use handfast_protocol::GlobalId;
use handfast_protocol::marker::COORDINATOR_TABLE;
use tokio::time::timeout;
use tokio_postgres::Transaction;
use tokio_postgres::types::{ToSql, Type};

use super::session::Session;
use super::sessions::Sessions;
use super::tables::Tables;
use crate::drivers::attachment::{Judgement, LastVisit, incarnation_text, last_visit};
use crate::drivers::failure::Failure;
use crate::drivers::limits::{CALL_TIMEOUT, CLEAR_ROWS};

/// Runs one call within its time. A session that failed or ran out of time was dropped by then, hence closed.
pub async fn within_time(
    resource: &Resource,
    sessions: &Sessions,
    answer: impl Future<Output = Result<Told, Failure>>,
) -> Result<Told, CallFailed> {
    let answer = timeout(CALL_TIMEOUT, answer).await.unwrap_or(Err(Failure::TimedOut));
    answer.map_err(|failure| {
        if failure.is_loss_of_connection() {
            sessions.discard_idle();
        }
        failure.at(resource)
    })
}

/// P3: compares and advances the coordinator's row in one transaction that holds it.
pub async fn attach(
    session: &mut Session,
    resource: &Resource,
    identity: Identity,
    adopt: bool,
) -> Result<Judgement, Failure> {
    // Again, not only at connect: a backup may have been restored under an open connection.
    session.check_resource(resource).await?;
    let tables = Tables::of(resource);
    let transaction = session.client.transaction().await?;
    let found = read_last_visit(&transaction, &tables, identity).await?;
    let judged = Judgement::of(found, identity, adopt);
    match judged {
        Judgement::Advance => {
            write_last_visit(&transaction, &tables, identity).await?;
            transaction.commit().await?;
        }
        Judgement::Ahead(_) | Judgement::Unknown => transaction.rollback().await?,
    }
    Ok(judged)
}

pub async fn read_last_visit(
    transaction: &Transaction<'_>,
    tables: &Tables,
    identity: Identity,
) -> Result<Option<LastVisit>, Failure> {
    let coordinator = identity.coordinator.0.to_string();
    let row = transaction.query_typed_opt(&tables.select_last_visit(), &[(&coordinator, Type::TEXT)]).await?;
    let Some(row) = row else { return Ok(None) };
    let (incarnation, epoch): (&str, &str) = (row.try_get(0)?, row.try_get(1)?);
    match last_visit(incarnation, epoch) {
        Some(visit) => Ok(Some(visit)),
        None => {
            let found = format!("incarnation {incarnation}, epoch {epoch}");
            Err(Failure::RowUnreadable { table: COORDINATOR_TABLE, found })
        }
    }
}

pub async fn write_last_visit(
    transaction: &Transaction<'_>,
    tables: &Tables,
    identity: Identity,
) -> Result<(), Failure> {
    let coordinator = identity.coordinator.0.to_string();
    let (incarnation, epoch) = (incarnation_text(identity.incarnation), identity.epoch.to_string());
    let row: [(&(dyn ToSql + Sync), Type); 3] =
        [(&coordinator, Type::TEXT), (&incarnation, Type::TEXT), (&epoch, Type::TEXT)];
    transaction.execute_typed(&tables.write_last_visit(), &row).await?;
    Ok(())
}

/// P14, in bounded steps. Each commits on its own: a call that runs out of time is asked again and finds less to do.
pub async fn clear_markers(
    session: &Session,
    resource: &Resource,
    from: GlobalId,
    through: GlobalId,
) -> Result<(), Failure> {
    let clear = Tables::of(resource).clear();
    let (first, last) = (from.to_bytes(), through.to_bytes());
    let most = i64::from(CLEAR_ROWS);
    loop {
        let range: [(&(dyn ToSql + Sync), Type); 3] =
            [(&first.as_slice(), Type::BYTEA), (&last.as_slice(), Type::BYTEA), (&most, Type::INT8)];
        let deleted = session.client.execute_typed(&clear, &range).await?;
        if deleted < u64::from(CLEAR_ROWS) {
            return Ok(());
        }
    }
}
