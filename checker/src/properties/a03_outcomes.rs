//! A3: a transaction has one outcome: at each process, over all its lives; in whatever its client was told; and in what its
//! coordinator says at the end. Not checked: whether the outcome was carried out, which is A1's and A4's part.

use std::collections::BTreeMap;

use super::Verdict;
use crate::account::{Account, Deeds};
use crate::history::{Known, Outcome, State};

pub fn check(account: &Account<'_>, verdict: &mut Verdict) {
    for (id, deeds) in &account.transactions {
        at_each_process(id, deeds, verdict);
        for pair in deeds.told.windows(2) {
            let (first, second) = (pair[0].1, pair[1].1);
            verdict.judge(first == second, || format!("transaction {id} was told to be {first}, and then {second}"));
        }
        match (deeds.told.first(), deeds.known) {
            (Some((_, told)), Some(Known::Ended(known))) => verdict.judge(told == known, || {
                format!("transaction {id} was told to be {told}, and its coordinator says that it is {known}")
            }),
            (Some((_, told)), Some(Known::Forgotten)) => verdict.judge(false, || {
                format!("transaction {id} was told to be {told}, and its coordinator has forgotten it")
            }),
            (Some((_, told)), Some(Known::Open(why))) => verdict
                .judge(false, || format!("transaction {id} was told to be {told}, and its coordinator says: {why}")),
            _ => {}
        }
    }
}

fn at_each_process(id: &str, deeds: &Deeds<'_>, verdict: &mut Verdict) {
    let mut outcomes: BTreeMap<&str, Outcome> = BTreeMap::new();
    for step in &deeds.steps {
        let outcome = match step.state {
            State::Decided { outcome, .. } => *outcome,
            State::Committed => Outcome::Committed,
            State::RolledBack => Outcome::RolledBack,
            State::Prepared | State::ReadOnly | State::Delegated { .. } | State::Ended => continue,
        };
        let process = step.process;
        let first = *outcomes.entry(process).or_insert(outcome);
        verdict.judge(first == outcome || deeds.is_forced_at(process), || {
            format!("transaction {id} is {first} at {process}, and then {outcome}")
        });
    }
}
