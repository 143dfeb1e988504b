//! Marker rows of ended transactions are cleared in ranges (P14): `committed` ones only. What a range holds was decided for good
//! when the range was drawn, so a call that is made again or comes late does no harm. It is cleared one period after it was
//! drawn: a question for a row that was given up, and still runs in the database, finds it (P12).

use std::collections::BTreeSet;

use handfast_mutants::{Mutant, is};
use handfast_protocol::{GlobalId, ResourceKind, ResourceName};

use super::attachment::Link;
use super::calls::Deed;
use super::proposals::Pending;
use super::timer::Timer;
use super::{Context, Coordinator};
use crate::limits::MARKERS_PERIOD;
use crate::{CallFailed, Command, Told};

impl Coordinator {
    pub(super) fn clear_markers(&mut self, cx: &mut Context<'_>, name: &ResourceName) {
        let Some(attachment) = self.attachments.get(name) else {
            return;
        };
        // Every database keeps the rows: they decide at a last resource (P12), and at the others they tell a branch that was
        // committed from one that was rolled back by hand (P7).
        if attachment.resource.kind == ResourceKind::Service || attachment.link != Link::Attached {
            return;
        }
        self.timers.set(cx.now.after(MARKERS_PERIOD), Timer::Markers(name.clone()));
        let from = self.uncleared(cx, name);
        let (drawn, newest) = (self.unneeded(cx, name), self.identity.id(self.sequence));
        let markers = &mut self.attachments.get_mut(name).expect("it was there above").markers;
        if markers.clearing {
            return;
        }
        let ripe = markers.drawn.take().filter(|through| from <= *through);
        let ripe = if is(Mutant::ClearsMarkersEarly) { Some(newest) } else { ripe };
        if markers.due {
            markers.drawn = drawn;
            // What is still needed now may have ended before the range.
            markers.due = drawn != Some(newest);
        }
        if let Some(through) = ripe {
            markers.clearing = true;
            self.enqueue(cx, name, Deed::Clear { from, through });
        }
    }

    /// The lowest id whose row may be there still.
    fn uncleared(&self, cx: &Context<'_>, name: &ResourceName) -> GlobalId {
        let cleared = cx.state.markers_cleared(name).filter(|cleared| self.identity.made(*cleared));
        cleared.map_or(self.lowest(), following)
    }

    /// The highest id up to which nobody needs a row any more: below every transaction that is not known to have ended there,
    /// that may still join, or whose row is being asked for.
    fn unneeded(&self, cx: &Context<'_>, name: &ResourceName) -> Option<GlobalId> {
        let attachment = self.attachments.get(name)?;
        let needed = [&self.unrecorded, &attachment.markers.unended, &attachment.fencing];
        let ours = |ids: &&BTreeSet<GlobalId>| ids.range(self.lowest()..).find(|id| self.identity.made(**id)).copied();
        let needed = needed.iter().filter_map(ours).chain(self.forced(cx, name));
        Some(needed.min().map_or(self.identity.id(self.sequence), preceding))
    }

    /// The lowest transaction with a heuristic outcome that waits for the operator, who may want to see its row.
    fn forced(&self, cx: &Context<'_>, name: &ResourceName) -> Option<GlobalId> {
        if cx.state.in_doubt_of(name) == 0 {
            return None;
        }
        let waits = |record: &&crate::state::Transaction| self.identity.made(record.id) && record.waits_for(name);
        cx.state.transactions().find(waits).map(|record| record.id)
    }

    /// Below every id of this incarnation.
    fn lowest(&self) -> GlobalId {
        GlobalId { epoch: 0, ..self.identity.id(0) }
    }

    pub(super) fn markers_answered(
        &mut self,
        cx: &mut Context<'_>,
        name: &ResourceName,
        through: GlobalId,
        result: &Result<Told, CallFailed>,
    ) {
        let resource = name.clone();
        match result {
            Ok(_) => {
                let pending = Pending::MarkersCleared { name: name.clone() };
                self.propose(cx.out, Command::MarkersCleared { resource, through }, pending);
            }
            Err(_) => {
                let markers = &mut self.attachments.get_mut(name).expect("the caller found it").markers;
                markers.clearing = false;
                // A range that was drawn meanwhile holds this one.
                markers.drawn.get_or_insert(through);
            }
        }
    }

    pub(super) fn markers_cleared(&mut self, name: &ResourceName) {
        if let Some(attachment) = self.attachments.get_mut(name) {
            attachment.markers.clearing = false;
        }
    }
}

/// The lowest id above this one, within its coordinator and incarnation.
fn following(id: GlobalId) -> GlobalId {
    match id.sequence.checked_add(1) {
        Some(sequence) => GlobalId { sequence, ..id },
        None => GlobalId { epoch: id.epoch.saturating_add(1), sequence: 0, ..id },
    }
}

/// The highest id below this one; ids in use begin at epoch 1 and sequence 1.
fn preceding(id: GlobalId) -> GlobalId {
    match id.sequence.checked_sub(1) {
        Some(sequence) => GlobalId { sequence, ..id },
        None => GlobalId { epoch: id.epoch.saturating_sub(1), sequence: u64::MAX, ..id },
    }
}
