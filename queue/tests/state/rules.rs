//! The numbered rules that bind the queues: one test or more for each, named after it.

use std::time::Duration;

use bytes::Bytes;
use handfast_protocol::{DeadLetter, DeadLetterReason, Priority, Properties, QueueName, Timestamp};
use handfast_queue::command::Fate;
use handfast_queue::{
    Blame, Body, Command, Done, MessageKey, OutgoingMessage, QueueId, QueueSettings, Refused, Status, StoredMessage,
};
use handfast_queue::{StageId, Work};

use crate::world::{World, message, receives, sends, small, xid};

fn expiring(queue: QueueId, ordinal: u64, drop_expired: bool) -> OutgoingMessage {
    let span = Some(Duration::from_millis(200));
    let properties = Properties { time_to_be_received: span, drop_expired, ..Properties::default() };
    OutgoingMessage { properties, ..small(queue, ordinal) }
}

fn sweep(queue: QueueId, locked: Vec<MessageKey>, fate: Fate) -> Command {
    let from = MessageKey { queue, band: 0, sequence: 0 };
    let through = MessageKey { queue, band: 7, sequence: u64::MAX };
    Command::Sweep { queue, from, through, limit: 1_000, locked, fate }
}

fn failed(error: &str) -> Blame {
    Blame::Message { error: error.to_owned() }
}

/// The only message of the dead-letter queue.
fn dead_letter(world: &World) -> StoredMessage {
    let [(_, letter)] = world.messages(QueueId::DEAD_LETTER).try_into().unwrap();
    letter
}

#[test]
fn g4_messages_of_one_transaction_stay_together_and_in_order() {
    let mut world = World::new();
    let orders = world.queue("orders");
    let stage = |part, ordinals: [u64; 2]| Command::StageWork {
        stage: StageId(90),
        part,
        work: sends(ordinals.map(|ordinal| small(orders, ordinal)).to_vec()),
    };
    world.apply(stage(0, [10, 11])).unwrap();
    world.send(vec![small(orders, 1)]);
    world.apply(Command::Prepare { xid: xid(1), work: sends(vec![small(orders, 20), small(orders, 21)]) }).unwrap();
    world.apply(stage(1, [12, 13])).unwrap();
    world.send(vec![small(orders, 2)]);
    let work = Work { stage: Some(StageId(90)), ..sends(vec![small(orders, 14)]) };
    world.apply(Command::Commit { xid: xid(2), work, hold: false }).unwrap();
    world.apply(Command::CommitPrepared { xid: xid(1), hold: false }).unwrap();
    assert_eq!(world.ordinals(orders), [1, 2, 10, 11, 12, 13, 14, 20, 21]);
}

#[test]
fn g4_a_rolled_back_receive_is_in_its_place() {
    let mut world = World::new();
    let orders = world.queue("orders");
    let keys = world.send((1..=4).map(|ordinal| small(orders, ordinal)).collect());
    world.apply(Command::Prepare { xid: xid(1), work: receives(vec![keys[1], keys[0]]) }).unwrap();
    assert_eq!((world.state.holder(&keys[0]), world.state.in_doubt_on(orders)), (Some(&xid(1)), 2));
    world.apply(Command::Commit { xid: xid(2), work: receives(vec![keys[2]]), hold: false }).unwrap();
    let rolled_back = world.apply(Command::RollbackPrepared { xid: xid(1) });
    assert_eq!(rolled_back, Ok(Done::RolledBack(vec![keys[1], keys[0]])));
    assert_eq!(world.ordinals(orders), [1, 2, 4]);
    assert_eq!(world.state.holder(&keys[0]), None);
    assert_eq!(world.status(&keys[0]), Status::default(), "P22: it counts no attempt");
}

#[test]
fn p10_held_sends_keep_their_place_until_they_are_released() {
    let mut world = World::new();
    let orders = world.queue("orders");
    let hold =
        |hold, ordinal| Command::Commit { xid: xid(ordinal), work: sends(vec![small(orders, ordinal.into())]), hold };
    world.apply(hold(true, 1)).unwrap();
    world.apply(hold(false, 2)).unwrap();
    world.apply(Command::Prepare { xid: xid(3), work: sends(vec![small(orders, 3)]) }).unwrap();
    world.apply(Command::CommitPrepared { xid: xid(3), hold: true }).unwrap();
    let keys = world.keys(orders);
    let holders: Vec<_> = keys.iter().map(|key| world.state.holder(key).cloned()).collect();
    assert_eq!(holders, [Some(xid(1)), None, Some(xid(3))]);
    assert_eq!(world.state.holding().cloned().collect::<Vec<_>>(), [xid(1), xid(3)]);

    assert_eq!(world.apply(Command::Release { xid: xid(1) }), Ok(Done::Released(vec![keys[0]])));
    assert_eq!(world.apply(Command::Release { xid: xid(1) }), Ok(Done::Released(vec![])), "asked twice");
    assert_eq!(world.state.holder(&keys[0]), None);
    assert_eq!(world.ordinals(orders), [1, 2, 3]);
    assert_eq!(world.state.in_doubt_on(orders), 1);
}

#[test]
fn p17_a_purge_waits_for_locked_messages_and_a_commit_is_before_it() {
    let mut world = World::new();
    let orders = world.queue("orders");
    let keys = world.send((1..=5).map(|ordinal| small(orders, ordinal)).collect());
    let [active, prepared, returned, free, held_back] = keys.try_into().unwrap();
    world.apply(Command::Prepare { xid: xid(1), work: receives(vec![prepared]) }).unwrap();
    world.apply(Command::Prepare { xid: xid(2), work: receives(vec![returned]) }).unwrap();

    let swept = world.apply(sweep(orders, vec![active, held_back], Fate::DeadLetter(DeadLetterReason::Purged)));
    assert_eq!(swept, Ok(Done::Swept { removed: 1, next: None }));
    assert_eq!(world.keys(orders), [active, prepared, returned, held_back]);
    assert!(world.state.message(&world.store, &free).unwrap().is_none());

    // Received for good, although it was to be purged.
    world.apply(Command::Commit { xid: xid(3), work: receives(vec![active]), hold: false }).unwrap();
    world.apply(Command::CommitPrepared { xid: xid(1), hold: false }).unwrap();
    // Let go, and so purged: by phase two, and by a failed receive, whatever it says.
    assert_eq!(world.apply(Command::RollbackPrepared { xid: xid(2) }), Ok(Done::RolledBack(vec![])));
    let returned = world.apply(Command::Return { messages: vec![held_back], blame: failed("no") });
    assert_eq!(returned, Ok(Done::Removed(vec![held_back])));
    assert_eq!(world.keys(orders), []);
    assert_eq!(world.ordinals(QueueId::DEAD_LETTER), [4, 3, 5]);
    let letters = world.messages(QueueId::DEAD_LETTER);
    assert!(letters.iter().all(|(_, letter)| letter.dead_letter.as_ref().unwrap().reason == DeadLetterReason::Purged));
}

#[test]
fn p17_a_held_send_is_purged_when_it_is_released() {
    let mut world = World::new();
    let orders = world.queue("orders");
    let work = sends(vec![small(orders, 1), small(orders, 2)]);
    world.apply(Command::Commit { xid: xid(1), work, hold: true }).unwrap();
    assert_eq!(world.apply(sweep(orders, vec![], Fate::Discard)), Ok(Done::Swept { removed: 0, next: None }));
    world.send(vec![small(orders, 3)]);
    assert_eq!(world.apply(Command::Release { xid: xid(1) }), Ok(Done::Released(vec![])));
    assert_eq!(world.ordinals(orders), [3]);
}

#[test]
fn p17_nothing_expires_under_a_lock() {
    let mut world = World::new();
    let orders = world.queue("orders");
    let keys = world.send(vec![expiring(orders, 1, false), expiring(orders, 2, true), expiring(orders, 3, false)]);
    world.apply(Command::Prepare { xid: xid(1), work: receives(vec![keys[0]]) }).unwrap();
    assert_eq!(world.state.next_expiry(&world.store), Ok(Some(Timestamp(1_100))));
    world.now = Timestamp(1_099);
    assert_eq!(world.apply(Command::Expire { messages: keys.clone() }), Ok(Done::Removed(vec![])), "not yet due");
    world.now = Timestamp(1_100);
    assert_eq!(world.state.expired(&world.store, world.now, 9), Ok(vec![keys[1], keys[2]]));
    assert_eq!(world.apply(Command::Expire { messages: keys.clone() }), Ok(Done::Removed(vec![keys[1], keys[2]])));
    assert_eq!(world.ordinals(orders), [1]);
    assert_eq!(world.state.next_expiry(&world.store), Ok(None));

    // The second one asked to be dropped.
    let queue = QueueName::new("orders").unwrap();
    let reason = DeadLetterReason::ReceiveTimeout;
    let dead = DeadLetter { queue, reason, error: String::new(), dead_at: Timestamp(1_100) };
    let letter = dead_letter(&world);
    assert_eq!((letter.id.ordinal, letter.dead_letter), (3, Some(dead)));

    world.apply(Command::RollbackPrepared { xid: xid(1) }).unwrap();
    assert_eq!(world.apply(Command::Expire { messages: keys.clone() }), Ok(Done::Removed(vec![keys[0]])));
    // Dead letters do not expire.
    world.now = Timestamp(99_999);
    let dead = world.keys(QueueId::DEAD_LETTER);
    assert_eq!(world.apply(Command::Expire { messages: dead }), Ok(Done::Removed(vec![])));
}

#[test]
fn p22_attempts_count_what_the_message_caused_and_end_in_one_record() {
    let mut world = World::new();
    let orders = world.create("orders", QueueSettings { max_attempts: 3, max_abandoned: 2 });
    let key = world.send(vec![small(orders, 1)])[0];
    let back = |blame| Command::Return { messages: vec![key], blame };
    for (attempt, not_before) in [(1, 1_100), (2, 1_400)] {
        assert_eq!(world.apply(back(failed("first"))), Ok(Done::Removed(vec![])));
        let expected = Status {
            attempts: attempt,
            not_before: Timestamp(not_before),
            error: "first".to_owned(),
            ..Status::default()
        };
        assert_eq!(world.status(&key), expected);
    }
    assert_eq!(world.apply(back(Blame::Vanished)), Ok(Done::Removed(vec![])));
    assert_eq!((world.status(&key).attempts, world.status(&key).abandoned), (2, 1));

    world.now = Timestamp(5_000);
    world.store = world.store.clone();
    assert_eq!(world.apply(back(failed("last"))), Ok(Done::Removed(vec![key])));
    let queue = QueueName::new("orders").unwrap();
    let reason = DeadLetterReason::MaxAttempts;
    let dead = DeadLetter { queue, reason, error: "last".to_owned(), dead_at: Timestamp(5_000) };
    let letter = dead_letter(&world);
    assert_eq!((letter.dead_letter, letter.dead_attempts, letter.dead_abandoned), (Some(dead), 3, 1));
    assert_eq!(letter.arrived_at, Timestamp(1_000));
    assert_eq!(world.keys(orders), []);

    // G5: in one record. A crash before it finds the living message, a crash after it the dead letter.
    let unflushed = world.store.unflushed();
    for (kept, living, dead) in [(unflushed - 1, 1, 0), (unflushed, 0, 1)] {
        let store = world.store.crashed(kept);
        let state = handfast_queue::state::State::open(&store).unwrap();
        let count = |queue| state.queue(queue).unwrap().messages;
        assert_eq!((count(orders), count(QueueId::DEAD_LETTER)), (living, dead));
    }
}

#[test]
fn p22_vanished_consumers_have_a_limit_of_their_own() {
    let mut world = World::new();
    let orders = world.create("orders", QueueSettings { max_attempts: 1, max_abandoned: 2 });
    let keys = world.send(vec![small(orders, 1), small(orders, 2)]);
    let vanished = |key: MessageKey| Command::Return { messages: vec![key], blame: Blame::Vanished };
    assert_eq!(world.apply(vanished(keys[0])), Ok(Done::Removed(vec![])));
    assert_eq!(world.status(&keys[0]), Status { abandoned: 1, ..Status::default() }, "and waits for nothing");
    assert_eq!(world.apply(vanished(keys[0])), Ok(Done::Removed(vec![keys[0]])));
    let rejected = Blame::Reject { error: "never".to_owned() };
    world.apply(Command::Return { messages: vec![keys[1]], blame: rejected }).unwrap();
    let reasons: Vec<_> = world
        .messages(QueueId::DEAD_LETTER)
        .into_iter()
        .map(|(_, letter)| letter.dead_letter.unwrap().reason)
        .collect();
    assert_eq!(reasons, [DeadLetterReason::MaxAbandoned, DeadLetterReason::Rejected]);

    // A dead letter that fails again counts, and dies no second time.
    let dead = world.keys(QueueId::DEAD_LETTER);
    let blame = Blame::Reject { error: "again".to_owned() };
    assert_eq!(world.apply(Command::Return { messages: dead.clone(), blame }), Ok(Done::Removed(vec![])));
    assert_eq!(world.keys(QueueId::DEAD_LETTER), dead);
    assert_eq!(world.status(&dead[0]).attempts, 1);
}

#[test]
fn g5_a_returned_dead_letter_starts_again() {
    let mut world = World::new();
    let orders = world.queue("orders");
    let body = Bytes::from(vec![7; 70_000]);
    let properties = expiring(orders, 1, false).properties;
    let sent = OutgoingMessage { properties, ..message(orders, 1, Body::Inline(body.clone())) };
    let key = world.send(vec![sent])[0];
    let blame = Blame::Reject { error: "not yet".to_owned() };
    world.apply(Command::Return { messages: vec![key], blame }).unwrap();
    world.send(vec![small(orders, 2)]);

    world.now = Timestamp(9_000);
    let dead = world.keys(QueueId::DEAD_LETTER);
    let returned = world.apply(Command::ReturnDeadLetters { messages: dead, to: None });
    let place = MessageKey { sequence: 2, ..key };
    assert_eq!(returned, Ok(Done::Committed(vec![place])));
    assert_eq!(world.keys(QueueId::DEAD_LETTER), []);
    assert_eq!(world.ordinals(orders), [2, 1]);
    let message = world.state.message(&world.store, &place).unwrap().unwrap();
    assert_eq!((message.arrived_at, message.dead_letter.clone()), (Timestamp(9_000), None));
    assert_eq!(message.properties.time_to_be_received, None, "else it would die at once");
    assert_eq!(world.body(&message.body), body);
    assert_eq!(world.status(&place), Status::default());
}

#[test]
fn p25_higher_priorities_come_first_and_keep_their_own_order() {
    let mut world = World::new();
    let orders = world.queue("orders");
    let with = |ordinal: u64, priority: u8| {
        let properties = Properties { priority: Priority::new(priority).unwrap(), ..Properties::default() };
        OutgoingMessage { properties, ..small(orders, ordinal) }
    };
    let keys = world.send(vec![with(1, 3), with(2, 7), with(3, 0), with(4, 3), with(5, 7)]);
    assert_eq!(world.ordinals(orders), [2, 5, 1, 4, 3]);

    // Dead letters lie in the order of their death, whatever their priority.
    let blame = Blame::Reject { error: String::new() };
    for key in [keys[2], keys[1], keys[0]] {
        world.apply(Command::Return { messages: vec![key], blame: blame.clone() }).unwrap();
    }
    assert_eq!(world.ordinals(QueueId::DEAD_LETTER), [3, 2, 1]);
    let priorities: Vec<u8> =
        world.messages(QueueId::DEAD_LETTER).iter().map(|(_, letter)| letter.properties.priority.get()).collect();
    assert_eq!(priorities, [0, 7, 3]);
}

#[test]
fn p17_a_prepared_branch_commits_whatever_happens_meanwhile() {
    let mut world = World::new();
    let [orders, shipments] = ["orders", "shipments"].map(|name| world.queue(name));
    let key = world.send(vec![expiring(orders, 1, true)])[0];
    let work = Work { receives: vec![key], ..sends(vec![small(shipments, 2)]) };
    world.apply(Command::Prepare { xid: xid(1), work }).unwrap();
    world.now = Timestamp(50_000);
    world.begin_epoch();
    world.apply(Command::Expire { messages: vec![key] }).unwrap();
    world.apply(Command::Return { messages: vec![key], blame: failed("no") }).unwrap();
    world.apply(sweep(orders, vec![], Fate::Discard)).unwrap();
    for queue in [orders, shipments] {
        let refused = world.apply(Command::DeleteQueue { queue, fate: Fate::Discard });
        assert!(matches!(refused, Err(Refused::QueueInDoubt { .. })));
    }
    assert!(matches!(world.apply(Command::CommitPrepared { xid: xid(1), hold: false }), Ok(Done::Committed(_))));
    assert_eq!((world.ordinals(orders), world.ordinals(shipments)), (vec![], vec![2]));
    assert_eq!(world.keys(QueueId::DEAD_LETTER), []);
}
