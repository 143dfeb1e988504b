//! Sessions: one bidirectional stream of frames each (D11). A task reads the frames; the answers are the connection's to take.
//! No task per request.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use handfast_client::{InProcess, ServerFrames};
use handfast_machine::{ConnectionId, Event, Request};
use handfast_queue::limits::{BODY_PART_BYTES, INLINE_BODY_BYTES_MAX};
use handfast_queue::manager as queues;
use handfast_replica::Leadership;
use handfast_wire::v1;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt};
use tonic::Status;

use super::answers::{Answers, Said, SessionAnswer};
use super::convert::Asked;
use super::core_thread::{Core, Input, Waiter, put};
use super::limits::{KEEP_ALIVE, LISTING_BYTES, SESSION_UNITS_MAX, STAGING_WINDOW, UNIT_BYTES};
use super::unary::Resources;

/// What a client says in one session.
pub trait ClientFrames: Stream<Item = Result<v1::ClientFrames, Status>> + Send + Unpin + 'static {}

impl<S: Stream<Item = Result<v1::ClientFrames, Status>> + Send + Unpin + 'static> ClientFrames for S {}

/// What every session of a server shares.
#[derive(Debug, Clone)]
pub struct Sessions {
    pub core: Core,
    pub resources: Arc<Resources>,
    next_connection: Arc<AtomicU64>,
    /// Closed when the server stops: then the sessions end.
    pub stopping: watch::Receiver<bool>,
    /// A session belongs to one leadership: what it led, locked or read alone ends with that, and so does the session (P2, P23).
    leadership: watch::Receiver<Leadership>,
}

impl Sessions {
    pub fn new(
        core: Core,
        resources: Arc<Resources>,
        stopping: watch::Receiver<bool>,
        leadership: watch::Receiver<Leadership>,
    ) -> Sessions {
        // 0 is the connection of requests that have none.
        Sessions { core, resources, next_connection: Arc::new(AtomicU64::new(1)), stopping, leadership }
    }

    /// Starts a session over the frames that a client sends; what it returns are the messages for the client.
    pub fn open(&self, frames: impl ClientFrames, peer: Peer) -> Answers {
        let connection = ConnectionId(self.next_connection.fetch_add(1, Ordering::Relaxed));
        // Each answer has taken a unit of the window at least.
        let (answers, answered) = mpsc::channel(SESSION_UNITS_MAX);
        let window = Arc::new(Semaphore::new(SESSION_UNITS_MAX));
        let reader = Reader {
            core: self.core.clone(),
            resources: Arc::clone(&self.resources),
            _counted: Arc::clone(&self.resources.accounts.sessions),
            connection,
            peer,
            answers,
            window: Arc::clone(&window),
        };
        let (stopping, mut leadership) = (self.stopping.clone(), self.leadership.clone());
        leadership.mark_unchanged();
        tokio::spawn(async move { reader.run(frames, stopping, leadership).await });
        Answers::new(answered, window)
    }
}

/// Sessions of the server's own process, as long as there is the server: a client does not keep its store open.
#[derive(Debug)]
pub struct OwnProcess(pub Weak<Sessions>);

impl InProcess for OwnProcess {
    fn open(&self, frames: mpsc::Receiver<v1::ClientFrames>) -> ServerFrames {
        match self.0.upgrade() {
            Some(sessions) => Box::pin(sessions.open(ReceiverStream::new(frames).map(Ok), Peer::Local)),
            None => Box::pin(tokio_stream::empty()),
        }
    }
}

struct Reader {
    core: Core,
    resources: Arc<Resources>,
    _counted: Arc<()>,
    connection: ConnectionId,
    peer: Peer,
    answers: mpsc::Sender<SessionAnswer>,
    window: Arc<Semaphore>,
}

impl Reader {
    /// Reads until the client hangs up, breaks the protocol, or the leadership or the server ends; then the connection is lost
    /// for the core.
    async fn run(
        self,
        mut frames: impl ClientFrames,
        mut stopping: watch::Receiver<bool>,
        mut leadership: watch::Receiver<Leadership>,
    ) {
        loop {
            let message = tokio::select! {
                message = frames.next() => message,
                _ = stopping.wait_for(|stopping| *stopping) => break,
                _ = leadership.changed() => break,
            };
            let Some(Ok(message)) = message else { break };
            for frame in message.frames {
                if !self.take(frame).await {
                    self.lost().await;
                    return;
                }
            }
        }
        self.lost().await;
    }

    async fn lost(&self) {
        // The core being gone is the greater loss.
        self.core.event(Event::Disconnected { connection: self.connection }).await.ok();
    }

    /// One frame; `false` when the core is gone.
    async fn take(&self, frame: v1::ClientFrame) -> bool {
        let id = frame.id;
        match self.resources.hear(frame.request.unwrap_or_default()) {
            Ok(Asked::KeepAlive) => self.core.event(Event::KeepAlive { connection: self.connection }).await.is_ok(),
            Ok(Asked::Machine(ask)) => {
                let units = units(&ask);
                let Ok(permit) = self.window.acquire_many(units).await else { return false };
                permit.forget();
                let Ok(messages) = self.resources.accounts.hold_messages(&ask).await else { return false };
                let waiter = Waiter::Session { frame: id, units, answers: self.answers.clone(), messages };
                self.core.send(Input::Request { connection: self.connection, ask, waiter }).await.is_ok()
            }
            Ok(asked) => {
                self.take_shell(id, asked).await;
                true
            }
            Err(refused) => {
                self.reply(id, *refused).await;
                true
            }
        }
    }

    /// What the shell answers itself. Resources are asked in a task: a slow database must not hold up the session.
    async fn take_shell(&self, id: u64, asked: Asked) {
        match asked {
            Asked::Hello(hello) => {
                tracing::debug!(client = hello.client, version = hello.version, "session");
                let welcome = self.resources.identity.welcome();
                self.reply(id, v1::Reply { answer: Some(v1::reply::Answer::Welcome(welcome)) }).await;
            }
            Asked::ShowServer => self.reply(id, self.resources.identity.server(self.peer)).await,
            asked => {
                let (resources, answers) = (Arc::clone(&self.resources), self.answers.clone());
                let Ok(permit) = self.window.acquire().await else { return };
                permit.forget();
                tokio::spawn(async move {
                    let said = Box::new(Said::Shell(resources.answer(asked).await));
                    put(&answers, SessionAnswer { frame: id, units: 1, said });
                });
            }
        }
    }

    async fn reply(&self, id: u64, reply: v1::Reply) {
        if let Ok(permit) = self.window.acquire().await {
            permit.forget();
            put(&self.answers, SessionAnswer { frame: id, units: 1, said: Box::new(Said::Shell(reply)) });
        }
    }
}

/// What the answer may take of the session's window at most.
fn units(ask: &Request) -> u32 {
    // At least one: the answers' channel counts on it.
    let bytes = match ask {
        Request::Queue(queues::Request::Receive { .. }) | Request::BeginReceive { .. } => INLINE_BODY_BYTES_MAX,
        Request::Queue(queues::Request::ReadBody { .. }) => BODY_PART_BYTES,
        Request::Queue(
            queues::Request::Peek { .. } | queues::Request::ShowDeadLetter { .. } | queues::Request::ListQueues,
        ) => LISTING_BYTES,
        _ => UNIT_BYTES,
    };
    u32::try_from(bytes / UNIT_BYTES).expect("constants, checked by a test")
}

/// Whether a client is on the server's machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    Local,
    Remote,
}

impl Peer {
    /// By the address that it speaks from; one that nobody knows is far away.
    pub fn at(address: Option<SocketAddr>) -> Peer {
        if address.is_some_and(|address| address.ip().is_loopback()) { Peer::Local } else { Peer::Remote }
    }
}

/// Who answers.
#[derive(Debug, Clone)]
pub struct SessionIdentity {
    pub manager_id: uuid::Uuid,
    pub data_directory: PathBuf,
}

impl SessionIdentity {
    /// What a session is told first.
    fn welcome(&self) -> v1::Welcome {
        v1::Welcome {
            version: 1,
            manager_id: self.manager_id.into_bytes().to_vec().into(),
            staging_window: STAGING_WINDOW,
            keep_alive_ms: u32::try_from(KEEP_ALIVE.as_millis()).unwrap_or(u32::MAX),
        }
    }

    /// A path or a process id says something to a client of this machine only.
    pub fn server(&self, peer: Peer) -> v1::Reply {
        let mut server = v1::Server { manager_id: self.manager_id.into_bytes().to_vec().into(), ..Default::default() };
        if peer == Peer::Local {
            // A path that is no text cannot be told; the client then asks its user.
            server.data_directory = self.data_directory.to_str().unwrap_or_default().to_owned();
            server.process_id = std::process::id();
        }
        v1::Reply { answer: Some(v1::reply::Answer::Server(server)) }
    }
}

#[cfg(test)]
mod tests {
    use handfast_protocol::QueueName;

    use super::*;

    #[test]
    fn a_request_takes_as_much_of_the_window_as_its_answer_may() {
        let queue = QueueName::new("orders").unwrap();
        let peek = queues::Request::Peek { queue: queue.clone(), after: None, limit: 1, body_bytes: 1 };
        let receive = queues::Request::Receive { xid: None, queue, wait: std::time::Duration::ZERO };
        let asked = [peek, receive, queues::Request::ReadBody { body: handfast_queue::BodyId(1), part: 0 }];
        assert_eq!(asked.map(|ask| units(&Request::Queue(ask))), [256, 4, 16]);
    }

    #[test]
    fn only_a_client_of_this_machine_learns_where_the_data_is() {
        let manager_id = uuid::Uuid::from_u128(7);
        let identity = SessionIdentity { manager_id, data_directory: "/var/lib/handfast".into() };
        let id = bytes::Bytes::copy_from_slice(manager_id.as_bytes());
        let far = v1::Server { manager_id: id.clone(), data_directory: String::new(), process_id: 0 };
        let near =
            v1::Server { manager_id: id, data_directory: "/var/lib/handfast".into(), process_id: std::process::id() };
        let peers = [
            (Some("127.0.0.1:7"), near.clone()),
            (Some("[::1]:7"), near),
            (Some("192.0.2.1:7"), far.clone()),
            (None, far),
        ];
        for (address, told) in peers {
            let peer = Peer::at(address.map(|address| address.parse().unwrap()));
            let reply = v1::Reply { answer: Some(v1::reply::Answer::Server(told)) };
            assert_eq!(identity.server(peer), reply, "{address:?}");
        }
    }
}
