//! Who could not be reached, and when.

use std::collections::BTreeMap;

#[derive(Debug, Default)]
pub struct Absences<'h> {
    /// From and until, in microseconds; who never came back is away for ever.
    spans: BTreeMap<&'h str, Vec<(u64, u64)>>,
}

impl<'h> Absences<'h> {
    pub(super) fn goes(&mut self, process: &'h str, at: u64) {
        let spans = self.spans.entry(process).or_default();
        if spans.last().is_none_or(|(_, until)| *until != u64::MAX) {
            spans.push((at, u64::MAX));
        }
    }

    pub(super) fn is_back(&mut self, process: &str, at: u64) {
        if let Some((_, until)) = self.spans.get_mut(process).and_then(|spans| spans.last_mut())
            && *until == u64::MAX
        {
            *until = at;
        }
    }

    /// The process could not be reached at some time between the two.
    pub fn overlaps(&self, process: &str, from: u64, until: u64) -> bool {
        let spans = self.spans.get(process).map(Vec::as_slice).unwrap_or_default();
        spans.iter().any(|(gone, back)| *gone <= until && from <= *back)
    }

    /// Somebody could not be reached at some time between the two.
    pub fn anybody(&self, from: u64, until: u64) -> bool {
        self.spans.keys().any(|process| self.overlaps(process, from, until))
    }
}
