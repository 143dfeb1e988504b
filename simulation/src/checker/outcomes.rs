//! A3, A4: what a client was told is what happened, and what its coordinator says at the end is the same; nothing ended on its
//! own (A12). What happened is read from the next queue. Not checked: whoever was told nothing.

use std::collections::BTreeSet;

use handfast_coordinator_core::KnownOutcome;
use handfast_protocol::GlobalId;

use crate::history::{History, Told};
use crate::world::Audit;

pub fn check(history: &History, audit: &Audit, found: &mut Vec<String>) {
    let committed: BTreeSet<GlobalId> = audit.shipments.iter().filter_map(|shipment| shipment.id).collect();
    for (id, outcome) in history.told() {
        let is_committed = committed.contains(&id);
        match outcome {
            Told::Committed if !is_committed => {
                found.push(format!("transaction {id} was told to be committed and nothing of it is there"));
            }
            Told::RolledBack if is_committed => {
                found.push(format!("transaction {id} was told to be rolled back and is there"));
            }
            Told::Heuristic(heuristic) => found.push(format!("transaction {id} was told to have ended as {heuristic}")),
            Told::Committed | Told::RolledBack | Told::Unknown => {}
        }
    }
    for (id, outcome) in &audit.outcomes {
        let is_committed = committed.contains(id);
        let is_true = match outcome {
            Ok(KnownOutcome::Committed) => is_committed,
            Ok(KnownOutcome::RolledBack(_)) => !is_committed,
            Ok(KnownOutcome::Heuristic(_) | KnownOutcome::Undecided(_) | KnownOutcome::Forgotten) | Err(_) => false,
        };
        if !is_true {
            let there = if is_committed { "is there" } else { "is not there" };
            found.push(format!("transaction {id} {there}, and its coordinator says {outcome:?}"));
        }
    }
}
