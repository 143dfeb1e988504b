//! Who asks, and about which transactions.

use std::ffi::OsString;

use handfast_coordinator::drivers::{Drivers, Installed, Secrets};
use handfast_coordinator_core::{Ask, Identity, Resource};
use handfast_private_postgres::{Options, PostgresServer};
use handfast_protocol::{CoordinatorId, GlobalId, Incarnation, ResourceKind, ResourceName, Xid};
use uuid::Uuid;

pub const IDENTITY: Identity =
    Identity { coordinator: CoordinatorId(Uuid::from_u128(0xc0)), incarnation: Incarnation(0xabc), epoch: 5 };

pub const ATTACH: Ask = Ask::Attach { identity: IDENTITY, adopt: false };

pub fn ledger() -> ResourceName {
    ResourceName::new("ledger").unwrap()
}

pub fn id(sequence: u64) -> GlobalId {
    let Identity { coordinator, incarnation, epoch } = IDENTITY;
    GlobalId { coordinator, incarnation, epoch, sequence }
}

pub fn xid(sequence: u64) -> Xid {
    id(sequence).branch(ledger().bqual())
}

pub fn fence(sequence: u64) -> Ask {
    Ask::Fence { id: id(sequence) }
}

pub fn secrets(variables: &[(&str, &str)]) -> Secrets {
    Secrets::given(variables.iter().map(|(name, value)| ((*name).to_owned(), OsString::from(value))))
}

/// Drivers that know no password.
pub fn drivers() -> Drivers {
    Drivers::new(secrets(&[]))
}

pub fn postgres(settings: &[(&str, &str)]) -> PostgresServer {
    let extra = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    PostgresServer::start(Options { extra, ..Options::default() }).unwrap()
}

/// Adds the address as `ledger`, without notes.
pub async fn add(drivers: &Drivers, kind: ResourceKind, address: &str) -> Resource {
    let Installed { resource, notes } = drivers.install(kind, ledger(), address, IDENTITY).await.unwrap();
    assert_eq!(notes, Vec::<String>::new());
    resource
}
