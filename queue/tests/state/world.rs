//! A state over a store, as the machine drives it: one batch for each log entry.

use std::ops::ControlFlow;

use bytes::Bytes;
use handfast_protocol::{Bqual, Gtrid};
use handfast_protocol::{MessageId, Properties, QueueName, Timestamp, Xid};
use handfast_queue::state::State;
use handfast_queue::{
    Body, BodyId, Command, Done, MessageKey, OutgoingMessage, QueueId, QueueSettings, Refused, Status, StoredMessage,
    Work, decode_command, encode_command,
};
use handfast_store::{Family, MemStore, Overlay, Store};
use uuid::Uuid;

/// What a log entry holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    BeginEpoch,
    Commands(Vec<Command>),
}

#[derive(Debug, Clone)]
pub struct World {
    pub store: MemStore,
    pub state: State,
    pub now: Timestamp,
    pub log: Vec<(Timestamp, Entry)>,
    /// Collected by whoever wants to count them.
    pub answers: Vec<Result<Done, Refused>>,
}

impl World {
    /// An empty store, with its first epoch begun.
    pub fn new() -> World {
        let store = MemStore::default();
        let state = State::open(&store).unwrap();
        let mut world = World { store, state, now: Timestamp(1_000), log: Vec::new(), answers: Vec::new() };
        world.enter(Entry::BeginEpoch);
        world
    }

    /// Applies one log entry, and checks every invariant after it.
    pub fn enter(&mut self, entry: Entry) -> Vec<Result<Done, Refused>> {
        self.log.push((self.now, entry.clone()));
        let results = replay(&mut self.store, &mut self.state, self.now, entry);
        self.state.check_invariants(&self.store).unwrap_or_else(|violation| panic!("{violation}"));
        results
    }

    pub fn apply(&mut self, command: Command) -> Result<Done, Refused> {
        self.enter(Entry::Commands(vec![command])).remove(0)
    }

    pub fn create(&mut self, name: &str, settings: QueueSettings) -> QueueId {
        let name = QueueName::new(name).unwrap();
        match self.apply(Command::CreateQueue { name, settings, principal: String::new() }) {
            Ok(Done::Created(queue)) => queue,
            other => panic!("{other:?}"),
        }
    }

    pub fn queue(&mut self, name: &str) -> QueueId {
        self.create(name, QueueSettings::default())
    }

    pub fn send(&mut self, sends: Vec<OutgoingMessage>) -> Vec<MessageKey> {
        match self.apply(Command::Send { producer: None, sends }) {
            Ok(Done::Sent(keys)) => keys,
            other => panic!("{other:?}"),
        }
    }

    pub fn begin_epoch(&mut self) {
        self.enter(Entry::BeginEpoch);
    }

    /// What a reader finds in the queue, in order.
    pub fn messages(&self, queue: QueueId) -> Vec<(MessageKey, StoredMessage)> {
        let mut found = Vec::new();
        let mut visit = |key, message| {
            found.push((key, message));
            ControlFlow::Continue(())
        };
        self.state.scan(&self.store, queue, None, usize::MAX, usize::MAX, &mut visit).unwrap();
        found
    }

    pub fn keys(&self, queue: QueueId) -> Vec<MessageKey> {
        self.messages(queue).into_iter().map(|(key, _)| key).collect()
    }

    pub fn ordinals(&self, queue: QueueId) -> Vec<u64> {
        self.messages(queue).into_iter().map(|(_, message)| message.id.ordinal).collect()
    }

    pub fn status(&self, key: &MessageKey) -> Status {
        self.state.status(&self.store, key).unwrap()
    }

    pub fn body(&self, body: &Body) -> Bytes {
        match body {
            Body::Inline(bytes) => bytes.clone(),
            Body::Apart { body, .. } => {
                let part = |part| self.state.body_part(&self.store, *body, part).unwrap();
                (0..).map_while(part).flatten().collect::<Vec<u8>>().into()
            }
        }
    }
}

/// One log entry through the codec, the check, the overlay and into the store. What `check` says must be what `apply` does.
pub fn replay(store: &mut MemStore, state: &mut State, now: Timestamp, entry: Entry) -> Vec<Result<Done, Refused>> {
    let mut overlay = Overlay::new(store);
    let mut results = Vec::new();
    match entry {
        Entry::BeginEpoch => state.begin_epoch(&mut overlay, now).unwrap(),
        Entry::Commands(commands) => {
            for command in commands {
                let command = through_codec(&command);
                let checked = state.check(&overlay, &command).unwrap();
                let applied = state.apply(&mut overlay, now, command).unwrap();
                assert_eq!(checked, applied.clone().map(|_| ()));
                results.push(applied);
            }
        }
    }
    state.finish(&mut overlay);
    let batch = overlay.into_batch();
    store.write(batch).unwrap();
    results
}

fn through_codec(command: &Command) -> Command {
    let mut bytes = Vec::new();
    encode_command(command, &mut bytes);
    let decoded = decode_command(&Bytes::from(bytes)).unwrap();
    assert_eq!(&decoded, command);
    decoded
}

/// Every byte of a store.
pub fn dump(store: &MemStore) -> Vec<(Family, Vec<u8>, Vec<u8>)> {
    let mut all = Vec::new();
    for family in Family::ALL {
        let mut visit = |key: &[u8], value: &[u8]| {
            all.push((family, key.to_vec(), value.to_vec()));
            ControlFlow::Continue(())
        };
        store.scan(family, &[], &[], &mut visit).unwrap();
    }
    all
}

pub fn id(ordinal: u64) -> MessageId {
    MessageId { manager: Uuid::from_u128(7), ordinal }
}

pub fn xid(number: u8) -> Xid {
    Xid { format_id: 1, gtrid: Gtrid::new(vec![number]).unwrap(), bqual: Bqual::new("q").unwrap() }
}

pub fn message(queue: QueueId, ordinal: u64, body: Body) -> OutgoingMessage {
    OutgoingMessage { queue, id: id(ordinal), properties: Properties::default(), body, sent_at: Timestamp(900) }
}

pub fn small(queue: QueueId, ordinal: u64) -> OutgoingMessage {
    message(queue, ordinal, Body::Inline(Bytes::from_static(b"small")))
}

pub fn apart(queue: QueueId, ordinal: u64, body: u64, length: u64) -> OutgoingMessage {
    message(queue, ordinal, Body::Apart { body: BodyId(body), length })
}

pub fn sends(sends: Vec<OutgoingMessage>) -> Work {
    Work { sends, ..Work::default() }
}

pub fn receives(receives: Vec<MessageKey>) -> Work {
    Work { receives, ..Work::default() }
}
