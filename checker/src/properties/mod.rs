//! What must hold of every run, one file each. Each says what it does not check.

mod a01_atomicity;
mod a02_votes;
mod a03_outcomes;
mod a04_durability;
mod a05_dirty_reads;
mod a06_phantoms;
mod a07_exactly_once;
mod a08_order;
mod a09_dead_letters;
mod a10_journal;
mod a11_write_ahead;
mod a12_heuristics;
mod a13_in_doubt;
mod a14_start;
mod a15_fencing;
mod a16_locks;
mod a17_counters;
mod a18_recovery;
mod a19_upgrade;
mod a20_time;
mod a21_shortcuts;
mod a22_damage;
mod a23_conservation;
mod a24_healthy;
mod substance;

use crate::account::Account;
use crate::history::History;
use crate::report::{Report, Verdict};

/// A property: its number, its name, and how it is judged.
struct Property {
    id: &'static str,
    name: &'static str,
    check: fn(&Account<'_>, &mut Verdict),
}

const fn property(id: &'static str, name: &'static str, check: fn(&Account<'_>, &mut Verdict)) -> Property {
    Property { id, name, check }
}

const PROPERTIES: [Property; 25] = [
    property("S", "substance", substance::check),
    property("A1", "atomicity", a01_atomicity::check),
    property("A2", "votes", a02_votes::check),
    property("A3", "outcomes", a03_outcomes::check),
    property("A4", "durability", a04_durability::check),
    property("A5", "dirty reads", a05_dirty_reads::check),
    property("A6", "phantoms", a06_phantoms::check),
    property("A7", "exactly once", a07_exactly_once::check),
    property("A8", "order", a08_order::check),
    property("A9", "dead letters", a09_dead_letters::check),
    property("A10", "journal", a10_journal::check),
    property("A11", "write-ahead", a11_write_ahead::check),
    property("A12", "heuristics", a12_heuristics::check),
    property("A13", "in doubt", a13_in_doubt::check),
    property("A14", "start", a14_start::check),
    property("A15", "fencing", a15_fencing::check),
    property("A16", "locks", a16_locks::check),
    property("A17", "counters", a17_counters::check),
    property("A18", "recovery", a18_recovery::check),
    property("A19", "upgrade", a19_upgrade::check),
    property("A20", "time", a20_time::check),
    property("A21", "shortcuts", a21_shortcuts::check),
    property("A22", "damage", a22_damage::check),
    property("A23", "conservation", a23_conservation::check),
    property("A24", "the healthy", a24_healthy::check),
];

/// Judges a run by everything that its history tells.
pub fn judge(history: &History) -> Report {
    let account = Account::of(history);
    let mut verdicts: Vec<Verdict> = PROPERTIES
        .iter()
        .map(|Property { id, name, check }| {
            let mut verdict = Verdict { id, name, judged: 0, wrong: Vec::new() };
            check(&account, &mut verdict);
            verdict
        })
        .collect();
    demand(&account, &mut verdicts);
    Report { verdicts }
}

/// A property to which the run should have given something, and did not, shows nothing.
fn demand(account: &Account<'_>, verdicts: &mut [Verdict]) {
    let demanded = account.terms.map(|terms| terms.judges.as_slice()).unwrap_or_default();
    let idle: Vec<&String> = demanded
        .iter()
        .filter(|id| !verdicts.iter().any(|verdict| verdict.id == id.as_str() && verdict.judged > 0))
        .collect();
    let substance = verdicts.first_mut().expect("substance is the first property");
    idle.into_iter().for_each(|id| substance.judge(false, || format!("the run gave {id} nothing to judge")));
}
