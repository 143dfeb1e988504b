//! Each target on what is kept, and on mutations of it from a fixed seed: what a stable toolchain can do. libFuzzer, which looks
//! at what the code does with its inputs, goes much further (`.ci/fuzz.sh`).
#![allow(clippy::unwrap_used, reason = "a test that cannot read its corpus fails")]

mod kept;
mod mutation;
mod seeds;

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

use handfast_fuzz::{TARGETS, Target, schedule};
use handfast_log::disk::SplitMix64;

/// Any number: the same mutations each time.
const SEED: u64 = 20_260_101;

/// An input that a target panics on is told with the bytes that are all it takes to run it again.
fn run(target: &Target, bytes: &[u8], what: &str) {
    if catch_unwind(AssertUnwindSafe(|| (target.check)(bytes))).is_err() {
        panic!("{} fails on {what}: b\"{}\"", target.name, bytes.escape_ascii());
    }
}

fn replay(name: &str) {
    let target = TARGETS.iter().find(|target| target.name == name).unwrap();
    let corpus = kept::corpus(name);
    assert!(!corpus.is_empty(), "nothing is kept for {name}");
    for (file, bytes) in &corpus {
        run(target, bytes, file);
    }
    let mut generator = SplitMix64::new(SEED);
    for number in 0..target.mutations {
        let bytes = mutation::of(&corpus, &mut generator);
        run(target, &bytes, &format!("mutation {number}"));
    }
}

#[test]
fn log_recovery() {
    replay("log_recovery");
}

#[test]
fn log_entry() {
    replay("log_entry");
}

#[test]
fn wire() {
    replay("wire");
}

#[test]
fn names() {
    replay("names");
}

#[test]
fn import() {
    replay("import");
}

#[test]
fn trigger() {
    replay("trigger");
}

#[test]
fn schedule() {
    replay("schedule");
}

/// The seeds of the schedule are the plans that they are meant to be, whatever its bytes have come to mean.
#[test]
fn schedules_are_what_they_say() {
    for (target, name, bytes) in seeds::all() {
        let (what, _) = name.split_once('_').unwrap_or_default();
        let strikes = match (target, what) {
            ("schedule", "calm") => 0,
            ("schedule", "struck") => 5,
            _ => continue,
        };
        let plan = schedule::plan(&bytes);
        assert_eq!((plan.strikes.len(), &plan.scene.trouble), (strikes, &None), "{name}: {plan}");
        assert_eq!((plan.scene.orders, plan.scene.imported, plan.scene.clients), (3, 1, 2), "{name}: {plan}");
        let victims: BTreeSet<_> = plan.strikes.iter().map(|strike| strike.victim).collect();
        assert!(strikes == 0 || victims.len() >= 4, "{name}: {plan}");
    }
}

/// Neither is there a target without a test here, nor one without its program.
#[test]
fn every_target_is_run() {
    let here = include_str!("main.rs");
    let manifest = include_str!("../../Cargo.toml");
    for Target { name, .. } in TARGETS {
        assert!(here.contains(&format!("fn {name}() {{\n    replay(\"{name}\");")), "{name} has no test");
        assert!(manifest.contains(&format!("path = \"fuzz_targets/{name}.rs\"")), "{name} has no program");
    }
    assert_eq!(manifest.matches("[[bin]]").count(), TARGETS.len(), "a program is no target");
}
