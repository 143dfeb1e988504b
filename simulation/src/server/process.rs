//! One life of a server: the node, the log, and what is between them. The order of things is that of the real server: the core
//! thread steps the node and proposes, the log's thread writes all that waits and syncs it once, what is synced is committed
//! and comes back to the node, and an answer leaves only then.

use std::collections::BTreeMap;

use bytes::{BufMut, Bytes, BytesMut};
use handfast_log::disk::{Cause, SimulatedDisk};
use handfast_log::{Log, LogError, LogOptions, OpenError, Record};
use handfast_machine::{Action, Answer, ConnectionId, Entry, Event, Node, Refusal, Request, RequestId};
use handfast_protocol::{Incarnation, Timestamp, Xid};
use handfast_queue::manager;
use handfast_store::Store;
use uuid::Uuid;

use super::{Chore, Effect, Failure, FlushedStore, Waiter};
use crate::plan::{Mutant, Sizes};

/// An entry of the log's own has no payload.
type Payload = Option<Bytes>;

pub struct Process {
    node: Node<FlushedStore>,
    store: FlushedStore,
    log: Log<SimulatedDisk>,
    /// Where the last batch begins; and entries below this are below a synced position that is durable itself (P28).
    batch_first: u64,
    settled_end: u64,
    life: u64,
    manager_id: Uuid,
    incarnation: Incarnation,
    /// Counts the leaderships of this life.
    leads: u128,
    mutant: Mutant,
    sizes: Sizes,
    /// Waiting for the log's thread.
    proposed: Vec<Payload>,
    /// Proposed in an ended epoch, and written after so many appends.
    stale: Vec<Payload>,
    appends_before_stale: u32,
    purge: Option<u64>,
    /// Written, not synced.
    written: Vec<Entry>,
    /// Synced, not applied.
    committed: Vec<Entry>,
    /// Written, not synced; and synced, for whoever watches.
    unsynced: Vec<Entry>,
    durable: Vec<Entry>,
    log_is_busy: bool,
    apply_is_due: bool,
    flush_is_due: bool,
    unflushed: u64,
    waiters: BTreeMap<RequestId, Waiter>,
    last_request: u64,
    actions: Vec<Action>,
    /// Entries that the start replayed.
    pub replayed: usize,
    /// The prepared branches that the start found in the store.
    pub stored_branches: Vec<Xid>,
    /// The log's segment, once something was appended to it; and how often it changed while a branch was prepared.
    segment: Option<u64>,
    pub rolled_while_prepared: u64,
}

/// What a start needs beside the disk and the store.
#[derive(Debug, Clone, Copy)]
pub struct Start {
    pub now: Timestamp,
    /// Counts the starts of this server.
    pub life: u64,
    pub manager_id: Uuid,
    pub incarnation: Incarnation,
    pub mutant: Mutant,
    pub sizes: Sizes,
}

impl Process {
    /// Recovers: opens the log, then the store, replays what the store lacks, and asks to lead.
    pub fn start(disk: &SimulatedDisk, store: &FlushedStore, start: Start) -> Result<Process, Failure> {
        let sizes = start.sizes;
        let options =
            LogOptions { segment_bytes: sizes.segment, cache_bytes: sizes.log_cache as usize, salt: start.life };
        let log = Log::open(disk.clone(), options).map_err(open_failure)?;
        let node = Node::open(store.clone()).map_err(|fatal| Failure::Broken(fatal.to_string()))?;
        let node = node.with_sizes(node_sizes(sizes));
        let stored_branches = node.state().queue.branches().cloned().collect();
        let mut process = Process {
            node,
            store: store.clone(),
            batch_first: log.last_index() + 1,
            settled_end: log.last_index() + 1,
            log,
            life: start.life,
            manager_id: start.manager_id,
            incarnation: start.incarnation,
            leads: 0,
            mutant: start.mutant,
            sizes,
            proposed: Vec::new(),
            stale: Vec::new(),
            appends_before_stale: 0,
            purge: None,
            written: Vec::new(),
            committed: Vec::new(),
            unsynced: Vec::new(),
            durable: Vec::new(),
            log_is_busy: false,
            apply_is_due: false,
            flush_is_due: false,
            unflushed: 0,
            waiters: BTreeMap::new(),
            last_request: 0,
            actions: Vec::new(),
            replayed: 0,
            stored_branches,
            segment: None,
            rolled_while_prepared: 0,
        };
        process.replay(start.now)?;
        // A new term begins with an entry of the log's own; then this member asks to lead.
        process.proposed.push(None);
        process.lead(start.now)?;
        Ok(process)
    }

    fn replay(&mut self, now: Timestamp) -> Result<(), Failure> {
        let position = self.node.state().position().map_or(Ok(0), index_of)?;
        let (first, last) = (self.log.first_index(), self.log.last_index());
        if last < position {
            return Err(Failure::Broken(format!("the store holds entry {position}, the log ends at {last}")));
        }
        if first > position + 1 {
            return Err(Failure::Broken(format!("the store ends at entry {position}, the log begins at {first}")));
        }
        let mut next = if self.mutant == Mutant::AppliesTwice { first } else { position + 1 };
        while next <= last && self.mutant != Mutant::SkipsReplay {
            let read = self.log.read(next..last + 1, self.sizes.replay as usize).map_err(log_failure)?;
            let entries: Vec<Entry> = read.iter().map(|(index, stored)| entry(*index, stored)).collect();
            next += entries.len() as u64;
            self.replayed += entries.len();
            self.durable.extend(entries.iter().cloned());
            self.step(now, Event::Committed { entries })?;
        }
        Ok(())
    }

    pub fn request(
        &mut self,
        now: Timestamp,
        connection: ConnectionId,
        ask: Request,
        waiter: Waiter,
    ) -> Result<(), Failure> {
        self.last_request += 1;
        let request = RequestId(self.last_request);
        self.waiters.insert(request, waiter);
        self.step(now, Event::Request { request, connection, ask })
    }

    pub fn step(&mut self, now: Timestamp, event: Event) -> Result<(), Failure> {
        let stepped = self.node.step(now, event, &mut self.actions);
        stepped.map_err(|fatal| Failure::Broken(fatal.to_string()))?;
        self.node.flush(now, &mut self.actions);
        Ok(())
    }

    /// Its leadership ends, and it asks to lead again. What it has proposed and not written comes before its new epoch, or, as
    /// if somebody had proposed it again, long after it (P2).
    pub fn lead_again(&mut self, now: Timestamp, late: bool) -> Result<(), Failure> {
        if late {
            self.stale.append(&mut self.proposed);
            self.appends_before_stale = APPENDS_BEFORE_STALE;
        }
        self.lead(now)
    }

    fn lead(&mut self, now: Timestamp) -> Result<(), Failure> {
        self.leads += 1;
        let leadership = Uuid::from_u128(u128::from(self.life) << 64 | self.leads);
        self.step(now, Event::Lead { leadership, manager_id: self.manager_id, incarnation: self.incarnation })
    }

    /// An entry that is below what the log knows to be synced, and its bytes: long enough to be found again.
    pub fn settled_entry(&self, draw: u64) -> Option<Bytes> {
        let (first, end) = (self.log.first_index(), self.settled_end);
        let index = first + draw % end.checked_sub(first).filter(|count| *count > 0)?;
        let read = self.log.read(index..index + 1, self.sizes.replay as usize).ok()?;
        read.into_iter().next().map(|(_, stored)| stored).filter(|stored| stored.len() >= FINDABLE_BYTES)
    }

    /// The oldest entry that the log has not let go.
    pub fn first_index(&self) -> u64 {
        self.log.first_index()
    }

    /// The start cut a torn batch from the log's end.
    pub fn cut_torn_tail(&self) -> bool {
        self.log.was_torn()
    }

    pub fn next_tick(&self) -> Option<Timestamp> {
        self.node.next_tick()
    }

    pub fn node(&self) -> &Node<FlushedStore> {
        &self.node
    }

    /// What has become durable since the last look: by a sync, or found so by the start.
    pub fn take_durable(&mut self) -> Vec<Entry> {
        std::mem::take(&mut self.durable)
    }

    /// Transactions that its coordinator has not let go, or branches that are prepared here, if those are more.
    pub fn in_doubt(&self) -> u64 {
        in_doubt(self.node.state())
    }

    /// Something is written, and not synced: it may be there after a crash.
    pub fn has_unsynced(&self) -> bool {
        !self.unsynced.is_empty()
    }

    /// The last entry that is in the state.
    pub fn applied(&self) -> u64 {
        self.node.state().position().and_then(|position| index_of(position).ok()).unwrap_or_default()
    }

    /// Something is committed and not applied.
    pub fn is_behind(&self) -> bool {
        !self.committed.is_empty()
    }

    /// Whom its end leaves without an answer.
    pub fn waiters(&self) -> impl Iterator<Item = &Waiter> {
        self.waiters.values()
    }

    /// What it wants done outside, and what has become possible inside.
    pub fn take_effects(&mut self) -> Vec<Effect> {
        let mut effects = Vec::new();
        for action in std::mem::take(&mut self.actions) {
            match action {
                Action::Propose(entry) => self.proposed.push(Some(entry)),
                Action::Answer { request, answer } => effects.push(self.answer(request, answer)),
                Action::Call { call, resource, ask } => effects.push(Effect::Call { call, resource, ask }),
                Action::Barrier { barrier } => effects.push(Effect::Barrier { barrier }),
            }
        }
        let has_work = !self.proposed.is_empty() || self.purge.is_some();
        if has_work && !self.log_is_busy {
            self.log_is_busy = true;
            effects.push(Effect::Chore(Chore::Append));
        }
        if !self.committed.is_empty() && !self.apply_is_due {
            self.apply_is_due = true;
            effects.push(Effect::Chore(Chore::Apply));
        }
        if self.unflushed >= self.sizes.flush_every && !self.flush_is_due {
            self.flush_is_due = true;
            effects.push(Effect::Chore(Chore::FlushStore));
        }
        effects
    }

    fn answer(&mut self, request: RequestId, answer: Result<Answer, Refusal>) -> Effect {
        let waiter = self.waiters.remove(&request).expect("every request is answered once");
        Effect::Answer { waiter, answer }
    }

    /// Does one thing; the next one that this makes possible, if it belongs to the same thread.
    pub fn carry_out(&mut self, now: Timestamp, chore: Chore) -> Result<Option<Chore>, Failure> {
        match chore {
            Chore::Append => {
                self.append()?;
                // The mistake's log is synced after what it holds was answered.
                let answers_first = self.mutant == Mutant::AnswersBeforeSync && !self.committed.is_empty();
                Ok((!answers_first).then_some(Chore::Sync))
            }
            Chore::Sync => self.sync().map(|()| None),
            Chore::Apply => {
                self.apply(now)?;
                Ok((self.mutant == Mutant::AnswersBeforeSync).then_some(Chore::Sync))
            }
            Chore::FlushStore => self.flush_store().map(|()| None),
        }
    }

    fn append(&mut self) -> Result<(), Failure> {
        let mut records = Vec::new();
        self.appends_before_stale = self.appends_before_stale.saturating_sub(1);
        if self.appends_before_stale == 0 {
            self.proposed.append(&mut self.stale);
        }
        self.batch_first = self.log.last_index() + 1;
        for (index, payload) in (self.log.last_index() + 1..).zip(std::mem::take(&mut self.proposed)) {
            let stored = stored(&payload);
            self.written.push(Entry { index, position: position(index), payload });
            records.push(Record::Entry { index, payload: stored });
        }
        if let Some(index) = self.purge.take() {
            records.push(Record::Purge { index, payload: position(index) });
        }
        // Of an append that fails some may be there.
        self.unsynced.extend(self.written.iter().cloned());
        let position = self.log.append(&records).map_err(log_failure)?;
        let before = self.segment.replace(position.segment);
        if before.is_some_and(|before| before != position.segment) {
            self.rolled_while_prepared += u64::from(self.node.state().queue.branches().next().is_some());
        }
        if self.mutant == Mutant::AnswersBeforeSync {
            self.committed.append(&mut self.written);
        }
        Ok(())
    }

    fn sync(&mut self) -> Result<(), Failure> {
        self.log.sync().map_err(log_failure)?;
        self.durable.append(&mut self.unsynced);
        self.settled_end = self.batch_first;
        self.committed.append(&mut self.written);
        self.log_is_busy = false;
        Ok(())
    }

    fn apply(&mut self, now: Timestamp) -> Result<(), Failure> {
        let entries = std::mem::take(&mut self.committed);
        self.apply_is_due = false;
        self.unflushed += entries.len() as u64;
        if self.mutant == Mutant::PurgesBeforeFlush && self.unflushed >= self.sizes.flush_every {
            self.purge = entries.last().map(|entry| entry.index);
            self.unflushed = 0;
        }
        self.step(now, Event::Committed { entries })
    }

    /// The position is taken first: everything up to it is in the store before the flush begins. Only then may the log let go
    /// of what is below (D1).
    fn flush_store(&mut self) -> Result<(), Failure> {
        let flushed = self.node.state().position().map_or(Ok(0), index_of)?;
        self.store.flush().map_err(|error| Failure::Broken(error.to_string()))?;
        self.purge = Some(flushed);
        self.flush_is_due = false;
        self.unflushed = 0;
        Ok(())
    }
}

/// See [`Process::in_doubt`].
pub fn in_doubt(state: &handfast_machine::State) -> u64 {
    (state.coordinator.transactions().len() as u64).max(state.queue.branches().count() as u64)
}

fn node_sizes(sizes: Sizes) -> handfast_machine::Sizes {
    let queues = manager::Sizes {
        ready_keys_max: sizes.ready as usize,
        ready_bytes_max: sizes.ready_bytes as usize,
        delayed_keys_max: sizes.delayed as usize,
        work_bytes_max: sizes.work as usize,
        ..manager::Sizes::default()
    };
    handfast_machine::Sizes { queues, batch_bytes: sizes.batch as usize, entries_in_flight_max: sizes.window as usize }
}

/// Long enough for a client to ask what became of its transaction.
const APPENDS_BEFORE_STALE: u32 = 4;

/// So many bytes of an entry are nowhere else.
const FINDABLE_BYTES: usize = 24;

const BLANK: u8 = 0;
const NORMAL: u8 = 1;

fn stored(payload: &Payload) -> Bytes {
    match payload {
        None => Bytes::from_static(&[BLANK]),
        Some(payload) => {
            let mut stored = BytesMut::with_capacity(1 + payload.len());
            stored.put_u8(NORMAL);
            stored.extend_from_slice(payload);
            stored.freeze()
        }
    }
}

fn entry(index: u64, stored: &Bytes) -> Entry {
    let payload = (stored.first() == Some(&NORMAL)).then(|| stored.slice(1..));
    Entry { index, position: position(index), payload }
}

fn position(index: u64) -> Bytes {
    Bytes::copy_from_slice(&index.to_be_bytes())
}

fn index_of(position: &Bytes) -> Result<u64, Failure> {
    let bytes = position.as_ref().try_into();
    bytes.map(u64::from_be_bytes).map_err(|_| Failure::Broken(format!("the store's position is {position:02x?}")))
}

fn open_failure(error: OpenError) -> Failure {
    match error {
        OpenError::Disk(error) => disk_failure(error.cause),
        error => Failure::Broken(format!("the log does not open: {error}")),
    }
}

fn log_failure(error: LogError) -> Failure {
    match error {
        LogError::Disk(error) | LogError::Read(error) => disk_failure(error.cause),
        LogError::NoSpace { .. } => Failure::Poisoned,
        error => Failure::Broken(error.to_string()),
    }
}

fn disk_failure(cause: Cause) -> Failure {
    if cause == Cause::Crashed { Failure::Halted } else { Failure::Poisoned }
}
