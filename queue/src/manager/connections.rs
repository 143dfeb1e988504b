//! What hangs on each client connection and ends with it.

use std::collections::{BTreeMap, BTreeSet};

use super::ConnectionId;
use super::branch::BranchId;
use super::waiting::WaitId;
use crate::{BodyId, QueueId};

/// What one connection has open.
#[derive(Debug, Default)]
pub(super) struct Connection {
    /// Branches it started.
    pub branches: BTreeSet<BranchId>,
    /// Its receives that are not answered yet.
    pub waits: BTreeSet<WaitId>,
    /// Its waits to become an exclusive reader.
    pub openers: BTreeSet<(QueueId, WaitId)>,
    /// Bodies it staged and has not named in a send.
    pub bodies: BTreeSet<BodyId>,
}

/// The connections with something open.
#[derive(Debug, Default)]
pub(super) struct Connections {
    open: BTreeMap<ConnectionId, Connection>,
}

impl Connections {
    pub fn entry(&mut self, id: ConnectionId) -> &mut Connection {
        self.open.entry(id).or_default()
    }

    /// Takes something off a connection; one with nothing left is forgotten.
    pub fn close(&mut self, id: ConnectionId, take: impl FnOnce(&mut Connection)) {
        let Some(connection) = self.open.get_mut(&id) else { return };
        take(connection);
        if connection.is_idle() {
            self.open.remove(&id);
        }
    }

    pub fn get(&self, id: ConnectionId) -> Option<&Connection> {
        self.open.get(&id)
    }

    pub fn remove(&mut self, id: ConnectionId) -> Connection {
        self.open.remove(&id).unwrap_or_default()
    }

    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }
}

impl Connection {
    fn is_idle(&self) -> bool {
        let Connection { branches, waits, openers, bodies } = self;
        branches.is_empty() && waits.is_empty() && openers.is_empty() && bodies.is_empty()
    }
}
