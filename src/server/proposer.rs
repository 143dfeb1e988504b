//! Between the core thread and the replica: proposals out, committed entries and leadership in.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use handfast_crash_points::{CrashPoint, reach_about};
use handfast_machine::{Entry, Event, commands_in};
use handfast_protocol::Incarnation;
use handfast_replica::{Committed, Leadership, ProposeError, Replica, StateMachine, StateMachineError, StopReason};
use tokio::sync::{Notify, mpsc, oneshot, watch};
use uuid::Uuid;

use super::commands::commands_of;
use super::core_thread::{Core, Input, Stopped};

/// Commands that were applied since the process began.
#[derive(Debug, Clone, Default)]
pub struct Applied(Arc<AtomicU64>);

impl Applied {
    pub fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The replica's state machine: the core thread, over its channel.
#[derive(Debug)]
pub struct Machine {
    core: Core,
    applied: Applied,
}

impl Machine {
    pub fn new(core: Core, applied: Applied) -> Machine {
        Machine { core, applied }
    }
}

impl StateMachine for Machine {
    async fn position(&mut self) -> Result<Option<Bytes>, StateMachineError> {
        self.core.position().await.map_err(StateMachineError::new)
    }

    async fn apply(&mut self, entries: Vec<Committed>) -> Result<(), StateMachineError> {
        let entry = |Committed { index, position, payload }| Entry { index, position, payload };
        let entries: Vec<Entry> = entries.into_iter().map(entry).collect();
        let payloads = entries.iter().filter_map(|entry| entry.payload.as_ref());
        let commands = payloads.map(|payload| u64::from(commands_in(payload))).sum();
        self.applied.0.fetch_add(commands, Ordering::Relaxed);
        let (applied, done) = oneshot::channel();
        self.core.send(Input::Committed { entries, applied }).await.map_err(StateMachineError::new)?;
        done.await.map_err(|_| StateMachineError::new(Stopped))
    }
}

/// Hands proposals to the replica in their order. While too much log rests unflushed it waits for the flush: the commands
/// behind it gather into fewer, larger entries.
pub async fn propose(replica: Replica, mut proposals: mpsc::Receiver<Bytes>, flush: &Notify, flushed: &Notify) {
    while let Some(entry) = proposals.recv().await {
        reach_about(CrashPoint::Proposing, || commands_of(&entry));
        loop {
            let done = flushed.notified();
            match replica.propose(entry.clone()).await {
                Ok(()) => break,
                Err(ProposeError::Unflushed { .. }) => {
                    flush.notify_one();
                    done.await;
                }
                // The end of this leadership reaches the core by itself; the entry is of an epoch that is over.
                Err(error @ (ProposeError::NotLeader { .. } | ProposeError::Stopped(_))) => {
                    tracing::debug!(%error, "an entry was not proposed");
                    break;
                }
                Err(error) => {
                    tracing::error!(%error, "an entry was not proposed");
                    break;
                }
            }
        }
    }
}

/// Tells the core when it leads. Returns when the replica has stopped, with its reason.
pub async fn follow_leadership(
    mut leadership: watch::Receiver<Leadership>,
    core: Core,
    manager_id: Uuid,
    incarnation: Incarnation,
) -> StopReason {
    loop {
        let event = match &*leadership.borrow_and_update() {
            Leadership::Leader { .. } => Event::Lead { leadership: Uuid::now_v7(), manager_id, incarnation },
            Leadership::Follower { .. } => Event::Follow,
            Leadership::Stopped { reason } => return reason.clone(),
        };
        if core.event(event).await.is_err() || leadership.changed().await.is_err() {
            return StopReason::Shutdown;
        }
    }
}

/// Answers the core's barriers (P8).
pub async fn pass_barriers(replica: Replica, core: Core, mut barriers: mpsc::Receiver<u64>) {
    while let Some(barrier) = barriers.recv().await {
        match replica.read_barrier().await {
            Ok(()) => {
                if core.event(Event::BarrierPassed { barrier }).await.is_err() {
                    return;
                }
            }
            // No barrier, no sweep: the coordinator asks again at its next one.
            Err(error) => tracing::debug!(%error, "a read barrier did not pass"),
        }
    }
}
