//! A14: a server starts, and in time, whatever it left behind: nothing in doubt keeps it from serving. Not checked: a server
//! whose log is damaged, which must not start (A22) until that is mended; one that crashes or stands still while it starts; how
//! the healthy fare beside what is in doubt (A24).

use super::Verdict;
use crate::account::{Account, Answer};
use crate::history::Fact;

pub fn check(account: &Account<'_>, verdict: &mut Verdict) {
    let within = account.terms.and_then(|terms| terms.starts_within);
    for start in &account.starts {
        let process = start.process;
        let before = account.facts.iter().filter(|seen| seen.process == process);
        let before = before.take_while(|seen| seen.moment.number < start.answered.number);
        let is_damaged = before.fold(false, |is_damaged, seen| match seen.what {
            Fact::Rotted => true,
            Fact::Mended => is_damaged && seen.moment.number > start.asked.number,
            _ => is_damaged,
        });
        let is_struck = account.facts.iter().any(|seen| {
            let is_within = (start.asked.number..=start.answered.number).contains(&seen.moment.number);
            seen.process == process && is_within && matches!(seen.what, Fact::Crashed { .. } | Fact::Away)
        });
        if is_damaged || is_struck {
            continue;
        }
        verdict.judge(start.answer == Answer::Ok, || format!("{process} does not start"));
        if let (Some(within), Answer::Ok) = (within, start.answer) {
            let took = start.answered.at.saturating_sub(start.asked.at);
            verdict.judge(took <= within, || format!("{process} took {took} us to start, and {within} are allowed"));
        }
    }
}
