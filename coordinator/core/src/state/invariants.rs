//! What holds after every command, numbered for tests and the simulator to cite.

use std::collections::BTreeMap;

use handfast_protocol::GlobalId;
use handfast_store::{Overlay, Store, StoreError};

use super::{State, Transaction, entries, keys, outcomes, unreadable};
use crate::codec;

/// A fact of the state that must hold and does not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invariant {number} of the coordinator is broken: {what}")]
pub struct InvariantBroken {
    pub number: &'static str,
    pub what: String,
}

fn broken(number: &'static str, what: impl Into<String>) -> Result<(), InvariantBroken> {
    Err(InvariantBroken { number, what: what.into() })
}

impl State {
    /// - C1: memory is what the store says.
    /// - C2: every remembered outcome has one place in the order, every place but a superseded one has its outcome.
    /// - C3: a kept transaction is delegated or decided, and something of it is open or heuristic.
    /// - C4: decisions have different numbers (P19).
    /// - C5: no resource is missing that a transaction waits for (P3).
    /// - C6: an outcome that was remembered once is the one of the transaction's record (A3).
    pub fn check_invariants(&self, store: &dyn Store) -> Result<Result<(), InvariantBroken>, StoreError> {
        if State::open(store)? != *self {
            return Ok(broken("C1", "the state in memory differs from the state in the store"));
        }
        let orders = self.check_outcomes(store)?;
        let each = || self.transactions.values().try_for_each(|transaction| self.check_transaction(transaction));
        if let Err(violation) = orders.and_then(|()| each()) {
            return Ok(Err(violation));
        }
        let decided = self.transactions.values().filter(|transaction| transaction.outcome.is_some()).count();
        if decided != self.decisions.len() {
            return Ok(broken("C4", format!("{decided} decided, {} decisions", self.decisions.len())));
        }
        self.check_stable(store)
    }

    fn check_outcomes(&self, store: &dyn Store) -> Result<Result<(), InvariantBroken>, StoreError> {
        let mut places = BTreeMap::new();
        for (key, value) in entries(store, keys::KeyKind::Order)? {
            let record = codec::decode_order(&value).map_err(unreadable("order of outcomes", &key))?;
            let ordinal = key.get(1..).and_then(|bytes| bytes.try_into().ok()).map(u64::from_be_bytes);
            places.insert(ordinal, record.id);
        }
        let expected = (self.outcomes.horizon.oldest..self.outcomes.next).map(Some);
        if !places.keys().copied().eq(expected) {
            return Ok(broken("C2", "the ordinals of outcomes have gaps"));
        }
        let mut latest: BTreeMap<GlobalId, Option<u64>> = BTreeMap::new();
        for (ordinal, id) in places {
            latest.insert(id, ordinal);
        }
        if let Some(id) = latest.keys().find(|id| !self.outcomes.ended.may_have(**id)) {
            return Ok(broken("C2", format!("{id} has an outcome, and memory says that it has none")));
        }
        for (key, value) in entries(store, keys::KeyKind::Outcome)? {
            let record = codec::decode_outcome(&value).map_err(unreadable("outcome", &key))?;
            let id = keys::read_id(&key);
            if id.and_then(|id| latest.remove(&id)) != Some(Some(record.ordinal)) {
                return Ok(broken("C2", format!("the outcome of {id:?} has another place than {}", record.ordinal)));
            }
        }
        Ok(match latest.first_key_value() {
            None => Ok(()),
            Some((id, _)) => broken("C2", format!("the outcome of {id} is missing")),
        })
    }

    fn check_transaction(&self, transaction: &Transaction) -> Result<(), InvariantBroken> {
        let id = transaction.id;
        let open = transaction.ended().is_none() || transaction.heuristic().is_some();
        let delegated = transaction.delegated_to.is_some() && transaction.decision == 0;
        if !open || (transaction.is_undecided() && !delegated) {
            return broken("C3", format!("{id} is neither open nor forced"));
        }
        if transaction.outcome.is_some() && self.decisions.get(&transaction.decision) != Some(&id) {
            return broken("C4", format!("{id} has not decision {} of its own", transaction.decision));
        }
        let missing =
            |name: &&handfast_protocol::ResourceName| transaction.waits_for(name) && self.resource(name).is_none();
        match transaction.resources().find(missing) {
            None => Ok(()),
            Some(name) => broken("C5", format!("{id} waits for {name}, which is not registered")),
        }
    }

    fn check_stable(&self, store: &dyn Store) -> Result<Result<(), InvariantBroken>, StoreError> {
        let overlay = Overlay::new(store);
        for transaction in self.transactions.values() {
            let remembered = outcomes::read(&overlay, transaction.id)?.map(|record| record.outcome);
            if remembered.is_some() && remembered != transaction.outcome {
                return Ok(broken("C6", format!("{} was {remembered:?} before", transaction.id)));
            }
        }
        Ok(Ok(()))
    }
}
