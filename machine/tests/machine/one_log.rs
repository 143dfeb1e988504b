//! Decisions that carry the local branch's work in the same entry (design D8).

use std::time::Duration;

use handfast_coordinator_core::{Answer, Ask, KnownOutcome, Request, Told};
use handfast_machine::local_branch;
use handfast_protocol::{GlobalId, ResourceKind, ResourceName, RollbackReason};
use handfast_queue::manager;

use crate::world::{World, queue, resource};

fn committed() -> Answer {
    Answer::Outcome(KnownOutcome::Committed)
}

fn commit(id: GlobalId, prepared: &[&str]) -> Request {
    let prepared = prepared.iter().map(|name| ResourceName::new(*name).unwrap()).collect();
    Request::Commit { id, prepared }
}

#[test]
fn a_local_transaction_is_one_entry() {
    let mut world = World::new();
    world.create("orders");
    world.create("shipments");
    world.send(None, "orders", "one");
    let before = world.log.len();
    let id = world.begin();
    assert_eq!(world.receive(Some(id), "orders").as_deref(), Some("one"));
    world.send(Some(id), "shipments", "one");
    assert_eq!(world.count("shipments"), 0, "invisible before commit");
    assert_eq!(world.coordinator(commit(id, &[])), Ok(committed()));
    assert_eq!(world.log.len(), before + 1, "one forced write");
    assert_eq!((world.count("orders"), world.count("shipments")), (0, 1));
    world.check();
}

#[test]
fn dropping_it_puts_the_message_back() {
    let mut world = World::new();
    world.create("orders");
    world.send(None, "orders", "one");
    world.send(None, "orders", "two");
    let id = world.begin();
    assert_eq!(world.receive(Some(id), "orders").as_deref(), Some("one"));
    world.get(handfast_machine::Request::Rollback { id, blame: None }).unwrap();
    assert_eq!(world.receive(None, "orders").as_deref(), Some("one"));
}

/// P10: the shipment is there, and cannot be received before the order's row can be seen.
#[test]
fn p10_sends_beside_a_two_phase_branch_wait_for_its_acknowledgment() {
    let mut world = World::new();
    world.create("shipments");
    world.add(resource("ledger", ResourceKind::PostgresTwoPhase));
    let id = world.begin();
    world.enlist(id, "ledger");
    world.send(Some(id), "shipments", "one");
    assert_eq!(world.coordinator(commit(id, &["ledger"])), Ok(committed()));
    assert_eq!(world.count("shipments"), 1);
    assert_eq!(world.receive(None, "shipments"), None);

    // The same after a restart: the lock is in the state.
    let mut world = world.crash(0);
    world.attach();
    assert_eq!(world.receive(None, "shipments"), None);
    world.told(|ask| matches!(ask, Ask::Commit { .. }), Ok(Told::Done));
    assert_eq!(world.receive(None, "shipments").as_deref(), Some("one"));
    world.check();
}

/// P23, G4: two databases acknowledge in one entry, the later transaction's first. Whoever reads alone is handed the earlier
/// message all the same: when it is told of the one, the other is free as well.
#[test]
fn p10_sends_released_in_one_entry_are_handed_out_in_their_order() {
    let mut world = World::new();
    world.create("shipments");
    world.add(resource("ledger", ResourceKind::PostgresTwoPhase));
    let [first, second] = ["one", "two"].map(|body| {
        let id = world.begin();
        world.enlist(id, "ledger");
        world.send(Some(id), "shipments", body);
        assert_eq!(world.coordinator(commit(id, &["ledger"])), Ok(committed()));
        id
    });
    assert_eq!(world.receive(None, "shipments"), None, "both are passed over");
    let name = queue("shipments");
    world.queues(manager::Request::OpenExclusive { queue: name.clone(), wait: Duration::ZERO }).unwrap();
    let reader = Some(local_branch(world.begin()));
    let receive = manager::Request::Receive { xid: reader, queue: name, wait: Duration::from_secs(5) };
    let receive = world.ask(handfast_machine::Request::Queue(receive));
    for id in [second, first] {
        let of = |ask: &Ask| matches!(ask, Ask::Commit { xid } if GlobalId::try_from(xid) == Ok(id));
        world.told_unsettled(of, Ok(Told::Done));
    }
    assert!(world.commit_one());
    let Some(Ok(handfast_machine::Answer::Queue(manager::Answer::Received(received)))) = world.answer(receive) else {
        panic!("both are free, and nothing is handed out");
    };
    assert_eq!(received.message.body, "one");
}

/// P17: the queue was deleted under the transaction; its database branch must not commit.
#[test]
fn p17_a_conflict_at_apply_rolls_everything_back() {
    let mut world = World::new();
    world.create("shipments");
    world.add(resource("ledger", ResourceKind::PostgresTwoPhase));
    let id = world.begin();
    world.enlist(id, "ledger");
    world.send(Some(id), "shipments", "one");
    let delete = manager::Request::DeleteQueue { name: queue("shipments"), discard: true };
    let (deleting, deciding) = (
        world.ask(handfast_machine::Request::Queue(delete)),
        world.ask(handfast_machine::Request::Coordinator(commit(id, &["ledger"]))),
    );
    world.settle();
    assert!(world.answer(deleting).unwrap().is_ok());
    let rolled_back = Answer::Outcome(KnownOutcome::RolledBack(RollbackReason::Conflict));
    assert_eq!(world.answer(deciding), Some(Ok(handfast_machine::Answer::Coordinator(rolled_back))));
    assert!(world.calls.iter().any(|(_, _, ask)| matches!(ask, Ask::Rollback { .. })), "{:?}", world.calls);
    assert!(!world.calls.iter().any(|(_, _, ask)| matches!(ask, Ask::Commit { .. })), "{:?}", world.calls);
    world.check();
}
