//! Random trouble. `HANDFAST_SEEDS=100000 cargo test --release -p handfast-simulation --test swarm` runs more of it.

use handfast_simulation::probes::Probe;
use handfast_simulation::swarm;

const SEEDS: u64 = 12_000;

/// Every rare state is reached, so that a run set in which nothing happens does not pass for a proof.
#[test]
fn seeds_come_right() {
    let wanted = std::env::var("HANDFAST_SEEDS").ok().and_then(|seeds| seeds.parse().ok());
    match swarm::run(0..wanted.unwrap_or(SEEDS)) {
        Ok(probes) => {
            println!("{probes}");
            let never: Vec<&str> =
                Probe::ALL.into_iter().filter(|(probe, _)| probes[*probe] == 0).map(|(_, what)| what).collect();
            assert!(never.is_empty(), "never reached: {never:?}");
        }
        Err(failed) => panic!("{failed}"),
    }
}
