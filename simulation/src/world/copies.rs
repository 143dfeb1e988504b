//! A copy of the coordinator's data directory, started elsewhere while the original goes on: a staging machine with production's
//! resources (P3). It must leave them alone, whatever its log says of them.

use super::World;
use crate::probes::Probe;
use crate::server::ServerId;

impl World {
    /// Starts a copy of what a loss of power would leave of the coordinator now. There is one at a time.
    pub(super) fn copy_coordinator(&mut self) {
        if self.servers.contains_key(&ServerId::Copy) {
            return;
        }
        let now = self.now;
        let mut copy = self.servers[&self.coordinator()].copied();
        if copy.start(now).is_err() {
            // The original's disk has failed, or its log is damaged: so is the copy's.
            return;
        }
        self.note(|| "      a copy of the coordinator starts".to_owned());
        self.probes[Probe::Copies] += 1;
        self.servers.insert(ServerId::Copy, copy);
        self.settle(ServerId::Copy, Ok(())).expect("nothing fails when a copy has started");
    }

    /// The staging machine is switched off.
    pub(super) fn drop_copy(&mut self) {
        if self.servers.remove(&ServerId::Copy).is_some() {
            self.pending.retain(|_, happening| !happening.is_inside(ServerId::Copy));
        }
    }
}
