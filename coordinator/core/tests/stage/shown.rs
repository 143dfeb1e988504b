//! What the coordinator does, in words short enough to read a scenario.

use super::*;
use handfast_coordinator_core::{Answer, Branch, KnownOutcome, RequestRefused, ResourceView, TransactionView};

pub fn action(action: &Action) -> String {
    match action {
        Action::Propose { proposal: _, command } => format!("propose {}", command_text(command)),
        Action::Answer { .. } => unreachable!("answers are shown with their request"),
        Action::Call { call: _, resource, ask } => format!("call {}: {}", resource.name, ask_text(ask)),
        Action::RollbackLocal { id, reason } => {
            format!("roll back local {}: {reason}", id_text(*id))
        }
        // Its place among those of its epoch.
        Action::Barrier { barrier } => format!("barrier {}", barrier & 0xFF_FFFF_FFFF),
    }
}

fn command_text(command: &Command) -> String {
    match command {
        Command::AddResource { resource } => format!("add {}", resource.name),
        Command::RemoveResource { name } => format!("remove {name}"),
        Command::Delegate { id, resource, branches } => {
            format!("delegate {} to {resource}, branches [{}]", id_text(*id), names(branches))
        }
        Command::Decide { id, branches } => {
            format!("decide {}, branches [{}]", id_text(*id), names(branches))
        }
        Command::Conclude { id, outcome, forced: true } => format!("conclude {} {outcome} by force", id_text(*id)),
        Command::Conclude { id, outcome, forced: false } => format!("conclude {} {outcome}", id_text(*id)),
        Command::Acknowledge { id, resource, heuristic: None } => format!("acknowledge {} at {resource}", id_text(*id)),
        Command::Acknowledge { id, resource, heuristic: Some(heuristic) } => {
            format!("acknowledge {} at {resource}: {heuristic}", id_text(*id))
        }
        Command::Forget { id } => format!("forget {}", id_text(*id)),
        Command::ForgetOutcomes { before } => format!("forget outcomes before {}", before.0),
        Command::MarkersCleared { resource, through } => {
            format!("markers of {resource} cleared through {}", id_text(*through))
        }
    }
}

fn names(branches: &[Branch]) -> String {
    branches.iter().map(|branch| branch.resource.as_str()).collect::<Vec<_>>().join(", ")
}

fn ask_text(ask: &Ask) -> String {
    match ask {
        Ask::Attach { identity, adopt: false } => format!("attach in epoch {}", identity.epoch),
        Ask::Attach { identity, adopt: true } => format!("adopt in epoch {}", identity.epoch),
        Ask::Scan { .. } => "scan".to_owned(),
        Ask::Prepare { xid } => format!("prepare {}", xid_text(xid)),
        Ask::Commit { xid } => format!("commit {}", xid_text(xid)),
        Ask::Rollback { xid } => format!("rollback {}", xid_text(xid)),
        Ask::Fence { id } => format!("fence {}", id_text(*id)),
        Ask::ClearMarkers { from, through } => {
            format!("clear markers {} to {}", id_text(*from), id_text(*through))
        }
        Ask::Forget { xid } => format!("forget {}", xid_text(xid)),
    }
}

pub fn answer(answer: &Result<Answer, RequestRefused>) -> String {
    match answer {
        Ok(Answer::Done) => "done".to_owned(),
        Ok(Answer::Begun { id, .. }) => format!("begun {}", id_text(*id)),
        Ok(Answer::Enlisted(enlisted)) => format!("enlisted {}", xid_text(&enlisted.xid)),
        Ok(Answer::Go) => "go".to_owned(),
        Ok(Answer::Outcome(known)) => known_text(known),
        Ok(Answer::Resources(views)) => lines(views.iter().map(resource_text)),
        Ok(Answer::Transactions(views)) => lines(views.iter().map(transaction_text)),
        Ok(Answer::Transaction(view)) => lines(std::iter::once(transaction_text(view))),
        // The long form of an id says nothing here.
        Err(refused) => format!("refused: {refused}").replace(&long("1"), "T").replace(&long("2"), "F"),
    }
}

/// An id's text up to the epoch.
fn long(incarnation: &str) -> String {
    format!("{}-{incarnation:0>16}-", COORDINATOR.0.simple())
}

fn lines(views: impl Iterator<Item = String>) -> String {
    let shown: Vec<String> = views.collect();
    if shown.is_empty() { "none".to_owned() } else { format!("\n{}", shown.join("\n")) }
}

fn known_text(known: &KnownOutcome) -> String {
    match known {
        KnownOutcome::Committed => "committed".to_owned(),
        KnownOutcome::RolledBack(reason) => format!("rolled back: {reason}"),
        KnownOutcome::Heuristic(heuristic) => heuristic.to_string(),
        KnownOutcome::Undecided(state) => format!("undecided: {state:?}"),
        KnownOutcome::Forgotten => "forgotten".to_owned(),
    }
}

fn resource_text(view: &ResourceView) -> String {
    let attached = if view.attached { "attached" } else { "not attached" };
    let problem = view.problem.as_deref().unwrap_or("no problem");
    format!("  {} {attached}, {} in doubt; {problem}", view.resource.name, view.in_doubt)
}

fn transaction_text(view: &TransactionView) -> String {
    let outcome = view.outcome.map_or_else(|| "undecided".to_owned(), |outcome| outcome.to_string());
    let mut text =
        format!("  {} {:?}, {outcome}, {} s", id_text(view.id), view.state, view.age.map_or(0, |age| age.as_secs()));
    for branch in &view.branches {
        let error = branch.error.as_deref().map(|error| format!(" ({error})")).unwrap_or_default();
        text += &format!("\n    {}: {}{error}", branch.resource, branch.state);
    }
    if !view.suggestion.is_empty() {
        text += &format!("\n    {}", view.suggestion.replace(&long("1"), "T"));
    }
    text
}

fn id_text(id: GlobalId) -> String {
    let maker = if id.incarnation == INCARNATION { 'T' } else { 'F' };
    if id.sequence == u64::MAX {
        format!("{maker}{}.max", id.epoch)
    } else {
        format!("{maker}{}.{}", id.epoch, id.sequence)
    }
}

fn xid_text(xid: &Xid) -> String {
    let resource = String::from_utf8_lossy(xid.bqual.as_bytes()).into_owned();
    format!("{}@{resource}", id_text(GlobalId::try_from(xid).unwrap()))
}
