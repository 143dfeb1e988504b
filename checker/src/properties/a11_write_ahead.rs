//! A11: nobody acts on what is not durable. A client is told that its transaction committed, and a participant commits its
//! prepared branch, only after the decision; a transaction is ended only after each of its participants has committed. Not
//! checked: rolling back, which needs no record (presumed abort).

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

fn ended(id: &str, deeds: &Deeds<'_>, verdict: &mut Verdict) {
    let Some(end) = deeds.first(|step| *step.state == State::Ended) else { return };
    let participants = deeds.steps.iter().find_map(|step| match step.state {
        State::Decided { outcome: Outcome::Committed, participants } => Some(participants),
        _ => None,
    });
    for participant in participants.into_iter().flatten() {
        let is_out = deeds.steps.iter().any(|step| {
            step.process == participant
                && step.moment.number < end.moment.number
                && matches!(step.state, State::Committed | State::ReadOnly)
        });
        let is_excused = !deeds.forced.is_empty();
        verdict.judge(is_out || is_excused, || {
            format!("transaction {id} was ended before {participant} had committed it")
        });
    }
}
