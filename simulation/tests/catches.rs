//! The checker bites: each mistake that a run can be told to make is seen by some single crash of some way.

use handfast_simulation::exhaustive::single;
use handfast_simulation::plan::{Mutant, Scene, Way};
use handfast_simulation::probes::Probe;

/// Runs all single crashes of the way with the mistake, until it is seen as what it is.
fn caught(mutant: Mutant, way: Way, seen_as: &str) {
    caught_in(&Scene { way, mutant, ..Scene::default() }, seen_as);
}

fn caught_in(scene: &Scene, seen_as: &str) {
    let mutant = scene.mutant;
    let exhausted = single(scene);
    let failed = exhausted.failed.unwrap_or_else(|| panic!("{mutant:?} was not seen in {}", exhausted.probes));
    println!("{mutant:?} after {} runs: {failed}", exhausted.probes[Probe::Runs]);
    assert!(failed.why.iter().any(|why| why.contains(seen_as)), "{mutant:?} is seen as something else: {failed}");
}

#[test]
fn catches_answers_before_sync() {
    caught(Mutant::AnswersBeforeSync, Way::Local, "write-ahead");
}

#[test]
fn catches_purges_before_flush() {
    caught(Mutant::PurgesBeforeFlush, Way::Local, "the log begins at");
}

#[test]
fn catches_skips_replay() {
    caught(Mutant::SkipsReplay, Way::Local, "exactly once");
}

#[test]
fn catches_presumes_delegated() {
    caught(Mutant::PresumesDelegated, Way::MarkerPostgres, "exactly once");
}

#[test]
fn catches_looks_without_fence() {
    caught(Mutant::LooksWithoutFence, Way::MarkerPostgres, "exactly once");
}

#[test]
fn catches_decides_without_flush() {
    caught(Mutant::DecidesWithoutFlush, Way::MarkerPostgres, "atomicity");
}

#[test]
fn catches_takes_unknown_for_rolled_back() {
    caught(Mutant::TakesUnknownForRolledBack, Way::Local, "outcomes");
}

#[test]
fn catches_reports_what_it_hopes() {
    caught(Mutant::ReportsWhatItHopes, Way::MarkerPostgres, "atomicity");
}

#[test]
fn catches_sweeps_everything() {
    caught(Mutant::SweepsEverything, Way::TwoPhase, "exactly once");
}

#[test]
fn catches_acknowledges_undone() {
    caught(Mutant::AcknowledgesUndone, Way::TwoPhase, "atomicity");
}

#[test]
fn catches_votes_before_sync() {
    caught(Mutant::VotesBeforeSync, Way::StandaloneMarker, "atomicity");
}

#[test]
fn catches_waits_for_everybody() {
    let (way, mutant) = (Way::TwoPhase, Mutant::WaitsForEverybody);
    caught_in(&Scene { way, mutant, onward: 1, ..Scene::default() }, "the healthy");
}

#[test]
fn catches_forgets_to_roll_back() {
    caught(Mutant::ForgetsToRollBack, Way::StandaloneMarker, "not all orders are done");
}
