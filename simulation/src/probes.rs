//! Rare states that runs have reached, counted: a set of runs in which nothing interesting happens proves nothing.

/// See the module.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Probes {
    pub runs: u64,
    pub steps: u64,
    pub strikes: u64,
    pub server_recoveries: u64,
    pub entries_replayed: u64,
    /// Transactions that a restarted coordinator found in its log, delegated or decided and not ended.
    pub in_doubt_recovered: u64,
    /// Prepared branches of another coordinator that a restarted queue manager found.
    pub branches_recovered: u64,
    pub fenced_committed: u64,
    pub fenced_rolled_back: u64,
    pub late_decisions: u64,
    pub committed_before: u64,
    pub prepared_rolled_back: u64,
    pub blocked: u64,
    pub visible_early: u64,
    pub told_committed: u64,
    pub told_rolled_back: u64,
    pub told_unknown: u64,
    /// Commits whose clients were not told by the answer to their request.
    pub outcomes_asked: u64,
    /// Processes that ended by themselves, because their disk failed.
    pub poisoned: u64,
    /// Servers that stood still.
    pub stalls: u64,
    pub markers_cleared: u64,
    /// PREPAREs that found no slot (P9).
    pub no_slot: u64,
}

impl Probes {
    pub fn counts(&self) -> [(&'static str, u64); 22] {
        [
            ("runs", self.runs),
            ("steps", self.steps),
            ("strikes", self.strikes),
            ("recoveries of servers", self.server_recoveries),
            ("entries replayed", self.entries_replayed),
            ("in doubt, recovered", self.in_doubt_recovered),
            ("prepared branches recovered", self.branches_recovered),
            ("fences: committed", self.fenced_committed),
            ("fences: rolled back", self.fenced_rolled_back),
            ("late decisions kept out", self.late_decisions),
            ("phase two done before", self.committed_before),
            ("prepared, rolled back", self.prepared_rolled_back),
            ("waited for a commit", self.blocked),
            ("visible before durable", self.visible_early),
            ("told: committed", self.told_committed),
            ("told: rolled back", self.told_rolled_back),
            ("told: unknown", self.told_unknown),
            ("outcomes asked for", self.outcomes_asked),
            ("disks failed", self.poisoned),
            ("servers stood still", self.stalls),
            ("marker rows cleared", self.markers_cleared),
            ("no slot to prepare", self.no_slot),
        ]
    }

    pub fn add(&mut self, other: &Probes) {
        self.runs += other.runs;
        self.steps += other.steps;
        self.strikes += other.strikes;
        self.server_recoveries += other.server_recoveries;
        self.entries_replayed += other.entries_replayed;
        self.in_doubt_recovered += other.in_doubt_recovered;
        self.branches_recovered += other.branches_recovered;
        self.fenced_committed += other.fenced_committed;
        self.fenced_rolled_back += other.fenced_rolled_back;
        self.late_decisions += other.late_decisions;
        self.committed_before += other.committed_before;
        self.prepared_rolled_back += other.prepared_rolled_back;
        self.blocked += other.blocked;
        self.visible_early += other.visible_early;
        self.told_committed += other.told_committed;
        self.told_rolled_back += other.told_rolled_back;
        self.told_unknown += other.told_unknown;
        self.outcomes_asked += other.outcomes_asked;
        self.poisoned += other.poisoned;
        self.stalls += other.stalls;
        self.markers_cleared += other.markers_cleared;
        self.no_slot += other.no_slot;
    }
}

impl std::fmt::Display for Probes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let counts = self.counts();
        let shown: Vec<String> = counts.iter().map(|(what, count)| format!("{what} {count}")).collect();
        f.write_str(&shown.join(", "))
    }
}
