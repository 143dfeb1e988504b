//! A2: a transaction is decided to commit only when every participant of the decision has durably voted for it. Not checked:
//! last resources, which vote by committing (P11); participants that the decision does not name.

use super::Verdict;
use crate::account::Account;
use crate::history::{Outcome, State};

pub fn check(account: &Account<'_>, verdict: &mut Verdict) {
    for (id, deeds) in &account.transactions {
        for step in &deeds.steps {
            let State::Decided { outcome: Outcome::Committed, participants } = step.state else { continue };
            for participant in participants {
                let has_voted = deeds.steps.iter().any(|vote| {
                    vote.process == participant
                        && vote.moment.number < step.moment.number
                        && matches!(vote.state, State::Prepared | State::ReadOnly)
                });
                verdict
                    .judge(has_voted, || format!("transaction {id} was committed without the vote of {participant}"));
            }
        }
    }
}
