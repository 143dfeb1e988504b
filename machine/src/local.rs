//! What an operator sees of a transaction's branch on this server's own queues, beside those at its resources.

use handfast_coordinator_core::{Answer, BranchView, TransactionView};
use handfast_protocol::ResourceName;
use handfast_queue::manager::Manager;

use crate::state::{State, local_branch};

/// The name under which it is shown.
const QUEUES: &str = "queues";

/// Adds the local branch to each transaction that is told of.
pub(crate) fn complete(answer: &mut Answer, state: &State, manager: &Manager) {
    match answer {
        Answer::Transaction(view) => add(view, state, manager),
        Answer::Transactions(views) => views.iter_mut().for_each(|view| add(view, state, manager)),
        Answer::Done
        | Answer::Begun { .. }
        | Answer::Enlisted(_)
        | Answer::Go
        | Answer::Outcome(_)
        | Answer::Resources(_) => {}
    }
}

fn add(view: &mut TransactionView, state: &State, manager: &Manager) {
    let xid = local_branch(view.id);
    let text = if let Some(branch) = state.queue.branch(&xid) {
        let (received, sent) = (branch.receives.len(), branch.sends);
        format!("prepared: {received} received messages stay locked, {sent} sent ones invisible")
    } else if state.queue.holds(&xid) {
        "committed: sent messages stay invisible until the databases have committed".to_owned()
    } else {
        match manager.locked_by(&xid) {
            Some(received) if received > 0 => format!("active: {received} received messages are locked"),
            Some(_) | None => return,
        }
    };
    let resource = ResourceName::new(QUEUES).expect("a constant, checked by a test");
    view.branches.push(BranchView { resource, state: text, error: None, heuristic: None });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_queues_have_a_name() {
        assert!(ResourceName::new(QUEUES).is_ok());
    }
}
