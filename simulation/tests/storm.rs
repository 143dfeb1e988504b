//! How fast crash-recoveries are simulated, which is how many of them anybody can afford.
//!
//! `cargo run --profile ci -p handfast-simulation -- storm 0 5000` measures it on a quiet machine.

use handfast_simulation::swarm;

const STORMS: u64 = 1_500;

/// Crash-recoveries a second that one processor must manage (docs/testing.md). Here a third of that is demanded: the time of a
/// processor is worth less while its neighbour is busy, and this test is to fail when somebody has made a run slow, and then
/// only.
const EACH_SECOND: f64 = 5_000.0 / 3.0;

#[test]
fn storms_come_right_and_soon() {
    let storms = swarm::run(0..STORMS, swarm::storm).unwrap_or_else(|failed| panic!("{failed}"));
    println!("{}\n{}", storms.probes, storms.pace);
    assert!(storms.pace.recoveries > 20 * STORMS, "these are no storms: {}", storms.pace);
    assert!(storms.pace.each_second() >= EACH_SECOND, "a run has become slow: {}", storms.pace);
}
