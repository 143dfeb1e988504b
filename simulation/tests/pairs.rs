//! Two crashes, the second soon after the first: recovery is struck while it runs (crash points 35, 39 and 51).

use handfast_simulation::exhaustive::pairs;
use handfast_simulation::plan::{Scene, Way};
use handfast_simulation::probes::Probe;

/// The second crash comes within so many steps of the first: a recovery takes about as many.
const WINDOW: u64 = 16;

fn all(way: Way) {
    let exhausted = pairs(&Scene { way, orders: 1, ..Scene::default() }, WINDOW);
    if let Some(failed) = &exhausted.failed {
        panic!("{failed}");
    }
    let probes = &exhausted.probes;
    println!("{way:?}: {} steps; {probes}", exhausted.steps);
    assert!(probes[Probe::Runs] > 100 * exhausted.steps, "every step has many pairs: {probes}");
}

#[test]
fn local() {
    all(Way::Local);
}

#[test]
fn marker_postgres() {
    all(Way::MarkerPostgres);
}

#[test]
fn marker_sqlite() {
    all(Way::MarkerSqlite);
}

#[test]
fn two_phase() {
    all(Way::TwoPhase);
}

#[test]
fn standalone_marker() {
    all(Way::StandaloneMarker);
}

#[test]
fn standalone_two_phase() {
    all(Way::StandaloneTwoPhase);
}
