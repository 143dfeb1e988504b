//! A7: what was sent for good to a queue is there exactly once: waiting, taken by a transaction that committed, or dead. The
//! same for rows at a database. A queue that the run must drain is empty. Not checked: that a job does the right thing with
//! what it takes.

use std::collections::BTreeMap;

use super::Verdict;
use crate::account::{Account, Answer};

/// How often something may be there: at least, and at most.
type Bounds = (u64, u64);

pub fn check(account: &Account<'_>, verdict: &mut Verdict) {
    for (queue, left) in &account.left {
        let counts = in_queue(account, queue);
        for (key, (found, (least, most))) in counts {
            verdict.judge(found >= least, || format!("{key} is lost from {queue}"));
            verdict.judge(found <= most, || format!("{key} is {found} times in {queue}, and was sent {most} times"));
        }
        if account.terms.is_some_and(|terms| terms.drained.iter().any(|drained| drained == queue)) {
            verdict.judge(left.is_empty(), || format!("{} messages are left in {queue}", left.len()));
        }
    }
    for resource in account.rows.keys() {
        let mut counts: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
        let committed =
            account.transactions.values().filter(|deeds| deeds.is_committed() && !deeds.is_forced_at(resource));
        let writes = committed.flat_map(|deeds| &deeds.writes);
        for write in writes.filter(|write| write.resource == *resource) {
            counts.entry(&write.row.key).or_default().1 += 1;
        }
        account.rows_of(resource).for_each(|row| counts.entry(&row.key).or_default().0 += 1);
        for (key, (found, written)) in counts {
            verdict.judge(found == written, || {
                format!("{key} is {found} times at {resource}, and was written {written} times")
            });
        }
    }
}

/// By key: how often it is there, and how often it should be.
fn in_queue<'a>(account: &'a Account<'_>, queue: &str) -> BTreeMap<&'a str, (u64, Bounds)> {
    let mut counts: BTreeMap<&str, (u64, Bounds)> = BTreeMap::new();
    for send in account.sends().filter(|send| send.queue == queue) {
        let is_committed = send.transaction.is_none_or(|transaction| account.is_committed(transaction));
        let (least, most) = match send.answer {
            Answer::Ok if is_committed => (1, 1),
            Answer::Unknown if is_committed => (0, 1),
            _ => (0, 0),
        };
        let bounds = &mut counts.entry(&send.message.key).or_default().1;
        *bounds = (bounds.0 + least, bounds.1 + most);
    }
    let dead = account.letters.iter().filter(|letter| letter.queue == queue).map(|letter| &letter.message);
    for message in account.delivery(queue).chain(dead) {
        counts.entry(&message.key).or_default().0 += 1;
    }
    counts
}
