//! Three members of one group, the real code of this crate and the queue manager's own state behind it, on a simulated
//! network and simulated disks, from one seed.
//!
//! What is real: [`Replica`](crate::Replica) with its log store, records, flush marks and leaderships; openraft; the log
//! with its writer's rounds, done by hand instead of by a thread; the queue manager's node over a store in memory. What is
//! simulated: the disk below the log, the network, the clock, chance, and the processes (a runtime each).
//!
//! A product with several members needs a network, which it does not have yet: `Replica::member` takes any, the product
//! gives it `NoNetwork` and a group of one, these tests give it theirs. They are in here because nobody outside may name
//! openraft, or could make a group. The one thing that differs in the code under test is where openraft takes its clock,
//! tasks and chance from (`type_config.rs`).
//!
//! One thread runs one world, tick by tick: faults, messages, clients, then each member in turn, then its disk. A member's
//! runtime has a clock that stands still between its turns and jumps within them, and openraft takes its chance from the
//! seed, so that the same seed is the same run.
//!
//! The shell here does three things that the server's does not, because a group of one does not need them; each of them
//! left out is among the mistakes below.

mod clients;
mod counts;
mod judge;
mod member;
mod network;
mod plan;
mod runtime;
mod shell;
mod trace;
mod world;

use std::ops::Range;
use std::time::Duration;
use std::{env, thread};

use counts::Counts;
use handfast_test_checkout::commit;
use judge::Violation;
use plan::Plan;
pub(crate) use runtime::SeededRuntime;
use trace::Trace;
use world::World;

const MEMBERS: [u64; 3] = [1, 2, 3];

/// The grain of simulated time: what happens within it is seen at its end.
const TICK: Duration = Duration::from_millis(5);

/// Half a minute of two processors.
const SEEDS: u64 = 100;

/// A mistake is seen in one of these, or the runs do not do enough.
const SEEDS_OF_A_MISTAKE: u64 = 100;

const REPLAY: &str =
    "cargo test --profile ci -p handfast-replica --lib three_members_survive_every_seed -- --nocapture";

/// What storage and shell could do wrong, made outside of the product's code, so that it is known to be seen. The last
/// three are what a shell of several members has to do that one of a single member does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mistake {
    /// The last round of a log was answered before its sync.
    AnswersBeforeSync,
    /// A restarted member does not know whom it has voted for.
    ForgetsVote,
    /// A store's position is durable without the effects.
    FlushesPositionOnly,
    /// What had no answer is proposed once more by the next leadership (P2).
    ProposesAgain,
    /// A leader proposes while no quorum is known to follow it: openraft drops it without a word.
    LeadsUnconfirmed,
    /// A log is purged before its leader knows that every member has what is purged: it would have to send a snapshot.
    PurgesUnconfirmed,
    /// A store is durable beyond its log: a quorum commits without the own disk.
    FlushesAheadOfLog,
}

/// Each with what is said of it.
const MISTAKES: [(Mistake, &str); 7] = [
    (Mistake::AnswersBeforeSync, "applied another entry"),
    (Mistake::ForgetsVote, "both led term"),
    (Mistake::FlushesPositionOnly, "has another state than its log gives"),
    (Mistake::ProposesAgain, "one proposal was committed"),
    (Mistake::LeadsUnconfirmed, "did not recover"),
    (Mistake::PurgesUnconfirmed, "did not recover"),
    (Mistake::FlushesAheadOfLog, "the log was lost or replaced"),
];

/// What must have happened in some run, so that the runs are worth something.
const REACHED: [&str; 15] = [
    "blackouts",
    "crashes",
    "directions cut",
    "disks failed",
    "ends of logs lost",
    "entries applied before the own log was durable",
    "entries committed",
    "messages doubled",
    "messages lost",
    "operations",
    "purges",
    "sends acknowledged",
    "starts cut off",
    "terms led",
    "uncommitted ends taken back",
];

/// A mistake that needs luck to do harm is given it.
fn plan_for(mistake: Mistake, seed: u64) -> Plan {
    let plan = Plan::new(seed);
    match mistake {
        Mistake::PurgesUnconfirmed => Plan { lost: Some(200), flushes: Some(50), ..plan },
        Mistake::FlushesAheadOfLog => Plan { power_losses: Some(200), slow_disks: Some(60), ..plan },
        Mistake::AnswersBeforeSync
        | Mistake::ForgetsVote
        | Mistake::FlushesPositionOnly
        | Mistake::ProposesAgain
        | Mistake::LeadsUnconfirmed => plan,
    }
}

fn run(plan: Plan, mistake: Option<Mistake>, trace: Trace) -> (Result<(), Violation>, World) {
    let mut world = World::new(plan, mistake, trace);
    (world.run(), world)
}

/// Runs seeds until one fails, and adds up what happened in them.
fn run_all(seeds: Range<u64>) -> Counts {
    let mut counts = Counts::default();
    for seed in seeds {
        let (result, world) = run(Plan::new(seed), None, Trace::silent());
        if let Err(violation) = result {
            let plan = Plan::new(seed);
            panic!(
                "{plan:?}: {violation}\nat commit {}, to see it:\n    HANDFAST_MEMBERS_SEED={seed} {REPLAY}",
                commit()
            );
        }
        counts.merge(&world.counts);
    }
    counts
}

#[test]
fn three_members_survive_every_seed() {
    if let Some(seed) = env::var("HANDFAST_MEMBERS_SEED").ok().and_then(|seed| seed.parse().ok()) {
        let (result, world) = run(Plan::new(seed), None, Trace::aloud());
        println!("{:?}\n{:?}\n{result:?}", Plan::new(seed), world.counts);
        return result.unwrap();
    }
    let counts = thread::scope(|scope| {
        let halves = [0..SEEDS / 2, SEEDS / 2..SEEDS].map(|seeds| scope.spawn(|| run_all(seeds)));
        let mut counts = Counts::default();
        halves.into_iter().for_each(|half| counts.merge(&half.join().expect("its message is above")));
        counts
    });
    println!("{SEEDS} seeds: {counts:?}");
    assert_eq!(counts.missing(&REACHED), [""; 0]);
}

#[test]
fn the_same_seed_is_the_same_run() {
    for seed in 0..5 {
        let [first, second] = [(); 2].map(|()| {
            let (result, world) = run(Plan::new(seed), None, Trace::silent());
            (result, world.counts.clone(), world.trace.sum())
        });
        assert_eq!(first, second, "seed {seed}");
    }
}

#[test]
fn each_mistake_is_seen() {
    for (mistake, said) in MISTAKES {
        let seen = (0..SEEDS_OF_A_MISTAKE).find_map(|seed| {
            let (result, _) = run(plan_for(mistake, seed), Some(mistake), Trace::silent());
            let violation = result.err().map(|violation| violation.to_string()).unwrap_or_default();
            violation.contains(said).then_some((seed, violation))
        });
        let (seed, violation) = seen.unwrap_or_else(|| panic!("{mistake:?} is not seen in {SEEDS_OF_A_MISTAKE} seeds"));
        println!("{mistake:?}: seed {seed}: {violation}");
        let (result, _) = run(plan_for(mistake, seed), None, Trace::silent());
        assert_eq!(
            result.err().map(|violation| violation.to_string()),
            None,
            "{mistake:?}, and seed {seed} without it"
        );
    }
}
