//! The simulation bites: each mistake that the code can be told to make is seen within so many seeds, as what it is.
//!
//! `cargo test -p handfast-simulation --features mutants --test mutants` has those of the cores and the log as well.

use handfast_simulation::plan::Mutant;
use handfast_simulation::swarm;

const SEEDS: u64 = 10_000;

/// Each mistake, and what it is to be seen as: a property that does not hold, or how the run gets stuck.
const EXPECTED: [(&str, &str); 54] = [
    ("answers-before-sync", "A11"),
    ("purges-before-flush", "broken"),
    ("skips-replay", "A10"),
    ("presumes-delegated", "A7"),
    ("looks-without-fence", "A7"),
    ("decides-without-flush", "A1"),
    ("takes-unknown-for-rolled-back", "A3"),
    ("reports-what-it-hopes", "A1"),
    ("sweeps-everything", "A11"),
    ("acknowledges-undone", "A1"),
    ("votes-before-sync", "A2"),
    ("forgets-to-roll-back", "not done"),
    ("waits-for-everybody", "A24"),
    ("takes-rollback-for-commit", "A1"),
    ("goes-on-after-error", "A4"),
    ("blames-for-outages", "A9"),
    ("applies-twice", "A18"),
    ("trusts-tail", "broken"),
    ("skips-directory-sync", "broken"),
    ("goes-on-after-sync-error", "A10"),
    ("takes-damage-for-the-end", "A22"),
    ("applies-stale-epochs", "A15"),
    ("serves-behind", "A8"),
    ("shows-held-sends", "A5"),
    ("names-again", "A15"),
    ("decides-before-votes", "A2"),
    ("takes-refusal-for-vote", "A2"),
    ("goes-before-delegated", "A1"),
    ("takes-silence-for-rollback", "A7"),
    ("takes-doubt-for-rollback", "A7"),
    ("takes-unreachable-for-rollback", "A7"),
    ("sweeps-live", "A7"),
    ("sweeps-once", "not done"),
    ("presumes-commit", "A1"),
    ("takes-silence-for-vote", "A2"),
    ("forgets-heuristics", "A12"),
    ("forgets-before-acknowledged", "A11"),
    ("answers-before-services", "A11"),
    ("tells-out-of-order", "A8"),
    ("adopts-unasked", "A1"),
    ("clears-markers-early", "A7"),
    ("drops-prepared", "A1"),
    ("expires-held", "panicked"),
    ("hands-out-newest", "A8"),
    ("redelivers-last", "A8"),
    ("reads-past-held", "A8"),
    ("counts-no-attempt", "not done"),
    ("blames-messages", "A9"),
    ("keeps-account", "A17"),
    ("keeps-read-only", "A16"),
    ("wakes-nobody", "not done"),
    ("takes-repeated-for-new", "A7"),
    ("commits-unsent", "A1"),
    ("dies-and-lives", "not done"),
];

fn caught(mutant: Mutant) -> Result<(), Mutant> {
    let (name, expected) = EXPECTED.iter().find(|(name, _)| *name == mutant.name()).expect("each mistake has its line");
    let mut failures = (0..SEEDS).filter_map(|seed| swarm::try_seed(seed, mutant).err());
    let failed = failures.find(|failed| failed.kinds.contains(expected));
    println!("{name:32} {}", failed.as_ref().map_or("not seen".to_owned(), |failed| failed.to_string()));
    failed.map(drop).ok_or(mutant)
}

#[test]
fn every_mistake_is_seen_as_what_it_is() {
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
