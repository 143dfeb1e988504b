//! Transactions whose database commits last and decides (P11, P12).

use handfast_coordinator_core::{Answer, Ask, KnownOutcome, Report, Request, Told};
use handfast_machine::Event;
use handfast_protocol::{GlobalId, Outcome, ResourceKind, RollbackReason};

use crate::world::{CONNECTION, World, resource};

/// A transaction that has moved an order to the shipments and was told to go.
fn delegated() -> (World, GlobalId) {
    let mut world = World::new();
    world.create("orders");
    world.create("shipments");
    world.add(resource("ledger", ResourceKind::SqliteMarker));
    world.send(None, "orders", "one");
    let id = world.begin();
    assert_eq!(world.receive(Some(id), "orders").as_deref(), Some("one"));
    world.enlist(id, "ledger");
    world.send(Some(id), "shipments", "one");
    let before = world.log.len();
    assert_eq!(world.coordinator(Request::Commit { id, prepared: vec![] }), Ok(Answer::Go));
    assert_eq!(world.log.len(), before + 1, "prepare and delegation are one forced write");
    (world, id)
}

fn is_fence(ask: &Ask) -> bool {
    matches!(ask, Ask::Fence { .. })
}

#[test]
fn the_report_of_a_commit_concludes() {
    let (mut world, id) = delegated();
    let report = Request::Report { id, report: Report::Committed };
    assert_eq!(world.coordinator(report), Ok(Answer::Outcome(KnownOutcome::Committed)));
    assert_eq!((world.count("orders"), world.count("shipments")), (0, 1));
    assert_eq!(world.receive(None, "shipments").as_deref(), Some("one"));
    world.check();
}

/// P11, P12: after go nothing but the row decides, whatever the client says or does not say.
#[test]
fn p12_an_uncertain_report_asks_the_database() {
    for outcome in [Outcome::Committed, Outcome::RolledBack] {
        let (mut world, id) = delegated();
        let asked =
            world.ask(handfast_machine::Request::Coordinator(Request::Report { id, report: Report::Uncertain }));
        world.settle();
        assert_eq!(world.answer(asked), None, "only the database knows");
        world.told(is_fence, Ok(Told::Fenced(outcome)));
        let (known, counts) = match outcome {
            Outcome::Committed => (KnownOutcome::Committed, (0, 1)),
            Outcome::RolledBack => (KnownOutcome::RolledBack(RollbackReason::Fenced), (1, 0)),
        };
        let answer = handfast_machine::Answer::Coordinator(Answer::Outcome(known));
        assert_eq!(world.answer(asked), Some(Ok(answer)));
        assert_eq!((world.count("orders"), world.count("shipments")), counts);
        world.check();
    }
}

/// P11: a client that vanishes after go rolls nothing back.
#[test]
fn p11_a_lost_client_leaves_it_in_doubt_until_the_row_is_read() {
    let (mut world, _) = delegated();
    world.step(Event::Disconnected { connection: CONNECTION });
    world.settle();
    assert_eq!(world.receive(None, "orders"), None, "locked while in doubt");
    world.told(is_fence, Ok(Told::Fenced(Outcome::Committed)));
    assert_eq!((world.count("orders"), world.count("shipments")), (0, 1));
    world.check();
}

/// D9: recovery needs no application. Whatever the store lost, the delegated transaction is found and the database asked.
#[test]
fn d9_recovery_asks_the_database_by_itself() {
    let writes = delegated().0.node.store().unflushed();
    for kept in 0..=writes {
        let mut world = delegated().0.crash(kept);
        assert_eq!(world.receive(None, "orders"), None, "locked while in doubt");
        world.attach();
        world.told(is_fence, Ok(Told::Fenced(Outcome::RolledBack)));
        assert_eq!((world.count("orders"), world.count("shipments")), (1, 0));
        assert_eq!(world.receive(None, "orders").as_deref(), Some("one"));
        world.check();
    }
}

/// P2: the answer to a question of an ended leadership decides nothing, whatever the new one has asked since.
#[test]
fn p2_an_answer_to_an_ended_leadership_decides_nothing() {
    let mut world = World::new();
    world.create("orders");
    world.add(resource("ledger", ResourceKind::SqliteMarker));
    let mut go = |body: &str| {
        let id = world.begin();
        world.enlist(id, "ledger");
        world.send(Some(id), "orders", body);
        assert_eq!(world.coordinator(Request::Commit { id, prepared: vec![] }), Ok(Answer::Go));
        id
    };
    let (first, second) = (go("first"), go("second"));
    // Asked in another order than that in which the next leadership finds them.
    for id in [second, first] {
        world.ask(handfast_machine::Request::Coordinator(Request::Report { id, report: Report::Uncertain }));
    }
    world.settle();
    let asked_before = std::mem::take(&mut world.calls);

    world.lead();
    world.settle();
    world.attach();
    for (call, _, ask) in asked_before {
        assert!(is_fence(&ask));
        world.step(Event::Called { call, result: Ok(Told::Fenced(Outcome::Committed)) });
    }
    world.settle();
    assert_eq!(world.receive(None, "orders"), None, "no row was read in this epoch");

    for id in [first, second] {
        let outcome = if id == second { Outcome::Committed } else { Outcome::RolledBack };
        world.told(|ask| *ask == Ask::Fence { id }, Ok(Told::Fenced(outcome)));
    }
    assert_eq!(world.receive(None, "orders").as_deref(), Some("second"));
    assert_eq!(world.receive(None, "orders"), None, "the first one's row says that it was rolled back");
    world.check();
}
