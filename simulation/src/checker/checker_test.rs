//! Wrong histories and audits: each property sees at least two.

use std::collections::BTreeMap;

use handfast_coordinator_core::KnownOutcome;
use handfast_protocol::{CoordinatorId, GlobalId, Heuristic, Incarnation, RollbackReason};
use uuid::Uuid;

use super::judge;
use crate::database::OrderRow;
use crate::history::{Event, History, Told};
use crate::world::{Audit, Found};

fn id(sequence: u64) -> GlobalId {
    GlobalId { coordinator: CoordinatorId(Uuid::nil()), incarnation: Incarnation(1), epoch: 1, sequence }
}

fn found(order: &str, sequence: u64) -> Found {
    Found { order: order.to_owned(), id: Some(id(sequence)) }
}

/// Two orders, done by two transactions; a third one was rolled back.
fn good() -> (History, Audit) {
    let mut events = Vec::new();
    for (sequence, order, outcome) in
        [(1, "order-1", Told::RolledBack), (2, "order-1", Told::Committed), (3, "order-2", Told::Committed)]
    {
        events.push(Event::Began { id: id(sequence) });
        events.push(Event::Took { id: id(sequence), order: order.to_owned() });
        events.push(Event::Told { id: id(sequence), outcome });
    }
    let row = |order: &str, sequence| OrderRow { order: order.to_owned(), id: id(sequence) };
    let audit = Audit {
        orders: vec!["order-1".to_owned(), "order-2".to_owned()],
        is_ordered: true,
        has_database: true,
        rows: vec![row("order-1", 2), row("order-2", 3)],
        shipments: vec![found("order-1", 2), found("order-2", 3)],
        outcomes: BTreeMap::from([
            (id(1), Ok(KnownOutcome::RolledBack(RollbackReason::Requested))),
            (id(2), Ok(KnownOutcome::Committed)),
            (id(3), Ok(KnownOutcome::Committed)),
        ]),
        ..Audit::default()
    };
    (History { events }, audit)
}

/// What is wrong, and the property that must say so.
type Wrong = (&'static str, fn(&mut History, &mut Audit));

const WRONG: [Wrong; 20] = [
    ("substance", |history, _| history.events.clear()),
    ("substance", |history, _| history.events.retain(|event| !matches!(event, Event::Told { .. }))),
    ("substance", |_, audit| audit.orders.clear()),
    ("atomicity (A1)", |_, audit| audit.rows[1].id = id(1)),
    ("atomicity (A1)", |_, audit| audit.rows[1].order = "order-1".to_owned()),
    ("atomicity (A1)", |_, audit| audit.shipments[0].id = None),
    ("exactly once (A7)", |_, audit| audit.shipments.push(found("order-2", 3))),
    ("exactly once (A7)", |_, audit| audit.rows.clear()),
    ("exactly once (A7)", |_, audit| audit.left_in_orders.push(found("order-2", 3))),
    ("exactly once (A7)", |_, audit| audit.shipments[1].order = "order-9".to_owned()),
    ("order (A8)", |_, audit| audit.shipments.reverse()),
    ("order (A8)", |_, audit| audit.orders.reverse()),
    ("outcomes (A3, A4)", |history, _| {
        history.events.push(Event::Told { id: id(1), outcome: Told::Committed });
    }),
    ("outcomes (A3, A4)", |history, _| {
        history.events.push(Event::Told { id: id(2), outcome: Told::Heuristic(Heuristic::Mixed) });
    }),
    ("outcomes (A3, A4)", |_, audit| {
        audit.outcomes.insert(id(3), Ok(KnownOutcome::RolledBack(RollbackReason::Fenced)));
    }),
    ("dead letters (P22)", |_, audit| audit.dead_letters.push(found("order-1", 1))),
    ("dead letters (P22)", |_, audit| audit.dead_letters.push(Found { order: "?".to_owned(), id: None })),
    ("residue (A13, A16)", |_, audit| audit.held = 1),
    ("residue (A13, A16)", |_, audit| audit.open_transactions.push("1 is InDoubt".to_owned())),
    ("residue (A13, A16)", |_, audit| audit.prepared.push("1 at the database".to_owned())),
];

#[test]
fn a_good_run_is_good() {
    let (history, audit) = good();
    assert_eq!(judge(&history, &audit), []);
}

#[test]
fn each_property_sees_what_is_wrong() {
    for (number, (property, spoil)) in WRONG.iter().enumerate() {
        let (mut history, mut audit) = good();
        spoil(&mut history, &mut audit);
        let violations = judge(&history, &audit);
        let seen = violations.iter().any(|violation| violation.property == *property);
        assert!(seen, "number {number}: {property} does not see it; found: {violations:?}");
    }
}
