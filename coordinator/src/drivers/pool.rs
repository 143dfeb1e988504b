//! The drivers of all resources, by name.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use handfast_coordinator_core::{Ask, CallFailed, Identity, Resource, Told};
use handfast_protocol::{ResourceKind, ResourceName};
use tokio::time::Instant;

use super::findings::{Finding, Target, examine};
use super::limits::DRIVERS;
use super::registration::{InstallError, Installed, install};
use super::secrets::Secrets;
use super::{Driver, driver};

/// What the shell calls resources through. It opens a driver when a resource is first named and keeps it.
pub struct Drivers {
    secrets: Secrets,
    /// Locked to look a driver up, never over an await.
    ready: Mutex<BTreeMap<ResourceName, Ready>>,
}

struct Ready {
    /// As it was registered when the driver was opened; another registration of the name gets another driver.
    resource: Resource,
    driver: Arc<dyn Driver>,
    called_at: Instant,
}

impl Drivers {
    pub fn new(secrets: Secrets) -> Drivers {
        Drivers { secrets, ready: Mutex::new(BTreeMap::new()) }
    }

    /// Puts one question to one resource. It ends within [`super::limits::CALL_TIMEOUT`].
    pub async fn call(&self, resource: &Resource, ask: Ask) -> Result<Told, CallFailed> {
        self.ready(resource).call(ask).await
    }

    /// Makes an address fit to be registered.
    pub async fn install(
        &self,
        kind: ResourceKind,
        name: ResourceName,
        address: &str,
        identity: Identity,
    ) -> Result<Installed, InstallError> {
        install(kind, name, address, identity, &self.secrets).await
    }

    /// What `resource test` tells.
    pub async fn test(&self, target: Target<'_>) -> Vec<Finding> {
        examine(target, &self.secrets).await
    }

    /// The resource was removed: its connections are closed when its last call ends.
    pub fn forget(&self, name: &ResourceName) {
        self.lock().remove(name);
    }

    fn ready(&self, resource: &Resource) -> Arc<dyn Driver> {
        let mut all = self.lock();
        if let Some(ready) = all.get_mut(&resource.name).filter(|ready| ready.resource == *resource) {
            ready.called_at = Instant::now();
            return Arc::clone(&ready.driver);
        }
        if all.len() >= DRIVERS {
            let oldest = all.iter().min_by_key(|(_, ready)| ready.called_at).map(|(name, _)| name.clone());
            oldest.and_then(|name| all.remove(&name));
        }
        let driver = driver(resource, &self.secrets);
        let ready = Ready { resource: resource.clone(), driver: Arc::clone(&driver), called_at: Instant::now() };
        all.insert(resource.name.clone(), ready);
        driver
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<ResourceName, Ready>> {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Drivers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.lock().keys()).finish()
    }
}
