//! What came of judging.

/// What one property has to say of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// A1 to A24, or S for the run's substance.
    pub id: &'static str,
    pub name: &'static str,
    /// How many things were looked at. Nothing means that the property says nothing of this run.
    pub judged: u64,
    /// What is wrong, in words.
    pub wrong: Vec<String>,
}

impl Verdict {
    /// Looks at one thing.
    pub(crate) fn judge(&mut self, holds: bool, wrong: impl FnOnce() -> String) {
        self.judged += 1;
        if !holds {
            self.wrong.push(wrong());
        }
    }
}

/// One thing that is wrong, and the property that it breaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    pub id: &'static str,
    pub name: &'static str,
    pub what: String,
}

impl std::fmt::Display for Violation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({}): {}", self.name, self.id, self.what)
    }
}

/// All verdicts on a run, in the order of the properties.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    pub verdicts: Vec<Verdict>,
}

impl Report {
    pub fn is_good(&self) -> bool {
        self.verdicts.iter().all(|verdict| verdict.wrong.is_empty())
    }

    pub fn violations(&self) -> impl Iterator<Item = Violation> {
        self.verdicts.iter().flat_map(|Verdict { id, name, wrong, .. }| {
            wrong.iter().map(|what| Violation { id, name, what: what.clone() })
        })
    }
}
