//! The durable half of the queue manager: what commands from the log have made of it.
//!
//! A [`State`] is a mirror of what is small (queues, prepared branches, held sends, producers, what is staged) over a
//! store that holds everything. It changes only by applying commands, deterministically: the same commands over the same
//! store give the same bytes, on every machine and after every crash. It knows nothing of active branches, waiting
//! receives, connections or answers: that is the manager's. It does not clamp time (P4): `now` comes in already clamped.
//!
//! A log entry is applied so: lay an [`Overlay`] over the store, [`State::apply`] each of the entry's commands,
//! [`State::finish`], write the overlay as one batch. A [`StoreError`] on the way leaves the mirror undefined: it is fatal
//! to the process (D12).

mod branches;
mod ground;
mod invariants;
mod keys;
mod messages;
mod producers;
mod queues;
mod reads;
mod recent;
mod records;
mod returns;
mod staging;
mod sweep;
mod work;

use handfast_mutants::{Mutant, is};
use handfast_protocol::{QueueName, Timestamp, Xid};
use handfast_store::{Overlay, Store, StoreError};

pub use branches::Branch;
pub use invariants::{Invariant, Violation};
pub use producers::ProducerPlace;

use crate::command::Fate;
use crate::limits::QUEUES_MAX;
use crate::{Command, Done, QueueId, QueueSettings, Refused};
use branches::Branches;
use producers::Producers;
use queues::Queues;
use recent::Recent;
use staging::Staging;
use sweep::Step;

/// Invariant: after [`State::finish`] it equals what [`State::open`] makes of the written store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    queues: Queues,
    branches: Branches,
    staging: Staging,
    producers: Producers,
    recent: Recent,
}

impl State {
    /// The state of a store: empty, or as the last written batch left it.
    pub fn open(store: &dyn Store) -> Result<State, StoreError> {
        let overlay = Overlay::new(store);
        let staging = Staging::open(&overlay)?;
        let branches = Branches::open(&overlay, |stage| staging.work(&overlay, stage))?;
        let (queues, producers) = (Queues::open(&overlay)?, Producers::open(&overlay)?);
        Ok(State { queues, branches, staging, producers, recent: Recent::default() })
    }

    /// A new leadership begins (P2): what was staged and that no prepared branch owns is dropped (P26). The first one
    /// creates the dead-letter queue.
    pub fn begin_epoch(&mut self, overlay: &mut Overlay<'_>, now: Timestamp) -> Result<(), StoreError> {
        if self.queues.get(QueueId::DEAD_LETTER).is_none() {
            let settings = QueueSettings { max_attempts: u32::MAX, max_abandoned: u32::MAX };
            let id = self.queues.create(overlay, now, QueueName::dead_letter(), settings, String::new());
            assert_eq!(id, QueueId::DEAD_LETTER, "the dead-letter queue is the first one");
        }
        if is(Mutant::DropsPrepared) {
            let prepared: Vec<Xid> = self.branches.prepared().map(|(xid, _)| xid.clone()).collect();
            for xid in prepared {
                let _rolled_back = self.apply_rollback_prepared(overlay, now, &xid)?;
            }
        }
        self.drop_staged(overlay)
    }

    /// Applies one command. A refused one changes nothing, with one exception: the refusal of a producer's send is the
    /// result of its sequences, and is kept (P24).
    pub fn apply(
        &mut self,
        overlay: &mut Overlay<'_>,
        now: Timestamp,
        command: Command,
    ) -> Result<Result<Done, Refused>, StoreError> {
        match command {
            Command::CreateQueue { name, settings, principal } => {
                let judged = self.judge_create_queue(&name);
                Ok(judged.map(|()| Done::Created(self.queues.create(overlay, now, name, settings, principal))))
            }
            Command::DeleteQueue { queue, fate } => Ok(self.apply_delete_queue(overlay, queue, fate)),
            Command::Sweep { queue, from, through, limit, locked, fate } => {
                let locked = locked.into_iter().collect();
                self.apply_sweep(overlay, now, Step { queue, from, through, limit, locked, fate })
            }
            Command::Expire { messages } => self.apply_expire(overlay, now, &messages).map(Ok),
            Command::Send { producer, sends } => self.apply_send(overlay, now, producer.as_ref(), sends),
            Command::StageBody { body, part, bytes } => Ok(self.apply_stage_body(overlay, body, part, &bytes)),
            Command::StageWork { stage, part, work } => Ok(self.apply_stage_work(overlay, stage, part, work)),
            Command::Unstage { stages, bodies } => self.apply_unstage(overlay, &stages, &bodies).map(Ok),
            Command::Commit { xid, work, hold } => self.apply_commit(overlay, now, &xid, work, hold),
            Command::Prepare { xid, work } => self.apply_prepare(overlay, now, xid, work),
            Command::CommitPrepared { xid, hold } => self.apply_commit_prepared(overlay, now, &xid, hold),
            Command::RollbackPrepared { xid } => self.apply_rollback_prepared(overlay, now, &xid),
            Command::Release { xid } => self.apply_release(overlay, now, &xid).map(Ok),
            Command::Return { messages, blame } => self.apply_return(overlay, now, &messages, &blame).map(Ok),
            Command::ReturnDeadLetters { messages, to } => self.apply_return_dead_letters(overlay, now, &messages, to),
        }
    }

    /// Whether applying the command now would be refused, and why.
    pub fn check(&self, overlay: &Overlay<'_>, command: &Command) -> Result<Result<(), Refused>, StoreError> {
        Ok(match command {
            Command::CreateQueue { name, .. } => self.judge_create_queue(name),
            Command::DeleteQueue { queue, .. } => self.judge_delete_queue(*queue),
            Command::Sweep { queue, fate, .. } => self.judge_sweep(*queue, *fate),
            Command::Send { producer, sends } => self.check_send(overlay, producer.as_ref(), sends)?,
            Command::StageBody { body, part, bytes } => self.judge_stage_body(*body, *part, bytes),
            Command::StageWork { stage, part, work } => self.judge_stage_work(*stage, *part, work),
            Command::Commit { xid, work, .. } | Command::Prepare { xid, work } => {
                self.judge_branch(overlay, xid, work)?.map(|_| ())
            }
            Command::CommitPrepared { xid, .. } | Command::RollbackPrepared { xid } => self.judge_prepared(xid),
            Command::ReturnDeadLetters { messages, to } => {
                self.judge_return_dead_letters(overlay, messages, *to)?.map(|_| ())
            }
            Command::Expire { .. } | Command::Unstage { .. } | Command::Release { .. } | Command::Return { .. } => {
                Ok(())
            }
        })
    }

    /// Ends a log entry: writes the counters of the queues that its commands changed, once each.
    pub fn finish(&mut self, overlay: &mut Overlay<'_>) {
        self.queues.finish(overlay);
    }

    fn judge_create_queue(&self, name: &QueueName) -> Result<(), Refused> {
        if *name == QueueName::dead_letter() {
            return Err(Refused::DeadLetterQueue);
        }
        if self.queues.named(name).is_some() {
            return Err(Refused::QueueExists { name: name.clone() });
        }
        let count = self.queues.len();
        if count < QUEUES_MAX { Ok(()) } else { Err(Refused::TooManyQueues { count }) }
    }

    fn judge_delete_queue(&self, queue: QueueId) -> Result<(), Refused> {
        if queue == QueueId::DEAD_LETTER {
            return Err(Refused::DeadLetterQueue);
        }
        let Some(entry) = self.queues.get(queue) else {
            return Err(Refused::QueueGone { queue });
        };
        match self.branches.in_the_way_of(queue) {
            Some(xid) => Err(Refused::QueueInDoubt { name: entry.record.name.clone(), xid: xid.clone() }),
            None => Ok(()),
        }
    }

    /// A queue that is going already goes on as its first delete said.
    fn apply_delete_queue(&mut self, overlay: &mut Overlay<'_>, queue: QueueId, fate: Fate) -> Result<Done, Refused> {
        self.judge_delete_queue(queue)?;
        if self.queues.open_for_use(queue).is_some() {
            self.queues.begin_delete(overlay, queue, fate);
        }
        Ok(Done::Deleting)
    }
}
