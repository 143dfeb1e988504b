//! Random trouble: crashes, lost power, failing and rotting disks, ended leaderships, broken streams, lost and doubled calls.
//! `handfast-simulation soak` runs more of it.

use std::collections::BTreeMap;

use handfast_checker::judge;
use handfast_simulation::plan::Mutant;
use handfast_simulation::probes::Probe;
use handfast_simulation::swarm::{self, Swarm};

const SEEDS: u64 = 20_000;

/// On the average of all seeds.
const TRANSACTIONS: u64 = 50;

/// Every rare state is reached, so that a run set in which nothing happens does not pass for a proof.
#[test]
fn seeds_come_right() {
    match swarm::run(0..SEEDS, swarm::plan) {
        Ok(Swarm { probes, pace }) => {
            println!("{probes}\n{pace}");
            let never: Vec<&str> =
                Probe::ALL.into_iter().filter(|(probe, _)| probes[*probe] == 0).map(|(_, what)| what).collect();
            assert!(never.is_empty(), "never reached: {never:?}");
            let told = probes[Probe::ToldCommitted] + probes[Probe::ToldRolledBack] + probes[Probe::ToldUnknown];
            assert!(told >= SEEDS * TRANSACTIONS, "{told} transactions are too few");
        }
        Err(failed) => panic!("{failed}"),
    }
}

/// Every property has something to judge, but for the one that needs an earlier version; and those that need rare things
/// have more than a little.
#[test]
fn properties_are_not_idle() {
    let mut judged: BTreeMap<&str, u64> = BTreeMap::new();
    for seed in 0..500 {
        let ran = swarm::try_seed(seed, Mutant::None).unwrap_or_else(|failed| panic!("{failed}"));
        for verdict in judge(&ran.history).verdicts {
            *judged.entry(verdict.id).or_default() += verdict.judged;
        }
    }
    println!("{judged:?}");
    let few: Vec<(&str, u64)> = judged.into_iter().filter(|(_, count)| *count < JUDGED_AT_LEAST).collect();
    assert_eq!(few, [("A19", 0)]);
}

const JUDGED_AT_LEAST: u64 = 50;
