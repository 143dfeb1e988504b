//! Two crashes, the second soon after the first: recovery is struck while it runs (crash points 35, 39 and 51).

use handfast_simulation::exhaustive::pairs;
use handfast_simulation::plan::{Scene, Way, Worded};
use handfast_simulation::probes::Probe;

/// The second crash comes within so many steps of the first: a recovery takes about as many.
const WINDOW: u64 = 24;

/// Of the first crashes every so many-eth is taken, so that the set fits a run of all tests.
const STRIDE: usize = 61;

#[test]
fn a_second_crash_during_recovery() {
    let mut runs = 0;
    for way in Way::all() {
        let exhausted = pairs(&Scene { way, orders: 1, ..Scene::default() }, WINDOW, STRIDE);
        if let Some(failed) = &exhausted.failed {
            panic!("{failed}");
        }
        println!("{way:?}: {} steps; {}", exhausted.steps, exhausted.probes);
        runs += exhausted.probes[Probe::Runs];
    }
    assert!(runs > 5_000, "the set must be large enough to mean something: {runs}");
}
