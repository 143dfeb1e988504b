//! A5: nobody is handed a message of a transaction that rolled back, that is not yet decided, or that is the receiver's own; nor,
//! where the queues decide themselves, one whose transaction's rows cannot be seen yet (P10). Not checked: rows, which databases keep from each other; messages that
//! do not name their transaction.

use std::collections::BTreeSet;

use super::Verdict;
use crate::account::{Account, Deeds, Fate, Step};
use crate::history::State;

pub fn check(account: &Account<'_>, verdict: &mut Verdict) {
    for receive in &account.receives {
        let Some(by) = receive.message.by.as_deref() else { continue };
        let (key, deeds) = (&receive.message.key, account.transactions.get(by));
        let is_rolled_back = deeds.is_none_or(|deeds| deeds.fate() == Fate::RolledBack);
        verdict
            .judge(!is_rolled_back, || format!("{key} was handed out, and transaction {by} that sent it rolled back"));
        verdict.judge(receive.transaction != Some(by), || {
            format!("transaction {by} was handed {key}, which it had sent itself")
        });
        if let Some(decided) = deeds.and_then(|deeds| deeds.decided()) {
            verdict.judge(decided.number < receive.moment.number, || {
                format!("{key} was handed out before transaction {by} that sent it was decided")
            });
        }
        // A queue manager under another coordinator commits when it is told.
        let own = account.homes.get(receive.queue).copied();
        let deeds = deeds.filter(|deeds| deeds.coordinator == own);
        for resource in deeds.into_iter().flat_map(prepared_databases) {
            let is_committed = deeds.is_some_and(|deeds| {
                let commits = |step: &Step<'_>| step.process == resource && *step.state == State::Committed;
                deeds.first(commits).is_some_and(|step| step.moment.number < receive.moment.number)
            });
            verdict.judge(is_committed, || {
                format!("{key} was handed out before {resource} had committed transaction {by}")
            });
        }
    }
}

/// Where the transaction wrote rows that were prepared; nobody has ended them by hand.
fn prepared_databases<'h>(deeds: &Deeds<'h>) -> BTreeSet<&'h str> {
    let databases = deeds.writes.iter().map(|write| write.resource);
    databases
        .filter(|database| {
            let prepares = |step: &Step<'_>| step.process == *database && *step.state == State::Prepared;
            deeds.first(prepares).is_some() && !deeds.is_forced_at(database)
        })
        .collect()
}
