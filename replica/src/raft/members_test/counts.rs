//! How often what happened in the runs: rare states that no run reached are not tested.

use std::collections::BTreeMap;

#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Counts {
    seen: BTreeMap<&'static str, u64>,
}

impl Counts {
    /// What is counted is known from then on, also if it was seen no times.
    pub fn add(&mut self, what: &'static str, times: u64) {
        *self.seen.entry(what).or_default() += times;
    }

    pub fn merge(&mut self, other: &Counts) {
        other.seen.iter().for_each(|(what, times)| self.add(what, *times));
    }

    /// What never happened of all that could.
    pub fn missing(&self, expected: &[&'static str]) -> Vec<&'static str> {
        expected.iter().filter(|what| self.seen.get(*what).is_none_or(|times| *times == 0)).copied().collect()
    }
}
