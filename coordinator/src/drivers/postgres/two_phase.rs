//! PostgreSQL with PREPARE TRANSACTION: the client's own connection prepares, this driver finishes and recovers (D7).
//!
//! A marker row rides in every prepared transaction. It decides nothing; it is the witness of what became of a branch that is
//! no longer there (P7). A backend that still runs PREPARE after its client is gone is no business of this file: what it
//! prepares shows up in a later scan, and the core's sweep ends it (P8).

use async_trait::async_trait;
use handfast_coordinator_core::{Ask, CallFailed, Resource, Told};
use handfast_protocol::marker::{COMMITTED, OUTCOME_TABLE, ROLLED_BACK};
use handfast_protocol::{CoordinatorId, GlobalId, Heuristic, Incarnation, Outcome, PreparedName, ResourceName, Xid};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{ToSql, Type};

use super::session::Session;
use super::sessions::Sessions;
use super::shared::{attach, clear_markers, within_time};
use super::tables::Tables;
use crate::drivers::Driver;
use crate::drivers::attachment::Judgement;
use crate::drivers::failure::Failure;
use crate::drivers::limits::SCAN_BRANCHES;
use crate::drivers::secrets::Secrets;

#[derive(Debug)]
pub struct PostgresTwoPhase {
    resource: Resource,
    sessions: Sessions,
}

impl PostgresTwoPhase {
    pub fn new(resource: &Resource, secrets: &Secrets) -> PostgresTwoPhase {
        PostgresTwoPhase { resource: resource.clone(), sessions: Sessions::new(resource, secrets) }
    }

    async fn answer(&self, ask: Ask) -> Result<Told, Failure> {
        match ask {
            Ask::Attach { identity, adopt } => {
                let mut lease = self.sessions.take().await?;
                let slots = slots(&lease.session).await?;
                let judged: Judgement = attach(&mut lease.session, &self.resource, identity, adopt).await?;
                lease.give_back();
                Ok(judged.told(Some(slots)))
            }
            Ask::Scan { coordinator } => {
                let lease = self.sessions.take().await?;
                let xids = scan(&lease.session, &self.resource, coordinator).await?;
                lease.give_back();
                Ok(Told::Scanned(xids))
            }
            Ask::Commit { xid } => self.finish(xid, Outcome::Committed).await,
            Ask::Rollback { xid } => self.finish(xid, Outcome::RolledBack).await,
            Ask::ClearMarkers { from, through } => {
                let lease = self.sessions.take().await?;
                clear_markers(&lease.session, &self.resource, from, through).await?;
                lease.give_back();
                Ok(Told::Done)
            }
            Ask::Prepare { .. } => Err(Failure::NotItsPart { kind: self.resource.kind, ask: "prepare" }),
            Ask::Fence { .. } => Err(Failure::NotItsPart { kind: self.resource.kind, ask: "fence" }),
            Ask::Forget { .. } => Err(Failure::NotItsPart { kind: self.resource.kind, ask: "forget" }),
        }
    }

    async fn finish(&self, xid: Xid, outcome: Outcome) -> Result<Told, Failure> {
        let name = prepared_name(&xid)?;
        let lease = self.sessions.take().await?;
        let told = finish(&lease.session, &self.resource, &name, outcome).await?;
        lease.give_back();
        Ok(told)
    }
}

#[async_trait]
impl Driver for PostgresTwoPhase {
    async fn call(&self, ask: Ask) -> Result<Told, CallFailed> {
        within_time(&self.resource, &self.sessions, self.answer(ask)).await
    }
}

/// P9: how many branches the server holds prepared at a time, ours and others'.
async fn slots(session: &Session) -> Result<u32, Failure> {
    let setting = "SELECT current_setting('max_prepared_transactions')::int";
    let slots: i32 = session.client.query_typed_one(setting, &[]).await?.try_get(0)?;
    match u32::try_from(slots) {
        Ok(0) | Err(_) => Err(Failure::NoPreparedTransactions),
        Ok(slots) => Ok(slots),
    }
}

/// D9: the branches in this database that bear the coordinator's identity, oldest first. Names that are not ours in every
/// part belong to somebody else and are not reported, hence never touched.
async fn scan(session: &Session, resource: &Resource, coordinator: CoordinatorId) -> Result<Vec<Xid>, Failure> {
    const NAMES: &str = "SELECT gid FROM pg_catalog.pg_prepared_xacts \
         WHERE database = current_database() AND left(gid, length($1)) = $1 ORDER BY prepared, gid LIMIT $2";
    let prefix = prefix_of(coordinator, resource);
    let most = i64::try_from(SCAN_BRANCHES).expect("the constant is small");
    let parameters: [(&(dyn ToSql + Sync), Type); 2] = [(&prefix, Type::TEXT), (&most, Type::INT8)];
    let mut xids = Vec::new();
    for row in session.client.query_typed(NAMES, &parameters).await? {
        let name: &str = row.try_get(0)?;
        if let Ok(name) = name.parse::<PreparedName>() {
            xids.push(name.xid());
        }
    }
    Ok(xids)
}

/// What all names of this coordinator begin with: any of them, up to the end of the coordinator's id.
fn prefix_of(coordinator: CoordinatorId, resource: &Resource) -> String {
    let id = GlobalId { coordinator, incarnation: Incarnation(0), epoch: 0, sequence: 0 };
    let name = PreparedName { id, resource: resource.name.clone() }.to_string();
    let (ours, _) = name.split_once('-').expect("a gtrid's parts are separated by dashes");
    format!("{ours}-")
}

/// Phase two. The statement runs alone, outside a transaction block, and has flushed when it answers.
async fn finish(
    session: &Session,
    resource: &Resource,
    name: &PreparedName,
    outcome: Outcome,
) -> Result<Told, Failure> {
    let verb = match outcome {
        Outcome::Committed => "COMMIT",
        Outcome::RolledBack => "ROLLBACK",
    };
    let statement = format!("{verb} PREPARED '{}'", name.to_string().replace('\'', "''"));
    match session.client.batch_execute(&statement).await {
        Ok(()) => Ok(Told::Done),
        Err(error) if error.code() == Some(&SqlState::UNDEFINED_OBJECT) => {
            let witness = witness(session, resource, name.id).await?;
            Ok(verdict(outcome, witness))
        }
        Err(error) => Err(error.into()),
    }
}

/// What became of a branch that is no longer prepared. PostgreSQL lets go of the name only after its commit is flushed and
/// visible, so a plain SELECT that begins now sees it.
async fn witness(session: &Session, resource: &Resource, id: GlobalId) -> Result<Option<Outcome>, Failure> {
    let gtrid = id.to_bytes();
    let select = Tables::of(resource).select_outcome();
    let row = session.client.query_typed_opt(&select, &[(&gtrid.as_slice(), Type::BYTEA)]).await?;
    let Some(row) = row else { return Ok(None) };
    match row.try_get(0)? {
        COMMITTED => Ok(Some(Outcome::Committed)),
        ROLLED_BACK => Ok(Some(Outcome::RolledBack)),
        other => Err(Failure::RowUnreadable { table: OUTCOME_TABLE, found: String::from(other) }),
    }
}

/// P7. A row is a witness only of the commit that made it; its absence proves nothing by itself.
fn verdict(wanted: Outcome, witness: Option<Outcome>) -> Told {
    match (wanted, witness) {
        // Done earlier: our answer was lost.
        (Outcome::Committed, Some(Outcome::Committed)) => Told::Done,
        // Rolled back by somebody, since only a rollback removes both the branch and its row.
        (Outcome::Committed, None) => Told::Heuristic(Heuristic::Hazard),
        // The row that the branch would have made was taken: it cannot have committed.
        (Outcome::Committed, Some(Outcome::RolledBack)) => Told::Heuristic(Heuristic::Rollback),
        // Never prepared, or rolled back already, by us or by hand.
        (Outcome::RolledBack, None | Some(Outcome::RolledBack)) => Told::Done,
        // Somebody committed by hand what was to be rolled back.
        (Outcome::RolledBack, Some(Outcome::Committed)) => Told::Heuristic(Heuristic::Commit),
    }
}

fn prepared_name(xid: &Xid) -> Result<PreparedName, Failure> {
    let parse = || {
        let resource = String::from_utf8(xid.bqual.as_bytes().to_vec()).ok()?;
        Some(PreparedName { id: GlobalId::try_from(xid).ok()?, resource: ResourceName::new(resource).ok()? })
    };
    parse().ok_or_else(|| Failure::ForeignBranch { xid: xid.clone() })
}
