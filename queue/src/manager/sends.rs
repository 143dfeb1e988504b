//! Sends: in a branch they wait in its memory; outside one they are a command of their own.

use std::collections::BTreeSet;

use handfast_protocol::{ProducerSequence, Timestamp, Xid};

use super::branch::{envelope_bytes, send_bytes};
use super::event::earlier;
use super::in_flight::Continuation;
use super::limits::{
    REQUEST_ENVELOPES_BYTES_MAX, REQUEST_INLINE_BYTES_MAX, REQUEST_MESSAGES_MAX, TRANSACTION_BYTES_MAX,
};
use super::queues::named;
use super::turn::{Caller, Reply, Turn};
use super::{Answer, ConnectionId, Manager, NewBody, NewMessage, RequestRefused, Space, bodies};
use crate::limits::INLINE_BODY_BYTES_MAX;
use crate::{Body, BodyId, Command, OutgoingMessage, QueueId, Refused};

/// The messages of one request on their way, and what they have written ahead.
struct Outgoing {
    messages: Vec<OutgoingMessage>,
    bodies: Vec<BodyId>,
    staged_charge: usize,
    expires: Option<Timestamp>,
}

impl Manager {
    pub(super) fn send(
        &mut self,
        turn: &mut Turn<'_>,
        caller: Caller,
        xid: Option<Xid>,
        producer: Option<ProducerSequence>,
        messages: Vec<NewMessage>,
    ) -> Reply {
        match (xid, producer) {
            (Some(xid), Some(_)) => Err(RequestRefused::ProducerInTransaction { xid }.into()),
            (Some(xid), None) => Ok(Some(self.send_in_branch(turn, caller.connection, &xid, messages)?)),
            (None, producer) => self.send_alone(turn, caller, producer, messages),
        }
    }

    /// Kept in the branch: nothing is durable before its commit, so the answer may leave at once.
    pub(super) fn send_in_branch(
        &mut self,
        turn: &mut Turn<'_>,
        connection: ConnectionId,
        xid: &Xid,
        messages: Vec<NewMessage>,
    ) -> Result<Answer, RequestRefused> {
        let (id, branch) = self.branches.active(xid)?;
        let sizes: Vec<usize> = messages.iter().map(entry_bytes).collect();
        let bytes = sizes.iter().sum();
        if branch.size_with(bytes) > TRANSACTION_BYTES_MAX {
            return Err(RequestRefused::TransactionTooLarge { xid: xid.clone(), limit: TRANSACTION_BYTES_MAX });
        }
        let queues = self.judge(turn, connection, &messages)?;
        let staged = sizes.iter().map(|bytes| super::branch::staged_bytes(*bytes)).sum();
        self.charge(bytes, staged)?;
        let outgoing = self.outgoing(turn, messages, queues, usize::MAX);
        let mut outgoing = outgoing.inspect_err(|_| self.discharge(bytes, staged))?;
        let ids = outgoing.messages.iter().map(|message| message.id).collect();
        let branch = self.branches.get_mut(id).expect("it was found active above");
        branch.charge += bytes;
        branch.staged_charge += staged + outgoing.staged_charge;
        branch.expires = earlier(branch.expires, outgoing.expires);
        branch.bodies.append(&mut outgoing.bodies);
        assert_eq!(bytes, outgoing.messages.iter().map(send_bytes).sum::<usize>(), "what is kept is what was charged");
        outgoing.messages.into_iter().for_each(|message| branch.add_send(message));
        self.stage_overgrown(turn, id);
        Ok(Answer::Sent { ids, repeated: false })
    }

    fn send_alone(
        &mut self,
        turn: &mut Turn<'_>,
        caller: Caller,
        producer: Option<ProducerSequence>,
        messages: Vec<NewMessage>,
    ) -> Reply {
        if messages.len() > REQUEST_MESSAGES_MAX {
            return Err(RequestRefused::TooManyMessages { count: messages.len(), limit: REQUEST_MESSAGES_MAX }.into());
        }
        let bytes = messages.iter().map(|message| envelope_bytes(&message.properties)).sum();
        if bytes > REQUEST_ENVELOPES_BYTES_MAX {
            return Err(RequestRefused::SendTooLarge { bytes, limit: REQUEST_ENVELOPES_BYTES_MAX }.into());
        }
        let queues = self.judge(turn, caller.connection, &messages)?;
        if messages.is_empty() {
            return Ok(Some(Answer::Sent { ids: Vec::new(), repeated: false }));
        }
        let outgoing = self.outgoing(turn, messages, queues, REQUEST_INLINE_BYTES_MAX)?;
        let Outgoing { messages: sends, bodies, staged_charge, expires } = outgoing;
        let ids = sends.iter().map(|message| message.id).collect();
        let continuation = Continuation::Send { request: caller.request, ids, bodies, staged_charge, expires };
        self.in_flight.propose(turn.out, Command::Send { producer, sends }, continuation);
        Ok(None)
    }

    /// Everything that may stand against the messages, before anything is changed. Their queues.
    fn judge(
        &self,
        turn: &Turn<'_>,
        connection: ConnectionId,
        messages: &[NewMessage],
    ) -> Result<Vec<QueueId>, RequestRefused> {
        if self.space == Space::Low {
            return Err(RequestRefused::NoSpace);
        }
        let mut named_bodies = BTreeSet::new();
        let judge = |message: &NewMessage| {
            message.properties.check()?;
            match &message.body {
                NewBody::Inline(bytes) if bytes.len() > self.sizes.body_bytes_max => {
                    return Err(RequestRefused::BodyTooLarge { bytes: bytes.len(), limit: self.sizes.body_bytes_max });
                }
                NewBody::Inline(_) => {}
                NewBody::Staged(body) => {
                    let known = self.bodies.get(*body, connection).is_some();
                    if !known || !named_bodies.insert(*body) {
                        return Err(RequestRefused::BodyNotStaged { body: *body });
                    }
                }
            }
            let queue = named(turn, &message.queue)?.id;
            if queue == QueueId::DEAD_LETTER { Err(Refused::DeadLetterQueue.into()) } else { Ok(queue) }
        };
        messages.iter().map(judge).collect()
    }

    /// Gives the messages their ids and their bodies their places. Judged before: nothing is refused here but for room.
    fn outgoing(
        &mut self,
        turn: &mut Turn<'_>,
        messages: Vec<NewMessage>,
        queues: Vec<QueueId>,
        inline_max: usize,
    ) -> Result<Outgoing, RequestRefused> {
        let mut inline = 0;
        let mut apart = |message: &NewMessage| {
            let NewBody::Inline(bytes) = &message.body else { return None };
            let fits = rests_inline(bytes.len()) && inline + bytes.len() <= inline_max;
            inline += if fits { bytes.len() } else { 0 };
            (!fits).then_some(bytes.len())
        };
        let apart: Vec<Option<usize>> = messages.iter().map(&mut apart).collect();
        let charge = apart.iter().flatten().map(|length| bodies::staged_charge(*length)).sum();
        let ids = messages.iter().map(|_| self.ordinals.draw_message_id()).collect::<Result<Vec<_>, _>>()?;
        self.charge(0, charge)?;

        let mut outgoing = Outgoing { messages: Vec::new(), bodies: Vec::new(), staged_charge: charge, expires: None };
        for (((message, queue), id), apart) in messages.into_iter().zip(queues).zip(ids).zip(apart) {
            let NewMessage { queue: _, properties, body } = message;
            let body = match body {
                NewBody::Inline(bytes) if apart.is_none() => Body::Inline(bytes),
                NewBody::Inline(bytes) => self.put_apart(turn, BodyId(id.ordinal), &bytes),
                NewBody::Staged(body) => {
                    let (body, charge) = self.name_body(turn, body);
                    outgoing.staged_charge += charge;
                    body
                }
            };
            if let Body::Apart { body, .. } = &body {
                outgoing.bodies.push(*body);
            }
            let expires = properties.time_to_be_received.map(|span| turn.now.after(span));
            outgoing.expires = earlier(outgoing.expires, expires);
            outgoing.messages.push(OutgoingMessage { queue, id, properties, body, sent_at: turn.now });
        }
        Ok(outgoing)
    }

    /// Takes from both budgets, or from none.
    pub(super) fn charge(&mut self, active: usize, staged: usize) -> Result<(), RequestRefused> {
        if !self.active.charge(active) {
            return Err(RequestRefused::TooMuchActive { limit: self.active.limit() });
        }
        if !self.staged.charge(staged) {
            self.active.release(active);
            return Err(RequestRefused::TooMuchStaged { limit: self.staged.limit() });
        }
        Ok(())
    }

    pub(super) fn discharge(&mut self, active: usize, staged: usize) {
        self.active.release(active);
        self.staged.release(staged);
    }
}

fn rests_inline(length: usize) -> bool {
    length <= INLINE_BODY_BYTES_MAX
}

/// What a message of a branch takes of a log entry: its envelope, and its body if that rests inline.
fn entry_bytes(message: &NewMessage) -> usize {
    let inline = match &message.body {
        NewBody::Inline(bytes) if rests_inline(bytes.len()) => bytes.len(),
        NewBody::Inline(_) | NewBody::Staged(_) => 0,
    };
    envelope_bytes(&message.properties) + inline
}
