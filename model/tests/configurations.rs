//! Every configuration is explored whole: every property holds in every state of it, and every rare state is there.

use std::time::Instant;

use handfast_model::{Configuration, Protocol, configurations};
use stateright::{Checker, Expectation, Model};

/// What the smallest machine that checks this has.
const THREADS: usize = 2;

const STATES_MIN: usize = 5_000_000;

/// Each configuration and how many states it has: all of them, whatever the order in which they are looked at. A checker that
/// stopped early would count fewer; a change of the model changes the numbers.
const EXPLORED: [(&str, usize); 24] = [
    ("local", 7_997),
    ("one-log", 67_676),
    ("one-log, copies", 395_200),
    ("two databases", 898_188),
    ("service, copies", 295_420),
    ("service, copies, leaders", 536_016),
    ("two services", 2_743_088),
    ("two services, losses", 138_368),
    ("read-only, copies", 130_692),
    ("read-only", 237_092),
    ("read-only, leaders", 269_148),
    ("three kinds", 187_876),
    ("three kinds, crash", 1_540_215),
    ("marker", 67_483),
    ("marker, copies", 233_488),
    ("marker, service", 2_192_974),
    ("marker, three", 102_588),
    ("service, deposed", 250_037),
    ("one-log, deposed", 287_524),
    ("marker, deposed", 293_516),
    ("marker, service, deposed", 1_950_724),
    ("one-phase", 24_674),
    ("one-phase, copies", 45_604),
    ("forgets", 208_061),
];

#[test]
fn every_configuration_keeps_every_property() {
    let counted: Vec<(&str, usize)> =
        configurations::ALL.into_iter().map(|configuration| (configuration.name, explore(configuration))).collect();
    let total: usize = counted.iter().map(|(_, states)| states).sum();
    println!("{total} states in all");
    assert!(total >= STATES_MIN, "{total} states are too few to mean anything");
    assert_eq!(counted, EXPLORED, "not explored whole, or the model has changed: then say so here");
}

fn explore(configuration: Configuration) -> usize {
    let began = Instant::now();
    let checker = Protocol::new(configuration).checker().threads(THREADS).spawn_bfs().join();
    let states = checker.unique_state_count();
    println!("{:<26}{states:>9} states {:>6.1} s", configuration.name, began.elapsed().as_secs_f64());
    let discoveries = checker.discoveries();
    for property in checker.model().properties() {
        match (property.expectation, discoveries.get(property.name)) {
            (Expectation::Always, Some(path)) => panic!("not so: {}\n{path}", property.name),
            (Expectation::Sometimes, None) => panic!("never reached: {}", property.name),
            (Expectation::Always, None) | (Expectation::Sometimes, Some(_)) => {}
            (Expectation::Eventually, _) => unreachable!("no property is of that kind"),
        }
    }
    assert!(checker.is_done());
    states
}
