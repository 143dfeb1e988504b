//! Two crashes, the second soon after the first: recovery is struck while it runs (crash points 35, 39 and 51).
//!
//! `HANDFAST_PAIRS_WITHIN` (default 16) is how many steps after the first the second comes at the latest; `all` is the whole set,
//! which the nightly tier runs.

use handfast_simulation::exhaustive::pairs;
use handfast_simulation::plan::{Scene, Way};
use handfast_simulation::probes::Probe;

/// A recovery takes about as many steps.
const WITHIN: u64 = 16;

fn within() -> u64 {
    match std::env::var("HANDFAST_PAIRS_WITHIN").as_deref() {
        Ok("all") => u64::MAX,
        Ok(steps) => steps.parse().expect("HANDFAST_PAIRS_WITHIN is a number, or all"),
        Err(_) => WITHIN,
    }
}

fn all(way: Way) {
    let exhausted = pairs(&Scene { way, orders: 1, ..Scene::default() }, within());
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
