//! The mirror of prepared branches and held sends: who holds which message, and which queues are in doubt.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use handfast_protocol::{Timestamp, Xid};
use handfast_store::{Overlay, StoreError};

use super::keys::{Key, KeyKind};
use super::records;
use crate::codec::{self, BranchRecord, Run};
use crate::{MessageKey, OutgoingMessage, QueueId, StageId, Work};

/// A prepared branch: durable, and in doubt until phase two (D6: it has no timeout).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Branch {
    pub prepared_at: Timestamp,
    /// Locked until phase two.
    pub receives: Vec<MessageKey>,
    /// How many messages it sends.
    pub sends: u64,
    /// Bodies and properties of its sends.
    pub bytes: u64,
    pub(super) stage: Option<StageId>,
    /// The queues it sends to: none of them can be deleted, so that its commit cannot fail.
    targets: BTreeSet<QueueId>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Branches {
    prepared: BTreeMap<Xid, Branch>,
    /// Invariant: exactly the receives of all prepared branches.
    locks: BTreeMap<MessageKey, Xid>,
    /// Invariant: for each queue, exactly the prepared branches that send to it.
    senders: BTreeMap<QueueId, BTreeSet<Xid>>,
    /// Invariant: exactly the stages of all prepared branches.
    stages: BTreeSet<StageId>,
    /// The runs of committed sends that wait for their release, by their first message (P10).
    held: BTreeMap<MessageKey, (u64, Xid)>,
    /// Invariant: exactly the runs in `held`.
    holders: BTreeMap<Xid, Vec<Run>>,
    /// Invariant: per queue, its locks and held messages; no zeros.
    in_doubt: BTreeMap<QueueId, u64>,
}

impl Branch {
    /// What is known of a branch from its work: stage parts first, then the work of its prepare.
    pub(super) fn new(prepared_at: Timestamp, stage: Option<StageId>, work: &[Work]) -> Branch {
        let sends = || work.iter().flat_map(|part| &part.sends);
        Branch {
            prepared_at,
            receives: work.iter().flat_map(|part| part.receives.iter().copied()).collect(),
            sends: sends().count() as u64,
            bytes: sends().map(OutgoingMessage::size).sum(),
            stage,
            targets: sends().map(|send| send.queue).collect(),
        }
    }

    pub(super) fn targets(&self) -> &BTreeSet<QueueId> {
        &self.targets
    }
}

impl Branches {
    /// `parts` reads the staged work that a branch owns.
    pub(super) fn open(
        overlay: &Overlay<'_>,
        parts: impl Fn(StageId) -> Result<Vec<Work>, StoreError>,
    ) -> Result<Branches, StoreError> {
        let mut branches = Branches::default();
        for (key, value) in records::all(overlay, KeyKind::Branch)? {
            let BranchRecord { prepared_at, work } =
                codec::decode_branch(&value).map_err(|cause| records::unreadable(&key, &cause))?;
            let Key::Branch(xid) = key else { unreachable!("the range holds only keys of its kind") };
            let stage = work.stage;
            let mut all = stage.map(&parts).transpose()?.unwrap_or_default();
            all.push(work);
            branches.prepare(xid, Branch::new(prepared_at, stage, &all));
        }
        for (key, value) in records::all(overlay, KeyKind::Held)? {
            let runs = codec::decode_held(&value).map_err(|cause| records::unreadable(&key, &cause))?;
            let Key::Held(xid) = key else { unreachable!("the range holds only keys of its kind") };
            branches.add_held(&xid, runs);
        }
        Ok(branches)
    }

    pub(super) fn get(&self, xid: &Xid) -> Option<&Branch> {
        self.prepared.get(xid)
    }

    pub(super) fn prepared(&self) -> impl Iterator<Item = (&Xid, &Branch)> {
        self.prepared.iter()
    }

    pub(super) fn prepared_after(&self, after: Option<&Xid>) -> impl Iterator<Item = &Xid> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.prepared.range::<Xid, _>((start, Bound::Unbounded)).map(|(xid, _)| xid)
    }

    pub(super) fn holds(&self, xid: &Xid) -> bool {
        self.holders.contains_key(xid)
    }

    pub(super) fn holders(&self) -> impl Iterator<Item = &Xid> {
        self.holders.keys()
    }

    /// Every held message, with the branch that waits for its release.
    pub(super) fn held(&self) -> impl Iterator<Item = (&Xid, MessageKey)> {
        self.holders.iter().flat_map(|(xid, runs)| keys_of(runs).into_iter().map(move |key| (xid, key)))
    }

    /// The prepared branch that received the message, or the one whose held send it is.
    pub(super) fn holder(&self, key: &MessageKey) -> Option<&Xid> {
        if let Some(xid) = self.locks.get(key) {
            return Some(xid);
        }
        let (first, (count, xid)) = self.held.range(..=key).next_back()?;
        let same_band = first.queue == key.queue && first.band == key.band;
        (same_band && key.sequence - first.sequence < *count).then_some(xid)
    }

    pub(super) fn in_doubt_on(&self, queue: QueueId) -> u64 {
        self.in_doubt.get(&queue).copied().unwrap_or(0)
    }

    /// A branch that keeps `queue` from being deleted: it received from it, sends to it, or holds sends in it.
    pub(super) fn in_the_way_of(&self, queue: QueueId) -> Option<&Xid> {
        let first = MessageKey { queue, band: 0, sequence: 0 };
        let locker = self.locks.range(first..).next().filter(|(key, _)| key.queue == queue).map(|(_, xid)| xid);
        let holder = || self.held.range(first..).next().filter(|(key, _)| key.queue == queue).map(|(_, (_, xid))| xid);
        locker.or_else(holder).or_else(|| self.senders.get(&queue)?.first())
    }

    /// The caller has judged that the xid is free and that nobody holds its receives.
    pub(super) fn prepare(&mut self, xid: Xid, branch: Branch) {
        for key in &branch.receives {
            let before = self.locks.insert(*key, xid.clone());
            assert!(before.is_none(), "a message has one holder");
            *self.in_doubt.entry(key.queue).or_default() += 1;
        }
        for queue in &branch.targets {
            self.senders.entry(*queue).or_default().insert(xid.clone());
        }
        self.stages.extend(branch.stage);
        let before = self.prepared.insert(xid, branch);
        assert!(before.is_none(), "an xid is prepared once");
    }

    /// A stage that a prepared branch names is its own, until phase two.
    pub(super) fn owns(&self, stage: StageId) -> bool {
        self.stages.contains(&stage)
    }

    /// Ends a prepared branch: phase two follows.
    pub(super) fn end(&mut self, xid: &Xid) -> Option<Branch> {
        let branch = self.prepared.remove(xid)?;
        if let Some(stage) = branch.stage {
            self.stages.remove(&stage);
        }
        for key in &branch.receives {
            self.locks.remove(key);
            self.clear_doubt(key.queue, 1);
        }
        for queue in &branch.targets {
            if let Some(senders) = self.senders.get_mut(queue) {
                senders.remove(xid);
                if senders.is_empty() {
                    self.senders.remove(queue);
                }
            }
        }
        Some(branch)
    }

    /// `keys` stay locked until their release (P10).
    pub(super) fn hold(&mut self, overlay: &mut Overlay<'_>, xid: &Xid, keys: &[MessageKey]) {
        if keys.is_empty() {
            return;
        }
        let mut sorted = keys.to_vec();
        sorted.sort_unstable();
        self.add_held(xid, runs_of(&sorted));
        records::put(overlay, &Key::Held(xid.clone()), codec::encode_held(&self.holders[xid]));
    }

    fn add_held(&mut self, xid: &Xid, runs: Vec<Run>) {
        for run in &runs {
            self.held.insert(run.first, (run.count, xid.clone()));
            *self.in_doubt.entry(run.first.queue).or_default() += run.count;
        }
        self.holders.entry(xid.clone()).or_default().extend(runs);
    }

    /// The held messages of `xid`, in the order of their keys; they are held no longer.
    pub(super) fn release(&mut self, overlay: &mut Overlay<'_>, xid: &Xid) -> Vec<MessageKey> {
        let Some(runs) = self.holders.remove(xid) else {
            return Vec::new();
        };
        records::delete(overlay, &Key::Held(xid.clone()));
        for run in &runs {
            self.held.remove(&run.first);
            self.clear_doubt(run.first.queue, run.count);
        }
        let mut keys = keys_of(&runs);
        keys.sort_unstable();
        keys
    }

    fn clear_doubt(&mut self, queue: QueueId, count: u64) {
        let left = self.in_doubt_on(queue).checked_sub(count).expect("what is cleared was counted");
        if left == 0 {
            self.in_doubt.remove(&queue);
        } else {
            self.in_doubt.insert(queue, left);
        }
    }
}

/// Sequences of one transaction are consecutive in each queue and band, so that a few runs say all of its sorted keys.
fn runs_of(keys: &[MessageKey]) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for key in keys {
        match runs.last_mut() {
            Some(run) if (MessageKey { sequence: run.first.sequence + run.count, ..run.first }) == *key => {
                run.count += 1
            }
            Some(_) | None => runs.push(Run { first: *key, count: 1 }),
        }
    }
    runs
}

fn keys_of(runs: &[Run]) -> Vec<MessageKey> {
    let keys = |run: &Run| {
        let Run { first, count } = *run;
        (0..count).map(move |at| MessageKey { sequence: first.sequence + at, ..first })
    };
    runs.iter().flat_map(keys).collect()
}
