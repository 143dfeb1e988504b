//! The stored form of the records in the store; their keys are in `state/keys.rs`.

use bytes::Bytes;
use handfast_protocol::{CoordinatorId, GlobalId, Heuristic, Incarnation, Outcome, ResourceName, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    IdForm, RecordUnreadable, decode, encode_whole, heuristic, heuristic_number, kind, kind_number, name, outcome,
    outcome_number,
};
use crate::state::{RecordedBranch, Transaction};
use crate::{Identity, Resource, ResourceId};

#[derive(Debug, Serialize, Deserialize)]
struct IdentityForm {
    coordinator: u128,
    incarnation: u64,
    epoch: u64,
}

pub(crate) fn encode_identity(identity: &Identity) -> Bytes {
    encode_whole(&IdentityForm {
        coordinator: identity.coordinator.0.as_u128(),
        incarnation: identity.incarnation.0,
        epoch: identity.epoch,
    })
}

pub(crate) fn decode_identity(bytes: &[u8]) -> Result<Identity, RecordUnreadable> {
    let form: IdentityForm = decode(bytes)?;
    Ok(Identity {
        coordinator: CoordinatorId(Uuid::from_u128(form.coordinator)),
        incarnation: Incarnation(form.incarnation),
        epoch: form.epoch,
    })
}

/// A resource without its name, which is in the key. Also a part of the command that adds it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ResourceRecord {
    kind: u8,
    address: String,
    resource_id: u128,
    schema: String,
    cleared: Option<IdForm>,
}

impl ResourceRecord {
    /// `cleared`: up to where its marker rows are cleared (P14).
    pub fn new(resource: &Resource, cleared: Option<GlobalId>) -> ResourceRecord {
        ResourceRecord {
            kind: kind_number(resource.kind),
            address: resource.address.clone(),
            resource_id: resource.resource_id.0.as_u128(),
            schema: resource.schema.clone(),
            cleared: cleared.map(IdForm::from),
        }
    }

    pub fn resource(self, name: ResourceName) -> Result<Resource, RecordUnreadable> {
        Ok(Resource {
            name,
            kind: kind(self.kind)?,
            address: self.address,
            resource_id: ResourceId(Uuid::from_u128(self.resource_id)),
            schema: self.schema,
        })
    }
}

pub(crate) fn encode_resource(resource: &Resource, cleared: Option<GlobalId>) -> Bytes {
    encode_whole(&ResourceRecord::new(resource, cleared))
}

pub(crate) fn decode_resource(
    name: ResourceName,
    bytes: &[u8],
) -> Result<(Resource, Option<GlobalId>), RecordUnreadable> {
    let record: ResourceRecord = decode(bytes)?;
    let cleared = record.cleared.map(GlobalId::from);
    Ok((record.resource(name)?, cleared))
}

#[derive(Debug, Serialize, Deserialize)]
struct TransactionForm {
    delegated_to: Option<String>,
    outcome: Option<u8>,
    decision: u64,
    since: u64,
    branches: Vec<BranchForm>,
}

#[derive(Debug, Serialize, Deserialize)]
struct BranchForm {
    resource: String,
    acknowledged: bool,
    heuristic: Option<u8>,
}

pub(crate) fn encode_transaction(transaction: &Transaction) -> Bytes {
    let branch = |branch: &RecordedBranch| BranchForm {
        resource: branch.resource.to_string(),
        acknowledged: branch.acknowledged,
        heuristic: branch.heuristic.map(heuristic_number),
    };
    encode_whole(&TransactionForm {
        delegated_to: transaction.delegated_to.as_ref().map(ResourceName::to_string),
        outcome: transaction.outcome.map(outcome_number),
        decision: transaction.decision,
        since: transaction.since.0,
        branches: transaction.branches.iter().map(branch).collect(),
    })
}

pub(crate) fn decode_transaction(id: GlobalId, bytes: &[u8]) -> Result<Transaction, RecordUnreadable> {
    let form: TransactionForm = decode(bytes)?;
    let branch = |form: BranchForm| {
        Ok(RecordedBranch {
            resource: name(form.resource)?,
            acknowledged: form.acknowledged,
            heuristic: form.heuristic.map(heuristic).transpose()?,
        })
    };
    Ok(Transaction {
        id,
        delegated_to: form.delegated_to.map(name).transpose()?,
        outcome: form.outcome.map(outcome).transpose()?,
        decision: form.decision,
        since: Timestamp(form.since),
        branches: form.branches.into_iter().map(branch).collect::<Result<_, _>>()?,
    })
}

/// The remembered outcome of an ended transaction (P20).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OutcomeRecord {
    pub outcome: Outcome,
    pub heuristic: Option<Heuristic>,
    /// The last resource that decided it, for a client that reports otherwise after the end.
    pub delegated_to: Option<ResourceName>,
    /// Its entry in the order of forgetting; an entry of another number is an older end of the same transaction.
    pub ordinal: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct OutcomeForm {
    outcome: u8,
    heuristic: Option<u8>,
    delegated_to: Option<String>,
    ordinal: u64,
}

pub(crate) fn encode_outcome(record: &OutcomeRecord) -> Bytes {
    encode_whole(&OutcomeForm {
        outcome: outcome_number(record.outcome),
        heuristic: record.heuristic.map(heuristic_number),
        delegated_to: record.delegated_to.as_ref().map(ResourceName::to_string),
        ordinal: record.ordinal,
    })
}

pub(crate) fn decode_outcome(bytes: &[u8]) -> Result<OutcomeRecord, RecordUnreadable> {
    let form: OutcomeForm = decode(bytes)?;
    Ok(OutcomeRecord {
        outcome: outcome(form.outcome)?,
        heuristic: form.heuristic.map(heuristic).transpose()?,
        delegated_to: form.delegated_to.map(name).transpose()?,
        ordinal: form.ordinal,
    })
}

/// One place in the order in which outcomes are forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OrderRecord {
    pub ended_at: Timestamp,
    pub id: GlobalId,
}

#[derive(Debug, Serialize, Deserialize)]
struct OrderForm {
    ended_at: u64,
    id: IdForm,
}

pub(crate) fn encode_order(record: &OrderRecord) -> Bytes {
    encode_whole(&OrderForm { ended_at: record.ended_at.0, id: record.id.into() })
}

pub(crate) fn decode_order(bytes: &[u8]) -> Result<OrderRecord, RecordUnreadable> {
    let form: OrderForm = decode(bytes)?;
    Ok(OrderRecord { ended_at: Timestamp(form.ended_at), id: form.id.into() })
}

/// What is left of forgotten outcomes (P20).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct HorizonRecord {
    /// The highest id whose outcome was forgotten.
    pub highest: Option<GlobalId>,
    /// The lowest ordinal that is still in the order.
    pub oldest: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct HorizonForm {
    highest: Option<IdForm>,
    oldest: u64,
}

pub(crate) fn encode_horizon(record: &HorizonRecord) -> Bytes {
    encode_whole(&HorizonForm { highest: record.highest.map(IdForm::from), oldest: record.oldest })
}

pub(crate) fn decode_horizon(bytes: &[u8]) -> Result<HorizonRecord, RecordUnreadable> {
    let form: HorizonForm = decode(bytes)?;
    Ok(HorizonRecord { highest: form.highest.map(GlobalId::from), oldest: form.oldest })
}
