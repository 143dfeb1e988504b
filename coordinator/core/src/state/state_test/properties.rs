//! Random commands: what the store holds is the whole state, byte by byte the same for the same commands.

use proptest::prelude::*;

use super::*;

fn any_command() -> impl Strategy<Value = (u8, Command)> {
    let names = prop::sample::select(vec!["ledger", "stock", "mail"]);
    let ids = (1..3u64, 0..6u64).prop_map(|(epoch, sequence)| identity(epoch).id(sequence));
    let outcomes = prop::sample::select(vec![Outcome::Committed, Outcome::RolledBack]);
    let some = prop::collection::btree_set(names.clone(), 0..3)
        .prop_map(|names| branches(&names.into_iter().collect::<Vec<_>>()));
    let heuristics = prop::option::weighted(0.2, prop::sample::select(vec![Heuristic::Rollback, Heuristic::Hazard]));
    let command = prop_oneof![
        1 => names.clone().prop_map(|text| Command::AddResource { resource: resource(text) }),
        1 => names.clone().prop_map(|text| Command::RemoveResource { name: name(text) }),
        4 => (ids.clone(), names.clone(), some.clone())
            .prop_map(|(id, to, branches)| Command::Delegate { id, resource: name(to), branches }),
        4 => (ids.clone(), some).prop_map(|(id, branches)| Command::Decide { id, branches }),
        6 => (ids.clone(), outcomes, prop::bool::weighted(0.1))
            .prop_map(|(id, outcome, forced)| Command::Conclude { id, outcome, forced }),
        8 => (ids.clone(), names.clone(), heuristics)
            .prop_map(|(id, at, heuristic)| Command::Acknowledge { id, resource: name(at), heuristic }),
        2 => ids.clone().prop_map(|id| Command::Forget { id }),
        1 => (0..400u64).prop_map(|before| Command::ForgetOutcomes { before: Timestamp(before) }),
        1 => (names, ids).prop_map(|(at, through)| Command::MarkersCleared { resource: name(at), through }),
    ];
    (any::<u8>(), command)
}

fn contents(store: &MemStore) -> Vec<(Bytes, Bytes)> {
    Overlay::new(store).scan(Family::State, &[], &[], usize::MAX).unwrap()
}

proptest! {
    /// A18, and the same bytes for the same commands: also when a member restarts in between.
    #[test]
    fn any_commands_leave_a_state_that_the_store_holds(commands in prop::collection::vec(any_command(), 0..80)) {
        let (mut one, mut other) = (Kept::new(), Kept::new());
        for (number, (restart, command)) in commands.into_iter().enumerate() {
            let now = 10 * number as u64;
            if number == 40 {
                one.begin(2);
                other.begin(2);
            }
            let judged = one.state.check(&Overlay::new(&one.store), &command).unwrap();
            let result = one.apply(now, command.clone());
            prop_assert_eq!(judged.err(), result.clone().err());
            if restart % 8 == 0 {
                other.state = State::open(&other.store).unwrap();
            }
            prop_assert_eq!(other.apply(now, command), result);
            one.check();
            prop_assert_eq!(&one.state, &other.state);
        }
        prop_assert_eq!(contents(&one.store), contents(&other.store));
    }

    /// The next ordinal is found from any number of outcomes.
    #[test]
    fn the_next_ordinal_is_found_again(count in 0..70u64, forgotten in 0..70u64) {
        let mut kept = Kept::new();
        for sequence in 0..count {
            kept.apply(sequence, decide(identity(1).id(sequence), &[])).unwrap();
        }
        kept.apply(count, Command::ForgetOutcomes { before: Timestamp(forgotten) }).unwrap();
        prop_assert_eq!(State::open(&kept.store).unwrap(), kept.state);
    }
}
