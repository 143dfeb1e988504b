//! What happened in the histories, counted, so that a history in which nothing happens does not pass for a proof.

#[derive(Debug, Default)]
pub struct Happened {
    pub committed: u64,
    pub rolled_back: u64,
    pub crashes: u64,
    pub crashes_with_commands_kept: u64,
    pub fenced_committed: u64,
    pub fenced_rolled_back: u64,
    pub late_commits_kept_out: u64,
    pub late_prepares: u64,
    pub swept: u64,
    pub markers_cleared: u64,
    pub host_refusals: u64,
    pub reports_after_a_crash: u64,
    pub waited_for_a_slot: u64,
}

impl Happened {
    fn counts(&self) -> [(&'static str, u64); 13] {
        [
            ("committed", self.committed),
            ("rolled back", self.rolled_back),
            ("crashes", self.crashes),
            ("crashes with commands kept", self.crashes_with_commands_kept),
            ("fenced: committed", self.fenced_committed),
            ("fenced: rolled back", self.fenced_rolled_back),
            ("late commits kept out", self.late_commits_kept_out),
            ("late prepares", self.late_prepares),
            ("swept", self.swept),
            ("markers cleared", self.markers_cleared),
            ("host refusals", self.host_refusals),
            ("reports after a crash", self.reports_after_a_crash),
            ("waited for a slot", self.waited_for_a_slot),
        ]
    }

    pub fn add(&mut self, other: &Happened) {
        self.committed += other.committed;
        self.rolled_back += other.rolled_back;
        self.crashes += other.crashes;
        self.crashes_with_commands_kept += other.crashes_with_commands_kept;
        self.fenced_committed += other.fenced_committed;
        self.fenced_rolled_back += other.fenced_rolled_back;
        self.late_commits_kept_out += other.late_commits_kept_out;
        self.late_prepares += other.late_prepares;
        self.swept += other.swept;
        self.markers_cleared += other.markers_cleared;
        self.host_refusals += other.host_refusals;
        self.reports_after_a_crash += other.reports_after_a_crash;
        self.waited_for_a_slot += other.waited_for_a_slot;
    }

    pub fn check_all_happened(&self) {
        let never: Vec<&str> =
            self.counts().into_iter().filter(|(_, count)| *count == 0).map(|(what, _)| what).collect();
        assert!(never.is_empty(), "never happened: {never:?}");
    }
}
