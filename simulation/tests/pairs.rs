//! Two crashes, the second soon after the first: recovery is struck while it runs (crash points 35, 39 and 51).
//!
//! In each way: one transaction; two clients that want the same order, one that becomes a dead letter before another, a
//! checkpoint after every entry, and orders that fill the log's segments. Of each scene:
//!
//! - every victim struck in the plainest way before each step, and each again;
//! - every kill of a server, at each step and each change of its disk, and every loss of power after it (crash point 51);
//! - of the product of all single strikes and all that can come after one, changes of disks included, a part.
//!
//! `HANDFAST_PAIRS_WITHIN` is how many steps after the first crash the second comes at the latest, in place of what is stated
//! here; with `all` it comes wherever it can. `HANDFAST_PAIRS_ONE_IN` is how large that part is, of the firsts as well as of
//! their seconds; `1` is the whole product. The nightly tier runs more of both.

use std::time::Instant;

use handfast_simulation::exhaustive::{Exhausted, Pairs, pairs, plain_pairs};
use handfast_simulation::plan::{Plan, Scene, Sizes, Way};
use handfast_simulation::probes::Probe;

/// A recovery takes about as many steps.
const WITHIN: u64 = 16;

/// In the other scenes: what recovery does first.
const WITHIN_OF_OTHERS: u64 = 2;

/// For crash point 51: what a server reads back and acts on. In the other scenes that are too many pairs for every change.
const KILLED_WITHIN: u64 = 8;
const KILLED_WITHIN_OF_OTHERS: u64 = 0;

/// A prime, so that the part has something of every kind.
const ONE_IN: usize = 59;

/// A step has so many pairs of anything with anything for each step within which the second comes.
const PRODUCT_MIN: u64 = 800;

/// First strikes between one word of progress and the next.
const FIRSTS_A_WORD: u64 = 100;

fn within(stated: u64) -> u64 {
    match std::env::var("HANDFAST_PAIRS_WITHIN").as_deref() {
        Ok("all") => u64::MAX,
        Ok(steps) => steps.parse().expect("HANDFAST_PAIRS_WITHIN is a number, or all"),
        Err(_) => stated,
    }
}

fn one_in() -> usize {
    let chosen = std::env::var("HANDFAST_PAIRS_ONE_IN");
    chosen.map_or(ONE_IN, |part| part.parse().expect("HANDFAST_PAIRS_ONE_IN is a number"))
}

fn all(way: Way) {
    let one = Scene { way, orders: 1, ..Scene::default() };
    let others = [
        Scene { clients: 2, ..one.clone() },
        Scene { orders: 2, poisons: 1, ..one.clone() },
        Scene { sizes: Sizes { flush_every: 1, ..Sizes::default() }, ..one.clone() },
        Scene { ballast: 1_500, ..one.clone() },
    ];
    // Two servers are asked one by one.
    let combined = if way.is_standalone() { None } else { Some(Scene { clients: 2, combined: 1, ..one.clone() }) };
    let others = others.into_iter().chain(combined).map(|scene| (scene, WITHIN_OF_OTHERS, KILLED_WITHIN_OF_OTHERS));
    for (scene, stated, killed) in std::iter::once((one, WITHIN, KILLED_WITHIN)).chain(others) {
        let plain = plain_pairs(&scene, within(stated));
        let steps = plain.steps;
        sound(&scene, "plain pairs", &plain);
        assert!(plain.probes[Probe::Runs] > 6 * stated * steps, "every step has many pairs: {}", plain.probes);
        let (killed, part) = (within(killed), one_in());
        let unpowered = pairs(&scene, Pairs::KilledThenUnpowered, killed, progress("killed, then without power"));
        sound(&scene, "killed, then without power", &unpowered);
        let enough = 4 * killed.min(KILLED_WITHIN) * steps;
        assert!(unpowered.probes[Probe::Runs] > enough, "every kill is followed by many: {}", unpowered.probes);
        let any = pairs(&scene, Pairs::Every { one_in: part }, within(stated), progress("any pairs"));
        sound(&scene, "any pairs", &any);
        let product = any.probes[Probe::Runs] * (part * part) as u64;
        assert!(product > PRODUCT_MIN * stated * steps, "this is no part of the product: {}", any.probes);
    }
}

/// Says how far it is, while it lasts.
fn progress(what: &'static str) -> impl FnMut(&Plan, &Exhausted) {
    let (began, mut firsts) = (Instant::now(), 0);
    move |plan, exhausted| {
        firsts += 1;
        if firsts % FIRSTS_A_WORD == 0 {
            let runs = exhausted.probes[Probe::Runs];
            println!("{what} after {firsts} first strikes: {runs} runs in {:.0?}, now {plan}", began.elapsed());
        }
    }
}

fn sound(scene: &Scene, what: &str, exhausted: &Exhausted) {
    if let Some(failed) = &exhausted.failed {
        panic!("{failed}");
    }
    let Exhausted { probes, pace, steps, .. } = exhausted;
    println!("{scene}: {what}: {steps} steps, {} runs, {pace}; {probes}", probes[Probe::Runs]);
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
