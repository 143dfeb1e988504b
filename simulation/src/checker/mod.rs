//! The checker: judges a run by its history and its audit, one file a property. It knows nothing of how a run is made.

mod atomicity;
mod dead_letters;
mod exactly_once;
mod order;
mod outcomes;
mod residue;
mod substance;

use crate::history::History;
use crate::world::Audit;

/// A property that does not hold, and what shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    pub property: &'static str,
    pub what: String,
}

impl std::fmt::Display for Violation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.property, self.what)
    }
}

/// Judges one property.
type Property = fn(&History, &Audit, &mut Vec<String>);

const PROPERTIES: [(&str, Property); 7] = [
    ("substance", substance::check),
    ("atomicity (A1)", atomicity::check),
    ("exactly once (A7)", exactly_once::check),
    ("order (A8)", order::check),
    ("outcomes (A3, A4)", outcomes::check),
    ("dead letters (P22)", dead_letters::check),
    ("residue (A13, A16)", residue::check),
];

/// Everything that is wrong with the run.
pub fn judge(history: &History, audit: &Audit) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (property, check) in PROPERTIES {
        let mut found = Vec::new();
        check(history, audit, &mut found);
        violations.extend(found.into_iter().map(|what| Violation { property, what }));
    }
    violations
}

#[cfg(test)]
mod checker_test;
