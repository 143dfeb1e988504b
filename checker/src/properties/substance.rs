//! S: the run shows something: it did what it was meant to judge, something was committed, and a run that should find
//! transactions in doubt after a crash did. Not checked: whether what happened was interesting.

use super::Verdict;
use crate::account::Account;
use crate::history::Fact;

pub fn check(account: &Account<'_>, verdict: &mut Verdict) {
    verdict.judge(account.events > 0, || "the history is empty".to_owned());
    verdict.judge(account.terms.is_some(), || "the history does not say what its run is".to_owned());
    let is_committed = account.transactions.values().any(|deeds| deeds.is_committed());
    verdict.judge(is_committed, || "nothing was committed".to_owned());
    if account.terms.is_some_and(|terms| terms.must_recover) {
        let recovered = |fact: &Fact| matches!(fact, Fact::Recovered { in_doubt: 1.., .. });
        let is_recovered = account.facts.iter().any(|seen| recovered(seen.what));
        verdict.judge(is_recovered, || "no server found anything in doubt after a crash".to_owned());
    }
}
