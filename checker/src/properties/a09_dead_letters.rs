//! A9: a message dies only of what may kill it, once, with the right reason, and what must die does; a dead one was not taken
//! by a transaction that committed (P22: crashes alone kill nothing). Not checked: the text of the error.

use std::collections::BTreeMap;

use super::Verdict;
use crate::account::Account;
use crate::history::{Fact, Finding};

pub fn check(account: &Account<'_>, verdict: &mut Verdict) {
    if !account.findings.iter().any(|found| matches!(found.what, Finding::DeadLetters { .. })) {
        return;
    }
    // A message may have several things to die of.
    let mut dooms: BTreeMap<&str, Vec<(&str, bool)>> = BTreeMap::new();
    for seen in &account.facts {
        if let Fact::Doomed { message, reason, may } = seen.what {
            dooms.entry(message).or_default().push((reason, *may));
        }
    }
    let mut dead: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for letter in &account.letters {
        let (key, queue, reason) = (letter.message.key.as_str(), letter.queue.as_str(), letter.reason.as_str());
        *dead.entry((queue, key)).or_default() += 1;
        match dooms.get(key) {
            None => verdict.judge(false, || format!("{key} died of {reason}, and nothing should have killed it")),
            Some(dooms) => {
                let right: Vec<&str> = dooms.iter().map(|(right, _)| *right).collect();
                verdict.judge(right.contains(&reason), || {
                    format!("{key} died of {reason}, and not of {}", right.join(" or "))
                })
            }
        }
        let is_taken = account.consumed(queue).any(|receive| receive.message.key == key);
        verdict.judge(!is_taken, || format!("{key} is dead, and a transaction that committed has taken it"));
    }
    for ((queue, key), times) in &dead {
        verdict.judge(*times == 1, || format!("{key} of {queue} is dead {times} times"));
    }
    for (key, dooms) in dooms {
        for (reason, _) in dooms.iter().filter(|(_, may)| !may) {
            let is_dead = dead.keys().any(|(_, dead)| *dead == key);
            verdict.judge(is_dead, || format!("{key} should have died of {reason}"));
        }
    }
    verdict.judge(true, String::new);
}
