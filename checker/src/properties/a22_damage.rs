//! A22: a server whose log was damaged below what it knows to be synced does not start until that is mended: it never takes the
//! damage for the log's end (P28). Not checked: damage to the very last batch, which cannot be told from a torn one; starts that
//! were cut short.

use super::Verdict;
use crate::account::{Account, Answer};
use crate::history::Fact;

pub fn check(account: &Account<'_>, verdict: &mut Verdict) {
    for seen in account.facts.iter().filter(|seen| *seen.what == Fact::Rotted) {
        let process = seen.process;
        let mut later = account.facts.iter().filter(|later| later.moment.number > seen.moment.number);
        let mended = later.find(|later| later.process == process && *later.what == Fact::Mended);
        let damaged = seen.moment.number..mended.map_or(usize::MAX, |mended| mended.moment.number);
        let starts = account.starts.iter().filter(|start| start.process == process);
        for start in starts.filter(|start| damaged.contains(&start.asked.number) && start.answer != Answer::Unknown) {
            verdict.judge(start.answer == Answer::Fail, || format!("the log of {process} was damaged, and it starts"));
        }
    }
}
