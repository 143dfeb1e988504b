//! What a running server has taken, beside what it may take (G7).

/// One figure. A contract: `/metrics` and `handfast status` show it by this name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gauge {
    /// In lower case, its words joined by `_`; one of bytes ends with `_bytes`.
    pub name: &'static str,
    /// What is counted.
    pub what: &'static str,
    pub value: u64,
    /// What the value never goes beyond; `None`: it has no bound of its own.
    pub limit: Option<u64>,
}

impl Gauge {
    pub fn new(name: &'static str, what: &'static str, value: impl TryInto<u64>) -> Gauge {
        Gauge { name, what, value: value.try_into().unwrap_or(u64::MAX), limit: None }
    }

    #[must_use]
    pub fn of(self, limit: impl TryInto<u64>) -> Gauge {
        Gauge { limit: Some(limit.try_into().unwrap_or(u64::MAX)), ..self }
    }
}
