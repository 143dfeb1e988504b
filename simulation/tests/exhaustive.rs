//! Every single crash of the main job, in each of its ways.

use handfast_simulation::exhaustive::single;
use handfast_simulation::plan::{Scene, Way};
use handfast_simulation::probes::Probe::{self, *};

/// All single crashes of the way; `rare` are the states that some of them must have reached.
fn all(way: Way, rare: &[Probe]) {
    let exhausted = single(&Scene { way, ..Scene::default() });
    if let Some(failed) = &exhausted.failed {
        panic!("{failed}");
    }
    let probes = &exhausted.probes;
    println!("{way:?}: {} steps; {probes}", exhausted.steps);
    assert!(probes[Probe::Runs] > 10 * exhausted.steps, "every step has many ways to be struck in: {probes}");
    for probe in rare {
        assert!(probes[*probe] > 0, "no crash reached {probe:?}: {probes}");
    }
}

/// Steps `local 1` to `6`.
#[test]
fn local() {
    all(Way::Local, &[EntriesReplayed, OutcomesAsked]);
}

/// Steps `marker 1` to `8`.
#[test]
fn marker_postgres() {
    all(Way::MarkerPostgres, &[InDoubtRecovered, FencedCommitted, FencedRolledBack, LateDecisions]);
}

/// The same steps, with the file, its client and the server on one machine (P15).
#[test]
fn marker_sqlite() {
    all(Way::MarkerSqlite, &[InDoubtRecovered, FencedCommitted, FencedRolledBack, VisibleEarly]);
}

/// Steps `one-log 1` to `7`.
#[test]
fn two_phase() {
    all(Way::TwoPhase, &[InDoubtRecovered, CommittedBefore, PreparedRolledBack]);
}

/// Steps `standalone 1` to `7`, with a last resource in `standalone 5`; and those of `branch` at the queue manager.
#[test]
fn standalone_marker() {
    all(Way::StandaloneMarker, &[InDoubtRecovered, FencedCommitted, FencedRolledBack, BranchesRecovered]);
}

/// The same, where the decision is the coordinator's own.
#[test]
fn standalone_two_phase() {
    all(Way::StandaloneTwoPhase, &[InDoubtRecovered, CommittedBefore, PreparedRolledBack, BranchesRecovered]);
}
