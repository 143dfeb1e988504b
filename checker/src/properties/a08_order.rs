//! A8: messages of one sender are delivered from a queue in the order in which they were sent; and where one reader at a time
//! reads alone, what it takes and what it sends on keeps the order of all (G4). Not checked: the order in which several
//! readers of one queue take messages, and the order of rows.

use std::collections::BTreeMap;

use super::Verdict;
use crate::account::Account;

pub fn check(account: &Account<'_>, verdict: &mut Verdict) {
    let mut sends: Vec<_> = account.sends().collect();
    sends.sort_by_key(|send| send.moment.number);
    let mut first: BTreeMap<&str, usize> = BTreeMap::new();
    for send in &sends {
        first.entry(&send.message.key).or_insert(send.moment.number);
    }
    for (queue, left) in &account.left {
        let mut last: BTreeMap<&str, (usize, &str)> = BTreeMap::new();
        for message in left.iter() {
            let is_of = |send: &&&crate::account::Send<'_>| send.queue == *queue && send.message == message;
            let Some(send) = sends.iter().rfind(is_of) else { continue };
            let (number, key) = (send.moment.number, message.key.as_str());
            if let Some((before, earlier)) = last.insert(send.process, (number, key)) {
                verdict.judge(before <= number, || {
                    format!("{earlier} stands before {key} in {queue}, and was sent after it")
                });
            }
        }
    }
    let ordered = account.terms.map(|terms| terms.ordered.as_slice()).unwrap_or_default();
    for queue in ordered {
        let keys: Vec<&str> = account.delivery(queue).map(|message| message.key.as_str()).collect();
        for pair in keys.windows(2) {
            let (before, after) = (first.get(pair[0]), first.get(pair[1]));
            verdict.judge(before <= after, || format!("{} came before {} from {queue}", pair[0], pair[1]));
        }
    }
}
