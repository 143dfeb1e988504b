//! A8: messages of one sender wait in a queue in the order in which they were sent, and are handed out for the first time in
//! that order. Where one reader at a time reads alone, what it takes and what it sends on keeps the order of all (G4), and what
//! several senders sent that of their commits. A queue manager commits in the order of the decisions (P19). Not checked: the order
//! in which several readers are handed messages once one of them was handed something and nobody knows what, or while their
//! answers are on the way; priorities; and the order of rows.

use std::collections::{BTreeMap, BTreeSet};

use super::Verdict;
use crate::account::{Account, Answer, Send, Step};
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
    read_alone(account, &sends, verdict);
    handed_out(account, &sends, verdict);
    decisions(account, verdict);
}

/// Places in a queue are given when its queue manager commits a send.
fn read_alone(account: &Account<'_>, sends: &[&Send<'_>], verdict: &mut Verdict) {
    let queues = account.terms.map(|terms| terms.read_alone.as_slice()).unwrap_or_default();
    for queue in queues {
        let of_queue = sends.iter().filter(|send| send.queue == queue);
        let places =
            of_queue.filter_map(|send| Some(((send.message.key.as_str(), send.transaction), place(account, send)?)));
        let places: BTreeMap<(&str, Option<&str>), usize> = places.collect();
        let taken = account.delivery(queue).filter_map(|message| {
            let place = places.get(&(message.key.as_str(), message.by.as_deref()))?;
            Some((*place, message.key.as_str()))
        });
        for pair in taken.collect::<Vec<(usize, &str)>>().windows(2) {
            let ((before, earlier), (after, later)) = (pair[0], pair[1]);
            verdict.judge(before <= after, || {
                format!("{earlier} left {queue} before {later}, which was committed there first")
            });
        }
    }
}

/// When the queue manager committed a transaction's send.
fn place(account: &Account<'_>, send: &Send<'_>) -> Option<usize> {
    let deeds = account.transactions.get(send.transaction?).filter(|deeds| deeds.is_committed())?;
    let home = *account.homes.get(send.queue)?;
    let commits = |step: &Step<'_>| match step.state {
        State::Committed | State::Decided { outcome: Outcome::Committed, .. } => step.process == home,
        _ => false,
    };
    deeds.first(commits).map(|step| step.moment.number)
}

/// What could be seen of one sender before its next message was handed out had been handed out itself by then, or was dead.
fn handed_out(account: &Account<'_>, sends: &[&Send<'_>], verdict: &mut Verdict) {
    // When it was asked for and when it came: answers that are on their way overtake each other.
    let mut first: BTreeMap<(&str, &str, Option<&str>), (usize, usize)> = BTreeMap::new();
    for receive in &account.receives {
        let place = (receive.queue, receive.message.key.as_str(), receive.message.by.as_deref());
        let (asked, out) = first.entry(place).or_insert((receive.asked.number, receive.moment.number));
        (*asked, *out) = ((*asked).min(receive.asked.number), (*out).min(receive.moment.number));
    }
    let letters = account.letters.iter();
    let dead: BTreeSet<(&str, &str)> =
        letters.map(|letter| (letter.queue.as_str(), letter.message.key.as_str())).collect();
    let when =
        |send: &Send<'_>| first.get(&(send.queue, send.message.key.as_str(), send.message.by.as_deref())).copied();
    let mut before: BTreeMap<(&str, &str), &Send<'_>> = BTreeMap::new();
    for later in sends.iter().filter(|send| send.answer == Answer::Ok && seen_since(account, send).is_some()) {
        let Some(earlier) = before.insert((later.queue, later.process), later) else { continue };
        let (Some(seen), Some((asked, out))) = (seen_since(account, earlier), when(later)) else { continue };
        // Held sends are let go in the order of their databases' acknowledgements: the later one may have been taken between
        // the two, by somebody who waited for it.
        let taken = if is_held(account, earlier) { asked } else { out };
        let is_clear = account.untold.get(later.queue).is_none_or(|since| out < *since);
        let (key, queue) = (earlier.message.key.as_str(), later.queue);
        if seen < taken && is_clear && !dead.contains(&(queue, key)) {
            let is_first = when(earlier).is_some_and(|(asked, _)| asked < out);
            verdict.judge(is_first, || {
                format!("{} was handed out from {queue} before {key}, which was sent first", later.message.key)
            });
        }
    }
}

/// Since when the message is in its queue for everybody: its queue manager has committed it and, where it decides itself beside
/// databases that prepared, has heard of all of them (P10). `None`: never, or nobody said.
fn seen_since(account: &Account<'_>, send: &Send<'_>) -> Option<usize> {
    let Some(transaction) = send.transaction else { return Some(send.moment.number) };
    let deeds = account.transactions.get(transaction).filter(|deeds| deeds.is_committed())?;
    let home = *account.homes.get(send.queue)?;
    let is_held = is_held(account, send);
    let shows = |step: &Step<'_>| match step.state {
        State::Ended => true,
        State::Committed | State::Decided { outcome: Outcome::Committed, .. } => !is_held,
        _ => false,
    };
    deeds.first(|step| step.process == home && shows(step)).map(|step| step.moment.number)
}

/// Its queue manager decides itself beside databases that prepare (P10).
fn is_held(account: &Account<'_>, send: &Send<'_>) -> bool {
    let deeds = send.transaction.and_then(|transaction| account.transactions.get(transaction));
    deeds.zip(account.homes.get(send.queue)).is_some_and(|(deeds, home)| {
        let prepared = deeds.first(|step| step.process != *home && *step.state == State::Prepared);
        deeds.coordinator == Some(*home) && prepared.is_some()
    })
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
