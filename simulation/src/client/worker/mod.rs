//! A client that does the main job until no order is left: receive an order, put it into the database, send its shipment, commit.
//! It rides over every crash of others: it asks for an outcome again and never guesses it. The order of things is that of the
//! real client's commit and of the trigger.

mod ending;
mod step;
mod working;

use handfast_coordinator_core as coordinator;
use handfast_machine::Request;
use handfast_queue::{Blame, manager};

use crate::client::{Heard, Job, Order, Told};
use crate::database::Reply;
use crate::limits::{CLIENT_PAUSE, CLIENT_PAUSE_DOUBLINGS, CLIENT_WAIT};
use crate::plan::Mutant;
use crate::server::ServerId;
pub use step::Attempt;
use step::Step;

#[derive(Debug)]
pub struct Worker {
    job: Job,
    mutant: Mutant,
    /// Nobody sends to its queue any more; and so it was when it last asked how many messages there are.
    pub is_last: bool,
    was_last: bool,
    /// It is the queue's exclusive reader, over the session that it has.
    pub holds: bool,
    step: Step,
    attempt: Option<Attempt>,
    /// It has work at the database that is not ended.
    has_rows: bool,
    /// Pauses in a row: they grow while nothing gets better.
    setbacks: u32,
    orders: Vec<Order>,
}

impl Worker {
    pub fn new(job: Job, mutant: Mutant) -> Worker {
        Worker {
            job,
            mutant,
            is_last: false,
            was_last: false,
            holds: false,
            step: Step::Pausing,
            attempt: None,
            has_rows: false,
            setbacks: 0,
            orders: Vec::new(),
        }
    }

    pub fn is_finished(&self) -> bool {
        self.step == Step::Finished
    }

    /// The transaction whose end it does not know.
    pub fn open_attempt(&self) -> Option<&Attempt> {
        self.attempt.as_ref()
    }

    pub fn take_orders(&mut self) -> Vec<Order> {
        std::mem::take(&mut self.orders)
    }

    /// A pause is over.
    pub fn wake(&mut self) {
        match self.step {
            Step::Pausing => self.begin_anew(),
            Step::ReportingAgain { committed } => self.report(committed),
            Step::AskingAgain => self.ask_outcome(),
            // It sleeps in these steps alone; a crash began a new life.
            _ => {}
        }
    }

    /// The answer to its request, or what came in its place.
    pub fn heard(&mut self, heard: Heard) {
        match self.step {
            Step::Opening
            | Step::Beginning
            | Step::BeginReceiving
            | Step::EnlistingQueues
            | Step::StartingBranch
            | Step::Receiving
            | Step::ReadingBody
            | Step::EnlistingDatabase
            | Step::Sending
            | Step::EndingBranch
            | Step::Looking => self.heard_working(heard),
            Step::Committing
            | Step::Reporting { .. }
            | Step::Asking
            | Step::RollingBackBranch
            | Step::RollingBack
            | Step::ClearingUp => self.heard_ending(heard),
            Step::Pausing
            | Step::Inserting
            | Step::Checking
            | Step::Preparing
            | Step::Deciding
            | Step::ReportingAgain { .. }
            | Step::AskingAgain
            | Step::LettingGo { .. }
            | Step::RollingBackRows
            | Step::Finished => {}
        }
    }

    /// The database's answer to its statement.
    pub fn replied(&mut self, reply: Reply) {
        let reply = match reply {
            Reply::RolledBack if self.mutant == Mutant::TakesRollbackForCommit => Reply::Done,
            Reply::Refused if self.mutant == Mutant::GoesOnAfterError => Reply::Done,
            reply => reply,
        };
        match (self.step, reply) {
            (Step::Inserting, Reply::Done) => {
                self.has_rows = true;
                self.send();
            }
            (Step::Checking, Reply::Done) => self.commit(),
            (Step::Preparing, Reply::Done) => {
                self.has_rows = false;
                self.commit();
            }
            (Step::Inserting, Reply::Refused) => {
                self.has_rows = true;
                self.give_up("a rule of the table forbids it");
            }
            (Step::Inserting | Step::Checking | Step::Preparing, reply) => {
                // A lost connection takes its transaction along; what may be prepared the coordinator finds by its name (P8).
                self.orders.push(Order::HangUp);
                self.has_rows = false;
                if reply == Reply::Lost && self.mutant == Mutant::BlamesForOutages {
                    return self.give_up("the database is not there");
                }
                self.roll_back();
            }
            (Step::Deciding, reply) => self.decided(reply),
            (Step::LettingGo { known }, _) => {
                self.has_rows = false;
                self.conclude(known);
            }
            (Step::RollingBackRows, _) => {
                self.has_rows = false;
                self.roll_back();
            }
            (_, _) => {}
        }
    }

    /// The session to this server is gone, and with it what hung on it.
    pub fn session_lost(&mut self, server: ServerId) {
        if server == ServerId::Queues {
            self.holds = false;
        }
    }

    fn coordinator(&self) -> ServerId {
        if self.job.way.is_standalone() { ServerId::Coordinator } else { ServerId::Queues }
    }

    fn begin_anew(&mut self) {
        if self.job.reads_alone && !self.holds {
            self.step = Step::Opening;
            let ask = manager::Request::OpenExclusive { queue: self.job.from.clone(), wait: CLIENT_WAIT };
            return self.ask_queues(ask);
        }
        let timeout = self.job.timeout;
        if self.job.combines {
            self.step = Step::BeginReceiving;
            let ask = Request::BeginReceive { timeout, queue: self.job.from.clone(), wait: CLIENT_WAIT };
            return self.orders.push(Order::Ask { server: ServerId::Queues, ask });
        }
        self.step = Step::Beginning;
        self.ask_coordinator(coordinator::Request::Begin { timeout });
    }

    fn pause(&mut self, step: Step) {
        self.step = step;
        let pause = CLIENT_PAUSE * 2_u32.pow(self.setbacks.min(CLIENT_PAUSE_DOUBLINGS));
        self.setbacks += 1;
        self.orders.push(Order::Sleep(pause));
    }

    /// The order itself is at fault (P22).
    fn give_up(&mut self, why: &str) {
        let error = why.to_owned();
        self.attempt.as_mut().expect("it has taken an order").blame = Some(Blame::Message { error });
        self.roll_back();
    }

    fn attempt(&self) -> &Attempt {
        self.attempt.as_ref().expect("between its begin and its end a transaction is known")
    }

    /// The end of its transaction, as it knows it.
    fn told(&mut self, outcome: Told) {
        if outcome == Told::RolledBack && self.attempt().has_branch {
            self.step = Step::ClearingUp;
            return self.roll_back_branch();
        }
        let attempt = self.attempt.take().expect("a transaction ends once");
        self.orders.push(Order::End { id: attempt.id, told: outcome });
        if outcome == Told::Committed || attempt.found_nothing || attempt.blame.is_some() {
            self.setbacks = 0;
        }
        if attempt.found_nothing {
            return self.look();
        }
        match outcome {
            Told::Committed => self.begin_anew(),
            Told::RolledBack | Told::Unknown | Told::Heuristic(_) => self.pause(Step::Pausing),
        }
    }

    /// Whether there is nothing left.
    fn look(&mut self) {
        self.step = Step::Looking;
        self.was_last = self.is_last;
        self.ask_queues(manager::Request::ShowQueue { name: self.job.from.clone() });
    }

    fn roll_back_branch(&mut self) {
        let attempt = self.attempt.as_mut().expect("only an open transaction has a branch");
        attempt.has_branch = false;
        let (xid, blame) = (attempt.xid.clone(), attempt.blame.clone());
        self.ask_queues(manager::Request::Rollback { xid, blame });
    }

    fn ask_queues(&mut self, ask: manager::Request) {
        self.orders.push(Order::Ask { server: ServerId::Queues, ask: Request::Queue(ask) });
    }

    fn ask_coordinator(&mut self, ask: coordinator::Request) {
        self.orders.push(Order::Ask { server: self.coordinator(), ask: Request::Coordinator(ask) });
    }
}
