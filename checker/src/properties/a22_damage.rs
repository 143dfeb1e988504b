//! A22: a server whose log was damaged below what it knows to be synced does not start: it never takes the damage for the
//! log's end (P28). Not checked: damage to the very last batch, which cannot be told from a torn one.

use super::Verdict;
use crate::account::{Account, Answer};
use crate::history::Fact;

pub fn check(account: &Account<'_>, verdict: &mut Verdict) {
    for seen in account.facts.iter().filter(|seen| *seen.what == Fact::Rotted) {
        let process = seen.process;
        let mut later =
            account.starts.iter().filter(|start| start.process == process && start.asked.number > seen.moment.number);
        if let Some(start) = later.next() {
            verdict.judge(start.answer == Answer::Fail, || format!("the log of {process} was damaged, and it starts"));
        }
    }
}
