//! A history that is empty, or in which nothing was committed, shows nothing and is no good. Not checked: whether what happened
//! was interesting; the probes count that.

use crate::history::{Event, History, Told};
use crate::world::Audit;

pub fn check(history: &History, audit: &Audit, found: &mut Vec<String>) {
    if audit.orders.is_empty() {
        found.push("there was nothing to do".to_owned());
    }
    if history.events.is_empty() {
        found.push("the history is empty".to_owned());
    }
    let is_committed = |outcome: Told| outcome == Told::Committed;
    let unknown = history.told().any(|(_, outcome)| outcome == Told::Unknown);
    if !unknown && !history.told().any(|(_, outcome)| is_committed(outcome)) {
        found.push("no client was told that its transaction committed".to_owned());
    }
    if !history.events.iter().any(|event| matches!(event, Event::Took { .. })) {
        found.push("no order was ever received".to_owned());
    }
}
