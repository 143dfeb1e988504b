//! Outcomes are kept for a time, then forgotten, and the horizon says so (P20).

use super::*;
use crate::limits::OUTCOMES_FORGOTTEN_AT_ONCE_MAX;

/// P20: forgetting is bounded, goes by age, and raises the horizon to the highest id that was forgotten.
#[test]
fn p20_outcomes_are_forgotten_by_age_in_bounded_steps() {
    let mut kept = Kept::new();
    let many = OUTCOMES_FORGOTTEN_AT_ONCE_MAX as u64 + 10;
    // An odd one is decided, an even one leaves no record.
    for sequence in 0..many {
        assert!(kept.apply(1_000 + sequence, decide(identity(1).id(2 * sequence + 1), &[])).is_ok());
    }
    let day = u64::try_from(OUTCOMES_KEPT_FOR.as_millis()).unwrap();
    let due = |kept: &Kept, now| kept.state.forgetting_due(&kept.store, Timestamp(now)).unwrap();
    assert_eq!(due(&kept, day + 1_000), None);
    let last = day + 1_000 + many;
    assert_eq!(due(&kept, last), Some(Timestamp(1_000 + many)));

    let forget = Command::ForgetOutcomes { before: Timestamp(1_000 + many) };
    assert_eq!(kept.apply(last, forget.clone()), Ok(Done::Recorded));
    kept.check();
    let first_kept = identity(1).id(2 * OUTCOMES_FORGOTTEN_AT_ONCE_MAX as u64 + 1);
    let highest_forgotten = identity(1).id(first_kept.sequence - 2);
    assert_eq!(kept.outcome(highest_forgotten), Recorded::Forgotten);
    assert_eq!(kept.outcome(identity(1).id(2)), Recorded::Forgotten, "below the horizon nobody can tell");
    assert_eq!(kept.outcome(identity(1).id(first_kept.sequence - 1)), Recorded::Unknown, "above it: presumed abort");
    assert_eq!(kept.outcome(first_kept), decided(Outcome::Committed));

    assert_eq!(kept.apply(last, forget), Ok(Done::Recorded));
    assert_eq!(kept.outcome(first_kept), Recorded::Forgotten);
    assert_eq!(due(&kept, last), None);
    kept.check();
}

/// P20 and P3: what another incarnation or coordinator did, nobody here knows.
#[test]
fn p20_ids_of_others_are_forgotten_not_rolled_back() {
    let kept = Kept::new();
    let ours = identity(1).id(1);
    assert_eq!(kept.outcome(ours), Recorded::Unknown);
    assert_eq!(kept.outcome(GlobalId { incarnation: Incarnation(2), ..ours }), Recorded::Forgotten);
    assert_eq!(kept.outcome(GlobalId { coordinator: CoordinatorId(Uuid::nil()), ..ours }), Recorded::Forgotten);
}
