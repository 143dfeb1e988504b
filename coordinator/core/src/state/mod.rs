//! The durable half of the coordinator: registered resources, transactions between their delegation or decision and their
//! end, and remembered outcomes. Only [`State::apply`] changes it, the same on every member.
//!
//! What has not ended is mirrored in memory, for it is small; outcomes live in the store alone. It knows nothing of active
//! transactions: one that rolls back before it was delegated or decided leaves no trace (presumed abort, D4).

mod apply;
mod ended;
mod invariants;
mod judge;
mod keys;
mod outcomes;
#[cfg(test)]
mod state_test;
mod transaction;

use std::collections::BTreeMap;
use std::ops::{Bound, ControlFlow};

use bytes::Bytes;
use handfast_mutants::{Mutant, is};
use handfast_protocol::{GlobalId, Outcome, ResourceName, Timestamp};
use handfast_store::{Family, Overlay, Store, StoreError};

use crate::codec::{self, RecordUnreadable};
use crate::limits::{OUTCOMES_KEPT_FOR, OUTCOMES_KEPT_MAX};
use crate::{Identity, Resource};
use outcomes::Outcomes;

pub use invariants::InvariantBroken;
pub use transaction::{Recorded, RecordedBranch, Transaction};

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// `None` before the first leadership.
    identity: Option<Identity>,
    resources: BTreeMap<ResourceName, Registered>,
    transactions: BTreeMap<GlobalId, Transaction>,
    /// The decided ones of `transactions` in the order of their decisions (P19).
    decisions: BTreeMap<u64, GlobalId>,
    /// How many of `transactions` wait for each resource; without zeros.
    in_doubt: BTreeMap<ResourceName, u64>,
    outcomes: Outcomes,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Registered {
    resource: Resource,
    /// Its `committed` marker rows up to here are cleared (P14).
    cleared: Option<GlobalId>,
}

impl State {
    /// The state as the store holds it.
    pub fn open(store: &dyn Store) -> Result<State, StoreError> {
        let identity = match store.get(Family::State, &keys::identity())? {
            Some(bytes) => Some(codec::decode_identity(&bytes).map_err(unreadable("identity", &keys::identity()))?),
            None => None,
        };
        let mut state = State {
            identity,
            resources: BTreeMap::new(),
            transactions: BTreeMap::new(),
            decisions: BTreeMap::new(),
            in_doubt: BTreeMap::new(),
            outcomes: Outcomes::open(store)?,
        };
        state.read_resources(store)?;
        state.read_transactions(store)?;
        Ok(state)
    }

    fn read_resources(&mut self, store: &dyn Store) -> Result<(), StoreError> {
        for (key, value) in entries(store, keys::KeyKind::Resource)? {
            let name = keys::read_name(&key).ok_or_else(|| foreign_key("resource", &key))?;
            let (resource, cleared) =
                codec::decode_resource(name.clone(), &value).map_err(unreadable("resource", &key))?;
            self.resources.insert(name, Registered { resource, cleared });
        }
        Ok(())
    }

    fn read_transactions(&mut self, store: &dyn Store) -> Result<(), StoreError> {
        for (key, value) in entries(store, keys::KeyKind::Transaction)? {
            let id = keys::read_id(&key).ok_or_else(|| foreign_key("transaction", &key))?;
            let transaction = codec::decode_transaction(id, &value).map_err(unreadable("transaction", &key))?;
            self.mirror(id, Some(transaction));
        }
        Ok(())
    }

    /// Who has the leadership that commands are judged in (P2).
    pub fn identity(&self) -> Option<Identity> {
        self.identity
    }

    pub fn resource(&self, name: &ResourceName) -> Option<&Resource> {
        self.resources.get(name).map(|registered| &registered.resource)
    }

    pub fn resources(&self) -> impl Iterator<Item = &Resource> {
        self.resources.values().map(|registered| &registered.resource)
    }

    /// Up to which id this resource's marker rows are cleared (P14).
    pub fn markers_cleared(&self, name: &ResourceName) -> Option<GlobalId> {
        self.resources.get(name).and_then(|registered| registered.cleared)
    }

    /// A transaction between its delegation or decision and its end.
    pub fn transaction(&self, id: GlobalId) -> Option<&Transaction> {
        self.transactions.get(&id)
    }

    pub fn transactions(&self) -> impl ExactSizeIterator<Item = &Transaction> {
        self.transactions.values()
    }

    /// Those with a higher id, in order.
    pub fn transactions_after(&self, after: Option<GlobalId>) -> impl Iterator<Item = &Transaction> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.transactions.range((start, Bound::Unbounded)).map(|(_, transaction)| transaction)
    }

    /// How many transactions wait for this resource: delegated to it, not acknowledged, or with a heuristic outcome there.
    pub fn in_doubt_of(&self, name: &ResourceName) -> u64 {
        self.in_doubt.get(name).copied().unwrap_or(0)
    }

    /// Whether a branch of this transaction has not acknowledged the decision: what was sent beside it stays locked (P10).
    pub fn has_open_branches(&self, id: GlobalId) -> bool {
        self.transactions
            .get(&id)
            .is_some_and(|transaction| transaction.branches.iter().any(|branch| !branch.acknowledged))
    }

    /// How a transaction ended, as far as the log knows (P20).
    pub fn outcome(&self, store: &dyn Store, id: GlobalId) -> Result<Recorded, StoreError> {
        self.recorded(&Overlay::new(store), id)
    }

    /// The outcome of an ended transaction and the last resource that decided it, if they are remembered.
    pub(crate) fn decided_by(
        &self,
        store: &dyn Store,
        id: GlobalId,
    ) -> Result<Option<(Outcome, Option<ResourceName>)>, StoreError> {
        let record = self.outcomes.read(&Overlay::new(store), id)?;
        Ok(record.map(|record| (record.outcome, record.delegated_to)))
    }

    /// The time before which outcomes are due to be forgotten; `None` while none are (P20).
    pub(crate) fn forgetting_due(&self, store: &dyn Store, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        let kept_for = u64::try_from(OUTCOMES_KEPT_FOR.as_millis()).unwrap_or(u64::MAX);
        let before = Timestamp(now.0.saturating_sub(kept_for));
        let oldest = self.outcomes.oldest(&Overlay::new(store))?;
        let due = self.outcomes.count() > OUTCOMES_KEPT_MAX || oldest.is_some_and(|oldest| oldest.ended_at < before);
        Ok(due.then_some(before))
    }

    fn recorded(&self, overlay: &Overlay<'_>, id: GlobalId) -> Result<Recorded, StoreError> {
        if let Some(transaction) = self.transactions.get(&id) {
            return Ok(match transaction.outcome {
                None => Recorded::Delegated,
                Some(outcome) => Recorded::Decided { outcome, heuristic: transaction.heuristic() },
            });
        }
        if let Some(record) = self.outcomes.read(overlay, id)? {
            return Ok(Recorded::Decided { outcome: record.outcome, heuristic: record.heuristic });
        }
        let ours = self.identity.is_some_and(|identity| identity.made(id));
        let below = self.outcomes.horizon.highest.is_some_and(|highest| id <= highest && same_maker(id, highest));
        // Another incarnation shared our past up to some point; what it did since, nobody here knows (P3).
        Ok(if ours && !below { Recorded::Unknown } else { Recorded::Forgotten })
    }

    /// Keeps the mirror, its indexes and its counts together; `None` takes the transaction out.
    fn mirror(&mut self, id: GlobalId, transaction: Option<Transaction>) {
        if let Some(before) = self.transactions.remove(&id) {
            self.decisions.remove(&before.decision);
            for name in before.resources().filter(|name| before.waits_for(name)) {
                let count = self.in_doubt.get_mut(name).expect("it was counted when the transaction came in");
                *count -= 1;
                if *count == 0 {
                    self.in_doubt.remove(name);
                }
            }
        }
        let Some(after) = transaction else { return };
        if after.outcome.is_some() {
            self.decisions.insert(after.decision, id);
        }
        for name in after.resources().filter(|name| after.waits_for(name)) {
            *self.in_doubt.entry(name.clone()).or_insert(0) += 1;
        }
        self.transactions.insert(id, after);
    }
}

impl Identity {
    /// Whether the id is of this coordinator and this incarnation, of any epoch.
    pub(crate) fn made(&self, id: GlobalId) -> bool {
        id.coordinator == self.coordinator && id.incarnation == self.incarnation
    }

    pub(crate) fn id(&self, sequence: u64) -> GlobalId {
        let epoch = if is(Mutant::NamesAgain) { 1 } else { self.epoch };
        GlobalId { coordinator: self.coordinator, incarnation: self.incarnation, epoch, sequence }
    }
}

/// Ids have an order only within one coordinator and incarnation.
fn same_maker(one: GlobalId, other: GlobalId) -> bool {
    one.coordinator == other.coordinator && one.incarnation == other.incarnation
}

/// Every record of a kind whose number is bounded.
fn entries(store: &dyn Store, kind: keys::KeyKind) -> Result<Vec<(Bytes, Bytes)>, StoreError> {
    let mut found = Vec::new();
    store.scan(Family::State, &kind.start(), &kind.end(), &mut |key, value| {
        found.push((Bytes::copy_from_slice(key), Bytes::copy_from_slice(value)));
        ControlFlow::Continue(())
    })?;
    Ok(found)
}

/// The key is spelled out only for a record that cannot be read: outcomes are read all the time.
fn unreadable(what: &'static str, key: &[u8]) -> impl FnOnce(RecordUnreadable) -> StoreError {
    move |cause| StoreError::Unreadable { what, key: hexadecimal(key), cause: cause.to_string() }
}

fn foreign_key(what: &'static str, key: &[u8]) -> StoreError {
    StoreError::Unreadable { what, key: hexadecimal(key), cause: "the key is malformed".to_owned() }
}

fn hexadecimal(key: &[u8]) -> String {
    key.iter().map(|byte| format!("{byte:02x}")).collect()
}
