//! A11: nobody acts on what is not durable. A client is told that its transaction committed, and a participant commits its
//! prepared branch, only after the decision; the client only after each queue manager has applied it, too (P19). A transaction
//! is ended only after each of its participants has committed. Not checked: rolling back, which needs no record (presumed
//! abort).

use super::Verdict;
use crate::account::{Account, Deeds};
use crate::history::{Outcome, State};

pub fn check(account: &Account<'_>, verdict: &mut Verdict) {
    // Without a word of any step nobody watched.
    if account.transactions.values().all(|deeds| deeds.steps.is_empty()) {
        return;
    }
    for (id, deeds) in &account.transactions {
        let decided = deeds.decided().map(|moment| moment.number);
        for (told, _) in deeds.told.iter().filter(|(_, outcome)| *outcome == Outcome::Committed) {
            let is_after = decided.is_some_and(|decided| decided < told.number);
            verdict.judge(is_after, || format!("transaction {id} was told to be committed before it was decided"));
        }
        applied(account, id, deeds, verdict);
        for step in deeds.steps.iter().filter(|step| is_second_phase(deeds, step)) {
            let is_after = decided.is_some_and(|decided| decided < step.moment.number);
            verdict.judge(is_after, || {
                format!("transaction {id} was committed at {} before it was decided", step.process)
            });
        }
        ended(id, deeds, verdict);
    }
}

/// A branch that was prepared commits; nobody did it by hand.
fn is_second_phase(deeds: &Deeds<'_>, step: &crate::account::Step<'_>) -> bool {
    let was_prepared = deeds.first(|other| other.process == step.process && *other.state == State::Prepared).is_some();
    *step.state == State::Committed && was_prepared && !deeds.is_forced_at(step.process)
}

/// Whoever is told that it committed goes on, and finds it applied by each of its queue managers (P19).
fn applied(account: &Account<'_>, id: &str, deeds: &Deeds<'_>, verdict: &mut Verdict) {
    let Some((told, _)) = deeds.told.iter().find(|(_, outcome)| *outcome == Outcome::Committed) else { return };
    for manager in participants(deeds).filter(|participant| account.homes.values().any(|home| home == participant)) {
        let is_out = has_done(deeds, manager, told.number);
        verdict.judge(is_out || !deeds.forced.is_empty(), || {
            format!("transaction {id} was told to be committed before {manager} had applied it")
        });
    }
}

/// Those who voted for the decision to commit.
fn participants<'h>(deeds: &'h Deeds<'_>) -> impl Iterator<Item = &'h str> {
    let decision = deeds.steps.iter().find_map(|step| match step.state {
        State::Decided { outcome: Outcome::Committed, participants } => Some(participants),
        _ => None,
    });
    decision.into_iter().flatten().map(String::as_str)
}

/// The participant has committed, or was out of it, before this event.
fn has_done(deeds: &Deeds<'_>, participant: &str, before: usize) -> bool {
    deeds.steps.iter().any(|step| {
        step.process == participant
            && step.moment.number < before
            && matches!(step.state, State::Committed | State::ReadOnly)
    })
}

fn ended(id: &str, deeds: &Deeds<'_>, verdict: &mut Verdict) {
    let Some(end) = deeds.first(|step| *step.state == State::Ended) else { return };
    for participant in participants(deeds) {
        let is_out = has_done(deeds, participant, end.moment.number);
        verdict.judge(is_out || !deeds.forced.is_empty(), || {
            format!("transaction {id} was ended before {participant} had committed it")
        });
    }
}
