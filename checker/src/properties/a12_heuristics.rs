//! A12: what ended in more than one way, because somebody ended a branch by hand, is reported, and nothing else is. Not
//! checked: whether the report is kept until somebody forgets it, beyond the end of the run; a branch that somebody committed of
//! a transaction that nobody decided: no coordinator has a record of that (presumed abort), and none may ever ask for it.

use std::collections::BTreeSet;

use super::Verdict;
use crate::account::Account;
use crate::history::{Finding, Outcome};

pub fn check(account: &Account<'_>, verdict: &mut Verdict) {
    let mut reported: BTreeSet<&str> = BTreeSet::new();
    for found in &account.findings {
        if let Finding::Transactions { heuristic, .. } = found.what {
            reported.extend(heuristic.iter().map(String::as_str));
        }
    }
    for (id, deeds) in &account.transactions {
        let is_reported = deeds.is_reported_heuristic() || reported.contains(id);
        let is_rolled_back = deeds.forced.iter().any(|(_, outcome)| *outcome == Outcome::RolledBack);
        if is_rolled_back && deeds.decided().is_some() {
            verdict
                .judge(is_reported, || format!("transaction {id} ended in more than one way, and nobody reports it"));
        }
        if is_reported {
            let has_cause = !deeds.forced.is_empty();
            verdict.judge(has_cause, || {
                format!("transaction {id} is reported to have ended in more than one way, and did not")
            });
        }
    }
}
