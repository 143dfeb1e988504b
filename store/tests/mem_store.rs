//! The conformance suite on the store in memory.

use handfast_store::{MemStore, conformance};
use proptest::collection::vec;
use proptest::prelude::*;

#[test]
fn every_property_holds() {
    conformance::check(MemStore::default);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn it_follows_the_model_over_crashes(script in vec(any::<u8>(), 0..800)) {
        conformance::follow_model(MemStore::default(), &script);
    }
}
