//! The queues and resources of the main job, and the question for a transaction's branch at each.

use handfast_coordinator_core::Resource;
use handfast_protocol::{ProducerName, QueueName, ResourceName};

/// Where the orders wait.
pub fn orders() -> QueueName {
    QueueName::new("orders").expect("it is a queue's name")
}

/// Where each order's shipment goes.
pub fn shipments() -> QueueName {
    QueueName::new("shipments").expect("it is a queue's name")
}

/// Where the next stage sends shipments on to.
pub fn delivered() -> QueueName {
    QueueName::new("delivered").expect("it is a queue's name")
}

/// Whoever sends a file of orders, each once (P24).
pub const IMPORTER: &str = "importer";

pub fn importer() -> ProducerName {
    ProducerName::new(IMPORTER).expect("it is a producer's name")
}

/// The database.
pub const LEDGER: &str = "ledger";

pub fn ledger() -> ResourceName {
    ResourceName::new(LEDGER).expect("it is a resource's name")
}

/// The queue manager, to a coordinator of its own.
pub const QUEUES: &str = "queues";

pub fn queues() -> ResourceName {
    ResourceName::new(QUEUES).expect("it is a resource's name")
}

/// The name, as histories have it.
pub fn of(resource: &Resource) -> &'static str {
    if resource.name.as_str() == QUEUES { QUEUES } else { LEDGER }
}
