//! A registered resource as the server tells of it.

use handfast_protocol::{ResourceKind, ResourceName};
use handfast_wire::{Malformed, v1};
use uuid::Uuid;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    pub name: ResourceName,
    pub kind: ResourceKind,
    /// A URL without a password, or an absolute path.
    pub address: String,
    /// The random id that the resource keeps (P3).
    pub id: Uuid,
    /// The schema of the marker tables, quoted for SQL; empty for SQLite and services.
    pub schema: String,
}

impl Resource {
    /// A table of ours in this resource, ready for SQL.
    pub(crate) fn table(&self, name: &str) -> String {
        if self.schema.is_empty() { name.to_owned() } else { format!("{}.{name}", self.schema) }
    }
}

impl TryFrom<v1::Resource> for Resource {
    type Error = Malformed;

    fn try_from(wire: v1::Resource) -> Result<Resource, Malformed> {
        let kind = ResourceKind::ALL.into_iter().find(|kind| kind.as_str() == wire.kind);
        Ok(Resource {
            name: ResourceName::new(wire.name)?,
            kind: kind.ok_or(Malformed::ResourceKind(wire.kind))?,
            address: wire.address,
            id: Uuid::from_slice(&wire.resource_id).map_err(|_| Malformed::ResourceId(wire.resource_id.len()))?,
            schema: wire.schema,
        })
    }
}
