//! The queue manager as a participant of other coordinators.

use std::time::Duration;

use handfast_coordinator_core::Identity;
use handfast_machine::{Answer, Approach, Attached, ForeignBranch, Refusal, Request, Visit, local_branch};
use handfast_protocol::{
    Bqual, CoordinatorId, GlobalId, Gtrid, Incarnation, PrepareVote, ResourceKind, Timestamp, Xid,
};
use handfast_queue::manager;
use uuid::Uuid;

use crate::world::{World, queue, resource};

fn visitor(coordinator: u128, incarnation: u64, epoch: u64) -> Identity {
    Identity { coordinator: CoordinatorId(Uuid::from_u128(coordinator)), incarnation: Incarnation(incarnation), epoch }
}

fn attach(world: &mut World, visitor: Identity, approach: Approach) -> Result<Answer, Refusal> {
    world.get(Request::Attach { visitor, approach })
}

fn branch(coordinator: u128, sequence: u64) -> Xid {
    let coordinator = CoordinatorId(Uuid::from_u128(coordinator));
    GlobalId { coordinator, incarnation: Incarnation(1), epoch: 1, sequence }.branch(Bqual::new("north").unwrap())
}

/// A prepared branch that received one message.
fn prepare(world: &mut World, xid: &Xid) {
    let (xid, wait) = (xid.clone(), Duration::ZERO);
    world.send(None, "orders", "order");
    world.queues(manager::Request::Start { xid: xid.clone(), timeout: Duration::from_secs(60) }).unwrap();
    world.queues(manager::Request::Receive { xid: Some(xid.clone()), queue: queue("orders"), wait }).unwrap();
    world.queues(manager::Request::End { xid: xid.clone() }).unwrap();
    let voted = world.queues(manager::Request::Prepare { xid });
    assert_eq!(voted, Ok(manager::Answer::Voted(PrepareVote::Commit)));
}

fn recover(world: &mut World, coordinator: u128, after: Option<&Xid>, limit: usize) -> Vec<Xid> {
    let coordinator = CoordinatorId(Uuid::from_u128(coordinator));
    match world.get(Request::Recover { coordinator, after: after.cloned(), limit }) {
        Ok(Answer::Recovered(xids)) => xids,
        other => panic!("not recovered: {other:?}"),
    }
}

/// P3: who attached last is known after any crash, because it was in the log before it was answered.
#[test]
fn p3_a_visit_is_durable_before_it_is_answered() {
    let mut world = World::new();
    let request = world.ask(Request::Attach { visitor: visitor(3, 1, 4), approach: Approach::First });
    assert_eq!(world.answer(request), None, "it is only proposed");
    world.settle();
    assert_eq!(world.answer(request), Some(Ok(Answer::Attached(Attached::Recorded))));
    for kept in [0, 1, usize::MAX] {
        world = world.crash(kept);
        let ahead = Attached::Ahead(Visit { incarnation: Incarnation(1), epoch: 4 });
        let table = [
            (visitor(3, 1, 3), Approach::Again, ahead),
            (visitor(3, 2, 9), Approach::Again, ahead),
            (visitor(4, 1, 1), Approach::Again, Attached::Unknown),
        ];
        for (visitor, approach, expected) in table {
            assert_eq!(attach(&mut world, visitor, approach), Ok(Answer::Attached(expected)), "{visitor:?}");
        }
    }
}

#[test]
fn a_visit_that_is_recorded_needs_no_entry() {
    let mut world = World::new();
    attach(&mut world, visitor(3, 1, 4), Approach::First).unwrap();
    let entries = world.log.len();
    assert_eq!(attach(&mut world, visitor(3, 1, 4), Approach::Again), Ok(Answer::Attached(Attached::Recorded)));
    assert_eq!(world.log.len(), entries);
    assert_eq!(attach(&mut world, visitor(3, 1, 5), Approach::Again), Ok(Answer::Attached(Attached::Recorded)));
    assert_eq!(world.log.len(), entries + 1);
    let own = visitor(7, 1, 1);
    assert_eq!(attach(&mut world, own, Approach::First), Err(Refusal::OwnCoordinator));
}

#[test]
fn an_attach_in_flight_is_answered_when_the_leadership_ends() {
    let mut world = World::new();
    let request = world.ask(Request::Attach { visitor: visitor(3, 1, 4), approach: Approach::First });
    world.lead();
    assert_eq!(world.answer(request), Some(Err(Refusal::NotLeader)));
    world.settle();
    assert_eq!(
        attach(&mut world, visitor(3, 1, 4), Approach::Again),
        Ok(Answer::Attached(Attached::Unknown)),
        "what an older epoch proposed has no effect (P2)"
    );
}

/// D9: in pages, and nobody else's.
#[test]
fn d9_a_coordinator_recovers_its_own_branches_after_a_crash() {
    let mut world = World::new();
    world.create("orders");
    let other_format = Xid { format_id: 9, ..branch(3, 9) };
    let short = Xid { gtrid: Gtrid::new(vec![0; 16]).unwrap(), ..branch(3, 9) };
    let all = [branch(2, 1), branch(3, 1), branch(3, 2), branch(3, 3), branch(4, 1), other_format, short];
    all.iter().for_each(|xid| prepare(&mut world, xid));
    world = world.crash(0);
    let (one, two, three) = (branch(3, 1), branch(3, 2), branch(3, 3));
    assert_eq!(recover(&mut world, 3, None, 2), [one.clone(), two.clone()]);
    assert_eq!(recover(&mut world, 3, Some(&two), 2), std::slice::from_ref(&three));
    assert_eq!(recover(&mut world, 3, Some(&branch(2, 1)), 9), [one, two, three], "a stranger's mark is before all");
    assert_eq!(recover(&mut world, 0, None, 9), [], "a gtrid that is not of our form");
    assert_eq!(recover(&mut world, 5, None, 9), []);
    world.check();
}

/// G6: what is in doubt for other coordinators is shown; what our own one decides is its to show.
#[test]
fn g6_branches_of_other_coordinators_are_listed() {
    let mut world = World::new();
    world.create("orders");
    world.add(resource("ledger", ResourceKind::SqliteMarker));
    let own = world.begin();
    world.send(Some(own), "orders", "own");
    world.enlist(own, "ledger");
    let commit = handfast_coordinator_core::Request::Commit { id: own, prepared: Vec::new() };
    assert!(matches!(world.coordinator(commit), Ok(handfast_coordinator_core::Answer::Go)));
    assert!(world.node.state().queue.is_prepared(&local_branch(own)));

    prepare(&mut world, &branch(3, 1));
    world.now = Timestamp(world.now.0 + 5_000);
    let list = world.get(Request::ListForeign { after: None, limit: 10 });
    let prepared_at = Timestamp(world.now.0 - 5_000);
    let age = Duration::from_secs(5);
    let expected = ForeignBranch { xid: branch(3, 1), prepared_at, age, received: 1, sent: 0 };
    assert_eq!(list, Ok(Answer::Foreign(vec![expected])));
    let after = Some(branch(3, 1));
    assert_eq!(world.get(Request::ListForeign { after, limit: 10 }), Ok(Answer::Foreign(Vec::new())));
    let foreign = GlobalId::try_from(&branch(3, 1)).unwrap();
    assert_ne!(foreign.coordinator, own.coordinator);
}
