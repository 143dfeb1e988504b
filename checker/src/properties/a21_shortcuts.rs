//! A21: whoever voted that it only read is left alone from then on; and a transaction of one participant, which prepares
//! nothing, is written down by no coordinator (one-phase commit). Not checked: that shortcuts are taken where they could be.

use super::Verdict;
use crate::account::Account;
use crate::history::State;

pub fn check(account: &Account<'_>, verdict: &mut Verdict) {
    for (id, deeds) in &account.transactions {
        for (at, step) in deeds.steps.iter().enumerate().filter(|(_, step)| *step.state == State::ReadOnly) {
            let process = step.process;
            let is_asked = deeds.steps[at + 1..]
                .iter()
                .any(|later| later.process == process && matches!(later.state, State::Committed | State::RolledBack));
            verdict.judge(!is_asked, || format!("{process} only read in transaction {id}, and was told its outcome"));
        }
        let is_alone = !deeds.sends.is_empty() && deeds.writes.is_empty() && !deeds.steps.is_empty();
        let is_branch = |step: &&crate::account::Step<'_>| matches!(step.state, State::Prepared | State::ReadOnly);
        let branches = deeds.steps.iter().filter(is_branch).count();
        if is_alone && branches == 0 {
            let is_written = deeds.steps.iter().any(|step| match step.state {
                State::Delegated { .. } => true,
                State::Decided { participants, .. } => !participants.is_empty(),
                _ => false,
            });
            verdict.judge(!is_written, || {
                format!("transaction {id} has one participant, and its coordinator wrote of it")
            });
        }
    }
}
