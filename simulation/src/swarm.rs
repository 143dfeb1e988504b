//! Runs drawn from seeds: the scene, its sizes and all its trouble.

use handfast_log::disk::SplitMix64;

use crate::plan::{Mutant, Plan, Scene, Trouble, Way, Worded};
use crate::probes::Probes;
use crate::trial::{Failed, try_plan};

/// The plan of a seed. A third of the runs are short, so that their trouble comes close together; and every kind of thing is
/// absent from a third of them.
pub fn plan(seed: u64) -> Plan {
    let mut generator = SplitMix64::new(seed);
    let ways: Vec<Way> = Way::all().collect();
    let way = ways[generator.below(ways.len() as u64) as usize];
    let mut some = |most: u64| if generator.below(3) == 0 { 0 } else { generator.below(most + 1) as u32 };
    let orders = 1 + some(SHORT).max(some(LONG) * (some(1) + 1) / 2);
    Plan::new(Scene {
        way,
        orders,
        poisons: some(3).min(orders / 3),
        expiring: some(6).min(orders / 3),
        ballast: some(BALLAST),
        clients: 1 + some(2),
        onward: some(2),
        flush_every: 1 + u64::from(some(12)),
        mutant: Mutant::None,
        trouble: Some(Trouble { seed: generator.next_u64() }),
    })
}

/// Orders of a short run, and of a long one.
const SHORT: u64 = 5;
const LONG: u64 = 50;

/// Bytes: three orders or so fill a segment of the log.
const BALLAST: u64 = 1_500;

/// Runs the plans of these seeds; stops at the first that fails.
pub fn run(seeds: std::ops::Range<u64>) -> Result<Probes, Box<Failed>> {
    run_with(seeds, Mutant::None)
}

/// The same, with a mistake in each.
pub fn run_with(seeds: std::ops::Range<u64>, mutant: Mutant) -> Result<Probes, Box<Failed>> {
    let mut probes = Probes::default();
    for seed in seeds {
        let mut plan = plan(seed);
        plan.scene.mutant = mutant;
        let ran = try_plan(&plan).map_err(Box::new)?;
        probes.add(&ran.probes);
    }
    Ok(probes)
}
