//! The durable state: queues and transactions, changed only by log entries.

use bytes::Bytes;
use handfast_coordinator_core as coordinator;
use handfast_mutants::{Mutant, is};
use handfast_protocol::{Bqual, GlobalId, Incarnation, Outcome, Timestamp, Xid};
use handfast_queue as queue;
use handfast_queue::MessageKey;
use handfast_store::{Family, Overlay, Store, StoreError};
use uuid::Uuid;

use crate::codec::{decode_batch_knowing, decode_identity, encode_identity};
use crate::command::{Applied, Batch, Command};
use crate::limits::FEATURE_LEVEL;
use crate::node::{Entry, Fatal};
use crate::visitors::Visitors;

/// The machine's own keys in `Family::State`; the cores' begin with other bytes.
const IDENTITY_KEY: &[u8] = &[0xF0];
const POSITION_KEY: &[u8] = &[0xF1];

/// The xid of a transaction's branch at the queue manager that lives in the coordinator's own log. Its bqual can be no
/// resource's name.
pub fn local_branch(id: GlobalId) -> Xid {
    id.branch(Bqual::new(&b"\0"[..]).expect("one byte is below the limit"))
}

/// Who this queue manager is, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Identity {
    pub manager_id: Uuid,
    pub incarnation: Incarnation,
    /// 0 before the first leadership.
    pub epoch: u64,
    /// The latest time any entry carried (P4).
    pub now: Timestamp,
    /// What every member can apply (P31).
    pub level: u16,
}

/// A program never applies what it may not understand (P31).
fn check_level(level: u16) -> Result<(), Fatal> {
    if level > FEATURE_LEVEL { Err(Fatal::Newer { level }) } else { Ok(()) }
}

/// Queue state and coordinator state, with the position of the last entry that is in them.
#[derive(Debug)]
pub struct State {
    pub queue: queue::state::State,
    pub coordinator: coordinator::state::State,
    pub(crate) identity: Option<Identity>,
    pub(crate) visitors: Visitors,
    position: Option<Bytes>,
}

/// What one entry did, as its proposer knows it again. Empty if it was judged in another epoch (P2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppliedBatch {
    pub epoch: u64,
    pub number: u64,
    pub results: Vec<Applied>,
}

impl State {
    /// The state as the store holds it.
    pub fn open(store: &dyn Store) -> Result<State, Fatal> {
        let identity = match store.get(Family::State, IDENTITY_KEY)? {
            Some(bytes) => Some(decode_identity(&bytes).map_err(|cause| unreadable("identity", IDENTITY_KEY, &cause))?),
            None => None,
        };
        check_level(identity.map_or(0, |identity| identity.level))?;
        Ok(State {
            queue: queue::state::State::open(store)?,
            coordinator: coordinator::state::State::open(store)?,
            identity,
            visitors: Visitors::open(store)?,
            position: store.get(Family::State, POSITION_KEY)?,
        })
    }

    /// The position of the last entry that is in the store, as the log gave it.
    pub fn position(&self) -> Option<&Bytes> {
        self.position.as_ref()
    }

    /// The id of the queue manager and its coordinator; `None` before the first leadership.
    pub fn manager_id(&self) -> Option<Uuid> {
        self.identity.map(|identity| identity.manager_id)
    }

    pub fn epoch(&self) -> u64 {
        self.identity.map_or(0, |identity| identity.epoch)
    }

    /// Applies committed entries, in order, as one atomic write.
    pub fn apply(&mut self, store: &mut dyn Store, entries: Vec<Entry>) -> Result<Vec<AppliedBatch>, Fatal> {
        self.apply_knowing(store, entries, &mut |_, _| None)
    }

    /// The same where the commands of some entries are known, by their epoch and number: those need not be decoded.
    pub(crate) fn apply_knowing(
        &mut self,
        store: &mut dyn Store,
        entries: Vec<Entry>,
        known: &mut dyn FnMut(u64, u64) -> Option<Vec<Command>>,
    ) -> Result<Vec<AppliedBatch>, Fatal> {
        let Some(last) = entries.last().map(|entry| entry.position.clone()) else { return Ok(Vec::new()) };
        let mut applied = Vec::with_capacity(entries.len());
        let mut overlay = Overlay::new(store);
        for entry in entries {
            let Some(payload) = entry.payload else { continue };
            let batch = decode_batch_knowing(&payload, &mut *known);
            let batch = batch.map_err(|cause| Fatal::Entry { index: entry.index, cause })?;
            applied.push(self.apply_batch(&mut overlay, batch)?);
        }
        self.queue.finish(&mut overlay);
        if let Some(identity) = &self.identity {
            overlay.put(Family::State, IDENTITY_KEY, encode_identity(identity));
        }
        overlay.put(Family::State, POSITION_KEY, last.clone());
        let writes = overlay.into_batch();
        store.write(writes)?;
        self.position = Some(last);
        Ok(applied)
    }

    fn apply_batch(&mut self, overlay: &mut Overlay<'_>, batch: Batch) -> Result<AppliedBatch, Fatal> {
        let Batch { epoch, now, number, commands } = batch;
        let begins = matches!(commands.as_slice(), [Command::BeginEpoch { .. }]);
        let mut applied = AppliedBatch { epoch, number, results: Vec::with_capacity(commands.len()) };
        // Judged in another epoch: without effect, and whoever proposed it is no longer there to be told (P2).
        if !begins && epoch != self.epoch() && !is(Mutant::AppliesStaleEpochs) {
            return Ok(applied);
        }
        let now = self.identity.map_or(now, |identity| identity.now.max(now));
        if let Some(identity) = &mut self.identity {
            identity.now = now;
        }
        for command in commands {
            applied.results.push(self.apply_command(overlay, now, command)?);
        }
        Ok(applied)
    }

    fn apply_command(&mut self, overlay: &mut Overlay<'_>, now: Timestamp, command: Command) -> Result<Applied, Fatal> {
        Ok(match command {
            Command::BeginEpoch { leadership, manager_id, incarnation, level } => {
                check_level(level)?;
                let level = self.identity.map_or(level, |identity| identity.level.max(level));
                self.begin_epoch(overlay, Identity { manager_id, incarnation, epoch: self.epoch() + 1, now, level })?;
                Applied::Epoch { leadership }
            }
            Command::Queue(command) => Applied::Queue(self.queue.apply(overlay, now, command)?),
            Command::Coordinator(command) => self.apply_coordinator(overlay, now, command)?,
            Command::Together { queue, coordinator } => self.apply_together(overlay, now, queue, coordinator)?,
            Command::Attach { visitor, approach } => Applied::Attach(self.visitors.attach(overlay, visitor, approach)),
        })
    }

    /// The first id that was given to the queue manager stays.
    fn begin_epoch(&mut self, overlay: &mut Overlay<'_>, given: Identity) -> Result<(), StoreError> {
        let identity = Identity { manager_id: self.manager_id().unwrap_or(given.manager_id), ..given };
        self.identity = Some(identity);
        self.queue.begin_epoch(overlay, identity.now)?;
        self.coordinator.begin_epoch(overlay, identity.coordinator())
    }

    /// The local branch follows its transaction in the same entry: it ends as a delegated transaction is concluded, and its
    /// held sends are released when the last branch has acknowledged (P10).
    fn apply_coordinator(
        &mut self,
        overlay: &mut Overlay<'_>,
        now: Timestamp,
        command: coordinator::Command,
    ) -> Result<Applied, StoreError> {
        let id = transaction_of(&command);
        let result = self.coordinator.apply(overlay, now, command)?;
        let mut freed = Vec::new();
        if let (Some(id), Ok(done)) = (id, &result)
            && let Some(follow) = self.local_consequence(id, done)
        {
            freed = self.follow(overlay, now, id, follow)?;
        }
        Ok(Applied::Coordinator { result, freed })
    }

    /// Ends the local branch with its transaction. The messages that others may look at again.
    fn follow(
        &mut self,
        overlay: &mut Overlay<'_>,
        now: Timestamp,
        id: GlobalId,
        command: queue::Command,
    ) -> Result<Vec<MessageKey>, StoreError> {
        let held_back = matches!(command, queue::Command::CommitPrepared { hold: true, .. });
        let branch = self.queue.branch(&local_branch(id));
        let mut freed = branch.map_or_else(Vec::new, |branch| branch.receives.clone());
        match self.queue.apply(overlay, now, command)? {
            Ok(queue::Done::Committed(places)) if !held_back => freed.extend(places),
            Ok(queue::Done::Committed(_)) => {}
            Ok(queue::Done::RolledBack(keys) | queue::Done::Released(keys)) => freed.extend(keys),
            other => unreachable!("phase two of a prepared branch cannot fail (P18): {other:?}"),
        }
        Ok(freed)
    }

    fn local_consequence(&self, id: GlobalId, done: &coordinator::Done) -> Option<queue::Command> {
        let xid = local_branch(id);
        let prepared = self.queue.is_prepared(&xid);
        match done {
            coordinator::Done::Recorded => None,
            coordinator::Done::Decided(Outcome::Committed) if prepared => {
                let hold = self.coordinator.has_open_branches(id);
                Some(queue::Command::CommitPrepared { xid, hold })
            }
            coordinator::Done::Decided(Outcome::RolledBack) if prepared => {
                Some(queue::Command::RollbackPrepared { xid })
            }
            coordinator::Done::Decided(_) => None,
            coordinator::Done::Ended(_) => Some(queue::Command::Release { xid }),
        }
    }

    fn apply_together(
        &mut self,
        overlay: &mut Overlay<'_>,
        now: Timestamp,
        queue: queue::Command,
        coordinator: coordinator::Command,
    ) -> Result<Applied, StoreError> {
        if let Err(refused) = self.coordinator.check(overlay, &coordinator)? {
            return Ok(Applied::Together { queue: Err(queue::Refused::Conflict), coordinator: Err(refused) });
        }
        let id = transaction_of(&coordinator);
        let queue = self.queue.apply(overlay, now, queue)?;
        let coordinator = match (&queue, id) {
            (Err(_), Some(id)) => Err(coordinator::Refused::LocalBranch { id }),
            // The queues' half changed nothing that the check above looked at.
            _ => Ok(self.coordinator.carry_out(overlay, now, coordinator)?),
        };
        assert_eq!(
            queue.is_ok(),
            coordinator.is_ok(),
            "both halves of a one-log command take effect or neither does (P17)"
        );
        Ok(Applied::Together { queue, coordinator })
    }
}

fn transaction_of(command: &coordinator::Command) -> Option<GlobalId> {
    use coordinator::Command;
    match command {
        Command::Delegate { id, .. }
        | Command::Decide { id, .. }
        | Command::Conclude { id, .. }
        | Command::Acknowledge { id, .. }
        | Command::Forget { id } => Some(*id),
        Command::AddResource { .. }
        | Command::RemoveResource { .. }
        | Command::ForgetOutcomes { .. }
        | Command::MarkersCleared { .. } => None,
    }
}

pub(crate) fn unreadable(what: &'static str, key: &[u8], cause: &dyn std::fmt::Display) -> StoreError {
    StoreError::Unreadable { what, key: format!("{key:02x?}"), cause: cause.to_string() }
}
