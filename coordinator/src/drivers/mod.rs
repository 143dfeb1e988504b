//! Drivers: the shell's side of [`Ask`] and [`Told`]. One per resource kind, each over one foreign thing: PostgreSQL,
//! SQLite, or a gRPC service.
//!
//! A driver keeps connections and nothing else. It decides nothing, remembers no transaction and may be dropped at any
//! moment: every question may be asked again, and is until it is answered.
//!
//! ```text
//! core --Call{resource, ask}--> Drivers --> Driver (by name) --> database or service
//!      <--Called{told}---------         <--
//! ```

mod attachment;
pub mod conformance;
mod failure;
mod findings;
pub mod limits;
mod pool;
mod postgres;
mod registration;
mod secrets;
mod service;
mod sqlite;

use std::sync::Arc;

use async_trait::async_trait;
use handfast_coordinator_core::{Ask, CallFailed, Resource, Told};
use handfast_protocol::ResourceKind;

pub use failure::Failure;
pub use findings::{Finding, Target};
pub use pool::Drivers;
pub use postgres::{AddressRefused, PostgresAddress};
pub use registration::{InstallError, Installed};
pub use secrets::{Password, PasswordFileIgnored, Secrets};

/// One resource, as the coordinator talks to it.
#[async_trait]
pub trait Driver: Send + Sync {
    /// Puts one question. It ends within [`limits::CALL_TIMEOUT`]; after a failure, or when the future is dropped, whatever
    /// was asked may or may not have happened, and the same question may be put again.
    async fn call(&self, ask: Ask) -> Result<Told, CallFailed>;
}

/// The driver of a registered resource. It connects when it is first called.
pub fn driver(resource: &Resource, secrets: &Secrets) -> Arc<dyn Driver> {
    match resource.kind {
        ResourceKind::PostgresMarker => Arc::new(postgres::PostgresMarker::new(resource, secrets)),
        ResourceKind::PostgresTwoPhase => Arc::new(postgres::PostgresTwoPhase::new(resource, secrets)),
        ResourceKind::SqliteMarker => Arc::new(sqlite::SqliteMarker::new(resource)),
        ResourceKind::Service => Arc::new(service::Service::new(resource)),
    }
}
