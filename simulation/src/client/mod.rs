//! Those who use the servers, each a process of its own.

mod importer;
mod order;
mod worker;

use crate::database::Reply;
use crate::plan::Mutant;
use crate::server::ServerId;
use importer::Importer;
pub use order::{Heard, Job, Order, Role, Told};
use worker::{Attempt, Worker};

#[derive(Debug)]
pub enum Client {
    Worker(Box<Worker>),
    Importer(Importer),
}

impl Client {
    /// In a new life.
    pub fn new(role: &Role, mutant: Mutant) -> Client {
        match role {
            Role::Work(job) => Client::Worker(Box::new(Worker::new(job.clone(), mutant))),
            Role::Import(messages) => Client::Importer(Importer::new(messages.clone())),
        }
    }

    pub fn is_finished(&self) -> bool {
        match self {
            Client::Worker(worker) => worker.is_finished(),
            Client::Importer(importer) => importer.is_finished(),
        }
    }

    /// The transaction whose end it does not know.
    pub fn open_attempt(&self) -> Option<&Attempt> {
        match self {
            Client::Worker(worker) => worker.open_attempt(),
            Client::Importer(_) => None,
        }
    }

    /// It reads its queue alone, over the session that it has.
    pub fn reads_alone(&self) -> bool {
        matches!(self, Client::Worker(worker) if worker.holds)
    }

    pub fn take_orders(&mut self) -> Vec<Order> {
        match self {
            Client::Worker(worker) => worker.take_orders(),
            Client::Importer(importer) => importer.take_orders(),
        }
    }

    /// A pause is over.
    pub fn wake(&mut self) {
        match self {
            Client::Worker(worker) => worker.wake(),
            Client::Importer(importer) => importer.wake(),
        }
    }

    /// The answer to its request, or what came in its place. `is_last`: nobody sends to its queue any more.
    pub fn heard(&mut self, heard: Heard, is_last: bool) {
        match self {
            Client::Worker(worker) => {
                worker.is_last = is_last;
                worker.heard(heard);
            }
            Client::Importer(importer) => importer.heard(&heard),
        }
    }

    /// The database's answer to its statement.
    pub fn replied(&mut self, reply: Reply) {
        match self {
            Client::Worker(worker) => worker.replied(reply),
            Client::Importer(_) => panic!("an importer asks no database"),
        }
    }

    /// The session to this server is gone, and with it what hung on it.
    pub fn session_lost(&mut self, server: ServerId) {
        if let Client::Worker(worker) = self {
            worker.session_lost(server);
        }
    }
}
