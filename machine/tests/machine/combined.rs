//! Two requests in one: a transaction that begins with its first message, and a commit that brings the last sends along.

use std::time::Duration;

use handfast_coordinator_core::{self as coordinator, KnownOutcome};
use handfast_machine::{Answer, ConnectionId, Event, Refusal, Request};
use handfast_protocol::{GlobalId, ResourceKind, RollbackReason, Timestamp};
use handfast_queue::manager::{self, RequestRefused, Space};

use crate::world::{World, message, queue, resource};

fn begin_receive(wait: u64) -> Request {
    Request::BeginReceive { timeout: Duration::from_secs(20), queue: queue("orders"), wait: Duration::from_secs(wait) }
}

fn send_commit(id: GlobalId, to: &str) -> Request {
    Request::SendCommit { id, prepared: Vec::new(), messages: vec![message(to, "done")] }
}

fn with_queues() -> World {
    let mut world = World::new();
    world.create("orders");
    world.create("shipments");
    world
}

/// The transaction that has begun, and the body of its message.
fn begun(answer: Result<Answer, Refusal>) -> (GlobalId, String) {
    match answer {
        Ok(Answer::Begun { id, received, .. }) => (id, String::from_utf8(received.message.body.to_vec()).unwrap()),
        other => panic!("not begun: {other:?}"),
    }
}

fn open_transactions(world: &mut World) -> usize {
    let list = coordinator::Request::ListTransactions { in_doubt: false, after: None, limit: 10 };
    match world.coordinator(list) {
        Ok(coordinator::Answer::Transactions(open)) => open.len(),
        other => panic!("no list: {other:?}"),
    }
}

#[test]
fn two_requests_and_one_entry_move_a_message() {
    let mut world = with_queues();
    world.send(None, "orders", "one");
    let before = world.log.len();
    let (id, body) = begun(world.get(begin_receive(0)));
    assert_eq!(body, "one");
    let committed = Ok(Answer::Coordinator(coordinator::Answer::Outcome(KnownOutcome::Committed)));
    assert_eq!(world.get(send_commit(id, "shipments")), committed);
    assert_eq!(world.log.len(), before + 1, "one forced write");
    assert_eq!((world.count("orders"), world.count("shipments")), (0, 1));
    // Its answer may have been lost: asked again it is not done again.
    assert_eq!(world.get(send_commit(id, "shipments")), committed);
    assert_eq!(world.count("shipments"), 1);
    world.check();
}

#[test]
fn without_a_message_there_is_no_transaction() {
    let mut world = with_queues();
    let none = Ok(Answer::Queue(manager::Answer::NoMessage));
    assert_eq!(world.get(begin_receive(0)), none);
    let waiting = world.ask(begin_receive(5));
    world.settle();
    assert_eq!(world.answer(waiting), None);
    assert_eq!(open_transactions(&mut world), 1);
    world.now = Timestamp(world.now.0 + 5_000);
    world.step(Event::Tick);
    assert_eq!(world.answer(waiting), Some(none));
    assert_eq!(open_transactions(&mut world), 0);

    let nowhere = Request::BeginReceive { timeout: Duration::ZERO, queue: queue("none"), wait: Duration::ZERO };
    assert!(matches!(world.get(nowhere), Err(Refusal::Queue(_))));
    assert_eq!(open_transactions(&mut world), 0);
}

#[test]
fn who_waits_gets_the_message_that_comes() {
    let mut world = with_queues();
    let waiting = world.ask(begin_receive(5));
    world.settle();
    world.send(None, "orders", "one");
    let (id, body) = begun(world.answer(waiting).unwrap());
    assert_eq!(body, "one");
    world.get(Request::Rollback { id, blame: None }).unwrap();
    assert_eq!(world.receive(None, "orders").as_deref(), Some("one"), "back in its place");
}

#[test]
fn its_time_begins_with_its_message() {
    let mut world = with_queues();
    let waiting = world.ask(begin_receive(60));
    world.settle();
    let later = |world: &mut World, seconds: u64| {
        world.now = Timestamp(world.now.0 + 1_000 * seconds);
        world.step(Event::Tick);
    };
    later(&mut world, 59);
    world.send(None, "orders", "one");
    let (id, _) = begun(world.answer(waiting).unwrap());
    later(&mut world, 19);
    assert_eq!(open_transactions(&mut world), 1);
    later(&mut world, 1);
    assert_eq!(open_transactions(&mut world), 0);
    let timed_out = Request::Coordinator(coordinator::Request::Outcome { id, wait: Duration::ZERO });
    let rolled_back = KnownOutcome::RolledBack(RollbackReason::TimedOut);
    assert_eq!(world.get(timed_out), Ok(Answer::Coordinator(coordinator::Answer::Outcome(rolled_back))));
    assert_eq!(world.receive(None, "orders").as_deref(), Some("one"), "back in its place");
}

#[test]
fn who_waits_and_hangs_up_leaves_nothing() {
    let mut world = with_queues();
    let connection = ConnectionId(7);
    let waiting = world.ask_on(connection, begin_receive(5));
    world.settle();
    world.step(Event::Disconnected { connection });
    world.settle();
    assert!(world.answer(waiting).is_none_or(|answer| answer.is_err()));
    assert_eq!(open_transactions(&mut world), 0);
    world.send(None, "orders", "one");
    assert_eq!(world.receive(None, "orders").as_deref(), Some("one"));
}

#[test]
fn a_send_that_is_refused_refuses_the_commit() {
    let mut world = with_queues();
    world.send(None, "orders", "one");
    let (id, _) = begun(world.get(begin_receive(0)));
    assert!(matches!(world.get(send_commit(id, "none")), Err(Refusal::Queue(_))));
    world.step(Event::Space(Space::Low));
    assert_eq!(world.get(send_commit(id, "shipments")), Err(Refusal::Queue(RequestRefused::NoSpace)));
    world.step(Event::Space(Space::Ample));
    world.get(send_commit(id, "shipments")).unwrap();
    assert_eq!((world.count("orders"), world.count("shipments")), (0, 1));
}

/// A commit that is refused has sent nothing: asked again in the right way it sends once.
#[test]
fn a_commit_that_is_refused_has_sent_nothing() {
    let mut world = with_queues();
    world.add(resource("ledger", ResourceKind::PostgresTwoPhase));
    world.send(None, "orders", "one");
    let (id, _) = begun(world.get(begin_receive(0)));
    world.enlist(id, "ledger");
    assert!(matches!(world.get(send_commit(id, "shipments")), Err(Refusal::Coordinator(_))));
    world.get(Request::Rollback { id, blame: None }).unwrap();
    assert_eq!((world.count("orders"), world.count("shipments")), (1, 0));
}

/// Whoever lists transactions sees one whose first message is waited for, and may send into it. Its end proposes something then,
/// behind what the manager had proposed in the same step.
#[test]
fn what_strangers_send_into_it_goes_with_it() {
    let mut world = with_queues();
    let waiting = world.ask(begin_receive(5));
    world.settle();
    let list = coordinator::Request::ListTransactions { in_doubt: false, after: None, limit: 1 };
    let Ok(coordinator::Answer::Transactions(open)) = world.coordinator(list) else { panic!("one is open") };
    // More than a log entry takes: it is written ahead.
    for _ in 0..20 {
        world.send(Some(open[0].id), "shipments", &"x".repeat(60 << 10));
    }
    let mut expiring = message("shipments", "late");
    expiring.properties.time_to_be_received = Some(Duration::from_secs(4));
    let send = manager::Request::Send { xid: None, producer: None, messages: vec![expiring] };
    world.queues(send).unwrap();
    world.now = Timestamp(world.now.0 + 5_000);
    world.step(Event::Tick);
    world.settle();
    assert_eq!(world.answer(waiting), Some(Ok(Answer::Queue(manager::Answer::NoMessage))));
    assert_eq!((world.count("shipments"), open_transactions(&mut world)), (0, 0));
    world.check();
}
