//! Random histories: the real state against the model, crashes at every write, and equal bytes for equal commands.

use std::collections::BTreeMap;

use handfast_protocol::Timestamp;
use handfast_queue::Done;
use handfast_queue::state::State;
use handfast_store::{MemStore, Store};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use crate::model::Model;
use crate::ops::{Drawer, Op, ops};
use crate::world::{Entry, World, dump, replay};

/// Runs a history on both, and compares after every log entry.
fn run(ops: &[Op]) -> World {
    let mut world = World::new();
    let mut model = Model { now: world.now, ..Model::default() };
    model.begin_epoch();
    let mut drawer = Drawer::default();
    for (at, op) in ops.iter().enumerate() {
        let entry = match op {
            Op::Pass { millis } => {
                world.now = Timestamp(world.now.0 + u64::from(*millis));
                model.now = world.now;
                continue;
            }
            Op::Flush => {
                world.store.flush().unwrap();
                continue;
            }
            Op::BeginEpoch => Entry::BeginEpoch,
            Op::Command(deed) => drawer.entry(&model, std::slice::from_ref(deed)),
            Op::Several(deeds) => drawer.entry(&model, deeds),
        };
        let expected: Vec<_> = match &entry {
            Entry::BeginEpoch => {
                model.begin_epoch();
                Vec::new()
            }
            Entry::Commands(commands) => commands.iter().map(|command| model.apply(command.clone())).collect(),
        };
        let answers = world.enter(entry);
        assert_eq!(answers, expected);
        world.answers.extend(answers);
        model.compare(&world, at % 16 == 0);
    }
    model.compare(&world, true);
    world
}

/// The random histories are not all refusals: they come to every kind of answer.
#[test]
fn the_histories_reach_every_kind_of_answer() {
    let mut runner = TestRunner::deterministic();
    let mut reached: BTreeMap<String, u32> = BTreeMap::new();
    for _ in 0..128 {
        let world = run(&ops().new_tree(&mut runner).unwrap().current());
        for answer in world.answers {
            let (Ok(Some(answer)) | Err(answer)) = answer
                .map(|done| kind_of_done(&done))
                .map_err(|refused| format!("{refused:?}").split([' ', '(']).next().unwrap().to_owned())
            else {
                continue;
            };
            *reached.entry(answer).or_default() += 1;
        }
    }
    let expected = [
        "Committed",
        "Conflict",
        "Created",
        "DeadLetterGone",
        "DeadLetterQueue",
        "Deleting",
        "DuplicateXid",
        "OriginGone",
        "Prepared",
        "ProducerFenced",
        "ProducerGap",
        "ProducerUnknown",
        "QueueExists",
        "QueueGone",
        "QueueInDoubt",
        "Released",
        "Removed",
        "Repeated",
        "RolledBack",
        "Sent",
        "StageGone",
        "Staged",
        "Swept",
        "UnknownXid",
    ];
    assert_eq!(reached.keys().map(String::as_str).collect::<Vec<_>>(), expected, "{reached:?}");
}

/// `None`: nothing happened.
fn kind_of_done(done: &Done) -> Option<String> {
    let is_empty = match done {
        Done::Swept { removed, .. } => *removed == 0,
        Done::Removed(keys)
        | Done::Sent(keys)
        | Done::Committed(keys)
        | Done::RolledBack(keys)
        | Done::Released(keys) => keys.is_empty(),
        Done::Repeated(ids) => ids.is_empty(),
        Done::Created(_) | Done::Deleting | Done::Staged | Done::Prepared => false,
    };
    (!is_empty).then(|| format!("{done:?}").split([' ', '(']).next().unwrap().to_owned())
}

proptest! {
    /// G3, G4, G5, P10, P17, P22, P24-P27 over random histories; A18 and determinism on the same ones.
    #[test]
    fn the_state_is_what_the_model_says(ops in ops(), kept in any::<prop::sample::Index>()) {
        let world = run(&ops);

        // A crash keeps some prefix of the writes since the last flush; the log above it is applied again.
        let unflushed = world.store.unflushed();
        let kept = kept.index(unflushed + 1);
        let mut store = world.store.crashed(kept);
        let mut state = State::open(&store).unwrap();
        for (now, entry) in &world.log[world.log.len() - unflushed + kept..] {
            replay(&mut store, &mut state, *now, entry.clone());
        }
        prop_assert_eq!(dump(&store), dump(&world.store));
        prop_assert_eq!(&state, &world.state);

        // The same commands give the same bytes.
        let mut store = MemStore::default();
        let mut state = State::open(&store).unwrap();
        for (now, entry) in &world.log {
            replay(&mut store, &mut state, *now, entry.clone());
        }
        prop_assert_eq!(dump(&store), dump(&world.store));
    }
}
