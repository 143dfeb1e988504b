//! What `resource test` finds in a PostgreSQL database. It reads only.

use handfast_coordinator_core::Resource;
use handfast_protocol::ResourceKind;
use handfast_protocol::marker::{COORDINATOR_TABLE, OUTCOME_TABLE, RESOURCE_TABLE};
use tokio::time::timeout;
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::address::PostgresAddress;
use super::session::{Session, read_resource_id};
use super::tables::Tables;
use crate::drivers::failure::Failure;
use crate::drivers::findings::{Finding, Target};
use crate::drivers::limits::CALL_TIMEOUT;
use crate::drivers::secrets::Secrets;

/// pg_current_xact_id, by which a client knows that it is still in the transaction that it began (P6), came with 13.
const VERSION_MIN: i32 = 130_000;

pub async fn examine(target: Target<'_>, secrets: &Secrets) -> Vec<Finding> {
    let mut findings = Vec::new();
    let looked = timeout(CALL_TIMEOUT, look(target, secrets, &mut findings)).await;
    if let Err(failure) = looked.unwrap_or(Err(Failure::TimedOut)) {
        let remedy = match &failure {
            // These say the remedy themselves, in the words that a call would use.
            Failure::Address(_) | Failure::Authentication { .. } => "then run: handfast resource test",
            _ if findings.is_empty() => {
                "check that the server runs, that it listens at this host and port, and that this database exists"
            }
            _ => "run: handfast resource test again; if it stays, see the server's log",
        };
        let what = if findings.is_empty() { format!("cannot connect: {failure}") } else { failure.to_string() };
        findings.push(Finding::bad(what, remedy));
    }
    findings
}

async fn look(target: Target<'_>, secrets: &Secrets, findings: &mut Vec<Finding>) -> Result<(), Failure> {
    let address: PostgresAddress = target.address().parse()?;
    let session = Session::connect(&address, target.name(), secrets).await?;
    let row = session.client.query_typed_one(SETTINGS, &[]).await?;
    let version: &str = row.try_get("version")?;
    findings.push(Finding::good(format!("connected to {address}, PostgreSQL {version}")));
    settings(&row, target.kind(), findings)?;
    match target {
        Target::Registered(resource) => registered(&session, resource, findings).await,
        Target::Candidate { .. } => candidate(&session, &row, &address, findings).await,
    }
}

const SETTINGS: &str = "SELECT current_setting('server_version') AS version, \
     current_setting('server_version_num')::int AS version_number, \
     pg_is_in_recovery() AS standby, \
     current_setting('transaction_read_only') AS read_only, \
     current_setting('fsync') AS fsync, \
     current_setting('full_page_writes') AS full_page_writes, \
     current_setting('synchronous_commit') AS synchronous_commit, \
     current_setting('max_prepared_transactions')::int AS slots, \
     quote_ident(current_schema()) AS schema";

fn settings(row: &Row, kind: ResourceKind, findings: &mut Vec<Finding>) -> Result<(), Failure> {
    let is_on = |name: &str| row.try_get::<_, &str>(name).map(|value| value == "on");
    if row.try_get::<_, i32>("version_number")? < VERSION_MIN {
        findings.push(Finding::bad("this PostgreSQL is older than 13", "use a later one"));
    }
    let standby: bool = row.try_get("standby")?;
    findings.push(Finding::when(
        !standby,
        "it is a primary",
        "it is a standby, which cannot write",
        "give the address of the primary",
    ));
    if !standby {
        findings.push(Finding::when(
            !is_on("read_only")?,
            "it accepts writes",
            "transactions of this user are read-only",
            "set default_transaction_read_only = off for this user and database",
        ));
    }
    findings.push(Finding::when(
        is_on("fsync")?,
        "fsync is on",
        "fsync is off: a power loss destroys what was answered committed",
        "run ALTER SYSTEM SET fsync = on; then SELECT pg_reload_conf()",
    ));
    findings.push(Finding::when(
        is_on("full_page_writes")?,
        "full_page_writes is on",
        "full_page_writes is off: a power loss may leave half-written pages",
        "run ALTER SYSTEM SET full_page_writes = on; then SELECT pg_reload_conf()",
    ));
    let synchronous_commit: &str = row.try_get("synchronous_commit")?;
    findings.push(Finding::good(match synchronous_commit {
        "off" => "synchronous_commit is off by default; Handfast sets it for the commits that decide".to_owned(),
        other => format!("synchronous_commit is {other}"),
    }));
    if kind == ResourceKind::PostgresTwoPhase {
        findings.push(slots(row.try_get("slots")?));
    }
    Ok(())
}

fn slots(slots: i32) -> Finding {
    Finding::when(
        slots > 0,
        format!("max_prepared_transactions is {slots}"),
        "max_prepared_transactions is 0: PostgreSQL refuses PREPARE TRANSACTION",
        "run ALTER SYSTEM SET max_prepared_transactions = 64, restart PostgreSQL, or add the resource without --two-phase",
    )
}

/// The tables of a resource that was added: there, ours, and open to us.
async fn registered(session: &Session, resource: &Resource, findings: &mut Vec<Finding>) -> Result<(), Failure> {
    let tables = Tables::of(resource);
    let add_again =
        format!("restore it, or remove the resource and add it again: handfast resource add {}", resource.name);
    let mut whole = true;
    for (table, qualified, needed) in needs(&tables) {
        let finding = privilege(session, table, qualified, needed, &add_again).await?;
        whole &= finding.ok;
        findings.push(finding);
    }
    if !whole {
        return Ok(());
    }
    let row = session.client.query_typed_opt(&tables.select_resource_id(), &[]).await?;
    let found = match row {
        None => None,
        Some(row) => read_resource_id(row.try_get(0)?),
    };
    findings.push(Finding::when(
        found == Some(resource.resource_id),
        "it is the database that was added",
        "it is another database than was added, or a fresh copy of it: its branches stay in doubt",
        "give the resource's own database back its address, or resolve what is in doubt, remove the resource and add it again",
    ));
    Ok(())
}

fn needs(tables: &Tables) -> [(&'static str, &str, &'static [&'static str]); 3] {
    [
        (OUTCOME_TABLE, tables.outcome.as_str(), &["SELECT", "INSERT", "UPDATE", "DELETE"]),
        (RESOURCE_TABLE, tables.resource.as_str(), &["SELECT"]),
        (COORDINATOR_TABLE, tables.coordinator.as_str(), &["SELECT", "INSERT", "UPDATE"]),
    ]
}

async fn privilege(
    session: &Session,
    table: &str,
    qualified: &str,
    needed: &[&str],
    missing: &str,
) -> Result<Finding, Failure> {
    // `has_table_privilege` with several names answers whether one of them is held, hence one question each.
    const HELD: &str = "SELECT to_regclass($1) IS NOT NULL, \
         coalesce((SELECT bool_and(has_table_privilege(to_regclass($1), privilege)) \
         FROM unnest(string_to_array($2, ',')) AS privilege), false), current_user::text";
    let all = needed.join(",");
    let row = session.client.query_typed_one(HELD, &[(&qualified, Type::TEXT), (&all, Type::TEXT)]).await?;
    let (there, held, user): (bool, bool, &str) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
    if !there {
        return Ok(Finding::bad(format!("table {qualified} is missing"), missing));
    }
    let listed = needed.join(", ");
    Ok(Finding::when(
        held,
        format!("table {table} is there"),
        format!("user {user} may not {listed} table {qualified}"),
        format!("run GRANT {listed} ON {qualified} TO {user}"),
    ))
}

/// A database to be: the tables are there already, or may be made.
async fn candidate(
    session: &Session,
    row: &Row,
    address: &PostgresAddress,
    findings: &mut Vec<Finding>,
) -> Result<(), Failure> {
    let Some(schema): Option<&str> = row.try_get("schema")? else {
        return Err(Failure::NoSchema);
    };
    const MAY_CREATE: &str = "SELECT to_regclass($1) IS NOT NULL AND to_regclass($2) IS NOT NULL \
         AND to_regclass($3) IS NOT NULL, has_schema_privilege(current_schema(), 'CREATE')";
    let tables = Tables::in_schema(schema);
    let names = [
        (&tables.outcome as _, Type::TEXT),
        (&tables.resource as _, Type::TEXT),
        (&tables.coordinator as _, Type::TEXT),
    ];
    let row = session.client.query_typed_one(MAY_CREATE, &names).await?;
    let (there, may_create): (bool, bool) = (row.try_get(0)?, row.try_get(1)?);
    if !there {
        let user = address.user();
        findings.push(Finding::when(
            may_create,
            format!("the marker tables can be made in schema {schema}"),
            format!("user {user} may not make the marker tables in schema {schema}"),
            format!(
                "run GRANT CREATE ON SCHEMA {schema} TO {user}, or give the user a schema of its own in its search_path"
            ),
        ));
        return Ok(());
    }
    for (table, qualified, needed) in needs(&tables) {
        findings.push(privilege(session, table, qualified, needed, "run: handfast resource test again").await?);
    }
    Ok(())
}
