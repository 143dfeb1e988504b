//! `resource add`: makes an address fit to be registered. The registration itself is a command of the core.

use handfast_coordinator_core::{Identity, Resource};
use handfast_protocol::{ResourceKind, ResourceName};

use super::failure::Failure;
use super::findings::{Finding, Target, examine};
use super::secrets::Secrets;
use super::{postgres, service, sqlite};

/// A resource that is ready to be registered, and what its owner should know about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    pub resource: Resource,
    pub notes: Vec<String>,
}

/// Nothing was registered. Tables that were made stay; making them again does no harm.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InstallError {
    #[error("resource {name} cannot be added: {}", unfit(findings))]
    Unfit { name: ResourceName, findings: Vec<Finding> },
    #[error(
        "resource {name} cannot be added: table {table} is there already and is not one of Handfast's; rename it, or give the user another schema"
    )]
    ForeignTable { name: ResourceName, table: &'static str },
    #[error("resource {name} cannot be added: {cause}")]
    Failed { name: ResourceName, cause: Failure },
}

/// Connects, checks what `resource test` checks, makes the tables, reads or draws the resource's id, and leaves the row of
/// this coordinator, so that its next attach finds itself known (P3). A row that is ahead of us stays, and is told in the
/// notes: whether to adopt such a database is the operator's to say.
pub(super) async fn install(
    kind: ResourceKind,
    name: ResourceName,
    address: &str,
    identity: Identity,
    secrets: &Secrets,
) -> Result<Installed, InstallError> {
    let target = Target::Candidate { name: &name, kind, address };
    let findings = examine(target, secrets).await;
    if findings.iter().any(|finding| !finding.ok) {
        return Err(InstallError::Unfit { name, findings });
    }
    match kind {
        ResourceKind::PostgresMarker | ResourceKind::PostgresTwoPhase => {
            postgres::install(kind, name, address, identity, secrets).await
        }
        ResourceKind::SqliteMarker => sqlite::install(name, address, identity).await,
        ResourceKind::Service => service::install(name, address, identity).await,
    }
}

/// For a database whose row is ahead.
pub(super) fn adopt_note(name: &ResourceName) -> String {
    format!(
        "another incarnation or a later epoch of this server used this database last; if this server is not a copy, say: handfast resource adopt {name}"
    )
}

fn unfit(findings: &[Finding]) -> String {
    let bad = findings.iter().filter(|finding| !finding.ok).map(ToString::to_string);
    bad.collect::<Vec<_>>().join("; and ")
}
