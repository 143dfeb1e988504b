//! How fast crash-recoveries are simulated, which is how many of them anybody can afford.
//!
//! `cargo run --profile ci -p handfast-simulation -- storm 0 5000` measures it on a quiet machine.

use handfast_simulation::swarm;

/// So many sets of storms, of so many each.
const SETS: u64 = 15;
const STORMS: u64 = 100;

/// Crash-recoveries a second that one processor must manage (docs/testing.md), less what a busy neighbour takes from the best of
/// all sets: the time of a processor is worth less while somebody else uses its memory, and this test is to fail when somebody
/// has made a run slow, and then only.
const EACH_SECOND: f64 = 5_000.0 * 0.8;

#[test]
fn storms_come_right_and_soon() {
    let mut paces = Vec::new();
    for set in 0..SETS {
        let seeds = set * STORMS..(set + 1) * STORMS;
        let storms = swarm::run(seeds, swarm::storm).unwrap_or_else(|failed| panic!("{failed}"));
        println!("{}", storms.pace);
        assert!(storms.pace.recoveries > 20 * STORMS, "these are no storms: {}", storms.pace);
        paces.push(storms.pace.each_second());
    }
    let best = paces.into_iter().fold(0.0, f64::max);
    assert!(best >= EACH_SECOND, "a run has become slow: {best:.0} a second at best");
}
