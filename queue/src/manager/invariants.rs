//! What must hold between steps; tests and the simulator check it after each.

use std::collections::BTreeSet;

use super::Manager;
use super::branch::BranchId;
use super::limits::RECEIVE_BYTES;
use super::locks::Owner;
use crate::MessageKey;

/// Something that the manager holds and should not, or the reverse.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Leak {
    #[error("M1: message {key:?} is locked by a branch that does not name it, or the reverse")]
    Lock { key: MessageKey },
    #[error("M2: message {key:?} is ready and locked")]
    ReadyAndLocked { key: MessageKey },
    #[error("M3: {used} bytes are charged to active branches, which hold {held}")]
    Active { used: usize, held: usize },
    #[error("M4: windows keep {cached} bytes of messages and count {counted}")]
    Cached { cached: usize, counted: usize },
    #[error("M5: with nothing open, {what} is left")]
    Left { what: &'static str },
}

impl Manager {
    /// M1 to M4. Not cheap: it looks at everything.
    pub fn check_invariants(&self) -> Result<(), Leak> {
        let named: BTreeSet<(MessageKey, BranchId)> =
            self.branches.iter().flat_map(|(id, branch)| branch.locked().map(|key| (key, *id))).collect();
        let locked: BTreeSet<(MessageKey, BranchId)> = self
            .locks
            .iter()
            .filter_map(|(key, lock)| match lock.owner {
                Owner::Branch(id) => Some((*key, id)),
                Owner::Command => None,
            })
            .collect();
        if let Some((key, _)) = named.symmetric_difference(&locked).next() {
            return Err(Leak::Lock { key: *key });
        }
        for (_, window) in self.ready.windows() {
            if let Some(key) = window.keys().find(|key| self.locks.contains(key)) {
                return Err(Leak::ReadyAndLocked { key: *key });
            }
        }
        let branches: usize = self.branches.iter().map(|(_, branch)| branch.charge).sum();
        let tails: usize = self.bodies.iter().map(|(_, body)| body.tail.len()).sum();
        let held = branches + tails + self.waiting.len() * RECEIVE_BYTES + self.in_flight.active_charge();
        if held != self.active.used() {
            return Err(Leak::Active { used: self.active.used(), held });
        }
        let counted = self.ready.windows().map(|(_, window)| window.cached()).sum();
        if counted != self.ready.cached() {
            return Err(Leak::Cached { cached: self.ready.cached(), counted });
        }
        Ok(())
    }

    /// M5: nobody has anything open and nothing is in flight, so nothing may be left (no lock leaks).
    pub fn check_idle(&self) -> Result<(), Leak> {
        let idle = [
            ("a branch", self.branches.is_empty()),
            ("a lock", self.locks.is_empty()),
            ("a waiting receive", self.waiting.is_empty()),
            ("a connection", self.connections.is_empty()),
            ("a staged body", self.bodies.is_empty()),
            ("a purge or delete", self.removals.is_empty()),
            ("a command in flight", self.in_flight.is_empty()),
            ("charged memory", self.active.used() == 0),
            ("charged staged bytes", self.staged.used() == 0),
            ("a timer", self.timers.next().is_none()),
        ];
        match idle.into_iter().find(|(_, idle)| !idle) {
            Some((what, _)) => Err(Leak::Left { what }),
            None => Ok(()),
        }
    }
}
