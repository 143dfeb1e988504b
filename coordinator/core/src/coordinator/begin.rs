//! The active part of a transaction: it begins, and resources join it.

use std::time::Duration;

use handfast_protocol::{GlobalId, ResourceName, Timestamp};
use handfast_store::StoreError;

use super::attachment::{Link, Waiter};
use super::timer::Timer;
use super::transaction::{Branch, Phase, Place, Stage, Transaction};
use super::{Context, Coordinator};
use crate::limits::{BRANCHES_MAX, OPEN_TRANSACTIONS_MAX, TIMEOUT_DEFAULT, TIMEOUT_MAX, WAITING_ENLISTS_MAX};
use crate::{Answer, CallFailed, ConnectionId, Enlisted, RequestId, RequestRefused};

impl Coordinator {
    /// A new transaction, and when its time is up. Nothing of it is durable; `timeout` zero: the default of 60 s.
    pub fn begin(
        &mut self,
        now: Timestamp,
        connection: ConnectionId,
        timeout: Duration,
    ) -> Result<(GlobalId, Timestamp), RequestRefused> {
        if self.transactions.len() >= OPEN_TRANSACTIONS_MAX {
            return Err(RequestRefused::TooManyTransactions { limit: OPEN_TRANSACTIONS_MAX });
        }
        self.sequence += 1;
        let id = self.identity.id(self.sequence);
        let deadline = deadline(now, timeout);
        self.transactions.insert(id, Transaction::new(Some(connection), now, deadline, Phase::Active));
        self.unrecorded.insert(id);
        self.led.entry(connection).or_default().insert(id);
        self.timers.set(deadline, Timer::Deadline(id));
        Ok((id, deadline))
    }

    /// The time of an active transaction begins anew; when it is up.
    pub fn restart_clock(&mut self, now: Timestamp, id: GlobalId, timeout: Duration) -> Timestamp {
        let transaction = self.transactions.get_mut(&id).expect("only an active transaction receives");
        self.timers.cancel(transaction.deadline, Timer::Deadline(id));
        transaction.deadline = deadline(now, timeout);
        self.timers.set(transaction.deadline, Timer::Deadline(id));
        transaction.deadline
    }

    pub(super) fn enlist(
        &mut self,
        cx: &mut Context<'_>,
        request: RequestId,
        id: GlobalId,
        name: &ResourceName,
    ) -> Result<(), StoreError> {
        if !self.is_active(id) {
            let refused = self.not_active(cx, id)?;
            self.answer(cx, request, Err(refused));
            return Ok(());
        }
        match self.may_join(id, name) {
            Err(refused) => self.answer(cx, request, Err(refused)),
            Ok(Joining::Now) => {
                self.join(id, name);
                self.answer_enlisted(cx, request, id, name);
            }
            Ok(Joining::WhenASlotIsFree) => self.wait_for_slot(request, id, name),
        }
        Ok(())
    }

    /// `id` is active.
    fn may_join(&self, id: GlobalId, name: &ResourceName) -> Result<Joining, RequestRefused> {
        let transaction = &self.transactions[&id];
        let Some(attachment) = self.attachments.get(name) else {
            return Err(RequestRefused::UnknownResource { name: name.clone() });
        };
        let unusable = |problem: String| Err(RequestRefused::NotAttached { name: name.clone(), problem });
        if transaction.resources().any(|joined| joined == name) {
            return Ok(Joining::Now);
        }
        if self.changing.contains(name) {
            return Err(RequestRefused::BeingChanged { name: name.clone() });
        }
        match attachment.link {
            Link::Barred { found } => {
                return Err(RequestRefused::Ahead { name: name.clone(), found });
            }
            Link::Attaching => return unusable(attachment.failure().to_string()),
            Link::Attached => {}
        }
        if let Some(CallFailed::WrongResource { .. }) = &attachment.problem {
            return unusable(attachment.failure().to_string());
        }
        if transaction.resources().count() + transaction.waiting.len() >= BRANCHES_MAX {
            return Err(RequestRefused::TooManyBranches { id, limit: BRANCHES_MAX });
        }
        if attachment.resource.kind.is_last_resource() {
            return match &transaction.last {
                // The second could not be told to follow the first: both would decide (P11).
                Some(other) => Err(RequestRefused::SecondLastResource { name: name.clone(), other: other.clone() }),
                None => Ok(Joining::Now),
            };
        }
        if attachment.waiting.is_empty() && attachment.has_slot() {
            return Ok(Joining::Now);
        }
        if attachment.waiting.len() >= WAITING_ENLISTS_MAX {
            return Err(RequestRefused::TooManyWaiting { name: name.clone(), limit: WAITING_ENLISTS_MAX });
        }
        Ok(Joining::WhenASlotIsFree)
    }

    /// Joins it, or leaves it joined.
    fn join(&mut self, id: GlobalId, name: &ResourceName) {
        let attachment = self.attachments.get_mut(name).expect("only attached resources are joined");
        let transaction = self.transactions.get_mut(&id).expect("only active transactions are joined");
        let kind = attachment.resource.kind;
        attachment.users.insert(id);
        attachment.markers.unended.insert(id);
        if kind.is_last_resource() {
            transaction.last = Some(name.clone());
        } else {
            transaction.branches.entry(name.clone()).or_insert_with(|| Branch::new(kind, Stage::Enlisted));
        }
    }

    fn answer_enlisted(&mut self, cx: &mut Context<'_>, request: RequestId, id: GlobalId, name: &ResourceName) {
        let resource = self.attachments[name].resource.clone();
        self.answer(cx, request, Ok(Answer::Enlisted(Enlisted { xid: id.branch(name.bqual()), resource })));
    }

    fn wait_for_slot(&mut self, request: RequestId, id: GlobalId, name: &ResourceName) {
        self.last_ticket += 1;
        let ticket = self.last_ticket;
        let attachment = self.attachments.get_mut(name).expect("only attached resources are waited for");
        attachment.waiting.insert(ticket, Waiter { id, request });
        let transaction = self.transactions.get_mut(&id).expect("only active transactions wait");
        transaction.waiting.push(Place { resource: name.clone(), ticket, request });
    }

    /// Lets in those who wait for a slot, first come first served (P9).
    pub(super) fn admit(&mut self, cx: &mut Context<'_>, name: &ResourceName) {
        loop {
            let Some(attachment) = self.attachments.get_mut(name) else {
                return;
            };
            if attachment.link != Link::Attached || !attachment.has_slot() {
                return;
            }
            let Some((ticket, Waiter { id, request })) = attachment.waiting.pop_first() else {
                return;
            };
            let transaction = self.transactions.get_mut(&id).expect("who leaves a transaction leaves its places");
            transaction.waiting.retain(|place| place.ticket != ticket);
            self.join(id, name);
            self.answer_enlisted(cx, request, id, name);
        }
    }

    /// Gives up every place in a queue for slots that the transaction has; who asked is to be answered.
    pub(super) fn leave_queues(&mut self, id: GlobalId) -> Vec<RequestId> {
        let Some(transaction) = self.transactions.get_mut(&id) else {
            return Vec::new();
        };
        let places = std::mem::take(&mut transaction.waiting);
        for place in &places {
            if let Some(attachment) = self.attachments.get_mut(&place.resource) {
                attachment.waiting.remove(&place.ticket);
            }
        }
        places.into_iter().map(|place| place.request).collect()
    }

    /// Frees the slot that a transaction has at a resource.
    pub(super) fn leave(&mut self, cx: &mut Context<'_>, id: GlobalId, name: &ResourceName) {
        if let Some(attachment) = self.attachments.get_mut(name) {
            attachment.users.remove(&id);
            self.admit(cx, name);
        }
    }
}

fn deadline(now: Timestamp, timeout: Duration) -> Timestamp {
    now.after(if timeout.is_zero() { TIMEOUT_DEFAULT } else { timeout.min(TIMEOUT_MAX) })
}

enum Joining {
    Now,
    WhenASlotIsFree,
}
