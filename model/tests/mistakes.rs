//! Each mistake is found, by the property that is there for it: the properties bite.

use std::collections::BTreeSet;
use std::time::Instant;

use handfast_model::{Mistake, Protocol, properties};
use stateright::{Checker, HasDiscoveries, Model};

#[test]
fn every_mistake_is_found_by_its_property() {
    for mistake in Mistake::ALL {
        let began = Instant::now();
        let violates = mistake.violates();
        let expected = *violates.first().expect("a mistake violates something");
        let found_expected = HasDiscoveries::AnyOf(BTreeSet::from([expected]));
        let checker = Protocol::with(mistake).checker().finish_when(found_expected).spawn_bfs().join();

        let found = checker.discoveries();
        let steps = found.get(expected).map(|path| path.clone().into_actions().len());
        let states = checker.unique_state_count();
        println!("{mistake:?}: \"{expected}\" after {steps:?} steps, {states} states, {:.1?}", began.elapsed());
        assert!(steps.is_some(), "{mistake:?} is not found; found instead: {:?}", found.keys());
        let others: Vec<_> = found.keys().filter(|name| !violates.contains(name)).collect();
        assert!(others.is_empty(), "{mistake:?} violates more than it says: {others:?}");
    }
}

#[test]
fn every_property_has_a_mistake_that_violates_it() {
    let expected: BTreeSet<_> = Mistake::ALL.iter().filter_map(|mistake| mistake.violates().first().copied()).collect();
    assert_eq!(expected, BTreeSet::from(properties::ALWAYS));
}
