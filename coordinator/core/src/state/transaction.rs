//! A transaction that the log knows of and that has not ended.

use handfast_protocol::{GlobalId, Heuristic, Outcome, ResourceName, Timestamp};

/// The record of one transaction between its delegation or decision and its end.
///
/// ```text
/// (no record) --Delegate--> delegated --Conclude--> decided --Acknowledge, each branch--> ended (an outcome is remembered)
///      \-------------------Decide------------------/   \---- a heuristic outcome ----> forced --Forget--> ended
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transaction {
    pub id: GlobalId,
    /// The last resource, whose row decides or has decided (P11).
    pub delegated_to: Option<ResourceName>,
    pub outcome: Option<Outcome>,
    /// The order of decisions (P19); zero while undecided.
    pub decision: u64,
    /// When it was delegated, or decided without a delegation.
    pub since: Timestamp,
    /// The branches of phase two; the last resource only if it turned out to have ended otherwise.
    pub branches: Vec<RecordedBranch>,
}

/// What is durably known of one branch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedBranch {
    pub resource: ResourceName,
    /// It needs no further call: it did as decided, or ended on its own.
    pub acknowledged: bool,
    pub heuristic: Option<Heuristic>,
}

impl Transaction {
    pub fn branch(&self, resource: &ResourceName) -> Option<&RecordedBranch> {
        self.branches.iter().find(|branch| branch.resource == *resource)
    }

    /// Delegated, and its last resource has not told: nothing but a durable row ends that (P11).
    pub fn is_undecided(&self) -> bool {
        self.outcome.is_none()
    }

    /// The outcome, once every branch has ended, as decided or otherwise.
    pub fn ended(&self) -> Option<Outcome> {
        self.outcome.filter(|_| self.branches.iter().all(|branch| branch.acknowledged))
    }

    /// The heuristic outcome of the whole (XA+ 2.3.3): a hazard outweighs everything; branches that ended otherwise beside
    /// branches that did as decided make a mixed one.
    pub fn heuristic(&self) -> Option<Heuristic> {
        let found: Vec<Heuristic> = self.branches.iter().filter_map(|branch| branch.heuristic).collect();
        let first = *found.first()?;
        if found.contains(&Heuristic::Hazard) {
            return Some(Heuristic::Hazard);
        }
        let alike = found.iter().all(|heuristic| *heuristic == first);
        let alone = found.len() == self.branches.len() && self.delegated_to.is_none();
        Some(if alike && alone { first } else { Heuristic::Mixed })
    }

    /// Whether this resource is one of those that the transaction still waits for.
    pub fn waits_for(&self, resource: &ResourceName) -> bool {
        let delegated = self.is_undecided() && self.delegated_to.as_ref() == Some(resource);
        delegated || self.branch(resource).is_some_and(|branch| !branch.acknowledged || branch.heuristic.is_some())
    }

    /// Every resource that it names, each once.
    pub fn resources(&self) -> impl Iterator<Item = &ResourceName> {
        let last = self.delegated_to.iter().filter(|last| self.branch(last).is_none());
        self.branches.iter().map(|branch| &branch.resource).chain(last)
    }
}

/// What the durable state knows of a transaction's outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recorded {
    /// No record, and none was ever dropped: rolled back, unless it is active (presumed abort, D4).
    Unknown,
    /// Nothing is known until the last resource tells (P11).
    Delegated,
    Decided {
        outcome: Outcome,
        heuristic: Option<Heuristic>,
    },
    /// No record, but there may have been one (P20): below the horizon, or of another coordinator or incarnation.
    Forgotten,
}
