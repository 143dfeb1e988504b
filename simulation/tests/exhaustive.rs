//! Every single crash of the main job, in each of its ways.

use handfast_simulation::exhaustive::single;
use handfast_simulation::plan::{Scene, Way};
use handfast_simulation::probes::Probes;

/// All single crashes of the way; `rare` are the states that some of them must have reached.
fn all(way: Way, rare: &[fn(&Probes) -> u64]) {
    let exhausted = single(&Scene { way, ..Scene::default() });
    if let Some(failed) = &exhausted.failed {
        panic!("{failed}");
    }
    let probes = &exhausted.probes;
    println!("{way:?}: {} steps; {probes}", exhausted.steps);
    assert!(probes.runs > 10 * exhausted.steps, "every step has many ways to be struck in: {probes}");
    for (number, reached) in rare.iter().enumerate() {
        assert!(reached(probes) > 0, "no crash reached the rare state number {number}: {probes}");
    }
}

const RECOVERED: [fn(&Probes) -> u64; 2] = [|probes| probes.entries_replayed, |probes| probes.outcomes_asked];

const IN_DOUBT: fn(&Probes) -> u64 = |probes| probes.in_doubt_recovered;
const FENCED: [fn(&Probes) -> u64; 2] = [|probes| probes.fenced_committed, |probes| probes.fenced_rolled_back];
const PHASE_TWO_AGAIN: fn(&Probes) -> u64 = |probes| probes.committed_before;
const SWEPT: fn(&Probes) -> u64 = |probes| probes.prepared_rolled_back;
const BRANCHES: fn(&Probes) -> u64 = |probes| probes.branches_recovered;

#[test]
fn local() {
    all(Way::Local, &RECOVERED);
}

#[test]
fn marker_postgres() {
    all(Way::MarkerPostgres, &[IN_DOUBT, FENCED[0], FENCED[1], |probes| probes.late_decisions]);
}

#[test]
fn marker_sqlite() {
    all(Way::MarkerSqlite, &[IN_DOUBT, FENCED[0], FENCED[1], |probes| probes.visible_early]);
}

#[test]
fn two_phase() {
    all(Way::TwoPhase, &[IN_DOUBT, PHASE_TWO_AGAIN, SWEPT]);
}

#[test]
fn standalone_marker() {
    all(Way::StandaloneMarker, &[IN_DOUBT, FENCED[0], FENCED[1], BRANCHES]);
}

#[test]
fn standalone_two_phase() {
    all(Way::StandaloneTwoPhase, &[IN_DOUBT, PHASE_TWO_AGAIN, SWEPT, BRANCHES]);
}
