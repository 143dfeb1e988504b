//! Calls to resources: queued until the resource is attached, a bounded number at a time, and each answer led to whoever
//! waits for it.

use handfast_mutants::{Mutant, is};
use handfast_protocol::{GlobalId, Outcome, ResourceKind, ResourceName, Xid};
use handfast_store::StoreError;

use super::attachment::Link;
use super::transaction::{Phase, Stage};
use super::{Action, Context, Coordinator};
use crate::limits::CALLS_MAX;
use crate::{Ask, CallFailed, CallId, RequestId, Told};

/// Why a resource is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Deed {
    /// With the operator's request to adopt, if it is one (P3).
    Attach {
        adopt: Option<RequestId>,
    },
    Scan,
    Prepare {
        id: GlobalId,
    },
    /// Phase two of a recorded transaction.
    Tell {
        id: GlobalId,
    },
    Fence {
        id: GlobalId,
    },
    /// Rolls back a branch of a transaction that left no record; if it fails, the sweep does it.
    Undo {
        id: GlobalId,
    },
    /// Ends a branch that nobody else ends (P8).
    Sweep {
        xid: Xid,
        outcome: Outcome,
    },
    Clear {
        from: GlobalId,
        through: GlobalId,
    },
    Forget {
        xid: Xid,
    },
}

impl Coordinator {
    /// Queues a call; it leaves as soon as the resource can be called.
    pub(super) fn enqueue(&mut self, cx: &mut Context<'_>, name: &ResourceName, deed: Deed) {
        if let Some(attachment) = self.attachments.get_mut(name) {
            attachment.queue.push_back(deed);
            self.pump(cx, name);
        }
    }

    /// Issues queued calls as long as there is room for one more.
    pub(super) fn pump(&mut self, cx: &mut Context<'_>, name: &ResourceName) {
        loop {
            let Some(attachment) = self.attachments.get_mut(name) else {
                return;
            };
            if attachment.link != Link::Attached || attachment.running >= CALLS_MAX {
                return;
            }
            if attachment.telling.is_none()
                && let Some((_, id)) = attachment.ordered.first_key_value()
            {
                attachment.telling = Some(*id);
                attachment.queue.push_back(Deed::Tell { id: *id });
            }
            let Some(deed) = attachment.queue.pop_front() else {
                return;
            };
            let Some(deed) = self.still_due(name, deed) else {
                continue;
            };
            self.attachments.get_mut(name).expect("it was there above").running += 1;
            self.call(cx.out, name, deed);
        }
    }

    /// Sends a call at once. The caller keeps to the bounds.
    pub(super) fn call(&mut self, out: &mut Vec<Action>, name: &ResourceName, deed: Deed) {
        let attachment = self.attachments.get_mut(name).expect("only attached resources are called");
        let xid = |id: GlobalId| id.branch(name.bqual());
        let identity = self.identity;
        let ask = match &deed {
            Deed::Attach { adopt } => Ask::Attach { identity, adopt: adopt.is_some() },
            Deed::Scan => Ask::Scan { coordinator: identity.coordinator },
            Deed::Prepare { id } => Ask::Prepare { xid: xid(*id) },
            Deed::Tell { id } => match self.transactions.get(id).map(|transaction| transaction.phase) {
                Some(Phase::Ending { outcome: Outcome::Committed }) => Ask::Commit { xid: xid(*id) },
                _ => Ask::Rollback { xid: xid(*id) },
            },
            Deed::Fence { id } => {
                attachment.fencing.insert(*id);
                Ask::Fence { id: *id }
            }
            Deed::Undo { id } => Ask::Rollback { xid: xid(*id) },
            Deed::Sweep { xid, outcome: Outcome::Committed } => Ask::Commit { xid: xid.clone() },
            Deed::Sweep { xid, outcome: Outcome::RolledBack } => Ask::Rollback { xid: xid.clone() },
            Deed::Clear { from, through } => Ask::ClearMarkers { from: *from, through: *through },
            Deed::Forget { xid } => Ask::Forget { xid: xid.clone() },
        };
        self.last_call += 1;
        let call = CallId(self.last_call);
        out.push(Action::Call { call, resource: attachment.resource.clone(), ask });
        self.calls.insert(call, (name.clone(), deed));
    }

    /// What became of a queued call by the time it can be made; `None` if nobody wants it any more.
    fn still_due(&mut self, name: &ResourceName, deed: Deed) -> Option<Deed> {
        let found = |id: &GlobalId| self.transactions.get(id);
        let stage = |id: &GlobalId| Some(found(id)?.branches.get(name)?.stage);
        let due = match &deed {
            // Rolled back before it was asked: its work at the service is undone instead.
            Deed::Prepare { id } if stage(id) != Some(Stage::Preparing) => {
                return Some(Deed::Undo { id: *id });
            }
            Deed::Tell { id } => stage(id) == Some(Stage::Telling),
            Deed::Fence { id } => found(id).is_some_and(|found| found.phase == Phase::InDoubt),
            Deed::Attach { .. }
            | Deed::Scan
            | Deed::Prepare { .. }
            | Deed::Undo { .. }
            | Deed::Sweep { .. }
            | Deed::Clear { .. }
            | Deed::Forget { .. } => true,
        };
        due.then_some(deed)
    }

    /// A call came back, or failed.
    pub(super) fn called(
        &mut self,
        cx: &mut Context<'_>,
        call: CallId,
        result: Result<Told, CallFailed>,
    ) -> Result<(), StoreError> {
        // Not known: asked of a registration that was removed since.
        let Some((name, deed)) = self.calls.remove(&call) else {
            return Ok(());
        };
        let Some(attachment) = self.attachments.get_mut(&name) else {
            return Ok(());
        };
        let result = result.and_then(|told| fitting(&name, &deed, told));
        attachment.problem = result.as_ref().err().cloned();
        match deed {
            Deed::Attach { .. } | Deed::Scan => {}
            _ => attachment.running -= 1,
        }
        match deed {
            Deed::Attach { adopt } => self.attach_answered(cx, &name, adopt, result),
            Deed::Scan => self.scanned(cx, &name, result),
            Deed::Prepare { id } => self.voted(cx, id, &name, result)?,
            Deed::Tell { id } => self.told(cx, id, &name, result),
            Deed::Fence { id } => self.fenced(cx, id, &name, result)?,
            Deed::Undo { id } => self.undone(cx, id, &name, &result),
            Deed::Sweep { xid, outcome } => self.swept(cx, &name, &xid, outcome, &result),
            Deed::Clear { through, .. } => self.markers_answered(cx, &name, through, &result),
            // One that fails is seen by a later scan if the service still keeps it.
            Deed::Forget { xid } => {
                attachment.sweep.ending.remove(&xid);
            }
        }
        self.pump(cx, &name);
        Ok(())
    }

    /// Whether branches of this resource are told in the order of the decisions (P19).
    pub(super) fn is_ordered(&self, name: &ResourceName) -> bool {
        let is_service = |attachment: &super::attachment::Attachment| attachment.resource.kind == ResourceKind::Service;
        self.attachments.get(name).is_some_and(is_service) && !is(Mutant::TellsOutOfOrder)
    }
}

/// An answer that does not belong to the question is no answer: the service that gave it does not speak the protocol.
fn fitting(name: &ResourceName, deed: &Deed, told: Told) -> Result<Told, CallFailed> {
    let fits = match deed {
        Deed::Attach { .. } => {
            matches!(told, Told::Attached { .. } | Told::Ahead { .. } | Told::UnknownCoordinator)
        }
        Deed::Scan => matches!(told, Told::Scanned(_)),
        Deed::Prepare { .. } => matches!(told, Told::Voted(_)),
        Deed::Tell { .. } | Deed::Undo { .. } | Deed::Sweep { .. } => {
            matches!(told, Told::Done | Told::Heuristic(_))
        }
        Deed::Fence { .. } => matches!(told, Told::Fenced(_)),
        Deed::Clear { .. } | Deed::Forget { .. } => matches!(told, Told::Done),
    };
    if fits {
        return Ok(told);
    }
    Err(CallFailed::Refused {
        resource: name.clone(),
        cause: format!("its answer does not fit the question: {told:?}"),
    })
}
