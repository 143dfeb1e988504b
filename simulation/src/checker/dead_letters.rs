//! P22: crashes alone make no dead letter. Not checked: dead letters that messages earn themselves; no run has any.

use crate::history::History;
use crate::world::Audit;

pub fn check(_: &History, audit: &Audit, found: &mut Vec<String>) {
    for dead in &audit.dead_letters {
        found.push(format!("{} is a dead letter, and nobody complained of it", dead.order));
    }
}
