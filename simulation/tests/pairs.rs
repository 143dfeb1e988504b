//! Two crashes, the second soon after the first: recovery is struck while it runs (crash points 35, 39 and 51).
//!
//! In each way: one transaction; two clients that want the same order, one that becomes a dead letter before another, a checkpoint after every
//! entry, and orders that fill the log's segments. `HANDFAST_PAIRS_WITHIN` is how many steps after the first crash the second
//! comes at the latest, in place of what is stated here; `all` is the whole set, which the nightly tier runs.

use handfast_simulation::exhaustive::pairs;
use handfast_simulation::plan::{Scene, Sizes, Way};
use handfast_simulation::probes::Probe;

/// A recovery takes about as many steps.
const WITHIN: u64 = 16;

/// In the other scenes: what recovery does first.
const WITHIN_OF_OTHERS: u64 = 4;

fn within(stated: u64) -> u64 {
    match std::env::var("HANDFAST_PAIRS_WITHIN").as_deref() {
        Ok("all") => u64::MAX,
        Ok(steps) => steps.parse().expect("HANDFAST_PAIRS_WITHIN is a number, or all"),
        Err(_) => stated,
    }
}

fn all(way: Way) {
    let one = Scene { way, orders: 1, ..Scene::default() };
    let others = [
        Scene { clients: 2, ..one.clone() },
        Scene { orders: 2, poisons: 1, ..one.clone() },
        Scene { sizes: Sizes { flush_every: 1, ..Sizes::default() }, ..one.clone() },
        Scene { ballast: 1_500, ..one.clone() },
    ];
    let others = others.into_iter().map(|scene| (scene, WITHIN_OF_OTHERS));
    for (scene, stated) in std::iter::once((one, WITHIN)).chain(others) {
        let exhausted = pairs(&scene, within(stated));
        if let Some(failed) = &exhausted.failed {
            panic!("{failed}");
        }
        let (probes, steps) = (&exhausted.probes, exhausted.steps);
        println!("{scene:?}: {steps} steps; {probes}");
        assert!(probes[Probe::Runs] > 6 * stated * steps, "every step has many pairs: {probes}");
    }
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
