//! A14: a server starts, and in time, whatever it left behind: nothing in doubt keeps it from serving. Not checked: a server
//! whose log is damaged, which must not start (A22) until that is mended; one that crashes or stands still while it starts; how
//! the healthy fare beside what is in doubt (A24).

use std::collections::BTreeMap;

use super::Verdict;
use crate::account::{Account, Answer};
use crate::history::Fact;

pub fn check(account: &Account<'_>, verdict: &mut Verdict) {
    let within = account.terms.and_then(|terms| terms.starts_within);
    let mut facts: BTreeMap<&str, Vec<_>> = BTreeMap::new();
    account.facts.iter().for_each(|seen| facts.entry(seen.process).or_default().push(seen));
    for start in &account.starts {
        let process = start.process;
        let facts = facts.get(process).map(Vec::as_slice).unwrap_or_default();
        let before = facts.iter().take_while(|seen| seen.moment.number < start.answered.number);
        let is_damaged = before.fold(false, |is_damaged, seen| match seen.what {
            Fact::Rotted => true,
            Fact::Mended => is_damaged && seen.moment.number > start.asked.number,
            _ => is_damaged,
        });
        let is_struck = facts.iter().any(|seen| {
            let is_within = (start.asked.number..=start.answered.number).contains(&seen.moment.number);
            is_within && matches!(seen.what, Fact::Crashed { .. } | Fact::Away)
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
