//! What is written ahead for branches and sends that have not ended yet, invisible and without effect (P26).
//!
//! A body that rests apart has exactly one owner: while nothing else owns it, its `StagedBody` record; then the part of
//! staged work, the prepared branch, or the message that names it. What no prepared branch owns ends with the epoch.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use handfast_protocol::MessageId;
use handfast_protocol::limits::BODY_BYTES_MAX;
use handfast_store::{Overlay, StoreError};

use super::State;
use super::keys::{Key, KeyKind};
use super::records;
use crate::codec;
use crate::limits::{BODY_PART_BYTES, STAGE_PARTS_MAX};
use crate::{Body, BodyId, Done, OutgoingMessage, Refused, StageId, Work};

/// The mirror of what is staged.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Staging {
    /// Parts of each stage, numbered from zero.
    stages: BTreeMap<StageId, u32>,
    /// Lengths of the bodies that nothing owns yet.
    bodies: BTreeMap<BodyId, u64>,
}

impl Staging {
    pub(super) fn open(overlay: &Overlay<'_>) -> Result<Staging, StoreError> {
        let mut staging = Staging::default();
        for (key, _) in records::all(overlay, KeyKind::Stage)? {
            let Key::Stage(stage, _) = key else { unreachable!("the range holds only keys of its kind") };
            *staging.stages.entry(stage).or_default() += 1;
        }
        for (key, value) in records::all(overlay, KeyKind::StagedBody)? {
            let length = codec::decode_staged_body(&value).map_err(|cause| records::unreadable(&key, &cause))?;
            let Key::StagedBody(body) = key else { unreachable!("the range holds only keys of its kind") };
            staging.bodies.insert(body, length);
        }
        Ok(staging)
    }

    pub(super) fn stages(&self) -> impl Iterator<Item = (&StageId, &u32)> {
        self.stages.iter()
    }

    pub(super) fn bodies(&self) -> impl Iterator<Item = (&BodyId, &u64)> {
        self.bodies.iter()
    }

    pub(super) fn has_stage(&self, stage: StageId) -> bool {
        self.stages.contains_key(&stage)
    }

    /// The parts of a stage, in order.
    pub(super) fn work(&self, overlay: &Overlay<'_>, stage: StageId) -> Result<Vec<Work>, StoreError> {
        let parts = self.stages.get(&stage).copied().unwrap_or(0);
        (0..parts).map(|part| records::must_get(overlay, &Key::Stage(stage, part), codec::decode_work)).collect()
    }

    /// Every body that `sends` name is staged whole, and named once.
    pub(super) fn judge_bodies(&self, sends: &[OutgoingMessage]) -> Result<(), Refused> {
        let mut named = BTreeSet::new();
        for send in sends {
            if let Body::Apart { body, length } = &send.body
                && (self.bodies.get(body) != Some(length) || !named.insert(*body))
            {
                return Err(Refused::StageGone);
            }
        }
        Ok(())
    }

    /// Whoever names the body owns it from here on.
    pub(super) fn claim(&mut self, overlay: &mut Overlay<'_>, body: BodyId) {
        if self.bodies.remove(&body).is_some() {
            records::delete(overlay, &Key::StagedBody(body));
        }
    }

    /// Forgets the parts of a stage, not the bodies that its work names.
    pub(super) fn forget_stage(&mut self, overlay: &mut Overlay<'_>, stage: StageId) {
        let parts = self.stages.remove(&stage).unwrap_or(0);
        (0..parts).for_each(|part| records::delete(overlay, &Key::Stage(stage, part)));
    }

    /// How the body of a send rests from now on: inline up to `inline_max`, else in parts of its own. A staged one changes
    /// its owner. The message's ordinal is drawn from the same numbers as body ids, so it serves as one.
    pub(super) fn settle(&mut self, overlay: &mut Overlay<'_>, id: MessageId, body: Body, inline_max: usize) -> Body {
        match body {
            Body::Inline(bytes) if bytes.len() > inline_max => {
                let body = BodyId(id.ordinal);
                let length = bytes.len() as u64;
                put_parts(overlay, body, &bytes);
                Body::Apart { body, length }
            }
            Body::Apart { body, length } => {
                self.claim(overlay, body);
                Body::Apart { body, length }
            }
            inline @ Body::Inline(_) => inline,
        }
    }

    /// Forgets a stage and the bodies that its work names.
    pub(super) fn drop_stage(&mut self, overlay: &mut Overlay<'_>, stage: StageId) -> Result<(), StoreError> {
        for work in self.work(overlay, stage)? {
            work.sends.iter().for_each(|send| delete_body(overlay, &send.body));
        }
        self.forget_stage(overlay, stage);
        Ok(())
    }

    fn drop_body(&mut self, overlay: &mut Overlay<'_>, body: BodyId) {
        if let Some(length) = self.bodies.get(&body).copied() {
            delete_body(overlay, &Body::Apart { body, length });
            self.claim(overlay, body);
        }
    }
}

impl State {
    /// P26: what no prepared branch owns is dropped; its branches ended with their leadership (P2).
    pub(super) fn drop_staged(&mut self, overlay: &mut Overlay<'_>) -> Result<(), StoreError> {
        let unowned: Vec<StageId> =
            self.staging.stages().map(|(stage, _)| *stage).filter(|stage| !self.is_owned(*stage)).collect();
        for stage in unowned {
            self.staging.drop_stage(overlay, stage)?;
        }
        let bodies: Vec<BodyId> = self.staging.bodies().map(|(body, _)| *body).collect();
        bodies.into_iter().for_each(|body| self.staging.drop_body(overlay, body));
        Ok(())
    }

    pub(super) fn is_owned(&self, stage: StageId) -> bool {
        self.branches.owns(stage)
    }

    pub(super) fn judge_stage_body(&self, body: BodyId, part: u32, bytes: &Bytes) -> Result<(), Refused> {
        let length = self.staging.bodies.get(&body).copied().unwrap_or(0);
        let in_order = length == u64::from(part) * BODY_PART_BYTES as u64;
        let fits = (1..=BODY_PART_BYTES).contains(&bytes.len()) && length + bytes.len() as u64 <= BODY_BYTES_MAX as u64;
        if in_order && fits { Ok(()) } else { Err(Refused::StageGone) }
    }

    pub(super) fn apply_stage_body(
        &mut self,
        overlay: &mut Overlay<'_>,
        body: BodyId,
        part: u32,
        bytes: &Bytes,
    ) -> Result<Done, Refused> {
        self.judge_stage_body(body, part, bytes)?;
        let length = self.staging.bodies.entry(body).or_default();
        *length += bytes.len() as u64;
        records::put(overlay, &Key::StagedBody(body), codec::encode_staged_body(*length));
        records::put(overlay, &Key::BodyPart(body, part), bytes.clone());
        Ok(Done::Staged)
    }

    pub(super) fn judge_stage_work(&self, stage: StageId, part: u32, work: &Work) -> Result<(), Refused> {
        let parts = self.staging.stages.get(&stage).copied().unwrap_or(0);
        if part != parts || work.stage.is_some() || self.is_owned(stage) {
            return Err(Refused::StageGone);
        }
        if part >= STAGE_PARTS_MAX {
            return Err(Refused::StageFull { parts: STAGE_PARTS_MAX });
        }
        self.staging.judge_bodies(&work.sends)
    }

    pub(super) fn apply_stage_work(
        &mut self,
        overlay: &mut Overlay<'_>,
        stage: StageId,
        part: u32,
        mut work: Work,
    ) -> Result<Done, Refused> {
        self.judge_stage_work(stage, part, &work)?;
        for send in &mut work.sends {
            let body = std::mem::replace(&mut send.body, Body::Inline(Bytes::new()));
            send.body = self.staging.settle(overlay, send.id, body, 0);
        }
        records::put(overlay, &Key::Stage(stage, part), codec::encode_work(&work));
        self.staging.stages.insert(stage, part + 1);
        Ok(Done::Staged)
    }

    /// Names that are gone, or that a prepared branch owns by now, are passed over.
    pub(super) fn apply_unstage(
        &mut self,
        overlay: &mut Overlay<'_>,
        stages: &[StageId],
        bodies: &[BodyId],
    ) -> Result<Done, StoreError> {
        for stage in stages {
            if !self.is_owned(*stage) {
                self.staging.drop_stage(overlay, *stage)?;
            }
        }
        bodies.iter().for_each(|body| self.staging.drop_body(overlay, *body));
        Ok(Done::Staged)
    }
}

/// How many parts a body of this length rests in: all but the last one are full.
pub(super) fn parts_of(length: u64) -> u32 {
    u32::try_from(length.div_ceil(BODY_PART_BYTES as u64)).expect("a body has at most BODY_BYTES_MAX bytes")
}

fn put_parts(overlay: &mut Overlay<'_>, body: BodyId, bytes: &Bytes) {
    for (part, chunk) in (0u32..).zip(bytes.chunks(BODY_PART_BYTES)) {
        records::put(overlay, &Key::BodyPart(body, part), bytes.slice_ref(chunk));
    }
}

/// Removes what rests apart; an inline body goes with its envelope.
pub(super) fn delete_body(overlay: &mut Overlay<'_>, body: &Body) {
    if let Body::Apart { body, length } = body {
        (0..parts_of(*length)).for_each(|part| records::delete(overlay, &Key::BodyPart(*body, part)));
    }
}
