//! Names as they are written.

use handfast_machine::local_branch;
use handfast_protocol::{MessageId, PreparedName, ResourceName};
use uuid::Uuid;

use super::{Seed, id, seed};

pub fn seeds() -> Vec<Seed> {
    let prepared = PreparedName { id: id(), resource: ResourceName::new("ledger").unwrap() };
    let message = MessageId { manager: Uuid::from_u128(2), ordinal: 1 << 40 };
    let xid = local_branch(id());
    vec![
        seed("names", "bytes", id().to_bytes()),
        seed("names", "global_id", id().to_string()),
        seed("names", "prepared", prepared.to_string()),
        seed("names", "message", message.to_string()),
        seed("names", "xid", format!("1:{}:{}", xid.gtrid, xid.bqual)),
        seed("names", "own_xid", format!("{}:{}:{}", xid.format_id, xid.gtrid, xid.bqual)),
        seed("names", "reason", "purged"),
        seed("names", "queue", "Bestellungen für Köln"),
        seed("names", "resource", "ledger_2"),
        seed("names", "passwords", "# host:port:database:user:secret\ndb:*:sh\\:op:ann:x\ndb:5432:*:ann:\\\\y\r\n"),
    ]
}
