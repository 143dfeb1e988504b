//! A client that sends a file of orders under a producer's name (P24): one after the other, each again with the same sequence
//! until it is answered. Started anew, it goes on where the queue manager says that it was.

use handfast_machine::{Answer, Refusal, Request};
use handfast_protocol::ProducerSequence;
use handfast_queue::manager::{self, NewMessage, RequestRefused};

use super::order::{Heard, Order};
use crate::limits::{CLIENT_PAUSE, CLIENT_PAUSE_DOUBLINGS};
use crate::names;
use crate::server::ServerId;

#[derive(Debug)]
pub struct Importer {
    /// All of them, also those that an earlier life has sent.
    messages: Vec<NewMessage>,
    /// The sequence of the next one; `None` until the queue manager has said it.
    next: Option<u64>,
    /// Pauses in a row.
    setbacks: u32,
    orders: Vec<Order>,
    is_finished: bool,
}

impl Importer {
    pub fn new(messages: Vec<NewMessage>) -> Importer {
        Importer { messages, next: None, setbacks: 0, orders: Vec::new(), is_finished: false }
    }

    pub fn is_finished(&self) -> bool {
        self.is_finished
    }

    pub fn take_orders(&mut self) -> Vec<Order> {
        std::mem::take(&mut self.orders)
    }

    pub fn wake(&mut self) {
        let Some(sequence) = self.next else {
            return self.ask(manager::Request::ShowProducer { producer: names::importer() });
        };
        let Some(message) = self.messages.get(sequence as usize).cloned() else {
            self.is_finished = true;
            return self.orders.push(Order::Leave);
        };
        let producer = Some(ProducerSequence { producer: names::importer(), epoch: 0, sequence, mark: 0 });
        self.ask(manager::Request::Send { xid: None, producer, messages: vec![message] });
    }

    pub fn heard(&mut self, heard: &Heard) {
        match (heard, self.next) {
            (Heard::Answer(Ok(Answer::Queue(manager::Answer::Sent { .. }))), Some(sequence)) => {
                self.goes_on(sequence + 1);
            }
            (Heard::Answer(Ok(Answer::Queue(manager::Answer::Producer(place)))), None) => self.goes_on(place.next),
            (Heard::Answer(Ok(Answer::Queue(manager::Answer::UnknownProducer))), None) => self.goes_on(0),
            (Heard::Answer(Err(refusal)), _) if !may_pass(refusal) => panic!("P24: {refusal}"),
            (Heard::Answer(Err(_)) | Heard::Lost | Heard::Unreachable, _) => self.pause(),
            (Heard::Answer(Ok(answer)), next) => panic!("{answer:?} does not answer the importer at {next:?}"),
        }
    }

    fn goes_on(&mut self, next: u64) {
        self.next = Some(next);
        self.setbacks = 0;
        self.wake();
    }

    fn pause(&mut self) {
        self.orders.push(Order::Sleep(CLIENT_PAUSE * 2_u32.pow(self.setbacks.min(CLIENT_PAUSE_DOUBLINGS))));
        self.setbacks += 1;
    }

    fn ask(&mut self, ask: manager::Request) {
        self.orders.push(Order::Ask { server: ServerId::Queues, ask: Request::Queue(ask) });
    }
}

/// Another try may end otherwise.
fn may_pass(refusal: &Refusal) -> bool {
    matches!(refusal, Refusal::NotLeader | Refusal::Queue(RequestRefused::NoSpace | RequestRefused::Unknown))
}
