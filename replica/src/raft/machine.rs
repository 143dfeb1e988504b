//! openraft's state machine over the shell's: entries in batches, each with its position.

use std::io;

use bytes::{Bytes, BytesMut};
use futures_util::future::BoxFuture;
use futures_util::{Stream, StreamExt};
use openraft::storage::{ApplyResponder, EntryResponder, RaftStateMachine};
use openraft::{OptionalSend, Snapshot};
use tokio::sync::{Mutex, watch};

use super::failure::FirstFailure;
use super::record::log_index;
use super::snapshot::{MarkBuilder, MarkOnly, MarkSnapshot, SnapshotError};
use super::type_config::{Entry, EntryPayload, LogId, Mark, Membership, Payload, StoredMembership, TypeConfig};
use crate::codec::{self, LogIdRecord, MembershipRecord, PositionRecord};
use crate::error::StateMachineError;
use crate::limits::{APPLY_BYTES_MAX, APPLY_ENTRIES_MAX};
use crate::state_machine::{Committed, StateMachine};

/// [`StateMachine`] without its type, so that a replica has none either. One box a batch.
trait Apply: Send {
    fn apply(&mut self, entries: Vec<Committed>) -> BoxFuture<'_, Result<(), StateMachineError>>;
}

impl<S: StateMachine> Apply for S {
    fn apply(&mut self, entries: Vec<Committed>) -> BoxFuture<'_, Result<(), StateMachineError>> {
        Box::pin(StateMachine::apply(self, entries))
    }
}

pub(crate) struct Machine {
    /// openraft wants `Sync` but only ever holds it by `&mut`: the lock is never taken.
    shell: Mutex<Box<dyn Apply>>,
    applied: Option<LogId>,
    membership_log_id: Option<LogId>,
    membership: Membership,
    mark: watch::Receiver<Option<Mark>>,
    failure: FirstFailure,
    /// Closed by being dropped, which tells [`Machine::end`].
    alive: watch::Sender<()>,
}

/// Resolves when the machine is dropped: nothing is applied any more.
#[derive(Clone)]
pub(crate) struct MachineEnd {
    alive: watch::Receiver<()>,
}

impl MachineEnd {
    pub(crate) async fn reached(mut self) {
        while self.alive.changed().await.is_ok() {}
    }
}

impl Machine {
    /// `mark` holds where the store stood when it was opened, which is where it was last flushed:
    /// the state machine starts there, and the first snapshot is that.
    pub(crate) fn new(shell: impl StateMachine, mark: watch::Receiver<Option<Mark>>, failure: FirstFailure) -> Self {
        let opened = mark.borrow().clone().unwrap_or_default();
        Machine {
            shell: Mutex::new(Box::new(shell)),
            applied: opened.last_log_id,
            membership_log_id: *opened.last_membership.log_id(),
            membership: opened.last_membership.membership().clone(),
            mark,
            failure,
            alive: watch::Sender::new(()),
        }
    }

    pub(crate) fn end(&self) -> MachineEnd {
        MachineEnd { alive: self.alive.subscribe() }
    }

    async fn apply_batch(&mut self, batch: &mut Batch) -> Result<(), io::Error> {
        if batch.entries.is_empty() {
            return Ok(());
        }
        batch.bytes = 0;
        let entries = std::mem::take(&mut batch.entries);
        let applied = self.shell.get_mut().apply(entries).await;
        applied.map_err(|error| self.failure.record(error))?;
        for responder in batch.responders.drain(..) {
            responder.send(());
        }
        Ok(())
    }
}

/// Entries on their way to the shell, with their positions cut from one buffer.
struct Batch {
    entries: Vec<Committed>,
    bytes: usize,
    positions: BytesMut,
    /// Of changes made through openraft itself (membership); a payload has none.
    responders: Vec<ApplyResponder<TypeConfig>>,
    /// The membership is encoded into each position; its log id and the entry's are replaced.
    position: PositionRecord,
}

impl Batch {
    fn new(machine: &Machine) -> Self {
        Batch {
            entries: Vec::new(),
            bytes: 0,
            positions: BytesMut::new(),
            responders: Vec::new(),
            position: PositionRecord {
                log_id: LogIdRecord { term: 0, index: 0 },
                membership_log_id: machine.membership_log_id.as_ref().map(LogIdRecord::from),
                membership: MembershipRecord::from(&machine.membership),
            },
        }
    }

    fn is_full(&self) -> bool {
        self.entries.len() >= APPLY_ENTRIES_MAX || self.bytes >= APPLY_BYTES_MAX
    }

    fn push(&mut self, log_id: &LogId, payload: Option<Bytes>) {
        self.position.log_id = LogIdRecord::from(log_id);
        codec::encode_position(&mut self.positions, &self.position);
        let position = self.positions.split().freeze();
        self.bytes += payload.as_ref().map_or(0, Bytes::len);
        self.entries.push(Committed { index: log_index(log_id.index), position, payload });
    }
}

impl RaftStateMachine<TypeConfig> for Machine {
    type SnapshotData = MarkOnly;
    type SnapshotBuilder = MarkBuilder;

    async fn applied_state(&mut self) -> Result<(Option<LogId>, StoredMembership), io::Error> {
        let membership = StoredMembership::new(self.membership_log_id, self.membership.clone());
        Ok((self.applied, membership))
    }

    async fn apply<S>(&mut self, mut entries: S) -> Result<(), io::Error>
    where
        S: Stream<Item = Result<EntryResponder<TypeConfig>, io::Error>> + Unpin + OptionalSend,
    {
        let mut batch = Batch::new(self);
        while let Some(item) = entries.next().await {
            let (Entry { log_id, payload }, responder) = item?;
            let payload = match payload {
                EntryPayload::Blank => None,
                EntryPayload::Normal(Payload(bytes)) => Some(bytes),
                EntryPayload::Membership(membership) => {
                    batch.position.membership = MembershipRecord::from(&membership);
                    batch.position.membership_log_id = Some(LogIdRecord::from(&log_id));
                    self.membership = membership;
                    self.membership_log_id = Some(log_id);
                    None
                }
            };
            batch.push(&log_id, payload);
            self.applied = Some(log_id);
            batch.responders.extend(responder);
            if batch.is_full() {
                self.apply_batch(&mut batch).await?;
            }
        }
        self.apply_batch(&mut batch).await
    }

    async fn try_create_snapshot_builder(&mut self, force: bool) -> Option<MarkBuilder> {
        let mark = self.mark.borrow().clone();
        (mark.is_some() || force).then_some(MarkBuilder { mark })
    }

    async fn get_snapshot_builder(&mut self) -> MarkBuilder {
        MarkBuilder { mark: self.mark.borrow().clone() }
    }

    async fn install_snapshot(&mut self, _meta: &Mark, _data: MarkOnly) -> Result<(), io::Error> {
        Err(io::Error::other(SnapshotError::InstallUnsupported))
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<MarkSnapshot>, io::Error> {
        let mark = self.mark.borrow().clone();
        Ok(mark.map(|meta| Snapshot { meta, snapshot: MarkOnly }))
    }
}
