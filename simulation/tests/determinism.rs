//! One plan, one run: the same trace to the last byte.

use std::process::Command;

use handfast_simulation::plan::Plan;
use handfast_simulation::{swarm, trial};

fn assert_same(plan: &Plan) {
    let trace = || trial::run(plan, true).map(|ran| ran.trace);
    let (one, other) = (trace(), trace());
    assert!(one.as_ref().is_ok_and(|trace| trace.lines().count() > 30), "{plan} tells too little");
    assert_eq!(one, other, "{plan} runs differently when it runs again");
}

#[test]
fn the_same_plan_gives_the_same_trace() {
    for seed in 0..60 {
        assert_same(&swarm::plan(seed));
    }
    let text = "standalone-marker orders=3 20:server:sectors:lost:at-once 60:coordinator:torn:arrive:late";
    assert_same(&Plan::of_text(text).expect("it is a plan"));
}

/// Nothing of a process is in its runs: neither its addresses nor its id nor its time.
#[test]
fn two_processes_tell_the_same_to_the_last_byte() {
    let told = |plan: &Plan| {
        let program = env!("CARGO_BIN_EXE_handfast-simulation");
        let ran = Command::new(program).args(plan.to_string().split(' ')).output().expect("it is built for this test");
        assert!(ran.status.success(), "{plan}: {}", String::from_utf8_lossy(&ran.stderr));
        ran.stdout
    };
    for seed in 100..112 {
        let plan = swarm::plan(seed);
        let (one, other) = (told(&plan), told(&plan));
        assert!(one.len() > 2_000, "{plan} tells too little");
        assert!(one == other, "{plan} runs differently in another process");
    }
}

/// What a failed run prints is enough to run it again.
#[test]
fn a_plan_read_back_gives_the_same_trace() {
    let plan = swarm::plan(7);
    let again = Plan::of_text(&plan.to_string()).expect("a plan prints itself");
    assert_eq!(trial::run(&plan, true), trial::run(&again, true));
}

/// A trace does not change the run.
#[test]
fn an_untold_run_is_the_same_run() {
    for seed in 0..20 {
        let plan = swarm::plan(seed);
        let told = trial::run(&plan, true).expect("these seeds come right");
        let untold = trial::run(&plan, false).expect("these seeds come right");
        assert_eq!((told.history, told.steps), (untold.history, untold.steps));
    }
}
