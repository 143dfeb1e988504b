//! Resources: the databases and services that take part in transactions beside the queues, as both ends name them.

use std::fmt;
use std::str::FromStr;

use crate::{Bqual, GlobalId, Xid};

/// The name under which a resource is registered: 1 to 48 of `a-z 0-9 - _`. It is the bqual of its branches.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResourceName(String);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("resource name {0:?} is not 1 to 48 of the characters a-z 0-9 - _")]
pub struct ResourceNameError(pub String);

impl ResourceName {
    pub fn new(name: impl Into<String>) -> Result<ResourceName, ResourceNameError> {
        let name = name.into();
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
        if !(1..=48).contains(&name.len()) || !name.chars().all(allowed) {
            return Err(ResourceNameError(name));
        }
        Ok(ResourceName(name))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The branch qualifier of this resource's branches.
    pub fn bqual(&self) -> Bqual {
        Bqual::new(self.0.clone().into_bytes()).expect("48 bytes are below the limit of 64")
    }
}

impl fmt::Display for ResourceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How a resource takes part (design D7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ResourceKind {
    /// PostgreSQL as last resource: its local commit with a marker row is the decision.
    PostgresMarker,
    /// PostgreSQL with PREPARE TRANSACTION.
    PostgresTwoPhase,
    /// SQLite as last resource.
    SqliteMarker,
    /// Whoever implements the gRPC service ResourceManager.
    Service,
}

impl ResourceKind {
    pub const ALL: [ResourceKind; 4] = [
        ResourceKind::PostgresMarker,
        ResourceKind::PostgresTwoPhase,
        ResourceKind::SqliteMarker,
        ResourceKind::Service,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            ResourceKind::PostgresMarker => "postgres-marker",
            ResourceKind::PostgresTwoPhase => "postgres-two-phase",
            ResourceKind::SqliteMarker => "sqlite-marker",
            ResourceKind::Service => "service",
        }
    }

    /// Whether its local commit is the decision (P11).
    pub fn is_last_resource(self) -> bool {
        match self {
            ResourceKind::PostgresMarker | ResourceKind::SqliteMarker => true,
            ResourceKind::PostgresTwoPhase | ResourceKind::Service => false,
        }
    }
}

impl fmt::Display for ResourceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The words of the tables that a resource keeps for us. The tables live in the schema that is recorded with the resource.
pub mod marker {
    /// `(gtrid, outcome, asked, decided_at)`: one row decides one transaction (P11, P12). The gtrid has its 40 bytes.
    pub const OUTCOME_TABLE: &str = "handfast_outcome";
    /// One row: the random id of this database, compared at every connect (P3).
    pub const RESOURCE_TABLE: &str = "handfast_resource";
    /// `(coordinator, incarnation, epoch)`: who attached last, compared and advanced at every start (P3).
    pub const COORDINATOR_TABLE: &str = "handfast_coordinator";
    pub const COMMITTED: &str = "committed";
    pub const ROLLED_BACK: &str = "rolled_back";
}

/// The name of a branch in PostgreSQL's `PREPARE TRANSACTION`: known before the branch is prepared (D9), below the 200 bytes
/// that PostgreSQL allows, and readable by people who look into `pg_prepared_xacts`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreparedName {
    pub id: GlobalId,
    pub resource: ResourceName,
}

impl PreparedName {
    const PREFIX: &'static str = "handfast:";

    pub fn xid(&self) -> Xid {
        self.id.branch(self.resource.bqual())
    }
}

impl fmt::Display for PreparedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}:{}", Self::PREFIX, self.id, self.resource)
    }
}

/// A name in `pg_prepared_xacts` that is not one of ours: somebody else's branch, never touched (D9).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the name of a branch of Handfast")]
pub struct ForeignName;

impl FromStr for PreparedName {
    type Err = ForeignName;

    fn from_str(text: &str) -> Result<PreparedName, ForeignName> {
        let parse = || {
            let (id, resource) = text.strip_prefix(Self::PREFIX)?.split_once(':')?;
            Some(PreparedName { id: id.parse().ok()?, resource: ResourceName::new(resource).ok()? })
        };
        parse().ok_or(ForeignName)
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::{CoordinatorId, Incarnation};

    #[test]
    fn the_longest_prepared_name_fits_postgresql_and_reads_back() {
        let id = GlobalId {
            coordinator: CoordinatorId(Uuid::max()),
            incarnation: Incarnation(u64::MAX),
            epoch: u64::MAX,
            sequence: u64::MAX,
        };
        let name = PreparedName { id, resource: ResourceName::new("r".repeat(48)).unwrap() };
        assert!(name.to_string().len() < 200);
        assert_eq!(name.to_string().parse(), Ok(name));
        assert_eq!("handfast:1-2-3-4:ledger".parse::<PreparedName>(), Err(ForeignName));
    }

    #[test]
    fn resource_names_are_plain() {
        for refused in ["", "Ledger", "a b", "a:b", &"r".repeat(49)] {
            assert!(ResourceName::new(refused).is_err(), "{refused}");
        }
    }
}
