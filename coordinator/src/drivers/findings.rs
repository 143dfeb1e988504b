//! What `resource add` and `resource test` find at an address, in plain words.

use std::fmt;

use handfast_coordinator_core::Resource;
use handfast_protocol::{ResourceKind, ResourceName};

use super::secrets::Secrets;
use super::{postgres, service, sqlite};

/// One fact about a resource, good or bad.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub ok: bool,
    pub what: String,
    /// What to do about it; never absent when it is not `ok`.
    pub remedy: Option<String>,
}

impl Finding {
    pub(super) fn good(what: impl Into<String>) -> Finding {
        Finding { ok: true, what: what.into(), remedy: None }
    }

    pub(super) fn bad(what: impl Into<String>, remedy: impl Into<String>) -> Finding {
        Finding { ok: false, what: what.into(), remedy: Some(remedy.into()) }
    }

    /// Good as `good` says when `holds`, else what is wrong and the remedy.
    pub(super) fn when(
        holds: bool,
        good: impl Into<String>,
        wrong: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Finding {
        if holds { Finding::good(good) } else { Finding::bad(wrong, remedy) }
    }
}

/// `WHAT`, or `WHAT; REMEDY`.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        self.remedy.iter().try_for_each(|remedy| write!(f, "; {remedy}"))
    }
}

/// What is looked at: a resource that is registered, or an address that may become one.
#[derive(Debug, Clone, Copy)]
pub enum Target<'a> {
    Registered(&'a Resource),
    Candidate { name: &'a ResourceName, kind: ResourceKind, address: &'a str },
}

impl<'a> Target<'a> {
    pub fn name(&self) -> &'a ResourceName {
        match self {
            Target::Registered(resource) => &resource.name,
            Target::Candidate { name, .. } => name,
        }
    }

    pub fn kind(&self) -> ResourceKind {
        match self {
            Target::Registered(resource) => resource.kind,
            Target::Candidate { kind, .. } => *kind,
        }
    }

    pub fn address(&self) -> &'a str {
        match self {
            Target::Registered(resource) => &resource.address,
            Target::Candidate { address, .. } => address,
        }
    }

    pub fn registered(&self) -> Option<&'a Resource> {
        match self {
            Target::Registered(resource) => Some(resource),
            Target::Candidate { .. } => None,
        }
    }
}

/// Looks and changes nothing. It stops at the first thing that hides the rest.
pub(super) async fn examine(target: Target<'_>, secrets: &Secrets) -> Vec<Finding> {
    match target.kind() {
        ResourceKind::PostgresMarker | ResourceKind::PostgresTwoPhase => postgres::examine(target, secrets).await,
        ResourceKind::SqliteMarker => sqlite::examine(target).await,
        ResourceKind::Service => service::examine(target).await,
    }
}
