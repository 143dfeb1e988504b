//! Runs drawn from seeds: the scene, its sizes and all its trouble.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use handfast_log::disk::SplitMix64;
use handfast_test_checkout::commit;

use crate::pace::{Pace, ThreadClock};
use crate::plan::{Mutant, Plan, Scene, Sizes, Trouble, Way, Worded};
use crate::probes::Probes;
use crate::reduce::reduce;
use crate::trial::{Failed, try_plan};
use crate::world::Ran;

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
        imported: some(u64::from(orders)),
        ballast: some(BALLAST),
        clients: 1 + some(2),
        onward: some(2),
        sizes: Sizes::drawn(&mut generator),
        mutant: Mutant::None,
        trouble: Some(Trouble::of_seed(generator.next_u64())),
        // Drawn last.
        combined: u32::from(generator.below(3) > 0),
    })
}

/// Orders of a short run, and of a long one.
const SHORT: u64 = 5;
const LONG: u64 = 115;

/// Bytes: three orders or so fill a segment of the log.
const BALLAST: u64 = 1_500;

/// A storm: hardly anything but servers that die and recover, a few of them at a time in one short run.
pub fn storm(seed: u64) -> Plan {
    let calm = plan(seed).scene;
    let (orders, trouble) = (1 + seed as u32 % STORM_ORDERS, Some(Trouble::storm(seed)));
    let sizes = Sizes { flush_every: calm.sizes.flush_every, ..Sizes::default() };
    Plan::new(Scene { orders, trouble, sizes, ballast: 0, poisons: 0, expiring: 0, imported: 0, onward: 0, ..calm })
}

const STORM_ORDERS: u32 = 12;

/// What a set of runs came to.
#[derive(Debug, Default)]
pub struct Swarm {
    pub probes: Probes,
    pub pace: Pace,
}

/// Runs the plans of these seeds, on as many threads as there are processors; stops at the first that fails, and makes its plan
/// as small as it can.
pub fn run(seeds: Range<u64>, plan: fn(u64) -> Plan) -> Result<Swarm, Box<Failed>> {
    let next = AtomicU64::new(seeds.start);
    commit();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let results: Vec<Result<Swarm, Box<Failed>>> = std::thread::scope(|scope| {
        let work = || run_shared(&next, seeds.end, plan);
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        running.into_iter().map(|thread| thread.join().expect("a run that panics is a result")).collect()
    });
    let mut all = Swarm::default();
    for result in results {
        let part = result.map_err(|failed| Box::new(reduce(*failed)))?;
        all.probes.add(&part.probes);
        all.pace.add(part.pace);
    }
    Ok(all)
}

fn run_shared(next: &AtomicU64, end: u64, plan: fn(u64) -> Plan) -> Result<Swarm, Box<Failed>> {
    let (clock, mut probes) = (ThreadClock::start(), Probes::default());
    loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= end {
            return Ok(Swarm { pace: clock.pace(&probes), probes });
        }
        match try_plan(&plan(seed)) {
            Ok(ran) => probes.add(&ran.probes),
            Err(failed) => {
                // The others need not go on.
                next.store(end, Ordering::Relaxed);
                return Err(Box::new(failed));
            }
        }
    }
}

/// The plan of a seed, run with a mistake in it, or with none.
pub fn try_seed(seed: u64, mutant: Mutant) -> Result<Ran, Failed> {
    let mut plan = plan(seed);
    plan.scene.mutant = mutant;
    try_plan(&plan)
}
