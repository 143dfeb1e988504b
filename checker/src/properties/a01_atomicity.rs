//! A1: what a transaction did can be seen at every place where it did something, or at none. Not checked: what it received,
//! which is A7's part; transactions that somebody ended by hand, which are A12's.

use std::collections::BTreeMap;

use super::Verdict;
use crate::account::{Account, Answer, Deeds};

pub fn check(account: &Account<'_>, verdict: &mut Verdict) {
    let mut sent: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for message in account.visible() {
        if let Some(by) = &message.by {
            *sent.entry((by, &message.key)).or_default() += 1;
        }
    }
    let rows = account.rows.iter().flat_map(|(resource, rows)| rows.iter().map(move |row| (*resource, row)));
    let rows: BTreeMap<_, u64> = rows.fold(BTreeMap::new(), |mut rows, (resource, row)| {
        *rows.entry((row.by.as_str(), resource, row.key.as_str())).or_default() += 1;
        rows
    });
    for (id, deeds) in &account.transactions {
        if !deeds.forced.is_empty() || deeds.is_reported_heuristic() {
            continue;
        }
        let places = places(account, id, deeds, &sent, &rows);
        if places.len() > 1 {
            let is_one = places.iter().all(|(_, there)| *there == places[0].1);
            verdict.judge(is_one, || format!("transaction {id} is half there: {}", told(&places)));
        }
    }
}

/// Everything that the transaction is known to have done, and whether it can be seen.
fn places(
    account: &Account<'_>,
    id: &str,
    deeds: &Deeds<'_>,
    sent: &BTreeMap<(&str, &str), u64>,
    rows: &BTreeMap<(&str, &str, &str), u64>,
) -> Vec<(String, bool)> {
    let done = deeds.sends.iter().filter(|send| send.answer == Answer::Ok && account.left.contains_key(send.queue));
    let sends = done.map(|send| {
        let there = sent.contains_key(&(id, send.message.key.as_str()));
        (format!("{} in {}", send.message.key, send.queue), there)
    });
    let done = deeds.writes.iter().filter(|write| write.answer == Answer::Ok);
    let known = done.filter(|write| account.rows.contains_key(write.resource));
    let writes = known.map(|write| {
        let there = rows.contains_key(&(id, write.resource, write.row.key.as_str()));
        (format!("{} at {}", write.row.key, write.resource), there)
    });
    sends.chain(writes).collect()
}

fn told(places: &[(String, bool)]) -> String {
    let told: Vec<String> =
        places.iter().map(|(place, there)| format!("{place} {}", if *there { "is" } else { "is not" })).collect();
    told.join(", ")
}
