//! Every single crash of the main job, in each of its ways: of two orders, of two clients that want the same one, of one that
//! becomes a dead letter, with a checkpoint after every entry, with orders that fill the log's segments, and with a next stage,
//! which needs no database and must not wait for one (A24).

use handfast_simulation::exhaustive::single;
use handfast_simulation::plan::{Scene, Sizes, Way};
use handfast_simulation::probes::Probe::{self, *};
use handfast_simulation::probes::Probes;

/// All single crashes of the way's scenes; `rare` are the states that some of them must have reached.
fn all(way: Way, rare: &[Probe]) {
    let scene = Scene { way, ..Scene::default() };
    // Two servers are asked one by one.
    let combined = if way.is_standalone() { None } else { Some(Scene { orders: 1, combined: 1, ..scene.clone() }) };
    let scenes = [
        scene.clone(),
        Scene { orders: 1, clients: 2, ..scene.clone() },
        Scene { poisons: 1, ..scene.clone() },
        Scene { orders: 1, sizes: Sizes { flush_every: 1, ..Sizes::default() }, ..scene.clone() },
        Scene { ballast: 1_500, ..scene.clone() },
        Scene { orders: 1, onward: 1, ..scene.clone() },
        Scene { imported: 1, ..scene },
    ];
    let mut probes = Probes::default();
    for scene in scenes.into_iter().chain(combined.clone()) {
        let exhausted = single(&scene);
        if let Some(failed) = &exhausted.failed {
            panic!("{failed}");
        }
        let runs = exhausted.probes[Probe::Runs];
        println!("{scene}: {} steps, {runs} runs, {}", exhausted.steps, exhausted.pace);
        assert!(runs > 10 * exhausted.steps, "every step has many ways to be struck in");
        probes.add(&exhausted.probes);
    }
    println!("{way:?}: {probes}");
    for probe in rare.iter().chain(&[Repeated]).chain(combined.as_ref().map(|_| &BegunWithMessage)) {
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
