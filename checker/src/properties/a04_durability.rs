//! A4: whatever a client was told to be committed is there, after any number of crashes: its messages are in their queues,
//! handed on or dead, its rows at their databases. So is every message of a send outside a transaction that was answered. Not
//! checked: transactions that nobody was told of.

use std::collections::BTreeSet;

use super::Verdict;
use crate::account::{Account, Answer};
use crate::history::Outcome;

pub fn check(account: &Account<'_>, verdict: &mut Verdict) {
    let seen: BTreeSet<(Option<&str>, &str)> =
        account.visible().map(|message| (message.by.as_deref(), message.key.as_str())).collect();
    let rows = account.rows.iter().flat_map(|(resource, rows)| rows.iter().map(move |row| (*resource, row)));
    let rows: BTreeSet<(&str, &str, &str)> =
        rows.map(|(resource, row)| (resource, row.by.as_str(), row.key.as_str())).collect();
    for send in account.plain_sends.iter().filter(|send| send.answer == Answer::Ok) {
        if account.left.contains_key(send.queue) {
            let is_there = seen.contains(&(send.message.by.as_deref(), send.message.key.as_str()));
            verdict.judge(is_there, || format!("{} was sent to {} and is nowhere", send.message.key, send.queue));
        }
    }
    for (id, deeds) in &account.transactions {
        if !deeds.told.iter().any(|(_, outcome)| *outcome == Outcome::Committed) {
            continue;
        }
        for send in deeds.sends.iter().filter(|send| account.left.contains_key(send.queue)) {
            let (key, queue) = (send.message.key.as_str(), send.queue);
            let is_there = seen.contains(&(Some(id), key));
            verdict
                .judge(is_there, || format!("transaction {id} is told to be committed, and {key} in {queue} is lost"));
        }
        for write in deeds.writes.iter().filter(|write| account.rows.contains_key(write.resource)) {
            if deeds.is_forced_at(write.resource) {
                continue;
            }
            let (key, resource) = (write.row.key.as_str(), write.resource);
            let is_there = rows.contains(&(resource, id, key));
            verdict.judge(is_there, || {
                format!("transaction {id} is told to be committed, and {key} at {resource} is lost")
            });
        }
    }
}
