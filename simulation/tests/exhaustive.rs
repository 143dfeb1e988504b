//! All single crashes of the main job, in each of its ways.

use handfast_simulation::exhaustive::{Exhausted, single};
use handfast_simulation::plan::{Scene, Way};

fn all(way: Way) -> Exhausted {
    let exhausted = single(&Scene { way, ..Scene::default() });
    if let Some(failed) = &exhausted.failed {
        panic!("{failed}");
    }
    println!("{way:?}: {} steps; {}", exhausted.steps, exhausted.probes);
    exhausted
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
