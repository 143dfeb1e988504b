//! Marker rows of ended transactions are cleared in ranges (P14): `committed` ones only. What a range holds was decided for good
//! when the range was drawn, so a call that is made again or comes late does no harm.

use handfast_protocol::{GlobalId, ResourceName};

use super::attachment::Link;
use super::calls::Deed;
use super::proposals::Pending;
use super::timer::Timer;
use super::{Context, Coordinator};
use crate::limits::MARKERS_PERIOD;
use crate::{CallFailed, Command, Told};

impl Coordinator {
    pub(super) fn clear_markers(&mut self, cx: &mut Context<'_>, name: &ResourceName) {
        let Some(attachment) = self.attachments.get(name) else { return };
        if !attachment.resource.kind.is_last_resource() || attachment.link != Link::Attached {
            return;
        }
        self.timers.set(cx.now.after(MARKERS_PERIOD), Timer::Markers(name.clone()));
        let Some((from, through)) = self.clearable(cx, name) else { return };
        let markers = &mut self.attachments.get_mut(name).expect("it was there above").markers;
        if markers.due && !markers.clearing {
            markers.clearing = true;
            markers.due = false;
            self.enqueue(cx, name, Deed::Clear { from, through });
        }
    }

    /// The ids whose rows nobody needs any more: above what is cleared, below every transaction that is not known to have
    /// ended there, may still join, or whose row is being asked for.
    fn clearable(&self, cx: &Context<'_>, name: &ResourceName) -> Option<(GlobalId, GlobalId)> {
        let attachment = self.attachments.get(name)?;
        let lowest = GlobalId { epoch: 0, ..self.identity.id(0) };
        let cleared = cx.state.markers_cleared(name).filter(|cleared| self.identity.made(*cleared));
        let from = cleared.map_or(lowest, following);
        let needed = [&self.unrecorded, &attachment.users, &attachment.fencing];
        let floor = needed.iter().filter_map(|ids| ids.range(lowest..).find(|id| self.identity.made(**id))).min();
        let through = floor.map_or(self.identity.id(self.sequence), |floor| preceding(*floor));
        (from <= through).then_some((from, through))
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
                (markers.due, markers.clearing) = (true, false);
            }
        }
    }

    pub(super) fn markers_cleared(&mut self, name: &ResourceName) {
        if let Some(attachment) = self.attachments.get_mut(name) {
            attachment.markers.clearing = false;
        }
    }
}

/// The lowest id above this one, within its coordinator and incarnation. Epochs do not come near their end.
fn following(id: GlobalId) -> GlobalId {
    match id.sequence.checked_add(1) {
        Some(sequence) => GlobalId { sequence, ..id },
        None => GlobalId { epoch: id.epoch + 1, sequence: 0, ..id },
    }
}

/// The highest id below this one; ids in use begin at epoch 1 and sequence 1.
fn preceding(id: GlobalId) -> GlobalId {
    match id.sequence.checked_sub(1) {
        Some(sequence) => GlobalId { sequence, ..id },
        None => GlobalId { epoch: id.epoch.saturating_sub(1), sequence: u64::MAX, ..id },
    }
}
