//! Leaderships (P2) and time (P4).

use handfast_machine::{Answer, Refusal, Request};
use handfast_protocol::Timestamp;
use handfast_queue::QueueSettings;
use handfast_queue::manager::{self, RequestRefused};

use crate::world::{World, queue};

fn create(name: &str) -> Request {
    Request::Queue(manager::Request::CreateQueue { name: queue(name), settings: QueueSettings::default() })
}

#[test]
fn nothing_is_served_before_the_epoch_has_begun() {
    let mut world = World::new();
    world.lead();
    let request = world.ask(create("orders"));
    assert_eq!(world.answer(request), Some(Err(Refusal::NotLeader)));
    world.settle();
    assert_eq!(world.get(create("orders")), Ok(Answer::Queue(manager::Answer::Done)));
    assert_eq!(world.node.identity().unwrap().epoch, 2);
}

/// P2: a command judged in one epoch has no effect in another, and its caller is told that it is unknown.
#[test]
fn p2_what_an_older_epoch_proposed_is_without_effect() {
    let mut world = World::new();
    let request = world.ask(create("orders"));
    let mut out = Vec::new();
    world.node.flush(world.now, &mut out);
    let [handfast_machine::Action::Propose(late)] = out.as_slice() else { panic!("{out:?}") };
    let late = late.clone();

    world.lead();
    world.settle();
    let unknown = Err(Refusal::Queue(RequestRefused::Unknown));
    assert_eq!(world.answer(request), Some(unknown));

    world.proposed.push(late);
    world.settle();
    let show = manager::Request::ShowQueue { name: queue("orders") };
    let missing = RequestRefused::QueueNotFound { name: queue("orders") };
    assert_eq!(world.queues(show), Err(Refusal::Queue(missing)));
    world.check();
}

/// P2: leadership may be taken again before the first one's epoch began. The later one in the log is the one that serves.
#[test]
fn p2_the_second_of_two_leaderships_in_a_row_serves() {
    for followed_between in [false, true] {
        let mut world = World::new();
        world.lead();
        if followed_between {
            world.step(handfast_machine::Event::Follow);
        }
        world.lead();
        world.settle();
        assert_eq!(world.node.identity().map(|identity| identity.epoch), Some(3), "{followed_between}");
        world.create("orders");
        world.check();
    }
}

/// P4: a clock that is set back does not take the log with it.
#[test]
fn p4_time_never_goes_back() {
    let mut world = World::new();
    world.now = Timestamp(10_000);
    world.create("orders");
    world.now = Timestamp(5_000);
    world.create("shipments");
    let Ok(manager::Answer::Queues(views)) = world.queues(manager::Request::ListQueues) else { panic!() };
    let created: Vec<_> =
        views.iter().filter(|view| view.name != queue("dead-letter")).map(|view| view.created_at).collect();
    assert_eq!(created, vec![Timestamp(10_000); 2]);
}

/// A18: whatever the store lost, replaying the log gives the same state.
#[test]
fn replay_gives_the_same_state() {
    let build = || {
        let mut world = World::new();
        world.create("orders");
        world.send(None, "orders", "one");
        let id = world.begin();
        world.send(Some(id), "orders", "two");
        world.coordinator(handfast_coordinator_core::Request::Commit { id, prepared: vec![] }).unwrap();
        world
    };
    let writes = build().node.store().unflushed();
    for kept in 0..=writes {
        let mut world = build().crash(kept);
        world.check();
        assert_eq!(world.count("orders"), 2, "{kept} of {writes} writes kept");
        assert_eq!(world.receive(None, "orders").as_deref(), Some("one"));
        assert_eq!(world.receive(None, "orders").as_deref(), Some("two"));
    }
}
