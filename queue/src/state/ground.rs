//! What of a queue's ground is known to be empty, so that no scan goes through deleted messages.
//!
//! Below the head of a band everything is gone. Above it, messages are taken out of order: by concurrent readers, around
//! a message that waits for its next attempt or that a branch in doubt holds. `gone` remembers those stretches, so that the
//! head moves over them in one step, and scans jump. It is bounded: see [`Ground::is_crowded`].

use std::collections::BTreeMap;

use crate::limits::GONE_STRETCHES_MAX;

/// Bands of a queue: one per priority.
pub(super) const BANDS: u8 = 8;

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Ground {
    /// (band, from) -> end, exclusive. Invariant: disjoint, not adjacent, not empty, wholly above the band's head.
    gone: BTreeMap<(u8, u64), u64>,
}

impl Ground {
    pub(super) fn from_stretches(stretches: Vec<(u8, u64, u64)>) -> Ground {
        Ground { gone: stretches.into_iter().map(|(band, from, end)| ((band, from), end)).collect() }
    }

    pub(super) fn stretches(&self) -> Vec<(u8, u64, u64)> {
        self.gone.iter().map(|(&(band, from), &end)| (band, from, end)).collect()
    }

    /// The message at `sequence` is gone now.
    pub(super) fn remove(&mut self, heads: &mut [u64; 8], band: u8, sequence: u64) {
        let head = &mut heads[usize::from(band)];
        if sequence == *head {
            *head = sequence + 1;
            if let Some(end) = self.gone.remove(&(band, *head)) {
                *head = end;
            }
            return;
        }
        let end = self.gone.remove(&(band, sequence + 1)).unwrap_or(sequence + 1);
        match self.gone.range_mut((band, 0)..(band, sequence)).next_back() {
            Some((_, below)) if *below == sequence => *below = end,
            Some(_) | None => {
                self.gone.insert((band, sequence), end);
            }
        }
    }

    /// Nothing at all is left in the queue.
    pub(super) fn clear(&mut self) {
        self.gone.clear();
    }

    /// The first message of `band` that still rests is at `first` (or there is none below it): the head moves there.
    pub(super) fn raise(&mut self, heads: &mut [u64; 8], band: u8, first: u64) {
        self.gone.retain(|(of, from), _| *of != band || *from > first);
        heads[usize::from(band)] = first;
    }

    /// More stretches than are kept: the owner raises the heads to what it finds resting, and then thins.
    pub(super) fn is_crowded(&self) -> bool {
        self.gone.len() > GONE_STRETCHES_MAX
    }

    /// Forgets the shortest stretches until half of the bound is left, so that thinning is rare. A scan passes over what
    /// was forgotten, one deleted key at a time; no message is overlooked.
    pub(super) fn thin(&mut self) {
        let mut by_length: Vec<(u64, (u8, u64))> =
            self.gone.iter().map(|(&(band, from), &end)| (end - from, (band, from))).collect();
        by_length.sort_unstable();
        let surplus = by_length.len().saturating_sub(GONE_STRETCHES_MAX / 2);
        for (_, stretch) in &by_length[..surplus] {
            self.gone.remove(stretch);
        }
    }

    /// The stretches of `from..end` in `band` where messages may rest, ascending and half-open.
    pub(super) fn resting(&self, band: u8, from: u64, end: u64) -> Vec<(u64, u64)> {
        let mut start = from;
        if let Some((_, below)) = self.gone.range((band, 0)..=(band, from)).next_back() {
            start = start.max(*below);
        }
        let mut stretches = Vec::new();
        for (&(_, gone_from), &gone_end) in self.gone.range((band, start)..(band, end.max(start))) {
            if start < gone_from {
                stretches.push((start, gone_from));
            }
            start = gone_end;
        }
        if start < end {
            stretches.push((start, end));
        }
        stretches
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    const BAND: u8 = 4;

    fn covered(ground: &Ground, from: u64, end: u64) -> BTreeSet<u64> {
        ground.resting(BAND, from, end).into_iter().flat_map(|(from, end)| from..end).collect()
    }

    proptest! {
        /// Against the plain set of what rests: exact as long as nothing was thinned, whatever the order of removals.
        #[test]
        fn knows_exactly_what_rests(removals in Just((0..60u64).collect::<Vec<_>>()).prop_shuffle(), kept in 0..60usize,
                                    from in 0..60u64, end in 0..70u64) {
            let (mut ground, mut heads) = (Ground::default(), [0; 8]);
            let mut resting: BTreeSet<u64> = (0..60).collect();
            for &sequence in &removals[kept..] {
                ground.remove(&mut heads, BAND, sequence);
                resting.remove(&sequence);
                let head = heads[usize::from(BAND)];
                prop_assert_eq!(head, resting.first().copied().unwrap_or(60));
            }
            let from = from.max(heads[usize::from(BAND)]);
            let expected: BTreeSet<u64> = (from..end).filter(|at| *at >= 60 || resting.contains(at)).collect();
            prop_assert_eq!(covered(&ground, from, end), expected);
            prop_assert_eq!(Ground::from_stretches(ground.stretches()), ground);
        }
    }

    #[test]
    fn thinning_forgets_the_shortest_and_overlooks_nothing() {
        let (mut ground, mut heads) = (Ground::default(), [0; 8]);
        let mut resting = BTreeSet::from([0]);
        let mut sequence = 1;
        for length in 1..=(GONE_STRETCHES_MAX as u64 + 1) {
            resting.insert(sequence);
            for gone in sequence + 1..=sequence + length {
                ground.remove(&mut heads, BAND, gone);
            }
            sequence += length + 1;
        }
        assert!(ground.is_crowded());
        ground.thin();
        assert_eq!(ground.stretches().len(), GONE_STRETCHES_MAX / 2);
        assert!(ground.stretches().iter().all(|(_, from, end)| end - from > GONE_STRETCHES_MAX as u64 / 2));
        assert!(covered(&ground, 0, sequence).is_superset(&resting));
    }
}
