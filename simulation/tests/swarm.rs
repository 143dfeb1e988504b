//! Random trouble.

use handfast_simulation::swarm;

#[test]
fn seeds_come_right() {
    let seeds: u64 = std::env::var("HANDFAST_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(3_000);
    match swarm::run(0..seeds) {
        Ok(probes) => println!("{probes}"),
        Err(failed) => panic!("{failed}"),
    }
}
