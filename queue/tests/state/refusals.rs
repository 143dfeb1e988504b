//! Every refusal, as a table: the command, and why it is refused. What was refused changes nothing.

use bytes::Bytes;
use handfast_protocol::{DeadLetterReason, ProducerName, ProducerSequence, QueueName};
use handfast_queue::command::Fate;
use handfast_queue::limits::{BODY_PART_BYTES, STAGE_PARTS_MAX};
use handfast_queue::{
    Blame, BodyId, Command, MessageKey, OutgoingMessage, QueueId, QueueSettings, Refused, StageId, Work,
};

use crate::world::{World, apart, dump, message, receives, sends, small, xid};

struct Scene {
    world: World,
    orders: QueueId,
    shipments: QueueId,
    going: QueueId,
    /// In orders: free; locked by the prepared branch 1.
    free: MessageKey,
    locked: MessageKey,
    /// In going.
    left: MessageKey,
    /// In shipments, held by branch 2.
    held: MessageKey,
    /// In the dead-letter queue: from orders; from going.
    dead: MessageKey,
    dead_of_going: MessageKey,
}

fn scene() -> Scene {
    let mut world = World::new();
    let [orders, shipments, going] = ["orders", "shipments", "going"].map(|name| world.queue(name));
    let keys = world.send(vec![small(orders, 1), small(orders, 2), small(orders, 3), small(going, 4), small(going, 5)]);
    let [free, locked, to_die, left, to_die_too] = keys.try_into().unwrap();
    let stage = Work { stage: None, ..sends(vec![small(shipments, 6)]) };
    world.apply(Command::StageWork { stage: StageId(50), part: 0, work: stage }).unwrap();
    let work = Work { stage: Some(StageId(50)), ..receives(vec![locked]) };
    world.apply(Command::Prepare { xid: xid(1), work }).unwrap();
    world.apply(Command::Commit { xid: xid(2), work: sends(vec![small(shipments, 7)]), hold: true }).unwrap();
    let blame = Blame::Reject { error: "no".to_owned() };
    world.apply(Command::Return { messages: vec![to_die, to_die_too], blame }).unwrap();
    world.apply(Command::DeleteQueue { queue: going, fate: Fate::Discard }).unwrap();
    world.apply(Command::StageBody { body: BodyId(60), part: 0, bytes: Bytes::from_static(b"three") }).unwrap();
    for (epoch, sequence) in [(4, 0), (5, 0), (5, 1)] {
        world.apply(Command::Send { producer: Some(producer("known", epoch, sequence)), sends: vec![] }).unwrap();
        let sends = vec![small(orders, 100 + epoch * 10 + sequence)];
        world.apply(Command::Send { producer: Some(producer("known", epoch, sequence)), sends }).unwrap();
    }
    let held = world.keys(shipments)[0];
    let [dead, dead_of_going] = world.keys(QueueId::DEAD_LETTER).try_into().unwrap();
    Scene { world, orders, shipments, going, free, locked, left, held, dead, dead_of_going }
}

fn producer(name: &str, epoch: u64, sequence: u64) -> ProducerSequence {
    ProducerSequence { producer: ProducerName::new(name).unwrap(), epoch, sequence, mark: 0 }
}

fn create(name: &str) -> Command {
    let name = QueueName::new(name).unwrap();
    Command::CreateQueue { name, settings: QueueSettings::default(), principal: String::new() }
}

fn send(message: OutgoingMessage) -> Command {
    Command::Send { producer: None, sends: vec![message] }
}

fn commit(work: Work) -> Command {
    Command::Commit { xid: xid(9), work, hold: false }
}

fn check(scene: &Scene, rows: Vec<(&str, Command, Refused)>) {
    for (row, command, expected) in rows {
        let mut world = scene.world.clone();
        assert_eq!(world.apply(command), Err(expected), "{row}");
        assert_eq!(dump(&world.store), dump(&scene.world.store), "{row}");
        assert_eq!(world.state, scene.world.state, "{row}");
    }
}

#[test]
fn of_queues() {
    let scene = scene();
    let Scene { orders, shipments, going, .. } = scene;
    let name = |name: &str| QueueName::new(name).unwrap();
    let delete = |queue| Command::DeleteQueue { queue, fate: Fate::Discard };
    let nowhere = QueueId(99);
    let sweep = |queue: QueueId, fate| {
        let from = MessageKey { queue, band: 0, sequence: 0 };
        Command::Sweep { queue, from, through: from, limit: 1, locked: vec![], fate }
    };
    check(
        &scene,
        vec![
            ("its name in other letters", create("ORDERS"), Refused::QueueExists { name: name("orders") }),
            ("the dead-letter queue is there", create("Dead-Letter"), Refused::DeadLetterQueue),
            ("and stays", delete(QueueId::DEAD_LETTER), Refused::DeadLetterQueue),
            ("unknown", delete(nowhere), Refused::QueueGone { queue: nowhere }),
            ("P17: a prepared receive", delete(orders), Refused::QueueInDoubt { name: name("orders"), xid: xid(1) }),
            ("P17: a held send", delete(shipments), Refused::QueueInDoubt { name: name("shipments"), xid: xid(2) }),
            ("unknown", sweep(nowhere, Fate::Discard), Refused::QueueGone { queue: nowhere }),
            (
                "dead letters die once",
                sweep(QueueId::DEAD_LETTER, Fate::DeadLetter(DeadLetterReason::Purged)),
                Refused::DeadLetterQueue,
            ),
        ],
    );
    let mut released = Scene { world: scene.world.clone(), ..scene };
    released.world.apply(Command::Release { xid: xid(2) }).unwrap();
    let refused = Refused::QueueInDoubt { name: name("shipments"), xid: xid(1) };
    check(&released, vec![("P17: a send of a prepared branch", delete(shipments), refused)]);
    let mut again = released.world.clone();
    assert!(again.apply(delete(going)).is_ok(), "a delete may be asked twice");
}

#[test]
fn of_sends_and_branches() {
    let scene = scene();
    let Scene { orders, going, free, locked, left, held, .. } = scene;
    let gone = MessageKey { sequence: 999, ..free };
    let outside = MessageKey { band: 200, ..free };
    let unknown = || Refused::UnknownXid { xid: xid(9) };
    let duplicate = || Refused::DuplicateXid { xid: xid(1) };
    let staged = |stage| Work { stage: Some(StageId(stage)), ..Work::default() };
    check(
        &scene,
        vec![
            ("to a going queue", send(small(going, 200)), Refused::QueueGone { queue: going }),
            ("to dead letters", send(small(QueueId::DEAD_LETTER, 200)), Refused::DeadLetterQueue),
            ("a body that is not staged", send(apart(orders, 200, 61, 5)), Refused::StageGone),
            ("a body of another length", send(apart(orders, 200, 60, 6)), Refused::StageGone),
            (
                "one body for two messages",
                Command::Send { producer: None, sends: vec![apart(orders, 200, 60, 5), apart(orders, 201, 60, 5)] },
                Refused::StageGone,
            ),
            ("P17: a message that is gone", commit(receives(vec![gone])), Refused::Conflict),
            ("P17: one that never was", commit(receives(vec![outside])), Refused::Conflict),
            ("P17: one that another branch received", commit(receives(vec![free, locked])), Refused::Conflict),
            ("P10: one that is held", commit(receives(vec![held])), Refused::Conflict),
            ("one message twice", commit(receives(vec![free, free])), Refused::Conflict),
            ("P17: from a going queue", commit(receives(vec![left])), Refused::Conflict),
            ("P17: to a going queue", commit(sends(vec![small(orders, 200), small(going, 201)])), Refused::Conflict),
            ("to dead letters", commit(sends(vec![small(QueueId::DEAD_LETTER, 200)])), Refused::DeadLetterQueue),
            ("P26: nothing was staged", commit(staged(51)), Refused::StageGone),
            ("P26: another branch's stage", commit(staged(50)), Refused::StageGone),
            ("prepared already", Command::Prepare { xid: xid(1), work: receives(vec![free]) }, duplicate()),
            ("prepared already", Command::Commit { xid: xid(1), work: Work::default(), hold: false }, duplicate()),
            ("never prepared", Command::CommitPrepared { xid: xid(9), hold: false }, unknown()),
            ("never prepared", Command::RollbackPrepared { xid: xid(9) }, unknown()),
        ],
    );
}

#[test]
fn of_what_is_staged() {
    let scene = scene();
    let orders = scene.orders;
    let body = |body, part, length| Command::StageBody { body: BodyId(body), part, bytes: vec![0; length].into() };
    let work = |stage, part| Command::StageWork { stage: StageId(stage), part, work: Work::default() };
    let nested = Work { stage: Some(StageId(52)), ..Work::default() };
    check(
        &scene,
        vec![
            ("a part before the first", body(61, 1, 3), Refused::StageGone),
            ("a part after a short one", body(60, 1, 3), Refused::StageGone),
            ("the same part twice", body(60, 0, 3), Refused::StageGone),
            ("an empty part", body(61, 0, 0), Refused::StageGone),
            ("a part that is too long", body(61, 0, BODY_PART_BYTES + 1), Refused::StageGone),
            ("a part before the first", work(51, 1), Refused::StageGone),
            ("more for a stage that is prepared", work(50, 1), Refused::StageGone),
            (
                "a stage in a stage",
                Command::StageWork { stage: StageId(51), part: 0, work: nested },
                Refused::StageGone,
            ),
            (
                "a body that is not staged",
                Command::StageWork { stage: StageId(51), part: 0, work: sends(vec![apart(orders, 200, 61, 5)]) },
                Refused::StageGone,
            ),
        ],
    );
    let mut full = scene;
    for part in 0..STAGE_PARTS_MAX {
        full.world.apply(work(51, part)).unwrap();
    }
    check(&full, vec![("P26: bounded", work(51, STAGE_PARTS_MAX), Refused::StageFull { parts: STAGE_PARTS_MAX })]);
}

#[test]
fn of_producers() {
    let scene = scene();
    let orders = scene.orders;
    let send = |name: &str, epoch, sequence| Command::Send {
        producer: Some(producer(name, epoch, sequence)),
        sends: vec![message(orders, 200, Bytes::from_static(b"x").into())],
    };
    let name = || "known".to_owned();
    check(
        &scene,
        vec![
            ("P24: an older epoch", send("known", 4, 1), Refused::ProducerFenced { producer: name(), current: 5 }),
            ("P24: a gap", send("known", 5, 3), Refused::ProducerGap { producer: name(), sequence: 3, expected: 2 }),
            ("P24: a gap", send("known", 6, 1), Refused::ProducerGap { producer: name(), sequence: 1, expected: 0 }),
            ("P24: unknown", send("other", 1, 1), Refused::ProducerUnknown { producer: "other".to_owned() }),
            (
                "P24: half of it is new",
                Command::Send {
                    producer: Some(producer("known", 5, 1)),
                    sends: vec![small(orders, 200), small(orders, 201)],
                },
                Refused::ProducerGap { producer: name(), sequence: 1, expected: 2 },
            ),
        ],
    );
}

#[test]
fn of_returned_dead_letters() {
    let scene = scene();
    let Scene { orders, going, free, dead, dead_of_going, .. } = scene;
    let back = |messages: Vec<MessageKey>, to| Command::ReturnDeadLetters { messages, to };
    let gone = |message| Refused::DeadLetterGone { message };
    check(
        &scene,
        vec![
            ("not a dead letter", back(vec![free], None), gone(free)),
            ("twice", back(vec![dead, dead], None), gone(dead)),
            ("to dead letters", back(vec![dead], Some(QueueId::DEAD_LETTER)), Refused::DeadLetterQueue),
            ("to a going queue", back(vec![dead], Some(going)), Refused::QueueGone { queue: going }),
            (
                "its queue is going",
                back(vec![dead, dead_of_going], None),
                Refused::OriginGone { name: QueueName::new("going").unwrap() },
            ),
        ],
    );
    let mut locked = scene;
    locked.world.apply(Command::Prepare { xid: xid(3), work: receives(vec![dead]) }).unwrap();
    check(&locked, vec![("received by a prepared branch", back(vec![dead], Some(orders)), gone(dead))]);
}
