//! A18: the same entries give the same state: before a crash and after it, however often a recovery was itself interrupted.
//! Not checked: positions that only one life of a server reached.

use std::collections::BTreeMap;

use super::Verdict;
use crate::account::Account;
use crate::history::Fact;

pub fn check(account: &Account<'_>, verdict: &mut Verdict) {
    let mut digests: BTreeMap<(&str, u64), u64> = BTreeMap::new();
    for seen in &account.facts {
        let Fact::Applied { index, digest } = seen.what else { continue };
        let process = seen.process;
        if let Some(before) = digests.insert((process, *index), *digest) {
            verdict.judge(before == *digest, || {
                format!("{process} has another state at entry {index} than it had before")
            });
        }
    }
}
