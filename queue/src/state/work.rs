//! What branches do to queues: commit in one record, prepare, and phase two.

use std::collections::BTreeSet;

use bytes::Bytes;
use handfast_protocol::{Timestamp, Xid};
use handfast_store::{Overlay, StoreError};

use super::State;
use super::branches::Branch;
use super::keys::Key;
use super::messages::Resting;
use super::records;
use super::staging::delete_body;
use crate::codec;
use crate::limits::PREPARED_INLINE_BYTES_MAX;
use crate::{Body, Done, MessageKey, OutgoingMessage, QueueId, Refused, StageId, Work};

/// A branch's work that may take effect: everything that it names was there when it was judged.
pub(super) struct Judged {
    /// The parts that were written ahead, in order; they come before the rest.
    staged: Vec<Work>,
    /// The messages that it received.
    received: Vec<Resting>,
}

impl State {
    pub(super) fn judge_branch(
        &self,
        overlay: &Overlay<'_>,
        xid: &Xid,
        work: &Work,
    ) -> Result<Result<Judged, Refused>, StoreError> {
        if self.branches.get(xid).is_some() {
            return Ok(Err(Refused::DuplicateXid { xid: xid.clone() }));
        }
        let staged = match work.stage {
            Some(stage) if !self.staging.has_stage(stage) || self.is_owned(stage) => {
                return Ok(Err(Refused::StageGone));
            }
            Some(stage) => self.staging.work(overlay, stage)?,
            None => Vec::new(),
        };
        for part in staged.iter().chain([work]) {
            match self.judge_targets(&part.sends) {
                Ok(()) => {}
                Err(Refused::QueueGone { .. }) => return Ok(Err(Refused::Conflict)),
                Err(refused) => return Ok(Err(refused)),
            }
        }
        if let Err(refused) = self.staging.judge_bodies(&work.sends) {
            return Ok(Err(refused));
        }
        let receives: Vec<MessageKey> = staged.iter().chain([work]).flat_map(|part| &part.receives).copied().collect();
        let received = self.judge_receives(overlay, &receives)?;
        Ok(received.map(|received| Judged { staged, received }))
    }

    /// Every queue that is sent to takes messages.
    pub(super) fn judge_targets(&self, sends: &[OutgoingMessage]) -> Result<(), Refused> {
        for send in sends {
            if send.queue == QueueId::DEAD_LETTER {
                return Err(Refused::DeadLetterQueue);
            }
            if self.queues.open_for_use(send.queue).is_none() {
                return Err(Refused::QueueGone { queue: send.queue });
            }
        }
        Ok(())
    }

    /// P17: every message is there, in a queue that is not going, named once, and held by nobody else.
    fn judge_receives(
        &self,
        overlay: &Overlay<'_>,
        keys: &[MessageKey],
    ) -> Result<Result<Vec<Resting>, Refused>, StoreError> {
        let (mut named, mut received) = (BTreeSet::new(), Vec::with_capacity(keys.len()));
        for key in keys {
            let free = self.branches.holder(key).is_none() && self.queues.open_for_use(key.queue).is_some();
            if !free || !named.insert(*key) {
                return Ok(Err(Refused::Conflict));
            }
            let resting = match self.recent.get(key) {
                Some(resting) => Some(resting),
                None => self.read_message(overlay, key)?.map(|message| Resting::of(key, &message)),
            };
            match resting {
                Some(resting) => received.push(resting),
                None => return Ok(Err(Refused::Conflict)),
            }
        }
        Ok(Ok(received))
    }

    pub(super) fn apply_commit(
        &mut self,
        overlay: &mut Overlay<'_>,
        now: Timestamp,
        xid: &Xid,
        work: Work,
        hold: bool,
    ) -> Result<Result<Done, Refused>, StoreError> {
        let judged = match self.judge_branch(overlay, xid, &work)? {
            Ok(judged) => judged,
            Err(refused) => return Ok(Err(refused)),
        };
        for message in &judged.received {
            self.discard(overlay, message)?;
        }
        let stage = work.stage;
        let places = self.place_all(overlay, now, judged.staged, work);
        self.settle_commit(overlay, xid, stage, &places, hold);
        Ok(Ok(Done::Committed(places)))
    }

    pub(super) fn apply_prepare(
        &mut self,
        overlay: &mut Overlay<'_>,
        now: Timestamp,
        xid: Xid,
        mut work: Work,
    ) -> Result<Result<Done, Refused>, StoreError> {
        let judged = match self.judge_branch(overlay, &xid, &work)? {
            Ok(judged) => judged,
            Err(refused) => return Ok(Err(refused)),
        };
        for send in &mut work.sends {
            let body = std::mem::replace(&mut send.body, Body::Inline(Bytes::new()));
            send.body = self.staging.settle(overlay, send.id, body, PREPARED_INLINE_BYTES_MAX);
        }
        records::put(overlay, &Key::Branch(xid.clone()), codec::encode_branch(now, &work));
        let stage = work.stage;
        let mut all = judged.staged;
        all.push(work);
        self.branches.prepare(xid, Branch::new(now, stage, &all));
        Ok(Ok(Done::Prepared))
    }

    pub(super) fn judge_prepared(&self, xid: &Xid) -> Result<(), Refused> {
        match self.branches.get(xid) {
            Some(_) => Ok(()),
            None => Err(Refused::UnknownXid { xid: xid.clone() }),
        }
    }

    /// It cannot fail: its messages are locked, and the queues that it sends to cannot be deleted.
    pub(super) fn apply_commit_prepared(
        &mut self,
        overlay: &mut Overlay<'_>,
        now: Timestamp,
        xid: &Xid,
        hold: bool,
    ) -> Result<Result<Done, Refused>, StoreError> {
        let Some(branch) = self.branches.end(xid) else {
            return Ok(Err(Refused::UnknownXid { xid: xid.clone() }));
        };
        let work = self.take_branch_record(overlay, xid)?;
        for key in &branch.receives {
            let resting = match self.recent.get(key) {
                Some(resting) => resting,
                None => Resting::of(key, &records::must_get(overlay, &Key::Message(*key), codec::decode_message)?),
            };
            self.discard(overlay, &resting)?;
        }
        let staged = branch.stage.map(|stage| self.staging.work(overlay, stage)).transpose()?.unwrap_or_default();
        let places = self.place_all(overlay, now, staged, work);
        self.settle_commit(overlay, xid, branch.stage, &places, hold);
        Ok(Ok(Done::Committed(places)))
    }

    /// The receives are back in their places, for they never left them; a purge that waited for them ends here (P17).
    pub(super) fn apply_rollback_prepared(
        &mut self,
        overlay: &mut Overlay<'_>,
        now: Timestamp,
        xid: &Xid,
    ) -> Result<Result<Done, Refused>, StoreError> {
        let Some(branch) = self.branches.end(xid) else {
            return Ok(Err(Refused::UnknownXid { xid: xid.clone() }));
        };
        let work = self.take_branch_record(overlay, xid)?;
        work.sends.iter().for_each(|send| delete_body(overlay, &send.body));
        if let Some(stage) = branch.stage {
            self.staging.drop_stage(overlay, stage)?;
        }
        Ok(Ok(Done::RolledBack(self.let_go(overlay, now, branch.receives)?)))
    }

    pub(super) fn apply_release(
        &mut self,
        overlay: &mut Overlay<'_>,
        now: Timestamp,
        xid: &Xid,
    ) -> Result<Done, StoreError> {
        let keys = self.branches.release(overlay, xid);
        Ok(Done::Released(self.let_go(overlay, now, keys)?))
    }

    /// Ends the purges that waited for these messages, and says which of them stay.
    fn let_go(
        &mut self,
        overlay: &mut Overlay<'_>,
        now: Timestamp,
        keys: Vec<MessageKey>,
    ) -> Result<Vec<MessageKey>, StoreError> {
        let mut staying = Vec::with_capacity(keys.len());
        for key in keys {
            if !self.end_purge(overlay, now, &key)? {
                staying.push(key);
            }
        }
        Ok(staying)
    }

    fn take_branch_record(&self, overlay: &mut Overlay<'_>, xid: &Xid) -> Result<Work, StoreError> {
        let key = Key::Branch(xid.clone());
        let record = records::must_get(overlay, &key, codec::decode_branch)?;
        records::delete(overlay, &key);
        Ok(record.work)
    }

    /// Stage parts first, then the rest, so that messages of one transaction to one queue stay together, in order (G4).
    fn place_all(
        &mut self,
        overlay: &mut Overlay<'_>,
        now: Timestamp,
        staged: Vec<Work>,
        work: Work,
    ) -> Vec<MessageKey> {
        let sends = staged.into_iter().chain([work]).flat_map(|part| part.sends);
        sends.map(|send| self.place_send(overlay, now, send)).collect()
    }

    fn settle_commit(
        &mut self,
        overlay: &mut Overlay<'_>,
        xid: &Xid,
        stage: Option<StageId>,
        places: &[MessageKey],
        hold: bool,
    ) {
        if let Some(stage) = stage {
            self.staging.forget_stage(overlay, stage);
        }
        if hold {
            self.branches.hold(overlay, xid, places);
        }
    }
}
