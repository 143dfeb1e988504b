//! A copy of the coordinator's data directory, started elsewhere while the original goes on: a staging machine with production's
//! resources (P3). It must leave them alone, whatever its log says of them.

use handfast_coordinator_core::{CallFailed, Told};

use super::World;
use crate::plan::Way;
use crate::probes::Probe;
use crate::server::ServerId;

impl World {
    /// Starts a copy of what a loss of power would leave of the coordinator now. There is one at a time.
    pub(super) fn copy_coordinator(&mut self) {
        if self.servers.contains_key(&ServerId::Copy) || self.plan.scene.way == Way::Local {
            return;
        }
        let (now, original) = (self.now, self.coordinator());
        let mut copy = self.servers[&original].copied();
        if let Err(failure) = copy.start(now) {
            assert!(self.rotten.contains_key(&original), "a copy of what is sound starts: {failure}");
            return;
        }
        self.note(|| "      a copy of the coordinator starts".to_owned());
        self.servers.insert(ServerId::Copy, copy);
        self.settle(ServerId::Copy, Ok(())).expect("nothing fails when a copy has started");
    }

    /// What a resource says to the copy.
    pub(super) fn copy_is_told(&mut self, result: &Result<Told, CallFailed>) {
        if let Ok(Told::Ahead { .. } | Told::UnknownCoordinator) = result {
            self.probes[Probe::CopiesBarred] += 1;
        }
    }

    /// The staging machine is switched off.
    pub(super) fn drop_copy(&mut self) {
        if self.servers.remove(&ServerId::Copy).is_some() {
            self.pending.retain(|_, happening| !happening.is_inside(ServerId::Copy));
        }
    }
}
