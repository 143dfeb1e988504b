//! What each command does to the state.

use handfast_mutants::{Mutant, is};
use handfast_protocol::{GlobalId, Heuristic, Outcome, ResourceName, Timestamp};
use handfast_store::{Family, Overlay, StoreError};

use super::outcomes::End;
use super::{RecordedBranch, Registered, State, Transaction, keys};
use crate::{Branch, Command, Done, Identity, Refused, codec};

impl State {
    /// A leadership begins (P2): from here on only commands about its own transactions may make new records.
    pub fn begin_epoch(&mut self, overlay: &mut Overlay<'_>, identity: Identity) -> Result<(), StoreError> {
        let goes_on = |before: Identity| {
            (before.coordinator, before.incarnation) != (identity.coordinator, identity.incarnation)
                || before.epoch < identity.epoch
        };
        assert!(self.identity.is_none_or(goes_on), "an epoch is never begun twice (P2)");
        overlay.put(Family::State, keys::identity(), codec::encode_identity(&identity));
        self.identity = Some(identity);
        self.outcomes.begin_epoch(overlay, identity)?;
        if is(Mutant::ForgetsHeuristics) {
            let ended = self.transactions.values().filter(|kept| kept.ended().is_some()).map(|kept| kept.id);
            for id in ended.collect::<Vec<GlobalId>>() {
                overlay.delete(Family::State, keys::transaction(id));
                self.mirror(id, None);
            }
        }
        Ok(())
    }

    /// Applies one command. A refused one changes nothing. The same commands make the same state, byte by byte.
    pub fn apply(
        &mut self,
        overlay: &mut Overlay<'_>,
        now: Timestamp,
        command: Command,
    ) -> Result<Result<Done, Refused>, StoreError> {
        match self.check(overlay, &command)? {
            Ok(()) => self.carry_out(overlay, now, command).map(Ok),
            Err(refused) => Ok(Err(refused)),
        }
    }

    /// Applies a command that [`State::check`] lets pass as things stand.
    pub fn carry_out(
        &mut self,
        overlay: &mut Overlay<'_>,
        now: Timestamp,
        command: Command,
    ) -> Result<Done, StoreError> {
        Ok(match command {
            Command::AddResource { resource } => {
                overlay.put(Family::State, keys::resource(&resource.name), codec::encode_resource(&resource, None));
                self.resources.insert(resource.name.clone(), Registered { resource, cleared: None });
                Done::Recorded
            }
            Command::RemoveResource { name } => {
                overlay.delete(Family::State, keys::resource(&name));
                self.resources.remove(&name);
                Done::Recorded
            }
            Command::Delegate { id, resource, branches } => self.delegate(overlay, now, id, resource, &branches),
            Command::Decide { id, branches } => self.decide(overlay, now, id, &branches)?,
            Command::Conclude { id, outcome, forced } => self.conclude(overlay, now, id, outcome, forced),
            Command::Acknowledge { id, resource, heuristic } => {
                self.acknowledge(overlay, now, id, resource, heuristic)?
            }
            Command::Forget { id } => self.forget(overlay, now, id),
            Command::ForgetOutcomes { before } => {
                self.outcomes.forget(overlay, before)?;
                Done::Recorded
            }
            Command::MarkersCleared { resource, through } => self.markers_are_cleared(overlay, &resource, through),
        })
    }

    fn delegate(
        &mut self,
        overlay: &mut Overlay<'_>,
        now: Timestamp,
        id: GlobalId,
        resource: ResourceName,
        branches: &[Branch],
    ) -> Done {
        let transaction = Transaction {
            id,
            delegated_to: Some(resource),
            outcome: None,
            decision: 0,
            since: now,
            branches: recorded(branches),
        };
        self.keep(overlay, transaction);
        Done::Recorded
    }

    fn decide(
        &mut self,
        overlay: &mut Overlay<'_>,
        now: Timestamp,
        id: GlobalId,
        branches: &[Branch],
    ) -> Result<Done, StoreError> {
        let outcome = Outcome::Committed;
        if self.decided_already(overlay, id)? {
            return Ok(Done::Decided(outcome));
        }
        let transaction = Transaction {
            id,
            delegated_to: None,
            outcome: Some(outcome),
            decision: self.next_decision(),
            since: now,
            branches: recorded(branches),
        };
        self.settle(overlay, now, transaction);
        Ok(Done::Decided(outcome))
    }

    fn conclude(
        &mut self,
        overlay: &mut Overlay<'_>,
        now: Timestamp,
        id: GlobalId,
        outcome: Outcome,
        forced: bool,
    ) -> Done {
        let Some(mut transaction) = self.transactions.get(&id).filter(|found| found.is_undecided()).cloned() else {
            return Done::Decided(outcome);
        };
        transaction.outcome = Some(outcome);
        transaction.decision = self.next_decision();
        // An operator decided without the database: nobody knows what it did or will do (P16).
        if let Some(resource) = transaction.delegated_to.clone().filter(|_| forced) {
            let heuristic = Some(Heuristic::Hazard);
            transaction.branches.push(RecordedBranch { resource, acknowledged: true, heuristic });
        }
        self.settle(overlay, now, transaction);
        Done::Decided(outcome)
    }

    fn acknowledge(
        &mut self,
        overlay: &mut Overlay<'_>,
        now: Timestamp,
        id: GlobalId,
        resource: ResourceName,
        heuristic: Option<Heuristic>,
    ) -> Result<Done, StoreError> {
        let (mut transaction, was_open) = match self.transactions.get(&id) {
            Some(transaction) => (transaction.clone(), transaction.ended().is_none()),
            None if heuristic.is_some() => (self.reopened(overlay, now, id)?, false),
            None => return Ok(Done::Recorded),
        };
        match transaction.branches.iter_mut().find(|branch| branch.resource == resource) {
            Some(branch) => {
                branch.acknowledged = true;
                branch.heuristic = branch.heuristic.or(heuristic);
            }
            None => transaction.branches.push(RecordedBranch { resource, acknowledged: true, heuristic }),
        }
        let ended = transaction.ended().filter(|_| was_open);
        self.settle(overlay, now, transaction);
        Ok(ended.map_or(Done::Recorded, Done::Ended))
    }

    /// The record of an ended transaction of which a branch turned out to have ended otherwise. Without a remembered outcome
    /// it was rolled back: a committed one is not forgotten before all its branches have acknowledged.
    fn reopened(&self, overlay: &Overlay<'_>, now: Timestamp, id: GlobalId) -> Result<Transaction, StoreError> {
        let remembered = self.outcomes.read(overlay, id)?;
        Ok(Transaction {
            id,
            outcome: Some(remembered.as_ref().map_or(Outcome::RolledBack, |record| record.outcome)),
            delegated_to: remembered.and_then(|record| record.delegated_to),
            decision: self.next_decision(),
            since: now,
            branches: Vec::new(),
        })
    }

    fn forget(&mut self, overlay: &mut Overlay<'_>, now: Timestamp, id: GlobalId) -> Done {
        let transaction = self.transactions.get(&id).expect("a forced transaction was found by the check").clone();
        self.end(overlay, now, &transaction);
        Done::Recorded
    }

    fn markers_are_cleared(&mut self, overlay: &mut Overlay<'_>, name: &ResourceName, through: GlobalId) -> Done {
        let registered = self.resources.get_mut(name).expect("the check found the resource");
        registered.cleared = Some(through);
        overlay.put(Family::State, keys::resource(name), codec::encode_resource(&registered.resource, Some(through)));
        Done::Recorded
    }

    /// Keeps a decided transaction for what its branches still have to do, or ends it.
    fn settle(&mut self, overlay: &mut Overlay<'_>, now: Timestamp, transaction: Transaction) {
        if transaction.ended().is_some() && transaction.heuristic().is_none() {
            self.end(overlay, now, &transaction);
        } else {
            self.keep(overlay, transaction);
        }
    }

    fn keep(&mut self, overlay: &mut Overlay<'_>, transaction: Transaction) {
        overlay.put(Family::State, keys::transaction(transaction.id), codec::encode_transaction(&transaction));
        self.mirror(transaction.id, Some(transaction));
    }

    fn end(&mut self, overlay: &mut Overlay<'_>, now: Timestamp, transaction: &Transaction) {
        let outcome = transaction.ended().expect("only a decided transaction without open branches ends");
        let end = End {
            id: transaction.id,
            outcome,
            heuristic: transaction.heuristic(),
            delegated_to: transaction.delegated_to.as_ref(),
            at: now,
        };
        // One that was decided without branches never had a record of its own.
        if self.transactions.contains_key(&transaction.id) {
            overlay.delete(Family::State, keys::transaction(transaction.id));
            self.mirror(transaction.id, None);
        }
        self.outcomes.remember(overlay, &end);
    }

    fn decided_already(&self, overlay: &Overlay<'_>, id: GlobalId) -> Result<bool, StoreError> {
        Ok(self.transactions.contains_key(&id) || self.outcomes.read(overlay, id)?.is_some())
    }

    /// Follows from the records alone, so that a member that restarted counts like one that did not.
    fn next_decision(&self) -> u64 {
        self.decisions.last_key_value().map_or(1, |(last, _)| last + 1)
    }
}

fn recorded(branches: &[Branch]) -> Vec<RecordedBranch> {
    let recorded =
        |branch: &Branch| RecordedBranch { resource: branch.resource.clone(), acknowledged: false, heuristic: None };
    branches.iter().map(recorded).collect()
}
