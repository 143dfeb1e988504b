//! What an operator may do about a transaction, and what follows from it, in plain words (G6).

use handfast_protocol::{Outcome, ResourceName};

use crate::{BranchView, TransactionState, TransactionView};

/// Empty when nothing need be done. `barred`: a resource it waits for may not be used before the operator says so (P3).
pub(super) fn suggestion(view: &TransactionView, barred: Option<&ResourceName>) -> String {
    let id = view.id;
    if let Some(name) = barred {
        return format!(
            "If this server is the only one that uses {name}, say: handfast resource adopt {name}; then it is asked by itself. \
             Before that nothing is asked or changed there, and what the transaction received and sent stays locked. If \
             another server uses {name} with a copy of this directory, stop one of the two first."
        );
    }
    let silent = view.branches.iter().find(|branch| branch.error.is_some());
    match (view.state, silent) {
        (TransactionState::InDoubt, None) => {
            "Wait: the database is asked by itself and decides; nothing is lost meanwhile.".to_owned()
        }
        (TransactionState::InDoubt, Some(branch)) => format!(
            "Bring {name} back ({error}): it is asked again by itself, and what it says decides. Until then what the \
             transaction received and sent stays locked. Only if {name} is gone for good: handfast transaction resolve \
             {id} commit --force, or rollback --force; if the database comes back after all and had decided otherwise, \
             messages and database contradict each other.",
            name = branch.resource,
            error = error(branch),
        ),
        (TransactionState::CannotNotify, Some(branch)) => format!(
            "Bring {name} back ({error}): it is told by itself that the transaction is {outcome}. Until then its rows stay \
             locked. Only if {name} is gone for good: handfast transaction resolve {id} {verb} --force; what the branch \
             did there is unknown from then on.",
            name = branch.resource,
            error = error(branch),
            outcome = view.outcome.map_or_else(|| "undecided".to_owned(), |outcome| outcome.to_string()),
            verb = verb(view.outcome),
        ),
        (TransactionState::Forced, _) => forced(view),
        (
            TransactionState::Active
            | TransactionState::Preparing
            | TransactionState::Committing
            | TransactionState::Aborting
            | TransactionState::CannotNotify
            | TransactionState::Ended,
            _,
        ) => String::new(),
    }
}

fn forced(view: &TransactionView) -> String {
    let ended = |branch: &BranchView| Some(format!("{}: {}", branch.resource, branch.heuristic?));
    let branches: Vec<String> = view.branches.iter().filter_map(ended).collect();
    format!(
        "Compare the data by hand: the transaction is {outcome}, but not everywhere ({branches}). When that is put right: \
         handfast transaction resolve {id} forget; only this notice goes away, no data changes.",
        outcome = view.outcome.map_or_else(|| "undecided".to_owned(), |outcome| outcome.to_string()),
        branches = branches.join(", "),
        id = view.id,
    )
}

fn error(branch: &BranchView) -> &str {
    branch.error.as_deref().unwrap_or("it does not answer")
}

fn verb(outcome: Option<Outcome>) -> &'static str {
    match outcome {
        Some(Outcome::Committed) | None => "commit",
        Some(Outcome::RolledBack) => "rollback",
    }
}
