//! Which transactions of the present epoch have no outcome yet, told without a look into the store: every commit asks, and
//! most answers are no.

use handfast_protocol::GlobalId;

use crate::Identity;
use crate::limits::OUTCOMES_MARKED;

const BITS: u64 = u64::BITS as u64;

/// Marks of the last [`OUTCOMES_MARKED`] sequences that have an outcome. It says nothing that the store does not: two states
/// are the same whatever is marked.
#[derive(Debug, Clone, Default)]
pub(super) struct Ended {
    /// Since its first entry was applied here; what came before nobody marked.
    epoch: Option<Identity>,
    highest: u64,
    /// A bit for each sequence, in a circle.
    marks: Vec<u64>,
}

impl Ended {
    /// An epoch begins with the entry that is applied; `None`: some of its transactions have outcomes already.
    pub fn begin_epoch(&mut self, epoch: Option<Identity>) {
        *self = Ended { epoch, highest: 0, marks: vec![0; (OUTCOMES_MARKED / BITS) as usize] };
    }

    pub fn mark(&mut self, id: GlobalId) {
        if !self.is_of_epoch(id) {
            return;
        }
        let passed = id.sequence.saturating_sub(self.highest);
        if passed >= OUTCOMES_MARKED {
            self.marks.fill(0);
        } else {
            let between = self.highest.saturating_add(1)..=id.sequence;
            between.for_each(|sequence| *self.word(sequence) &= !bit(sequence));
        }
        self.highest = self.highest.max(id.sequence);
        if self.highest - id.sequence < OUTCOMES_MARKED {
            *self.word(id.sequence) |= bit(id.sequence);
        }
    }

    /// `false`: the transaction has no outcome. Otherwise the store knows.
    pub fn may_have(&self, id: GlobalId) -> bool {
        if !self.is_of_epoch(id) {
            return true;
        }
        match self.highest.checked_sub(id.sequence) {
            None => false,
            Some(below) if below >= OUTCOMES_MARKED => true,
            Some(_) => self.marks[place(id.sequence)] & bit(id.sequence) != 0,
        }
    }

    fn is_of_epoch(&self, id: GlobalId) -> bool {
        self.epoch.is_some_and(|identity| identity.made(id) && identity.epoch == id.epoch)
    }

    fn word(&mut self, sequence: u64) -> &mut u64 {
        &mut self.marks[place(sequence)]
    }
}

impl PartialEq for Ended {
    fn eq(&self, _: &Ended) -> bool {
        true
    }
}

impl Eq for Ended {}

fn place(sequence: u64) -> usize {
    (sequence % OUTCOMES_MARKED / BITS) as usize
}

fn bit(sequence: u64) -> u64 {
    1 << (sequence % BITS)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use handfast_protocol::{CoordinatorId, Incarnation};
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    fn identity(epoch: u64) -> Identity {
        Identity { coordinator: CoordinatorId(Uuid::from_u128(1)), incarnation: Incarnation(1), epoch }
    }

    proptest! {
        #[test]
        fn what_has_an_outcome_is_never_denied_one_and_what_is_near_is_known(
            steps in prop::collection::vec((0..2 * OUTCOMES_MARKED, any::<bool>()), 1..60),
        ) {
            let mut ended = Ended::default();
            prop_assert!(ended.may_have(identity(1).id(1)), "nobody has marked anything");
            ended.begin_epoch(Some(identity(1)));
            let (mut model, mut at) = (BTreeSet::new(), 1);
            for (step, goes_on) in steps {
                // Near the last one, or far from it.
                at = if goes_on { at + step % 70 } else { 1 + step };
                prop_assert!(!model.contains(&at) || ended.may_have(identity(1).id(at)));
                let highest = model.last().copied().unwrap_or(0);
                if at + OUTCOMES_MARKED > highest {
                    prop_assert_eq!(ended.may_have(identity(1).id(at)), model.contains(&at));
                }
                ended.mark(identity(1).id(at));
                model.insert(at);
            }
            prop_assert!(ended.may_have(identity(2).id(at)), "of another epoch nothing is known");
        }
    }
}
