//! Would a command be refused? Judged on the leader before a combined command is applied, and by apply itself (P17).

use handfast_mutants::{Mutant, is};
use handfast_protocol::{GlobalId, Outcome, ResourceName};
use handfast_store::{Overlay, StoreError};

use super::State;
use crate::limits::{BRANCHES_MAX, RESOURCES_MAX};
use crate::{Branch, Command, Identity, Refused};

type Judgement = Result<Result<(), Refused>, StoreError>;

impl State {
    /// Whether [`State::apply`] would refuse it now; nothing is changed.
    pub fn check(&self, overlay: &Overlay<'_>, command: &Command) -> Judgement {
        match command {
            Command::AddResource { resource } => Ok(self.judge_add(&resource.name)),
            Command::RemoveResource { name } => Ok(self.judge_remove(name)),
            Command::Delegate { id, resource, branches } => self.judge_delegate(overlay, *id, resource, branches),
            Command::Decide { id, branches } => self.judge_decide(overlay, *id, branches),
            Command::Conclude { id, outcome, forced: _ } => self.judge_conclude(overlay, *id, *outcome),
            Command::Acknowledge { id, resource, heuristic } => {
                self.judge_acknowledge(overlay, *id, resource, heuristic.is_some())
            }
            Command::Forget { id } => Ok(self.judge_forget(*id)),
            Command::ForgetOutcomes { before: _ } => Ok(Ok(())),
            Command::MarkersCleared { resource, through: _ } => Ok(self.known(resource)),
        }
    }

    /// A registration may be replaced, but not while anything at the old one is in doubt (P3).
    fn judge_add(&self, name: &ResourceName) -> Result<(), Refused> {
        self.none_in_doubt(name)?;
        let count = self.resources.len();
        if count >= RESOURCES_MAX && !self.resources.contains_key(name) {
            return Err(Refused::TooManyResources { count });
        }
        Ok(())
    }

    fn judge_remove(&self, name: &ResourceName) -> Result<(), Refused> {
        self.known(name)?;
        self.none_in_doubt(name)
    }

    fn judge_delegate(
        &self,
        overlay: &Overlay<'_>,
        id: GlobalId,
        resource: &ResourceName,
        branches: &[Branch],
    ) -> Judgement {
        if let Err(refused) = self.judge_new(id, branches).and_then(|()| self.known(resource)) {
            return Ok(Err(refused));
        }
        if let Some(outcome) = self.decided(overlay, id)? {
            return Ok(Err(Refused::OtherwiseDecided { id, outcome }));
        }
        Ok(self.not_delegated(id))
    }

    fn judge_decide(&self, overlay: &Overlay<'_>, id: GlobalId, branches: &[Branch]) -> Judgement {
        if let Err(refused) = self.judge_new(id, branches) {
            return Ok(Err(refused));
        }
        match self.decided(overlay, id)? {
            Some(Outcome::Committed) => Ok(Ok(())),
            Some(outcome) => Ok(Err(Refused::OtherwiseDecided { id, outcome })),
            None => Ok(self.not_delegated(id)),
        }
    }

    fn judge_conclude(&self, overlay: &Overlay<'_>, id: GlobalId, outcome: Outcome) -> Judgement {
        Ok(match self.decided(overlay, id)? {
            Some(decided) if decided == outcome => Ok(()),
            Some(decided) => Err(Refused::OtherwiseDecided { id, outcome: decided }),
            None if self.transactions.contains_key(&id) => Ok(()),
            None => Err(Refused::UnknownTransaction { id }),
        })
    }

    /// A branch may turn out to have ended otherwise when nothing is recorded of its transaction any more, or never was, for
    /// it was rolled back: that opens the record again, for heuristic outcomes are never silence (G6).
    fn judge_acknowledge(
        &self,
        overlay: &Overlay<'_>,
        id: GlobalId,
        resource: &ResourceName,
        otherwise: bool,
    ) -> Judgement {
        if let Err(refused) = self.known(resource) {
            return Ok(Err(refused));
        }
        let Some(transaction) = self.transactions.get(&id) else {
            let remembered = self.outcomes.read(overlay, id)?.is_some();
            return Ok(if remembered || otherwise { Ok(()) } else { Err(Refused::UnknownTransaction { id }) });
        };
        Ok(if transaction.is_undecided() {
            Err(Refused::Undecided { id })
        } else if otherwise || transaction.branch(resource).is_some() {
            Ok(())
        } else {
            Err(Refused::UnknownBranch { id, resource: resource.clone() })
        })
    }

    fn judge_forget(&self, id: GlobalId) -> Result<(), Refused> {
        let forced =
            |transaction: &super::Transaction| transaction.ended().is_some() && transaction.heuristic().is_some();
        match self.transactions.get(&id) {
            Some(transaction) if forced(transaction) => Ok(()),
            Some(_) | None => Err(Refused::NothingToForget { id }),
        }
    }

    /// Only the leadership that began a transaction may write its first record: an earlier one's undecided transactions may
    /// have been swept (P2).
    fn judge_new(&self, id: GlobalId, branches: &[Branch]) -> Result<(), Refused> {
        let epoch = self.identity.map_or(0, |identity| identity.epoch);
        let is_ours =
            |identity: Identity| identity.made(id) && (id.epoch == identity.epoch || is(Mutant::AppliesStaleEpochs));
        if !self.identity.is_some_and(is_ours) {
            return Err(Refused::EpochEnded { id, epoch });
        }
        if branches.len() > BRANCHES_MAX {
            return Err(Refused::TooManyBranches { id, count: branches.len() });
        }
        branches.iter().try_for_each(|branch| self.known(&branch.resource))
    }

    fn known(&self, name: &ResourceName) -> Result<(), Refused> {
        match self.resources.contains_key(name) {
            true => Ok(()),
            false => Err(Refused::UnknownResource { name: name.clone() }),
        }
    }

    fn none_in_doubt(&self, name: &ResourceName) -> Result<(), Refused> {
        match self.in_doubt_of(name) {
            0 => Ok(()),
            count => Err(Refused::ResourceInDoubt { name: name.clone(), count }),
        }
    }

    fn not_delegated(&self, id: GlobalId) -> Result<(), Refused> {
        match self.transactions.get(&id) {
            None => Ok(()),
            Some(_) => Err(Refused::Undecided { id }),
        }
    }

    fn decided(&self, overlay: &Overlay<'_>, id: GlobalId) -> Result<Option<Outcome>, StoreError> {
        match self.transactions.get(&id) {
            Some(transaction) => Ok(transaction.outcome),
            None => Ok(self.outcomes.read(overlay, id)?.map(|record| record.outcome)),
        }
    }
}
