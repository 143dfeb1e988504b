//! Runs drawn from seeds: the scene, its sizes and all its trouble.

use handfast_log::disk::SplitMix64;

use crate::plan::{Mutant, Plan, Scene, Trouble, Way, Worded};
use crate::probes::Probes;
use crate::trial::{Failed, try_plan};

/// The plan of a seed.
pub fn plan(seed: u64) -> Plan {
    let mut generator = SplitMix64::new(seed);
    let ways: Vec<Way> = Way::all().collect();
    let way = ways[generator.below(ways.len() as u64) as usize];
    Plan::new(Scene {
        way,
        orders: 1 + generator.below(6) as u32,
        clients: 1 + generator.below(3) as u32,
        flush_every: 1 + generator.below(8),
        mutant: Mutant::None,
        trouble: Some(Trouble { seed: generator.next_u64() }),
    })
}

/// Runs the plans of these seeds; stops at the first that fails.
pub fn run(seeds: std::ops::Range<u64>) -> Result<Probes, Box<Failed>> {
    let mut probes = Probes::default();
    for seed in seeds {
        let ran = try_plan(&plan(seed)).map_err(Box::new)?;
        probes.add(&ran.probes);
    }
    Ok(probes)
}
