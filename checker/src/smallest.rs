//! The smallest part of a history that still shows what is wrong.
//!
//! Transactions and messages that have to do with each other stay together or go together: a part of a history is one that could
//! have been told of a shorter run. What belongs to none, as crashes and starts do, goes line by line at the end.

use std::collections::{BTreeMap, BTreeSet};

use crate::history::{Event, Fact, Finding, History, Message, Op, What};
use crate::judge;

/// A part of the history that breaks the property, from which nothing more can be left out in one piece.
pub fn smallest(history: &History, property: &str) -> History {
    let breaks = |part: &History| judge(part).violations().any(|violation| violation.id == property);
    let groups = Groups::of(history);
    let kept = reduce(groups.count, |kept| breaks(&groups.part(history, kept)));
    let part = groups.part(history, &kept);
    let lines = |kept: &BTreeSet<usize>| History { events: kept.iter().map(|at| part.events[*at].clone()).collect() };
    lines(&reduce(part.events.len(), |kept| breaks(&lines(kept))))
}

/// Leaves out of `0..count` whatever is not needed for `shows`, in ever smaller pieces.
fn reduce(count: usize, shows: impl Fn(&BTreeSet<usize>) -> bool) -> BTreeSet<usize> {
    let mut kept: BTreeSet<usize> = (0..count).collect();
    let mut piece = count.div_ceil(2);
    while piece > 0 {
        let all: Vec<usize> = kept.iter().copied().collect();
        for piece in all.chunks(piece) {
            let without: BTreeSet<usize> = kept.iter().filter(|item| !piece.contains(item)).copied().collect();
            if shows(&without) {
                kept = without;
            }
        }
        piece = if piece == 1 { 0 } else { piece.div_ceil(2) };
    }
    kept
}

/// What an event or a found thing belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Name<'h> {
    Transaction(&'h str),
    Message(&'h str),
}

/// Which names belong together.
struct Groups<'h> {
    of: BTreeMap<Name<'h>, usize>,
    count: usize,
}

impl<'h> Groups<'h> {
    fn of(history: &'h History) -> Groups<'h> {
        let mut parents: BTreeMap<Name<'h>, Name<'h>> = BTreeMap::new();
        for event in &history.events {
            let names = names(event);
            for name in &names {
                parents.entry(*name).or_insert(*name);
            }
            // What was found is of many; what was done and seen is of those that it names.
            if !matches!(event.what, What::Audit(_)) {
                for pair in names.windows(2) {
                    let (one, other) = (root(&parents, pair[0]), root(&parents, pair[1]));
                    parents.insert(one, other);
                }
            }
        }
        let roots: BTreeSet<Name<'h>> = parents.keys().map(|name| root(&parents, *name)).collect();
        let numbers: BTreeMap<Name<'h>, usize> = roots.into_iter().enumerate().map(|(at, root)| (root, at)).collect();
        let of = parents.keys().map(|name| (*name, numbers[&root(&parents, *name)])).collect();
        Groups { of, count: numbers.len() }
    }

    fn part(&self, history: &'h History, kept: &BTreeSet<usize>) -> History {
        let is_kept = |name: Name<'_>| self.of.get(&name).is_none_or(|group| kept.contains(group));
        let events = history.events.iter().filter_map(|event| {
            if let What::Audit(finding) = &event.what {
                let what = What::Audit(part_of(finding, &is_kept)?);
                return Some(Event { at: event.at, process: event.process.clone(), what });
            }
            names(event).into_iter().all(is_kept).then(|| event.clone())
        });
        History { events: events.collect() }
    }
}

fn root<'h>(parents: &BTreeMap<Name<'h>, Name<'h>>, name: Name<'h>) -> Name<'h> {
    let mut name = name;
    while parents[&name] != name {
        name = parents[&name];
    }
    name
}

fn names(event: &Event) -> Vec<Name<'_>> {
    match &event.what {
        What::Invoke(op) | What::Ok(op) | What::Fail(op) | What::Unknown(op) => {
            let transaction = op.transaction().map(Name::Transaction);
            let message = match op {
                Op::Send { message, .. } | Op::Receive { message: Some(message), .. } => names_of(message),
                Op::Write { row, .. } => vec![Name::Message(&row.key)],
                _ => Vec::new(),
            };
            transaction.into_iter().chain(message).collect()
        }
        What::Info(fact) => match fact {
            Fact::State { transaction, .. }
            | Fact::Forced { transaction, .. }
            | Fact::ToldHeuristic { transaction }
            | Fact::TimedOut { transaction } => vec![Name::Transaction(transaction)],
            Fact::Doomed { message, .. } => vec![Name::Message(message)],
            _ => Vec::new(),
        },
        What::Audit(finding) => match finding {
            Finding::Queue { messages, .. } => messages.iter().flat_map(names_of).collect(),
            Finding::DeadLetters { letters } => letters.iter().flat_map(|letter| names_of(&letter.message)).collect(),
            Finding::Rows { rows, .. } => {
                rows.iter().flat_map(|row| [Name::Transaction(&row.by), Name::Message(&row.key)]).collect()
            }
            Finding::Outcome { transaction, .. } => vec![Name::Transaction(transaction)],
            Finding::Branches { prepared: one, holding: other }
            | Finding::Transactions { open: one, heuristic: other } => {
                one.iter().chain(other).map(|transaction| Name::Transaction(transaction)).collect()
            }
            _ => Vec::new(),
        },
    }
}

fn names_of(message: &Message) -> Vec<Name<'_>> {
    let by = message.by.as_deref().map(Name::Transaction);
    by.into_iter().chain([Name::Message(&message.key)]).collect()
}

/// The finding as a run without the others would have it. `None`: it would not be there.
fn part_of(finding: &Finding, is_kept: &impl Fn(Name<'_>) -> bool) -> Option<Finding> {
    let has_message = |message: &Message| names_of(message).into_iter().all(is_kept);
    let kept = |transactions: &[String]| -> Vec<String> {
        transactions.iter().filter(|transaction| is_kept(Name::Transaction(transaction))).cloned().collect()
    };
    let mut part = finding.clone();
    match &mut part {
        Finding::Queue { messages, .. } => messages.retain(has_message),
        Finding::DeadLetters { letters } => letters.retain(|letter| has_message(&letter.message)),
        Finding::Rows { rows, .. } => {
            rows.retain(|row| is_kept(Name::Transaction(&row.by)) && is_kept(Name::Message(&row.key)))
        }
        Finding::Outcome { transaction, .. } => {
            return is_kept(Name::Transaction(transaction)).then_some(part);
        }
        Finding::Branches { prepared: one, holding: other } | Finding::Transactions { open: one, heuristic: other } => {
            (*one, *other) = (kept(one), kept(other));
        }
        Finding::Counted { .. } | Finding::Log { .. } | Finding::Upgraded { .. } | Finding::Broken { .. } => {}
    }
    Some(part)
}
