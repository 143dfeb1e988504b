//! Random histories: clients that vanish, databases that come and go, calls that are lost, late or made twice, crashes with any
//! part of the log kept. After each step and at the end a model of the databases tells whether every transaction did the same
//! everywhere.
//!
//! What is checked: A1 (never both outcomes), A3 and A4 (what a client was told stays), A12 (no heuristic that nobody caused),
//! A13 (everything in doubt is resolved once all is well), P14 (no row is cleared that is needed), and that every request is
//! answered once. Not checked: time limits, order of phase two, operators.

#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

mod world;

use proptest::prelude::*;
use world::World;

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 20_000, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn every_transaction_ends_the_same_everywhere(script in prop::collection::vec(any::<u16>(), 0..900)) {
        let mut world = World::default();
        script.into_iter().for_each(|choice| world.step(choice));
        world.heal();
    }
}

/// The histories above would show nothing if the interesting things did not happen in them.
#[test]
fn the_histories_are_worth_checking() {
    let mut total = world::Happened::default();
    for seed in 0..60 {
        let mut world = World::default();
        let mut choice = Choices { state: seed };
        for _ in 0..900 {
            world.step(choice.next());
        }
        world.heal();
        total.add(&world.happened);
    }
    println!("{total:?}");
    total.check_all_happened();
}

/// A plain generator (SplitMix64): the same histories on every run.
struct Choices {
    state: u64,
}

impl Choices {
    fn next(&mut self) -> u16 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) as u16
    }
}
