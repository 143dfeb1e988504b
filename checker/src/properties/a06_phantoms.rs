//! A6: every message that was handed out or found is one that somebody sent, unaltered; so is every row. Not checked: headers
//! and properties that the digest leaves out.

use std::collections::{BTreeMap, BTreeSet};

use super::Verdict;
use crate::account::Account;

pub fn check(account: &Account<'_>, verdict: &mut Verdict) {
    let mut sent: BTreeMap<(Option<&str>, &str), BTreeSet<u64>> = BTreeMap::new();
    for send in account.sends() {
        let message = send.message;
        sent.entry((message.by.as_deref(), &message.key)).or_default().insert(message.digest);
    }
    for message in account.visible() {
        let key = &message.key;
        match sent.get(&(message.by.as_deref(), key.as_str())) {
            None => verdict.judge(false, || format!("{key:?} is there, and nobody sent it")),
            Some(digests) => {
                verdict.judge(digests.contains(&message.digest), || format!("{key} was altered on its way"))
            }
        }
    }
    let written: BTreeSet<(&str, &str, &str)> = account
        .transactions
        .iter()
        .flat_map(|(id, deeds)| deeds.writes.iter().map(|write| (*id, write.resource, write.row.key.as_str())))
        .collect();
    for (resource, rows) in &account.rows {
        for row in *rows {
            let is_written = written.contains(&(row.by.as_str(), *resource, row.key.as_str()));
            verdict.judge(is_written, || format!("the row {:?} is at {resource}, and nobody wrote it", row.key));
        }
    }
}
