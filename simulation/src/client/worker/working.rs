//! From the beginning of a transaction to the request to commit it.

use bytes::Bytes;
use handfast_coordinator_core as coordinator;
use handfast_machine::{Answer, Refusal, Request};
use handfast_protocol::{Properties, ResourceKind};
use handfast_queue::manager::{self, NewBody, NewMessage, RequestRefused};

use super::Worker;
use super::step::{Attempt, Step};
use crate::client::{Heard, Order};
use crate::database::{OrderRow, Statement};
use crate::goods;
use crate::limits::CLIENT_WAIT;
use crate::names;
use crate::server::ServerId;

impl Worker {
    pub(super) fn heard_working(&mut self, heard: Heard) {
        let answer = match heard {
            Heard::Answer(Ok(answer)) => answer,
            Heard::Answer(Err(Refusal::Queue(RequestRefused::SharingViolation { .. }))) => {
                self.lost_its_right();
                return self.refused();
            }
            Heard::Answer(Err(_)) | Heard::Lost | Heard::Unreachable => return self.refused(),
        };
        match (self.step, answer) {
            (Step::Opening, Answer::Queue(manager::Answer::Done)) => {
                self.holds = true;
                self.orders.push(Order::KeepAlive);
                self.begin_anew();
            }
            (Step::Beginning, Answer::Coordinator(coordinator::Answer::Begun { id, .. })) => {
                self.attempt = Some(Attempt::new(id));
                if self.job.way.is_standalone() {
                    self.step = Step::EnlistingQueues;
                    self.ask_coordinator(coordinator::Request::Enlist { id, resource: names::queues() });
                } else {
                    self.receive();
                }
            }
            (Step::EnlistingQueues, Answer::Coordinator(coordinator::Answer::Enlisted(enlisted))) => {
                self.step = Step::StartingBranch;
                let xid = enlisted.xid;
                self.attempt.as_mut().expect("it has begun").xid = xid.clone();
                self.ask_queues(manager::Request::Start { xid, timeout: self.job.timeout });
            }
            (Step::StartingBranch, Answer::Queue(manager::Answer::Done)) => {
                self.attempt.as_mut().expect("it has begun").has_branch = true;
                self.receive();
            }
            (Step::BeginReceiving, Answer::Begun { id, received, .. }) => {
                self.attempt = Some(Attempt::new(id));
                self.has_message(&received);
            }
            (Step::BeginReceiving, Answer::Queue(manager::Answer::NoMessage)) => {
                self.setbacks = 0;
                self.look();
            }
            (Step::Receiving, Answer::Queue(manager::Answer::Received(received))) => self.has_message(&received),
            (Step::ReadingBody, Answer::Queue(manager::Answer::BodyPart(body))) => self.received(&body),
            (Step::Receiving, Answer::Queue(manager::Answer::NoMessage)) => self.found_nothing(),
            (Step::EnlistingDatabase, Answer::Coordinator(coordinator::Answer::Enlisted(_))) => {
                self.step = Step::Inserting;
                let Attempt { id, order, .. } = self.attempt();
                let row = OrderRow { order: order.clone().unwrap_or_default(), id: *id };
                self.orders.push(Order::Execute(Statement::Insert(row)));
            }
            (Step::Sending, Answer::Queue(manager::Answer::Sent { .. })) => self.end_branch(),
            (Step::EndingBranch, Answer::Queue(manager::Answer::Done)) => self.make_ready(),
            (Step::Looking, Answer::Queue(manager::Answer::Queue(view))) => {
                if view.messages == 0 && self.was_last {
                    self.step = Step::Finished;
                    self.orders.push(Order::Leave);
                } else {
                    self.pause(Step::Pausing);
                }
            }
            (step, answer) => panic!("{answer:?} answers nothing that was asked in {step:?}"),
        }
    }

    /// It stood still for longer than its lease: it opens the queue again (P23).
    fn lost_its_right(&mut self) {
        if self.holds {
            self.holds = false;
            let close = Request::Queue(manager::Request::CloseExclusive { queue: self.job.from.clone() });
            self.orders.push(Order::Tell { server: ServerId::Queues, ask: close });
        }
    }

    /// What was asked was not done, or nobody knows: the transaction, if there is one, must not commit.
    fn refused(&mut self) {
        if self.attempt.is_some() { self.roll_back() } else { self.pause(Step::Pausing) }
    }

    fn receive(&mut self) {
        self.step = Step::Receiving;
        let xid = Some(self.attempt().xid.clone());
        self.ask_queues(manager::Request::Receive { xid, queue: self.job.from.clone(), wait: CLIENT_WAIT });
    }

    fn has_message(&mut self, received: &manager::Received) {
        match received.apart {
            Some((body, _)) => {
                self.step = Step::ReadingBody;
                self.ask_queues(manager::Request::ReadBody { body, part: 0 });
            }
            None => self.received(&received.message.body),
        }
    }

    fn received(&mut self, body: &[u8]) {
        let attempt = self.attempt.as_mut().expect("it has begun");
        let id = attempt.id;
        attempt.order = Some(String::from_utf8_lossy(body).into_owned());
        // The right to read alone may have been lost between the two; then the order goes back to its place.
        if self.job.reads_alone && !self.holds {
            return self.roll_back();
        }
        if self.job.way.database().is_some() {
            self.step = Step::EnlistingDatabase;
            self.ask_coordinator(coordinator::Request::Enlist { id, resource: names::ledger() });
        } else if goods::is_poison(self.attempt().order.as_deref().unwrap_or_default()) {
            self.give_up("nobody can do it");
        } else {
            self.send();
        }
    }

    fn found_nothing(&mut self) {
        let attempt = self.attempt.as_mut().expect("it has begun");
        attempt.found_nothing = true;
        // Who has done nothing may commit it as well: the queue manager votes that it only read.
        if attempt.has_branch && attempt.id.sequence.is_multiple_of(2) { self.end_branch() } else { self.roll_back() }
    }

    pub(super) fn send(&mut self) {
        if self.job.combines {
            return self.make_ready();
        }
        self.step = Step::Sending;
        let (xid, messages) = (Some(self.attempt().xid.clone()), vec![self.shipment()]);
        self.ask_queues(manager::Request::Send { xid, producer: None, messages });
    }

    pub(super) fn shipment(&self) -> NewMessage {
        let Attempt { id, order, .. } = self.attempt();
        NewMessage {
            queue: self.job.to.clone(),
            // By the label the checker knows which transaction sent it.
            properties: Properties { label: id.to_string(), ..Properties::default() },
            body: NewBody::Inline(Bytes::from(order.clone().unwrap_or_default())),
        }
    }

    /// A branch of another coordinator is ended before it can be prepared (XA+ 2.3).
    fn end_branch(&mut self) {
        if !self.job.way.is_standalone() {
            return self.make_ready();
        }
        self.step = Step::EndingBranch;
        let xid = self.attempt().xid.clone();
        self.ask_queues(manager::Request::End { xid });
    }

    fn make_ready(&mut self) {
        match self.job.way.database() {
            _ if self.attempt().found_nothing => self.commit(),
            None => self.commit(),
            Some(ResourceKind::PostgresTwoPhase) => {
                self.step = Step::Preparing;
                let xid = self.attempt().id.branch(names::ledger().bqual());
                self.orders.push(Order::Execute(Statement::Prepare { xid }));
            }
            Some(_) => {
                self.step = Step::Checking;
                self.orders.push(Order::Execute(Statement::Check));
            }
        }
    }
}
