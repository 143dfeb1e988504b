//! The stored forms: what they are byte for byte, and that no bytes at all make reading panic.

use std::time::Duration;

use bytes::Bytes;
use handfast_protocol::{
    Bqual, DeadLetter, DeadLetterReason, Gtrid, MessageId, Priority, ProducerName, ProducerSequence, Properties,
    QueueName, Timestamp, Xid,
};
use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::command::Fate;
use crate::{
    Blame, Body, BodyId, MessageKey, OutgoingMessage, QueueId, QueueRecord, QueueSettings, StageId, Status,
    StoredMessage, Work,
};

fn key(sequence: u64) -> MessageKey {
    MessageKey { queue: QueueId(3), band: 4, sequence }
}

fn id(ordinal: u64) -> MessageId {
    MessageId { manager: Uuid::from_u128(0x0198_c5f2), ordinal }
}

fn xid() -> Xid {
    Xid { format_id: 7, gtrid: Gtrid::new("gt").unwrap(), bqual: Bqual::new("b").unwrap() }
}

fn name() -> QueueName {
    QueueName::new("Orders").unwrap()
}

fn properties() -> Properties {
    Properties {
        label: "label".to_owned(),
        correlation_id: Bytes::from_static(b"correlation"),
        response_queue: Some(QueueName::new("answers").unwrap()),
        priority: Priority::new(5).unwrap(),
        time_to_be_received: Some(Duration::new(3, 4)),
        drop_expired: true,
        extension: vec![("name".to_owned(), Bytes::from_static(b"value"))],
    }
}

fn send(body: Body) -> OutgoingMessage {
    OutgoingMessage {
        queue: QueueId(3),
        id: id(1 << 40),
        properties: properties(),
        body,
        sent_at: Timestamp(1_000_000),
    }
}

fn work() -> Work {
    let apart = Body::Apart { body: BodyId(9), length: 300_000 };
    let plain = OutgoingMessage { properties: Properties::default(), ..send(Body::Inline(Bytes::new())) };
    let sends = vec![send(Body::Inline(Bytes::from_static(b"body"))), send(apart), plain];
    Work { sends, receives: vec![key(1), key(300)], stage: Some(StageId(8)) }
}

/// One of each, with something in every field.
fn commands() -> Vec<(&'static str, Command)> {
    let settings = QueueSettings { max_attempts: 5, max_abandoned: 20 };
    let at = ProducerSequence { producer: ProducerName::new("import").unwrap(), epoch: 2, sequence: 3, mark: 4 };
    let purged = Fate::DeadLetter(DeadLetterReason::Purged);
    let error = || "error".to_owned();
    vec![
        ("create", Command::CreateQueue { name: name(), settings, principal: "somebody".to_owned() }),
        ("delete", Command::DeleteQueue { queue: QueueId(3), fate: Fate::Discard }),
        (
            "sweep",
            Command::Sweep {
                queue: QueueId(3),
                from: key(1),
                through: key(9),
                limit: 5,
                locked: vec![key(2)],
                fate: purged,
            },
        ),
        ("expire", Command::Expire { messages: vec![key(1), key(2)] }),
        ("send", Command::Send { producer: Some(at), sends: work().sends }),
        ("stage body", Command::StageBody { body: BodyId(9), part: 1, bytes: Bytes::from_static(b"part") }),
        ("stage work", Command::StageWork { stage: StageId(8), part: 2, work: work() }),
        ("unstage", Command::Unstage { stages: vec![StageId(8)], bodies: vec![BodyId(9)] }),
        ("commit", Command::Commit { xid: xid(), work: work(), hold: true }),
        ("prepare", Command::Prepare { xid: xid(), work: Work::default() }),
        ("commit prepared", Command::CommitPrepared { xid: xid(), hold: false }),
        ("rollback prepared", Command::RollbackPrepared { xid: xid() }),
        ("release", Command::Release { xid: xid() }),
        ("return, failed", Command::Return { messages: vec![key(1)], blame: Blame::Message { error: error() } }),
        ("return, rejected", Command::Return { messages: vec![key(1)], blame: Blame::Reject { error: error() } }),
        ("return, vanished", Command::Return { messages: vec![key(1)], blame: Blame::Vanished }),
        ("return dead letters", Command::ReturnDeadLetters { messages: vec![key(1)], to: Some(QueueId(4)) }),
    ]
}

fn encoded(command: &Command) -> Bytes {
    let mut bytes = Vec::new();
    encode_command(command, &mut bytes);
    Bytes::from(bytes)
}

fn queue() -> QueueRecord {
    QueueRecord {
        id: QueueId(3),
        name: name(),
        settings: QueueSettings { max_attempts: 5, max_abandoned: 20 },
        created_at: Timestamp(1_000),
        owner: "somebody".to_owned(),
        next_sequence: [0; 8],
        head: [0; 8],
        messages: 0,
        bytes: 0,
        deleting: Some(Fate::DeadLetter(DeadLetterReason::QueueDeleted)),
    }
}

fn counters() -> Counters {
    Counters {
        next_sequence: [0, 0, 0, 0, 500, 0, 0, 1],
        head: [0, 0, 0, 0, 300, 0, 0, 1],
        messages: 190,
        bytes: 100_000,
        statuses: 2,
        gone: vec![(4, 305, 315)],
    }
}

fn status() -> Status {
    Status { attempts: 2, abandoned: 1, not_before: Timestamp(1_400), error: "no".to_owned(), purge: Some(true) }
}

fn message(dead_letter: Option<DeadLetter>) -> StoredMessage {
    let dead = u32::from(dead_letter.is_some());
    StoredMessage {
        id: id(5),
        properties: properties(),
        body: Body::Inline(Bytes::from_static(b"body")),
        sent_at: Timestamp(1_000),
        arrived_at: Timestamp(1_010),
        dead_letter,
        dead_attempts: 5 * dead,
        dead_abandoned: dead,
    }
}

fn dead_letter() -> DeadLetter {
    let reason = DeadLetterReason::MaxAttempts;
    DeadLetter { queue: name(), reason, error: "no".to_owned(), dead_at: Timestamp(2_000) }
}

fn producer() -> ProducerRecord {
    ProducerRecord { epoch: 1, next: 2_000, oldest: 1_000, used_at: 5_000, mark: 7_000 }
}

fn results() -> [ProducerResult; 3] {
    let sent = FirstResult::Sent(vec![IdRun { first: id(5), count: 10 }]);
    [sent, FirstResult::QueueGone(QueueId(3)), FirstResult::DeadLetterQueue].map(|result| ProducerResult {
        count: 10,
        mark: 7_000,
        result,
    })
}

/// Every record that the state keeps.
fn stored() -> Vec<(&'static str, Bytes)> {
    let [sent, gone, dead] = results();
    vec![
        ("meta", encode_meta(300)),
        ("queue", encode_queue(&queue())),
        ("counters", encode_counters(&counters())),
        ("status", encode_status(&status())),
        ("message", encode_message(&message(None))),
        ("dead letter", encode_message(&message(Some(dead_letter())))),
        ("message key", encode_message_key(&key(300))),
        ("branch", encode_branch(Timestamp(1_000), &work())),
        ("held", encode_held(&[Run { first: key(1), count: 300 }])),
        ("work", encode_work(&work())),
        ("staged body", encode_staged_body(300_000)),
        ("producer", encode_producer(&producer())),
        ("sent", encode_producer_result(&sent)),
        ("queue gone", encode_producer_result(&gone)),
        ("to dead letters", encode_producer_result(&dead)),
        ("presence", presence()),
    ]
}

/// What version 1 wrote: these bytes are in the logs and stores of users. A change of them is a new version.
const FIXTURES: &[(&str, &str)] = &[
    ("create", "0100064f7264657273051408736f6d65626f6479"),
    ("delete", "01010300"),
    ("sweep", "01020303040103040905010304020104"),
    ("expire", "010302030401030402"),
    (
        "send",
        "01040106696d706f727402030403030000000000000000000000000198c5f2fd0000000000010000056c6162656c0b636f7272\
         656c6174696f6e0107616e7377657273050103040101046e616d650576616c75650004626f6479fc40420f00030000000000\
         000000000000000198c5f2fd0000000000010000056c6162656c0b636f7272656c6174696f6e0107616e7377657273050103\
         040101046e616d650576616c75650109fce0930400fc40420f00030000000000000000000000000198c5f2fd000000000001\
         0000000000030000000000fc40420f00",
    ),
    ("stage body", "010509010470617274"),
    (
        "stage work",
        "0106080203030000000000000000000000000198c5f2fd0000000000010000056c6162656c0b636f7272656c6174696f6e01\
         07616e7377657273050103040101046e616d650576616c75650004626f6479fc40420f000300000000000000000000000001\
         98c5f2fd0000000000010000056c6162656c0b636f7272656c6174696f6e0107616e7377657273050103040101046e616d65\
         0576616c75650109fce0930400fc40420f00030000000000000000000000000198c5f2fd0000000000010000000000030000\
         000000fc40420f00020304010304fb2c010108",
    ),
    ("unstage", "010701080109"),
    (
        "commit",
        "010807026774016203030000000000000000000000000198c5f2fd0000000000010000056c6162656c0b636f7272656c6174\
         696f6e0107616e7377657273050103040101046e616d650576616c75650004626f6479fc40420f0003000000000000000000\
         0000000198c5f2fd0000000000010000056c6162656c0b636f7272656c6174696f6e0107616e737765727305010304010104\
         6e616d650576616c75650109fce0930400fc40420f00030000000000000000000000000198c5f2fd00000000000100000000\
         00030000000000fc40420f00020304010304fb2c01010801",
    ),
    ("prepare", "0109070267740162000000"),
    ("commit prepared", "010a07026774016200"),
    ("rollback prepared", "010b070267740162"),
    ("release", "010c070267740162"),
    ("return, failed", "010d0103040100056572726f72"),
    ("return, rejected", "010d0103040101056572726f72"),
    ("return, vanished", "010d0103040102"),
    ("return dead letters", "010e010304010104"),
    ("meta", "01fb2c01"),
    ("queue", "01064f72646572730514fbe80308736f6d65626f6479010103"),
    ("counters", "0100000000fbf40100000100000000fb2c01000001befca0860100020104fb3101fb3b01"),
    ("status", "010201fb7805026e6f0101"),
    (
        "message",
        "010000000000000000000000000198c5f205056c6162656c0b636f7272656c6174696f6e0107616e73776572730501030401\
         01046e616d650576616c7565fbe803fbf203000004626f6479",
    ),
    (
        "dead letter",
        "010000000000000000000000000198c5f205056c6162656c0b636f7272656c6174696f6e0107616e73776572730501030401\
         01046e616d650576616c7565fbe803fbf20301064f726465727301026e6ffbd00705010004626f6479",
    ),
    ("message key", "010304fb2c01"),
    (
        "branch",
        "01fbe80303030000000000000000000000000198c5f2fd0000000000010000056c6162656c0b636f7272656c6174696f6e01\
         07616e7377657273050103040101046e616d650576616c75650004626f6479fc40420f000300000000000000000000000001\
         98c5f2fd0000000000010000056c6162656c0b636f7272656c6174696f6e0107616e7377657273050103040101046e616d65\
         0576616c75650109fce0930400fc40420f00030000000000000000000000000198c5f2fd0000000000010000000000030000\
         000000fc40420f00020304010304fb2c010108",
    ),
    ("held", "0101030401fb2c01"),
    (
        "work",
        "0103030000000000000000000000000198c5f2fd0000000000010000056c6162656c0b636f7272656c6174696f6e0107616e\
         7377657273050103040101046e616d650576616c75650004626f6479fc40420f00030000000000000000000000000198c5f2\
         fd0000000000010000056c6162656c0b636f7272656c6174696f6e0107616e7377657273050103040101046e616d65057661\
         6c75650109fce0930400fc40420f00030000000000000000000000000198c5f2fd0000000000010000000000030000000000\
         fc40420f00020304010304fb2c010108",
    ),
    ("staged body", "01fce0930400"),
    ("producer", "0101fbd007fbe803fb8813fb581b"),
    ("sent", "010afb581b00010000000000000000000000000198c5f2050a"),
    ("queue gone", "010afb581b0103"),
    ("to dead letters", "010afb581b02"),
    ("presence", "01"),
];

#[test]
fn the_stored_forms_are_what_they_were() {
    let hex = |bytes: &Bytes| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let commands = commands().into_iter().map(|(name, command)| (name, hex(&encoded(&command))));
    let found: Vec<(&str, String)> =
        commands.chain(stored().into_iter().map(|(name, bytes)| (name, hex(&bytes)))).collect();
    let expected: Vec<(&str, String)> = FIXTURES.iter().map(|(name, hex)| (*name, (*hex).to_owned())).collect();
    assert_eq!(found, expected);
}

#[test]
fn every_command_round_trips() {
    for (name, command) in commands() {
        assert_eq!(decode_command(&encoded(&command)).as_ref(), Ok(&command), "{name}");
    }
}

#[test]
fn every_stored_record_round_trips() {
    assert_eq!(decode_meta(&encode_meta(300)), Ok(300));
    let record = queue();
    assert_eq!(decode_queue(record.id, &encode_queue(&record)), Ok(record));
    assert_eq!(decode_counters(&encode_counters(&counters())), Ok(counters()));
    assert_eq!(decode_status(&encode_status(&status())), Ok(status()));
    for message in [message(None), message(Some(dead_letter()))] {
        assert_eq!(decode_message(&encode_message(&message)), Ok(message));
    }
    assert_eq!(decode_message_key(&encode_message_key(&key(7))), Ok(key(7)));
    let branch = BranchRecord { prepared_at: Timestamp(5), work: work() };
    assert_eq!(decode_branch(&encode_branch(Timestamp(5), &work())), Ok(branch));
    let runs = vec![Run { first: key(1), count: 300 }];
    assert_eq!(decode_held(&encode_held(&runs)), Ok(runs));
    assert_eq!(decode_work(&encode_work(&work())), Ok(work()));
    assert_eq!(decode_staged_body(&encode_staged_body(300_000)), Ok(300_000));
    assert_eq!(decode_producer(&encode_producer(&producer())), Ok(producer()));
    for result in results() {
        assert_eq!(decode_producer_result(&encode_producer_result(&result)), Ok(result));
    }
}

#[test]
fn bodies_are_read_without_a_copy() {
    let within = |part: &Bytes, whole: &Bytes| whole.as_ptr_range().contains(&part.as_ptr());
    let bytes =
        encoded(&Command::Send { producer: None, sends: vec![send(Body::Inline(Bytes::from_static(b"body")))] });
    let Ok(Command::Send { sends, .. }) = decode_command(&bytes) else { panic!() };
    let Body::Inline(body) = &sends[0].body else { panic!() };
    assert!(within(body, &bytes));

    let bytes = encode_message(&message(None));
    let Ok(StoredMessage { body: Body::Inline(body), .. }) = decode_message(&bytes) else { panic!() };
    assert!(within(&body, &bytes));
}

#[test]
fn another_version_and_a_longer_record_are_refused() {
    let (_, command) = commands().remove(3);
    let good = encoded(&command);
    let version = Bytes::from([&[2], &good[1..]].concat());
    assert_eq!(decode_command(&version), Err(CommandUnreadable::Version { version: 2, newest: 1 }));
    let longer = Bytes::from([&good[..], &[0]].concat());
    let cause = "1 bytes follow its end".to_owned();
    assert_eq!(decode_command(&longer), Err(CommandUnreadable::Malformed { cause }));
    assert_eq!(decode_command(&Bytes::new()), Err(CommandUnreadable::Malformed { cause: "it is empty".to_owned() }));
}

#[test]
fn a_length_that_was_never_written_is_not_believed() {
    let body = Body::Apart { body: BodyId(1), length: u64::MAX };
    let cause = format!("a body of {} bytes is longer than any", u64::MAX);
    let malformed = || Unreadable::Malformed { cause: cause.clone() };
    let message = StoredMessage { body: body.clone(), ..message(None) };
    assert_eq!(decode_message(&encode_message(&message)), Err(malformed()));
    let work = Work { sends: vec![send(body)], ..Work::default() };
    assert_eq!(decode_work(&encode_work(&work)), Err(malformed()));
    assert_eq!(decode_branch(&encode_branch(Timestamp(5), &work)), Err(malformed()));
    assert_eq!(decode_staged_body(&encode_staged_body(u64::MAX)), Err(malformed()));
}

/// Reads the bytes as every kind of record there is.
fn read_all(bytes: &Bytes) {
    drop(decode_command(bytes));
    drop((decode_meta(bytes), decode_queue(QueueId(1), bytes), decode_counters(bytes), decode_status(bytes)));
    drop((decode_message(bytes), decode_message_key(bytes), decode_branch(bytes), decode_held(bytes)));
    drop((decode_work(bytes), decode_staged_body(bytes), decode_producer(bytes), decode_producer_result(bytes)));
}

#[test]
fn every_cut_and_every_flip_is_read_or_refused() {
    let commands = commands().into_iter().map(|(_, command)| encoded(&command));
    for bytes in commands.chain(stored().into_iter().map(|(_, bytes)| bytes)) {
        for length in 0..bytes.len() {
            read_all(&bytes.slice(..length));
        }
        for at in 0..bytes.len() * 8 {
            let mut flipped = bytes.to_vec();
            flipped[at / 8] ^= 1 << (at % 8);
            read_all(&Bytes::from(flipped));
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        read_all(&Bytes::from([&[VERSION], bytes.as_slice()].concat()));
    }
}
