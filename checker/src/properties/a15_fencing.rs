//! A15: a transaction's name is given once, over all epochs; a process takes nothing that was judged in an older epoch than
//! what it has taken; and what has ended stays ended. Not checked: names of other coordinators, which may come again (P1).

use std::collections::{BTreeMap, BTreeSet};

use super::Verdict;
use crate::account::Account;
use crate::history::{Fact, State};

pub fn check(account: &Account<'_>, verdict: &mut Verdict) {
    let mut given = BTreeSet::new();
    for begun in &account.begun {
        verdict.judge(given.insert(begun.what.as_str()), || format!("the name {} was given twice", begun.what));
    }
    let mut epochs: BTreeMap<&str, u64> = BTreeMap::new();
    let mut ended: BTreeSet<(&str, &str)> = BTreeSet::new();
    for seen in &account.facts {
        let Fact::State { transaction, state, epoch } = seen.what else { continue };
        let process = seen.process;
        let latest = epochs.entry(process).or_default();
        verdict.judge(*epoch >= *latest, || {
            format!("{process} took a step of {transaction} judged in epoch {epoch}, in epoch {latest}")
        });
        *latest = (*latest).max(*epoch);
        verdict.judge(!ended.contains(&(process, transaction)), || {
            format!("{process} took a step of {transaction} after its end")
        });
        if *state == State::Ended {
            ended.insert((process, transaction));
        }
    }
}
