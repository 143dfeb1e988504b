//! What the shell says of its process holds for every leadership in it.

use bytes::Bytes;
use handfast_machine::{Event, Refusal, Sizes};
use handfast_protocol::Properties;
use handfast_queue::manager::{self, NewBody, NewMessage, RequestRefused, Space};

use crate::world::{World, queue};

fn send(bytes: usize) -> manager::Request {
    let body = NewBody::Inline(Bytes::from(vec![b'x'; bytes]));
    let message = NewMessage { queue: queue("orders"), properties: Properties::default(), body };
    manager::Request::Send { xid: None, producer: None, messages: vec![message] }
}

/// P18: a disk that is full before the epoch begins is full in it, and the next one too.
#[test]
fn p18_a_leadership_begins_with_the_space_that_there_is() {
    let mut world = World::new();
    world.create("orders");
    assert!(world.queues(send(1)).is_ok());
    world.lead();
    world.step(Event::Space(Space::Low));
    world.settle();
    for _ in 0..2 {
        assert_eq!(world.queues(send(1)), Err(Refusal::Queue(RequestRefused::NoSpace)));
        let waiting = world.count("orders") == 1;
        assert_eq!(world.receive(None, "orders").is_some(), waiting, "receives go on");
        world.lead();
        world.settle();
    }
    world.step(Event::Space(Space::Ample));
    assert!(world.queues(send(1)).is_ok());
}

#[test]
fn bodies_have_the_limit_that_the_operator_sets() {
    let queues = manager::Sizes { body_bytes_max: 100, ..manager::Sizes::default() };
    let mut world = World::new().with_sizes(Sizes { queues, ..Sizes::default() });
    world.create("orders");
    for _ in 0..2 {
        assert!(world.queues(send(100)).is_ok());
        let refused = RequestRefused::BodyTooLarge { bytes: 101, limit: 100 };
        assert_eq!(world.queues(send(101)), Err(Refusal::Queue(refused)));
        let stage = manager::Request::StageBody { body: None, bytes: Bytes::from(vec![b'x'; 200]) };
        let refused = RequestRefused::BodyTooLarge { bytes: 200, limit: 100 };
        assert_eq!(world.queues(stage), Err(Refusal::Queue(refused)));
        world.lead();
        world.settle();
    }
}
