//! The numbered rules about producers, staged work, purge and delete, and about what is bounded.

use std::cell::RefCell;
use std::ops::ControlFlow;

use bytes::Bytes;
use handfast_protocol::{DeadLetterReason, MARK_OF_REFUSED, MessageId, ProducerName, ProducerSequence};
use handfast_queue::command::Fate;
use handfast_queue::limits::{
    BODY_PART_BYTES, GONE_STRETCHES_MAX, INLINE_BODY_BYTES_MAX, PREPARED_INLINE_BYTES_MAX, PRODUCER_WINDOW,
    PRODUCERS_MAX, SWEEP_MESSAGES_MAX,
};
use handfast_queue::state::ProducerPlace;
use handfast_queue::state::State;
use handfast_queue::{
    Body, BodyId, Command, Done, MessageKey, OutgoingMessage, QueueId, Refused, StageId, StoredMessage, Work,
};
use handfast_store::{Family, MemStore, Store, StoreError, Visit, Write, WriteBatch};

use crate::world::{Entry, World, apart, dump, id, message, receives, sends, small, xid};

fn produce(sequence: u64, sends: Vec<OutgoingMessage>) -> Command {
    produce_marked(10 * (sequence + sends.len() as u64), sequence, sends)
}

fn produce_marked(mark: u64, sequence: u64, sends: Vec<OutgoingMessage>) -> Command {
    let producer = ProducerName::new("import").unwrap();
    Command::Send { producer: Some(ProducerSequence { producer, epoch: 1, sequence, mark }), sends }
}

fn batch(queue: QueueId, ordinals: std::ops::Range<u64>) -> Vec<OutgoingMessage> {
    ordinals.map(|ordinal| small(queue, ordinal)).collect()
}

fn ids(ordinals: std::ops::Range<u64>) -> Vec<MessageId> {
    ordinals.map(id).collect()
}

#[test]
fn p24_a_repetition_is_answered_with_the_first_result() {
    let mut world = World::new();
    let orders = world.queue("orders");
    world.apply(produce(0, batch(orders, 10..13))).unwrap();
    world.apply(produce(3, batch(orders, 20..22))).unwrap();
    assert_eq!(world.apply(produce(3, batch(orders, 90..92))), Ok(Done::Repeated(ids(20..22))));
    // In other batches than the first time, too.
    let across: Vec<MessageId> = [11, 12, 20].map(id).to_vec();
    assert_eq!(world.apply(produce(1, batch(orders, 90..93))), Ok(Done::Repeated(across)));
    assert_eq!(world.ordinals(orders), [10, 11, 12, 20, 21]);
    assert_eq!(
        world.state.producer(&ProducerName::new("import").unwrap()),
        Some(ProducerPlace { epoch: 1, next: 5, mark: 50 })
    );

    // It does not matter that what was sent is gone.
    let keys = world.keys(orders);
    world.apply(Command::Commit { xid: xid(1), work: receives(keys), hold: false }).unwrap();
    assert_eq!(world.apply(produce(0, batch(orders, 90..93))), Ok(Done::Repeated(ids(10..13))));
}

#[test]
fn p24_a_repetition_of_another_stream_is_refused() {
    let mut world = World::new();
    let orders = world.queue("orders");
    world.apply(produce_marked(7, 0, batch(orders, 10..13))).unwrap();
    world.apply(produce_marked(0, 3, batch(orders, 20..22))).unwrap();
    let diverged = |through| Err(Refused::ProducerDiverged { producer: "import".to_owned(), through });
    assert_eq!(world.apply(produce_marked(8, 0, batch(orders, 90..93))), diverged(2));
    assert_eq!(world.apply(produce_marked(8, 1, batch(orders, 90..92))), diverged(2), "in other batches, too");
    // Where one of the marks says nothing, or none was said, there is nothing to compare.
    assert_eq!(world.apply(produce_marked(0, 0, batch(orders, 90..93))), Ok(Done::Repeated(ids(10..13))));
    assert_eq!(world.apply(produce_marked(8, 0, batch(orders, 90..92))), Ok(Done::Repeated(ids(10..12))));
    assert_eq!(world.apply(produce_marked(8, 3, batch(orders, 90..92))), Ok(Done::Repeated(ids(20..22))));
    assert_eq!(world.ordinals(orders), [10, 11, 12, 20, 21]);
}

#[test]
fn p24_a_refusal_is_a_result_and_the_stream_goes_on() {
    let mut world = World::new();
    let [orders, going] = ["orders", "going"].map(|name| world.queue(name));
    world.apply(Command::DeleteQueue { queue: going, fate: Fate::Discard }).unwrap();
    let refused = Err(Refused::QueueGone { queue: going });
    assert_eq!(world.apply(produce(0, vec![small(going, 1), small(orders, 2)])), refused);
    assert!(world.apply(produce(2, vec![small(orders, 3)])).is_ok());
    assert_eq!(world.apply(produce(0, batch(orders, 90..92))), refused, "the first result stands");
    assert_eq!(world.ordinals(orders), [3]);
    // Whoever goes on with the stream must not take its sequences for sent.
    let place = |world: &World| world.state.producer(&ProducerName::new("import").unwrap());
    assert_eq!(place(&world), Some(ProducerPlace { epoch: 1, next: 3, mark: MARK_OF_REFUSED }));

    // A staged body that a restart dropped is no fault of the message: the same sequence is sent again.
    assert_eq!(world.apply(produce(3, vec![apart(orders, 4, 70, 5)])), Err(Refused::StageGone));
    world.apply(Command::StageBody { body: BodyId(71), part: 0, bytes: Bytes::from_static(b"whole") }).unwrap();
    assert!(matches!(world.apply(produce(3, vec![apart(orders, 5, 71, 5)])), Ok(Done::Sent(_))));
}

#[test]
fn p24_a_newer_epoch_starts_again_and_fences_the_older() {
    let mut world = World::new();
    let orders = world.queue("orders");
    let producer = ProducerName::new("import").unwrap();
    let second = |sequence, ordinal| Command::Send {
        producer: Some(ProducerSequence { producer: producer.clone(), epoch: 2, sequence, mark: 0 }),
        sends: vec![small(orders, ordinal)],
    };
    for sequence in 0..3 {
        world.apply(produce(sequence, vec![small(orders, 10 + sequence)])).unwrap();
    }
    for sequence in 0..2 {
        assert!(matches!(world.apply(second(sequence, 20 + sequence)), Ok(Done::Sent(_))));
    }
    assert_eq!(world.apply(second(1, 90)), Ok(Done::Repeated(ids(21..22))), "of its own, not of the older epoch");
    let fenced = Refused::ProducerFenced { producer: "import".to_owned(), current: 2 };
    assert_eq!(world.apply(produce(3, vec![small(orders, 90)])), Err(fenced));
    assert_eq!(world.ordinals(orders), [10, 11, 12, 20, 21]);
}

#[test]
fn p24_results_are_kept_for_the_window_and_no_longer() {
    let mut world = World::new();
    let orders = world.queue("orders");
    let entry = (0..PRODUCER_WINDOW + 5).map(|at| produce(at, vec![small(orders, 100 + at)])).collect();
    world.enter(Entry::Commands(entry));
    let forgotten = Refused::ProducerForgotten { producer: "import".to_owned(), sequence: 4 };
    assert_eq!(world.apply(produce(4, batch(orders, 1..2))), Err(forgotten));
    assert_eq!(world.apply(produce(5, batch(orders, 1..2))), Ok(Done::Repeated(ids(105..106))));
    let whole = batch(orders, 1..1 + PRODUCER_WINDOW);
    assert_eq!(world.apply(produce(5, whole)), Ok(Done::Repeated(ids(105..105 + PRODUCER_WINDOW))));

    // The last batch is kept in any case.
    let next = PRODUCER_WINDOW + 5;
    let large = 3 * PRODUCER_WINDOW;
    world.apply(produce(next, batch(orders, 5_000..5_000 + large))).unwrap();
    assert_eq!(world.apply(produce(next, batch(orders, 1..1 + large))), Ok(Done::Repeated(ids(5_000..5_000 + large))));
}

#[test]
fn p24_the_producer_that_was_not_used_for_longest_is_forgotten() {
    let mut world = World::new();
    let orders = world.queue("orders");
    let first = |name: &str, sequence: u64| Command::Send {
        producer: Some(ProducerSequence { producer: ProducerName::new(name).unwrap(), epoch: 1, sequence, mark: 0 }),
        sends: vec![small(orders, 1)],
    };
    world.apply(first("early", 0)).unwrap();
    world.now.0 += 1;
    world.apply(first("idle", 0)).unwrap();
    world.now.0 += 1;
    world.apply(first("early", 1)).unwrap();
    world.enter(Entry::Commands((2..PRODUCERS_MAX).map(|number| first(&format!("p{number}"), 0)).collect()));
    assert!(world.state.producer(&ProducerName::new("idle").unwrap()).is_some());
    world.apply(first("one too many", 0)).unwrap();
    assert_eq!(world.state.producer(&ProducerName::new("idle").unwrap()), None);
    assert!(world.state.producer(&ProducerName::new("early").unwrap()).is_some());
    assert_eq!(world.apply(first("idle", 1)), Err(Refused::ProducerUnknown { producer: "idle".to_owned() }));
}

#[test]
fn p26_an_epoch_drops_what_no_prepared_branch_owns() {
    let mut world = World::new();
    let orders = world.queue("orders");
    let body = Bytes::from(vec![5; 5_000]);
    let stage = |stage, ordinal| Command::StageWork {
        stage: StageId(stage),
        part: 0,
        work: sends(vec![message(orders, ordinal, Body::Inline(body.clone()))]),
    };
    let clean = dump(&world.store);
    world.apply(stage(80, 1)).unwrap();
    world.apply(Command::StageBody { body: BodyId(70), part: 0, bytes: body.clone() }).unwrap();
    world.begin_epoch();
    assert_eq!(dump(&world.store), clean);

    world.apply(stage(81, 2)).unwrap();
    world.apply(Command::StageBody { body: BodyId(71), part: 0, bytes: body.clone() }).unwrap();
    let work = Work { stage: Some(StageId(81)), ..sends(vec![apart(orders, 3, 71, 5_000)]) };
    world.apply(Command::Prepare { xid: xid(1), work }).unwrap();
    world.begin_epoch();
    world.apply(Command::Unstage { stages: vec![StageId(81)], bodies: vec![BodyId(71)] }).unwrap();
    world.apply(Command::CommitPrepared { xid: xid(1), hold: false }).unwrap();
    let messages = world.messages(orders);
    assert_eq!(messages.len(), 2);
    assert!(messages.iter().all(|(_, message)| world.body(&message.body) == body));

    // And a rolled-back one leaves nothing behind.
    let before = dump(&world.store);
    world.apply(stage(82, 4)).unwrap();
    let work = Work { stage: Some(StageId(82)), ..Work::default() };
    world.apply(Command::Prepare { xid: xid(2), work }).unwrap();
    world.apply(Command::RollbackPrepared { xid: xid(2) }).unwrap();
    assert_eq!(dump(&world.store), before);
}

#[test]
fn p26_the_commit_of_staged_work_writes_envelopes_only() {
    let mut world = World::new();
    let orders = world.queue("orders");
    let body = Bytes::from(vec![5; 1_000]);
    for part in 0..4 {
        let ordinals = (0..100).map(|at| u64::from(part) * 100 + at + 1);
        let sends = sends(ordinals.map(|ordinal| message(orders, ordinal, Body::Inline(body.clone()))).collect());
        world.apply(Command::StageWork { stage: StageId(9_000), part, work: sends }).unwrap();
    }
    assert_eq!(world.keys(orders), [], "staged work is invisible");
    let before = world.store.clone();
    let work = Work { stage: Some(StageId(9_000)), ..Work::default() };
    world.apply(Command::Commit { xid: xid(1), work, hold: false }).unwrap();
    let old: std::collections::BTreeSet<_> = dump(&before).into_iter().collect();
    let written: usize = dump(&world.store)
        .into_iter()
        .filter(|entry| !old.contains(entry))
        .map(|(_, key, value)| key.len() + value.len())
        .sum();
    assert_eq!(world.ordinals(orders), (1..=400).collect::<Vec<_>>());
    assert!(written < 400 * 100, "{written} bytes for 400 messages of 1,000 bytes each");
}

#[test]
fn bodies_rest_inline_or_apart_by_their_size() {
    let mut world = World::new();
    let orders = world.queue("orders");
    let of = |ordinal: u64, length: usize| message(orders, ordinal, Body::Inline(vec![ordinal as u8; length].into()));
    let part = |part, length| Command::StageBody { body: BodyId(900), part, bytes: vec![9; length].into() };
    world.send(vec![of(1, INLINE_BODY_BYTES_MAX), of(2, INLINE_BODY_BYTES_MAX + 1), of(3, 2 * BODY_PART_BYTES + 1)]);
    world.apply(part(0, BODY_PART_BYTES)).unwrap();
    world.apply(part(1, 10)).unwrap();
    world.send(vec![apart(orders, 4, 900, BODY_PART_BYTES as u64 + 10)]);
    let work = sends(vec![of(5, PREPARED_INLINE_BYTES_MAX), of(6, PREPARED_INLINE_BYTES_MAX + 1), of(7, 0)]);
    world.apply(Command::Prepare { xid: xid(1), work }).unwrap();
    world.apply(Command::CommitPrepared { xid: xid(1), hold: false }).unwrap();

    let rests = |message: &StoredMessage| match &message.body {
        Body::Inline(_) => None,
        Body::Apart { body, .. } => {
            let part = |part| world.state.body_part(&world.store, *body, part).unwrap();
            Some((0..).map_while(part).map(|bytes| bytes.len()).collect::<Vec<_>>())
        }
    };
    let found: Vec<_> = world.messages(orders).iter().map(|(_, message)| rests(message)).collect();
    let expected = [
        None,
        Some(vec![INLINE_BODY_BYTES_MAX + 1]),
        Some(vec![BODY_PART_BYTES, BODY_PART_BYTES, 1]),
        Some(vec![BODY_PART_BYTES, 10]),
        None,
        Some(vec![PREPARED_INLINE_BYTES_MAX + 1]),
        None,
    ];
    assert_eq!(found, expected);

    let empty = dump(&World::new().store).into_iter().filter(|(family, ..)| *family != Family::State).count();
    let keys = world.keys(orders);
    world.apply(Command::Commit { xid: xid(2), work: receives(keys), hold: false }).unwrap();
    let left = dump(&world.store).into_iter().filter(|(family, ..)| *family != Family::State).count();
    assert_eq!((empty, left), (0, 0), "a received message takes its body along");
}

#[test]
fn p27_a_purge_is_bounded_steps_and_a_delete_ends_with_the_queue() {
    let mut world = World::new();
    let orders = world.queue("orders");
    let count = u64::from(SWEEP_MESSAGES_MAX) * 2 + 500;
    world.send(batch(orders, 0..count));
    let first = MessageKey { queue: orders, band: 0, sequence: 0 };
    let last = MessageKey { queue: orders, band: 7, sequence: u64::MAX };
    let step = |from| Command::Sweep {
        queue: orders,
        from,
        through: last,
        limit: u32::MAX,
        locked: vec![],
        fate: Fate::Discard,
    };
    let Ok(Done::Swept { removed, next: Some(next) }) = world.apply(step(first)) else { panic!() };
    assert_eq!(removed, u64::from(SWEEP_MESSAGES_MAX));
    assert_eq!(next, MessageKey { queue: orders, band: 4, sequence: u64::from(SWEEP_MESSAGES_MAX) });

    // The delete has a fate of its own, and it outlives the leader that began it.
    let fate = Fate::DeadLetter(DeadLetterReason::QueueDeleted);
    world.apply(Command::DeleteQueue { queue: orders, fate }).unwrap();
    assert_eq!(world.state.queues().map(|record| record.name.as_str()).collect::<Vec<_>>(), ["dead-letter"]);
    assert!(world.queue("orders") != orders, "the name is free, the id is not");
    world.state = State::open(&world.store).unwrap();
    assert_eq!(world.state.deleting().collect::<Vec<_>>(), [(orders, fate)]);
    assert!(matches!(world.apply(step(next)), Ok(Done::Swept { removed: 1_000, next: Some(_) })));
    assert_eq!(world.apply(step(next)), Ok(Done::Swept { removed: 500, next: None }));
    assert_eq!(world.state.queue(orders), None);
    assert_eq!(world.keys(QueueId::DEAD_LETTER).len(), 1_500);
}

#[test]
fn p27_an_empty_queue_goes_with_its_first_sweep() {
    let mut world = World::new();
    let before = dump(&world.store);
    let orders = world.queue("orders");
    world.apply(Command::DeleteQueue { queue: orders, fate: Fate::Discard }).unwrap();
    let key = MessageKey { queue: orders, band: 0, sequence: 0 };
    let step = Command::Sweep { queue: orders, from: key, through: key, limit: 1, locked: vec![], fate: Fate::Discard };
    assert_eq!(world.apply(step), Ok(Done::Swept { removed: 0, next: None }));
    assert_eq!(dump(&world.store).len(), before.len(), "only the next queue id is another");
}

/// A store that says which stretches of `Messages` were scanned.
struct Watched<'a> {
    store: &'a MemStore,
    scanned: RefCell<Vec<(Vec<u8>, Vec<u8>)>>,
}

impl Store for Watched<'_> {
    fn get(&self, family: Family, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        self.store.get(family, key)
    }

    fn scan(&self, family: Family, start: &[u8], end: &[u8], visit: &mut Visit<'_>) -> Result<(), StoreError> {
        self.scanned.borrow_mut().push((start.to_vec(), end.to_vec()));
        self.store.scan(family, start, end, visit)
    }

    fn write(&mut self, _: WriteBatch) -> Result<(), StoreError> {
        unreachable!("only read")
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        unreachable!("only read")
    }
}

#[test]
fn a_scan_never_goes_through_deleted_ground() {
    let mut world = World::new();
    let orders = world.queue("orders");
    let keys = world.send(batch(orders, 0..2_000));
    // The first stays (it waits for its next attempt, say); most of the others go, in no good order.
    let mut taken: Vec<MessageKey> = keys.iter().copied().filter(|key| key.sequence % 100 != 0).collect();
    taken.reverse();
    for some in taken.chunks(97) {
        world.apply(Command::Commit { xid: xid(1), work: receives(some.to_vec()), hold: false }).unwrap();
    }
    let watched = Watched { store: &world.store, scanned: RefCell::default() };
    let mut found = Vec::new();
    let mut visit = |key: MessageKey, _| {
        found.push(key.sequence);
        ControlFlow::Continue(())
    };
    world.state.scan(&watched, orders, None, usize::MAX, usize::MAX, &mut visit).unwrap();
    assert_eq!(found, (0..20).map(|at| at * 100).collect::<Vec<_>>());
    let sequence = |key: &[u8]| u64::from_be_bytes(key[5..].try_into().unwrap());
    let scanned: u64 = watched.scanned.borrow().iter().map(|(start, end)| sequence(end) - sequence(start)).sum();
    assert_eq!(scanned, 20, "one key for each message that is there");
}

#[test]
fn a_queue_with_more_holes_than_are_remembered_loses_none_of_its_messages() {
    let mut world = World::new();
    let orders = world.queue("orders");
    let holes = GONE_STRETCHES_MAX as u64 * 3;
    let keys = world.send(batch(orders, 0..holes * 3));
    let odd: Vec<MessageKey> = keys.iter().copied().filter(|key| key.sequence % 3 == 1).collect();
    let commit =
        |messages: &[MessageKey]| Command::Commit { xid: xid(1), work: receives(messages.to_vec()), hold: false };
    for key in &odd {
        world.apply(commit(&[*key])).unwrap();
    }
    let left: Vec<u64> = (0..holes * 3).filter(|ordinal| ordinal % 3 != 1).collect();
    assert_eq!(world.ordinals(orders), left);
    // Taken from the front, over the holes that were forgotten: the queue closes up behind.
    for some in world.keys(orders).chunks(50) {
        world.apply(commit(some)).unwrap();
    }
    let record = world.state.queue(orders).unwrap();
    assert_eq!((record.messages, record.bytes, record.head), (0, 0, record.next_sequence));
}

#[test]
fn counters_are_written_once_for_each_entry() {
    let mut world = World::new();
    let orders = world.queue("orders");
    let mut overlay = handfast_store::Overlay::new(&world.store);
    for ordinal in 0..10 {
        let command = Command::Send { producer: None, sends: vec![small(orders, ordinal)] };
        world.state.apply(&mut overlay, world.now, command).unwrap().unwrap();
    }
    world.state.finish(&mut overlay);
    let writes = overlay.into_batch().writes;
    let of_state = writes.iter().filter(|write| matches!(write, Write::Put { family: Family::State, .. })).count();
    assert_eq!((writes.len(), of_state), (11, 1));
}
