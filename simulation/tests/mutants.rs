//! The simulation bites: each mistake that the code can be told to make is seen within so many seeds.
//!
//! `cargo test -p handfast-simulation --features mutants --test mutants` has those of the cores and the log as well.

use handfast_simulation::plan::Mutant;
use handfast_simulation::swarm;

const SEEDS: u64 = 10_000;

fn caught(mutant: Mutant) -> Result<u64, Mutant> {
    match (0..SEEDS).find_map(|seed| swarm::try_seed(seed, mutant).err().map(|failed| (seed, failed))) {
        Some((seed, failed)) => {
            println!("{:32} seed {seed:5}: {}", mutant.name(), failed.why[0]);
            Ok(seed)
        }
        None => Err(mutant),
    }
}

#[test]
fn every_mistake_is_seen() {
    let is_built_in = |mutant: &Mutant| cfg!(feature = "mutants") || !matches!(mutant, Mutant::Core(_));
    let mutants: Vec<Mutant> = Mutant::every().filter(is_built_in).collect();
    let (first, second) = mutants.split_at(mutants.len() / 2);
    let missed: Vec<Mutant> = std::thread::scope(|scope| {
        let halves = [first, second].map(|half| {
            scope.spawn(|| half.iter().filter_map(|mutant| caught(*mutant).err()).collect::<Vec<Mutant>>())
        });
        halves.into_iter().flat_map(|half| half.join().expect("a run that panics is a result")).collect()
    });
    assert_eq!(missed, []);
}
