//! What a loss of power could take at one moment. Where there is nothing to lose, one way of dying is like another.

use std::collections::BTreeMap;

use super::World;
use crate::plan::{Ending, Victim};
use crate::server::ServerId;

/// Before one step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exposure {
    /// Of each server: changes of its log's disk, and writes of its store.
    servers: BTreeMap<ServerId, (usize, usize)>,
    /// What has been asked of each server's disk so far.
    changes: BTreeMap<ServerId, u64>,
    /// Records of the database's write-ahead log.
    database: usize,
}

impl Exposure {
    pub fn changes(&self, id: ServerId) -> u64 {
        self.changes.get(&id).copied().unwrap_or_default()
    }

    /// Whether the ending leaves something else behind than every other one that is listed before it.
    pub fn tells_apart(&self, victim: Victim, ending: Ending) -> bool {
        let of = |id: ServerId| self.servers.get(&id).copied().unwrap_or_default();
        let ((changes, writes), records) = match victim {
            Victim::Server => (of(ServerId::Queues), 0),
            Victim::Coordinator => (of(ServerId::Coordinator), 0),
            Victim::Database => ((0, 0), self.database),
            Victim::Host => (of(ServerId::Queues), self.database),
            Victim::Client | Victim::Importer | Victim::Session => return true,
        };
        match ending {
            Ending::Everything => changes + writes + records > 0,
            // The first of the database's endings, and of the host's.
            Ending::Nothing if matches!(victim, Victim::Database | Victim::Host) => true,
            // Without changes it is a kill; and half of one is none.
            Ending::Nothing | Ending::Torn => changes + records > 0,
            Ending::Half => changes > 1 || records > 1 || (victim == Victim::Host && changes + records > 1),
            Ending::Kill
            | Ending::Sectors
            | Ending::Pause
            | Ending::SyncError
            | Ending::ShortWrite
            | Ending::WriteError
            | Ending::DiskFull => true,
        }
    }
}

impl World {
    /// Only a run without turmoil is asked what further strikes could do to it.
    pub(super) fn expose(&mut self) {
        if self.turmoil.is_none() && self.exposed.len() as u64 == self.steps {
            let servers = self.servers.iter().map(|(id, server)| (*id, server.at_risk())).collect();
            let database = self.database.as_ref().map_or(0, |database| database.unflushed());
            self.exposed.push(Exposure { servers, changes: self.changes(), database });
        }
    }
}
