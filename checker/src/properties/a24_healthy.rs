//! A24: while somebody is away, transactions that do not touch it end in time. Not checked: those whose client, servers or
//! databases were away themselves at any moment of their life.

use std::collections::BTreeSet;

use super::Verdict;
use crate::account::{Account, Deeds};

pub fn check(account: &Account<'_>, verdict: &mut Verdict) {
    let Some(within) = account.terms.and_then(|terms| terms.healthy_within) else { return };
    for (id, deeds) in &account.transactions {
        let (Some(began), Some(ending), Some((told, _))) = (deeds.began, deeds.ending, deeds.told.first()) else {
            continue;
        };
        let (from, until) = (began.at, told.at);
        let is_healthy =
            !touched(account, deeds).into_iter().any(|process| account.away.overlaps(process, from, until));
        if is_healthy && account.away.anybody(from, until) {
            let took = until.saturating_sub(ending.at);
            verdict.judge(took <= within, || {
                format!("transaction {id} took {took} us to end, and touched nobody who was away")
            });
        }
    }
}

/// Everybody on whom the transaction depends.
fn touched<'h>(account: &Account<'h>, deeds: &Deeds<'h>) -> BTreeSet<&'h str> {
    let queues = deeds.sends.iter().map(|send| send.queue).chain(deeds.receives.iter().map(|receive| receive.queue));
    let homes = queues.filter_map(|queue| account.homes.get(queue).copied());
    let servers = deeds.steps.iter().map(|step| step.process).chain(deeds.coordinator).chain(homes);
    let resources = deeds.writes.iter().map(|write| write.resource);
    servers.chain(resources).chain(deeds.process).collect()
}
