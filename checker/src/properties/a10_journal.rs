//! A10: the log is complete: no entry is missing between the first and the last, and all of them, applied to an empty state,
//! give the state that was found. Not checked: whether the state is right, which all the others are for; whoever applies
//! the entries anew may do so with the same code.

use super::Verdict;
use crate::account::Account;
use crate::history::Finding;

pub fn check(account: &Account<'_>, verdict: &mut Verdict) {
    for found in &account.findings {
        let Finding::Log { first, last, entries, digest, replayed } = found.what else { continue };
        let process = found.process;
        let span = last.saturating_add(1).saturating_sub(*first);
        verdict.judge(span == *entries, || {
            format!("the log of {process} has {entries} entries from {first} to {last}: {span} should be there")
        });
        verdict.judge(digest == replayed, || format!("the log of {process} does not give the state that it has"));
    }
}
