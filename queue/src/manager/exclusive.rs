//! Who reads which queue alone (P23): a lease of its connection.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use handfast_protocol::Timestamp;

use super::waiting::WaitId;
use super::{ConnectionId, RequestId};
use crate::QueueId;

/// The exclusive readers, their leases, and who waits to become one.
#[derive(Debug, Default)]
pub(super) struct ExclusiveReaders {
    held: BTreeMap<QueueId, ConnectionId>,
    leases: BTreeMap<ConnectionId, Lease>,
    /// Connections that were silent for too long. They may not read on as one among many before they opened again: what
    /// they believe to be strict order would not be.
    lost: BTreeSet<(ConnectionId, QueueId)>,
    openers: BTreeMap<QueueId, VecDeque<Opener>>,
}

#[derive(Debug)]
pub(super) struct Lease {
    pub until: Timestamp,
    pub queues: BTreeSet<QueueId>,
}

/// A request to become the exclusive reader, in line.
#[derive(Debug)]
pub(super) struct Opener {
    pub id: WaitId,
    pub request: RequestId,
    pub connection: ConnectionId,
    pub deadline: Timestamp,
}

impl ExclusiveReaders {
    pub fn reader(&self, queue: QueueId) -> Option<ConnectionId> {
        self.held.get(&queue).copied()
    }

    /// Whether this connection may receive from the queue now.
    pub fn admits(&self, queue: QueueId, connection: ConnectionId) -> bool {
        let alone = self.reader(queue).is_none_or(|reader| reader == connection);
        alone && !self.lost.contains(&(connection, queue))
    }

    /// Makes the connection the queue's reader; the lease that this renews is handed back as it was.
    pub fn grant(&mut self, queue: QueueId, connection: ConnectionId, until: Timestamp) -> Option<Timestamp> {
        let before = self.held.insert(queue, connection);
        assert!(before.is_none_or(|reader| reader == connection), "two exclusive readers of {queue:?}");
        self.lost.remove(&(connection, queue));
        let renewed = self.renew(connection, until);
        let lease = self.leases.entry(connection).or_insert(Lease { until, queues: BTreeSet::new() });
        lease.queues.insert(queue);
        renewed
    }

    /// Moves the connection's lease on; the time it had until now, if it has one.
    pub fn renew(&mut self, connection: ConnectionId, until: Timestamp) -> Option<Timestamp> {
        let lease = self.leases.get_mut(&connection)?;
        Some(std::mem::replace(&mut lease.until, until))
    }

    /// Ends the reader's right to one queue; the end of a lease that has no queue left, so that its timer is cancelled.
    pub fn release(&mut self, queue: QueueId) -> Option<(ConnectionId, Option<Timestamp>)> {
        let connection = self.held.remove(&queue)?;
        let lease = self.leases.get_mut(&connection).expect("an exclusive reader has a lease");
        lease.queues.remove(&queue);
        let over = lease.queues.is_empty().then_some(lease.until);
        if over.is_some() {
            self.leases.remove(&connection);
        }
        Some((connection, over))
    }

    /// The queues that the connection reads alone.
    pub fn queues_of(&self, connection: ConnectionId) -> Vec<QueueId> {
        self.leases.get(&connection).map_or_else(Vec::new, |lease| lease.queues.iter().copied().collect())
    }

    pub fn note_lost(&mut self, connection: ConnectionId, queue: QueueId) {
        self.lost.insert((connection, queue));
    }

    /// The connection gave the queue up, or is gone.
    pub fn forget_lost(&mut self, connection: ConnectionId, queue: Option<QueueId>) {
        match queue {
            Some(queue) => {
                self.lost.remove(&(connection, queue));
            }
            None => {
                let all = (connection, QueueId(0))..=(connection, QueueId(u32::MAX));
                let gone: Vec<_> = self.lost.range(all).copied().collect();
                gone.iter().for_each(|lost| {
                    self.lost.remove(lost);
                });
            }
        }
    }

    pub fn wait(&mut self, queue: QueueId, opener: Opener) {
        self.openers.entry(queue).or_default().push_back(opener);
    }

    pub fn waiting(&self, queue: QueueId) -> usize {
        self.openers.get(&queue).map_or(0, VecDeque::len)
    }

    pub fn next_opener(&mut self, queue: QueueId) -> Option<Opener> {
        let line = self.openers.get_mut(&queue)?;
        let opener = line.pop_front();
        if line.is_empty() {
            self.openers.remove(&queue);
        }
        opener
    }

    pub fn remove_opener(&mut self, queue: QueueId, id: WaitId) -> Option<Opener> {
        let line = self.openers.get_mut(&queue)?;
        let place = line.iter().position(|opener| opener.id == id)?;
        let opener = line.remove(place);
        if line.is_empty() {
            self.openers.remove(&queue);
        }
        opener
    }

    pub fn drain_openers(&mut self) -> impl Iterator<Item = Opener> {
        std::mem::take(&mut self.openers).into_values().flatten()
    }
}
