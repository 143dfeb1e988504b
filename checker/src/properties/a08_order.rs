//! A8: messages of one sender wait in a queue in the order in which they were sent; and where one reader at a time
//! reads alone, what it takes and what it sends on keeps the order of all (G4). A queue manager commits in the order of the
//! decisions (P19). Not checked: the order in which several readers of one queue take messages, and the order of rows.

use std::collections::{BTreeMap, BTreeSet};

use super::Verdict;
use crate::account::{Account, Step};
use crate::history::{Outcome, State};

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
    decisions(account, verdict);
}

/// When a transaction was decided, when it was committed, and its name.
type Place<'a> = (usize, usize, &'a str);

/// For each coordinator and each queue manager that is not its own: first decided, first committed.
fn decisions(account: &Account<'_>, verdict: &mut Verdict) {
    let managers: BTreeSet<&str> = account.homes.values().copied().collect();
    let mut order: BTreeMap<(&str, &str), Vec<Place<'_>>> = BTreeMap::new();
    for (id, deeds) in &account.transactions {
        let is_decision = |step: &Step<'_>| matches!(step.state, State::Decided { outcome: Outcome::Committed, .. });
        let Some(decision) = deeds.first(is_decision) else { continue };
        for step in deeds.steps.iter().filter(|step| *step.state == State::Committed && managers.contains(step.process))
        {
            if step.process != decision.process {
                let place = (decision.moment.number, step.moment.number, *id);
                order.entry((decision.process, step.process)).or_default().push(place);
            }
        }
    }
    for ((_, manager), mut places) in order {
        places.sort_unstable();
        for pair in places.windows(2) {
            let ((_, first, earlier), (_, second, later)) = (pair[0], pair[1]);
            verdict.judge(first < second, || {
                format!("{manager} committed {later} before {earlier}, which was decided first")
            });
        }
    }
}
