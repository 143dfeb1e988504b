//! Clients of the queue manager: they send, receive, and move messages from queue to queue in transactions, and go to
//! another member when theirs does not answer.

use std::time::Duration;

use bytes::Bytes;
use handfast_coordinator_core::{self as coordinator, KnownOutcome};
use handfast_log::disk::SplitMix64;
use handfast_machine::{Answer, ConnectionId, Event, Refusal, Request, RequestId, local_branch};
use handfast_protocol::{GlobalId, Properties, QueueName};
use handfast_queue::QueueSettings;
use handfast_queue::manager::{self, NewBody, NewMessage, RequestRefused};

use super::judge::{Judge, Violation};
use super::shell::Shell;

/// A client without an answer gives its operation up after so many ticks.
const PATIENCE: u64 = 400;

/// Messages looked at in one request, and bytes of each.
const PAGE: usize = 100;

pub(super) const QUEUES: [&str; 2] = ["orders", "shipments"];

/// Where a message goes whose consumers have vanished too often.
const DEAD_LETTERS: &str = "dead-letter";

fn queue(name: &str) -> QueueName {
    QueueName::new(name).expect("a name in order")
}

/// Where an operation stands; each step is one request.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Create(usize),
    Send(String),
    Receive,
    Begin,
    Take(GlobalId),
    Put(GlobalId, String),
    /// The body that it moves, if there was one.
    Commit(GlobalId, Option<String>),
}

#[derive(Debug)]
struct Asked {
    request: RequestId,
    connection: ConnectionId,
    member: usize,
    life: u64,
    at: u64,
    step: Step,
}

#[derive(Debug, Default)]
pub(super) struct Client {
    number: u64,
    operations: u64,
    requests: u64,
    /// Where it asks next.
    member: usize,
    asked: Option<Asked>,
    next: Option<(ConnectionId, Step)>,
    /// Operations that ended as they should.
    pub done: u64,
}

impl Client {
    pub fn new(number: u64) -> Client {
        Client { number, ..Client::default() }
    }

    pub fn is_idle(&self) -> bool {
        self.asked.is_none() && self.next.is_none()
    }

    /// The member that it waits for, and in which life.
    pub fn waits_for(&self) -> Option<(usize, u64)> {
        self.asked.as_ref().map(|asked| (asked.member, asked.life))
    }

    pub fn begin(&mut self, random: &mut SplitMix64) {
        self.operations += 1;
        let connection = ConnectionId(self.number << 32 | self.operations);
        let step = match random.below(8) {
            0 => Step::Create(random.below(2) as usize),
            1..=4 => Step::Send(format!("{}-{}", self.number, self.operations)),
            5 => Step::Receive,
            _ => Step::Begin,
        };
        self.next = Some((connection, step));
    }

    /// Asks for its next step, if it has one.
    pub fn ask(&mut self, now: u64, life: u64, shell: &Shell) {
        let Some((connection, step)) = self.next.take() else { return };
        self.requests += 1;
        let request = RequestId(self.number << 32 | self.requests);
        shell.step(Event::Request { request, connection, ask: request_of(&step) });
        self.asked = Some(Asked { request, connection, member: self.member, life, at: now, step });
    }

    /// Nobody is there to be asked: another is next.
    pub fn turn_away(&mut self) {
        self.next = None;
        self.member = (self.member + 1) % super::MEMBERS.len();
    }

    pub fn member(&self) -> usize {
        self.member
    }

    /// Without an answer in time, or with its member gone, it does not know what became of its request.
    pub fn give_up(&mut self, now: u64, member_lives: bool, shell: Option<&Shell>, judge: &mut Judge) {
        let Some(asked) = self.asked.take_if(|asked| !member_lives || now >= asked.at + PATIENCE) else { return };
        if let Some(shell) = shell.filter(|_| member_lives) {
            shell.step(Event::Disconnected { connection: asked.connection });
        }
        unknown(&asked.step, judge);
        self.member = (self.member + 1) % super::MEMBERS.len();
    }

    pub fn answered(
        &mut self,
        request: RequestId,
        answer: Result<Answer, Refusal>,
        shell: &Shell,
        judge: &mut Judge,
    ) -> Result<(), Violation> {
        let Some(Asked { connection, step, .. }) = self.asked.take_if(|asked| asked.request == request) else {
            return Ok(());
        };
        match answer {
            Ok(answer) => {
                self.next = after(step, answer, judge)?.map(|step| (connection, step));
                self.done += u64::from(self.next.is_none());
            }
            Err(Refusal::NotLeader) => self.member = (self.member + 1) % super::MEMBERS.len(),
            Err(Refusal::Queue(RequestRefused::Unknown)) => unknown(&step, judge),
            // Without effect; what was done before in a transaction must not stay locked.
            Err(_) => shell.step(Event::Disconnected { connection }),
        }
        Ok(())
    }
}

fn unknown(step: &Step, judge: &mut Judge) {
    if *step == Step::Receive {
        judge.receive_unknown();
    }
}

fn request_of(step: &Step) -> Request {
    let receive = |xid| manager::Request::Receive { xid, queue: queue(QUEUES[0]), wait: Duration::ZERO };
    let send = |xid, name, body: &String| {
        let body = NewBody::Inline(Bytes::copy_from_slice(body.as_bytes()));
        let message = NewMessage { queue: queue(name), properties: Properties::default(), body };
        manager::Request::Send { xid, producer: None, messages: vec![message] }
    };
    match step {
        Step::Create(at) => {
            let settings = QueueSettings::default();
            Request::Queue(manager::Request::CreateQueue { name: queue(QUEUES[*at]), settings })
        }
        Step::Send(body) => Request::Queue(send(None, QUEUES[0], body)),
        Step::Receive => Request::Queue(receive(None)),
        Step::Begin => Request::Coordinator(coordinator::Request::Begin { timeout: Duration::ZERO }),
        Step::Take(id) => Request::Queue(receive(Some(local_branch(*id)))),
        Step::Put(id, body) => Request::Queue(send(Some(local_branch(*id)), QUEUES[1], body)),
        Step::Commit(id, _) => Request::Coordinator(coordinator::Request::Commit { id: *id, prepared: Vec::new() }),
    }
}

/// What an answer means, and the step behind it.
fn after(step: Step, answer: Answer, judge: &mut Judge) -> Result<Option<Step>, Violation> {
    use coordinator::Answer::{Begun, Outcome};
    use manager::Answer::{Done, NoMessage, Received, Sent};
    Ok(match (step, answer) {
        (Step::Create(_), Answer::Queue(Done)) => None,
        (Step::Send(body), Answer::Queue(Sent { .. })) => {
            judge.sent(body);
            None
        }
        (Step::Receive, Answer::Queue(Received(received))) => {
            judge.received(&text(&received.message.body))?;
            None
        }
        (Step::Receive, Answer::Queue(NoMessage)) => None,
        (Step::Begin, Answer::Coordinator(Begun { id, .. })) => Some(Step::Take(id)),
        (Step::Take(id), Answer::Queue(Received(received))) => Some(Step::Put(id, text(&received.message.body))),
        (Step::Take(id), Answer::Queue(NoMessage)) => Some(Step::Commit(id, None)),
        (Step::Put(id, body), Answer::Queue(Sent { .. })) => Some(Step::Commit(id, Some(body))),
        (Step::Commit(_, moved), Answer::Coordinator(Outcome(outcome))) => {
            moved.filter(|_| outcome == KnownOutcome::Committed).into_iter().for_each(|body| judge.moved(body));
            None
        }
        (step, answer) => return Err(Violation(format!("{step:?} is answered {answer:?}"))),
    })
}

/// The bodies that are in the queues, each with its queue's name, as the leader shows them to one who only looks.
pub(super) fn left(leader: &Shell) -> Result<Vec<(&'static str, String)>, Violation> {
    let mut left = Vec::new();
    for name in QUEUES.into_iter().chain([DEAD_LETTERS]) {
        let mut after = None;
        loop {
            let peek = manager::Request::Peek { queue: queue(name), after, limit: PAGE, body_bytes: PAGE };
            let (request, connection) = (RequestId(0), ConnectionId(0));
            leader.step(Event::Request { request, connection, ask: Request::Queue(peek) });
            let page = match leader.desk().answers.pop() {
                Some((_, Ok(Answer::Queue(manager::Answer::Peeked(page))))) => page,
                Some((_, Err(Refusal::Queue(RequestRefused::QueueNotFound { .. })))) => break,
                other => return Err(Violation(format!("a look into {name} is answered {other:?}"))),
            };
            let Some(last) = page.last() else { break };
            after = Some(last.key);
            left.extend(page.iter().map(|seen| (name, text(&seen.message.body))));
        }
    }
    Ok(left)
}

fn text(body: &Bytes) -> String {
    String::from_utf8_lossy(body).into_owned()
}
