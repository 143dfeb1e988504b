//! The thread that owns the machine: takes events, steps the node, carries out its actions.
//!
//! It is a runtime of one thread, and the replica's tasks run on it too, with few processors the sessions as well: an entry goes
//! from the node to the log and comes back committed without waking another thread than the log's, if that.

use std::collections::BTreeMap;
use std::thread::JoinHandle;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use handfast_coordinator_core::Identity;
use handfast_crash_points::{CrashPoint, is_armed, reach_about};
use handfast_machine::{
    Action, Answer, ConnectionId, Entry, Event, Fatal, Node, Recovery, Refusal, Request, RequestId,
};
use handfast_protocol::{Gauge, Timestamp};
use handfast_store::Store;
use tokio::runtime::{Builder, Handle};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tokio::task;
use tokio::time::timeout;

use super::answers::{Said, SessionAnswer};
use super::calls::Call;
use super::commands::commands_of_all;
use super::limits::{CORE_INPUTS_MAX, ENTRIES_AHEAD_MAX, EVENTS_PER_ROUND};

/// Who waits for an answer.
#[derive(Debug)]
pub enum Waiter {
    Session {
        frame: u64,
        units: u32,
        answers: mpsc::Sender<SessionAnswer>,
        /// Its share of the messages that all sessions may ask to be taken.
        messages: Option<OwnedSemaphorePermit>,
    },
    Once {
        reply: oneshot::Sender<Result<Answer, Refusal>>,
        messages: Option<OwnedSemaphorePermit>,
    },
}

impl Waiter {
    fn release_messages(&mut self) {
        let (Waiter::Session { messages, .. } | Waiter::Once { messages, .. }) = self;
        *messages = None;
    }
}

/// What reaches the core thread.
#[derive(Debug)]
pub enum Input {
    Request {
        connection: ConnectionId,
        ask: Request,
        waiter: Waiter,
    },
    Event(Event),
    Committed {
        entries: Vec<Entry>,
        applied: oneshot::Sender<()>,
    },
    /// The position of the last applied entry.
    Position(oneshot::Sender<Option<Bytes>>),
    /// What was found when the leadership began, if there is one, and what the core has taken.
    Accounts(oneshot::Sender<(Option<Recovery>, Vec<Gauge>)>),
    /// Who the coordinator is in this epoch; `None` while no epoch of this process has begun.
    Identity(oneshot::Sender<Option<Identity>>),
    Stop,
}

/// What the core thread wants done outside. It never waits for room there: the machine bounds what it has asked for and not
/// been told of, and the channels hold as much.
#[derive(Debug)]
pub struct Effects {
    pub proposals: mpsc::Sender<Bytes>,
    pub calls: mpsc::Sender<Call>,
    pub barriers: mpsc::Sender<u64>,
}

/// The core thread has ended; the process is ending.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the server is stopping")]
pub struct Stopped;

/// A handle to the core thread. Whoever has something for it waits while [`CORE_INPUTS_MAX`] others wait already.
#[derive(Debug, Clone)]
pub struct Core {
    /// What connections ask, in their order: it waits while much is proposed and not applied.
    asked: mpsc::Sender<Input>,
    /// What has happened, and what the server itself wants to know.
    events: mpsc::Sender<Input>,
    runtime: Handle,
}

/// The other ends of a [`Core`].
struct Inputs {
    asked: mpsc::Receiver<Input>,
    events: mpsc::Receiver<Input>,
}

impl Core {
    pub async fn send(&self, input: Input) -> Result<(), Stopped> {
        let channel = match &input {
            Input::Request { .. } | Input::Event(Event::Disconnected { .. }) => &self.asked,
            _ => &self.events,
        };
        channel.send(input).await.map_err(|_| Stopped)
    }

    pub async fn event(&self, event: Event) -> Result<(), Stopped> {
        self.send(Input::Event(event)).await
    }

    /// Runs a task on the core's own thread, until that ends. For what works hand in hand with the core: what blocks in it
    /// stops the core too, as an append does while the log has no room for more.
    pub fn spawn<F>(&self, task: F) -> task::JoinHandle<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        self.runtime.spawn(task)
    }

    /// One request outside any session, without messages.
    pub async fn ask(&self, ask: Request) -> Result<Result<Answer, Refusal>, Stopped> {
        self.ask_holding(ask, None).await
    }

    /// The same with what its messages take of the room for all.
    pub async fn ask_holding(
        &self,
        ask: Request,
        messages: Option<OwnedSemaphorePermit>,
    ) -> Result<Result<Answer, Refusal>, Stopped> {
        let (reply, answer) = oneshot::channel();
        self.send(Input::Request { connection: UNARY, ask, waiter: Waiter::Once { reply, messages } }).await?;
        answer.await.map_err(|_| Stopped)
    }

    /// Whether requests are served.
    pub async fn is_leading(&self) -> Result<bool, Stopped> {
        Ok(self.identity().await?.is_some())
    }

    pub async fn identity(&self) -> Result<Option<Identity>, Stopped> {
        let (reply, identity) = oneshot::channel();
        self.send(Input::Identity(reply)).await?;
        identity.await.map_err(|_| Stopped)
    }

    /// See [`Input::Accounts`].
    pub async fn accounts(&self) -> Result<(Option<Recovery>, Vec<Gauge>), Stopped> {
        let (reply, accounts) = oneshot::channel();
        self.send(Input::Accounts(reply)).await?;
        accounts.await.map_err(|_| Stopped)
    }

    pub async fn position(&self) -> Result<Option<Bytes>, Stopped> {
        let (reply, position) = oneshot::channel();
        self.send(Input::Position(reply)).await?;
        position.await.map_err(|_| Stopped)
    }
}

/// The connection of requests that have none; it never disconnects.
const UNARY: ConnectionId = ConnectionId(0);

/// Starts the thread. It ends on [`Input::Stop`], or with the cause when the machine cannot go on (D12).
pub fn start<S: Store + 'static>(
    node: Node<S>,
    effects: Effects,
    ended: oneshot::Sender<Result<(), Fatal>>,
) -> std::io::Result<(Core, JoinHandle<()>)> {
    let ((asked, of_connections), (events, happened)) =
        (mpsc::channel(CORE_INPUTS_MAX), mpsc::channel(CORE_INPUTS_MAX));
    let inputs = Inputs { asked: of_connections, events: happened };
    let thread = CoreThread {
        node,
        effects,
        waiters: BTreeMap::new(),
        next_request: 1,
        actions: Vec::new(),
        applied: Vec::new(),
    };
    let (built, handed_over) = std::sync::mpsc::sync_channel(1);
    let handle = std::thread::Builder::new().name("core".to_owned()).spawn(move || {
        let runtime = match Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => return drop(built.send(Err(error))),
        };
        built.send(Ok(runtime.handle().clone())).expect("who started the thread waits for it");
        let result = runtime.block_on(thread.run(inputs));
        if let Err(fatal) = &result {
            tracing::error!(%fatal, "the machine cannot go on");
        }
        // Nobody listens any more only when the process is ending anyway.
        ended.send(result).ok();
    })?;
    let runtime = handed_over.recv().expect("the thread says how it began")?;
    Ok((Core { asked, events, runtime }, handle))
}

struct CoreThread<S: Store> {
    node: Node<S>,
    effects: Effects,
    waiters: BTreeMap<RequestId, Waiter>,
    next_request: u64,
    actions: Vec<Action>,
    /// What was applied since actions were last carried out, for the crash points.
    applied: Vec<&'static str>,
}

/// Whether the thread goes on.
#[derive(PartialEq, Eq)]
enum Round {
    Next,
    Last,
}

impl<S: Store> CoreThread<S> {
    async fn run(mut self, mut inputs: Inputs) -> Result<(), Fatal> {
        let mut taken = Vec::with_capacity(EVENTS_PER_ROUND);
        loop {
            let mut round = self.wait(&mut inputs, &mut taken).await;
            let room = EVENTS_PER_ROUND - taken.len();
            for input in taken.drain(..) {
                if self.take(input)? == Round::Last {
                    round = Round::Last;
                }
            }
            for _ in 0..room {
                if !self.takes_requests() {
                    break;
                }
                let Ok(input) = inputs.asked.try_recv() else { break };
                self.take(input)?;
            }
            let now = now();
            if self.node.next_tick().is_some_and(|due| due <= now) {
                self.node.step(now, Event::Tick, &mut self.actions)?;
            }
            self.node.flush(now, &mut self.actions);
            self.carry_out();
            reach_about(CrashPoint::Told, || self.applied.drain(..));
            if round == Round::Last {
                self.node.step(now, Event::Follow, &mut self.actions)?;
                self.carry_out();
                return Ok(());
            }
            // What was proposed goes to the log, and what is durable comes back, however many inputs wait.
            task::yield_now().await;
        }
    }

    /// Whether what is proposed and not applied leaves room for more. What is applied next comes as an event.
    fn takes_requests(&self) -> bool {
        self.node.entries_in_flight() <= ENTRIES_AHEAD_MAX
    }

    /// Waits for an input, and takes the events that are there; takes none when a tick is due first.
    async fn wait(&self, Inputs { asked, events }: &mut Inputs, taken: &mut Vec<Input>) -> Round {
        let first = async {
            tokio::select! {
                biased;
                input = events.recv() => input,
                input = asked.recv(), if self.takes_requests() => input,
            }
        };
        let first = match self.node.next_tick() {
            None => first.await,
            Some(due) => match timeout(due.since(now()), first).await {
                Ok(first) => first,
                Err(_due) => return Round::Next,
            },
        };
        let Some(first) = first else { return Round::Last };
        taken.push(first);
        let happened = std::iter::from_fn(|| events.try_recv().ok());
        taken.extend(happened.take(EVENTS_PER_ROUND - 1));
        Round::Next
    }

    fn take(&mut self, input: Input) -> Result<Round, Fatal> {
        match input {
            Input::Request { connection, ask, mut waiter } => {
                let request = RequestId(self.next_request);
                self.next_request += 1;
                if matches!(ask, Request::SendCommit { .. }) {
                    // From here on its messages count as the branch's, and its commit may wait for others.
                    waiter.release_messages();
                }
                self.waiters.insert(request, waiter);
                self.node.step(now(), Event::Request { request, connection, ask }, &mut self.actions)?;
            }
            Input::Event(event) => self.node.step(now(), event, &mut self.actions)?,
            Input::Committed { entries, applied } => {
                if is_armed() {
                    self.applied.extend(commands_of_all(&entries));
                }
                reach_about(CrashPoint::Applying, || self.applied.iter().copied());
                self.node.step(now(), Event::Committed { entries }, &mut self.actions)?;
                reach_about(CrashPoint::Applied, || self.applied.iter().copied());
                applied.send(()).ok();
            }
            Input::Position(reply) => {
                reply.send(self.node.state().position().cloned()).ok();
            }
            Input::Accounts(reply) => {
                reply.send((self.node.recovery(), self.node.gauges())).ok();
            }
            Input::Identity(reply) => {
                reply.send(self.node.identity()).ok();
            }
            Input::Stop => return Ok(Round::Last),
        }
        Ok(Round::Next)
    }

    /// A receiver that is gone needs nothing: its connection was lost, or the process is ending.
    fn carry_out(&mut self) {
        for action in self.actions.drain(..) {
            match action {
                Action::Propose(entry) => {
                    put(&self.effects.proposals, entry);
                }
                Action::Call { call, resource, ask } => {
                    put(&self.effects.calls, Call { call, resource, ask });
                }
                Action::Barrier { barrier } => {
                    put(&self.effects.barriers, barrier);
                }
                Action::Answer { request, answer } => match self.waiters.remove(&request) {
                    Some(Waiter::Session { frame, units, answers, messages }) => {
                        drop(messages);
                        put(&answers, SessionAnswer { frame, units, said: Box::new(Said::Machine(answer)) });
                    }
                    Some(Waiter::Once { reply, messages }) => {
                        drop(messages);
                        reply.send(answer).ok();
                    }
                    None => unreachable!("every request is answered once"),
                },
            }
        }
    }
}

/// Into a channel that has room for all that can be under way. One that had none would show a bound that does not hold.
pub fn put<T>(channel: &mpsc::Sender<T>, item: T) {
    if let Err(TrySendError::Full(_)) = channel.try_send(item) {
        panic!("more than {} are under way", channel.max_capacity());
    }
}

/// The wall clock, as the cores see it (P4 keeps it from going back).
fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
