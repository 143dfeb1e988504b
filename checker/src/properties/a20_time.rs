//! A20: time ends only what it may: a message dies of its time when that is over, by the queue manager's own clock, and a
//! transaction that was given up for its timeout never commits. Not checked: that a message dies soon after its time.

use super::Verdict;
use crate::account::Account;
use crate::history::Outcome;

pub fn check(account: &Account<'_>, verdict: &mut Verdict) {
    for letter in &account.letters {
        if letter.reason == "ReceiveTimeout" {
            let (key, died) = (&letter.message.key, letter.died_at);
            match letter.expires_at {
                None => verdict.judge(false, || format!("{key} died of its time, and had none")),
                Some(expires) => {
                    verdict.judge(died >= expires, || format!("{key} died at {died}, and was to live until {expires}"))
                }
            }
        }
    }
    for (id, deeds) in account.transactions.iter().filter(|(_, deeds)| deeds.timed_out) {
        let told = deeds.told.iter().any(|(_, outcome)| *outcome == Outcome::Committed);
        // What somebody committed by hand can be seen, and is reported (A12).
        let is_seen = deeds.is_visible && deeds.forced.is_empty();
        let is_committed = told || is_seen || deeds.decided().is_some();
        verdict.judge(!is_committed, || format!("transaction {id} was given up for its timeout, and committed"));
    }
}
