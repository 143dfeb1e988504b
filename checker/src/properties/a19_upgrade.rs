//! A19: what an earlier version wrote is read as what it was. Not checked: versions of which nothing was kept.

use super::Verdict;
use crate::account::Account;
use crate::history::Finding;

pub fn check(account: &Account<'_>, verdict: &mut Verdict) {
    for found in &account.findings {
        if let Finding::Upgraded { from, digest, written } = found.what {
            verdict.judge(digest == written, || {
                format!("{} reads something else than version {from} wrote", found.process)
            });
        }
    }
}
