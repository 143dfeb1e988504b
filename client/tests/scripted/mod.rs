//! A server whose every answer a test writes down: it accepts sessions, says Welcome, and hands the frames to the test.

#![allow(dead_code, reason = "each test program uses its own part")]

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;

use handfast_protocol::{Bqual, CoordinatorId, GlobalId, Incarnation, MessageId};
use handfast_wire::v1;
use handfast_wire::v1::handfast_server::{Handfast, HandfastServer};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::{Request, Response, Status, Streaming};
use uuid::Uuid;

pub use handfast_wire::v1::reply::Answer;
pub use handfast_wire::v1::request::Ask;

pub const WINDOW: u32 = 4;
pub const KEEP_ALIVE_MS: u32 = 60;
/// Nothing here takes this long, unless it hangs.
const PATIENCE: Duration = Duration::from_secs(30);

pub struct ScriptedServer {
    pub address: SocketAddr,
    sessions: mpsc::Receiver<Peer>,
    task: JoinHandle<()>,
}

/// The server's end of one session.
pub struct Peer {
    messages: mpsc::Receiver<v1::ClientFrames>,
    answers: mpsc::Sender<Result<v1::ServerFrames, Status>>,
    taken: VecDeque<v1::ClientFrame>,
}

struct Service {
    sessions: mpsc::Sender<Peer>,
}

impl ScriptedServer {
    pub async fn start() -> ScriptedServer {
        ScriptedServer::start_at("127.0.0.1:0".parse().unwrap()).await
    }

    pub async fn start_at(address: SocketAddr) -> ScriptedServer {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (accepted, sessions) = mpsc::channel(16);
        let service = HandfastServer::new(Service { sessions: accepted });
        let server = tonic::transport::Server::builder().add_service(service);
        let task =
            tokio::spawn(async move { server.serve_with_incoming(TcpListenerStream::new(listener)).await.unwrap() });
        ScriptedServer { address, sessions, task }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub async fn accept(&mut self) -> Peer {
        within(self.sessions.recv()).await.unwrap()
    }

    /// Nobody listens at the address any more.
    pub async fn stop(self) -> SocketAddr {
        self.task.abort();
        assert!(self.task.await.unwrap_err().is_cancelled());
        self.address
    }
}

#[tonic::async_trait]
impl Handfast for Service {
    type SessionStream = ReceiverStream<Result<v1::ServerFrames, Status>>;

    async fn session(
        &self,
        request: Request<Streaming<v1::ClientFrames>>,
    ) -> Result<Response<Self::SessionStream>, Status> {
        let mut inbound = request.into_inner();
        let hello = inbound.message().await?.unwrap();
        assert!(matches!(&ask_of(&hello.frames[0]), Ask::Hello(v1::Hello { version: 1, .. })));
        let (answers, outbound) = mpsc::channel(16);
        let welcome =
            v1::Welcome { version: 1, staging_window: WINDOW, keep_alive_ms: KEEP_ALIVE_MS, ..Default::default() };
        answers.send(Ok(frames(vec![(hello.frames[0].id, Answer::Welcome(welcome))]))).await.unwrap();
        let (forward, messages) = mpsc::channel(16);
        self.sessions.send(Peer { messages, answers, taken: VecDeque::new() }).await.unwrap();
        tokio::spawn(async move {
            while let Ok(Some(message)) = inbound.message().await {
                if forward.send(message).await.is_err() {
                    break;
                }
            }
        });
        Ok(Response::new(ReceiverStream::new(outbound)))
    }

    async fn call(&self, _: Request<v1::Request>) -> Result<Response<v1::Reply>, Status> {
        Err(Status::unimplemented("tests use sessions"))
    }
}

impl Peer {
    /// The next request, with its id.
    pub async fn next(&mut self) -> (u64, Ask) {
        self.try_next().await.expect("the client has ended the session")
    }

    /// `None` when the client has ended the session.
    pub async fn try_next(&mut self) -> Option<(u64, Ask)> {
        while self.taken.is_empty() {
            self.taken.extend(within(self.messages.recv()).await?.frames);
        }
        let frame = self.taken.pop_front()?;
        Some((frame.id, ask_of(&frame)))
    }

    /// The next whole message of the stream.
    pub async fn next_message(&mut self) -> Vec<v1::ClientFrame> {
        assert!(self.taken.is_empty());
        within(self.messages.recv()).await.unwrap().frames
    }

    /// Whether nothing has come yet.
    pub fn is_quiet(&mut self) -> bool {
        self.taken.is_empty() && self.messages.is_empty()
    }

    pub async fn answer(&self, id: u64, answer: Answer) {
        self.answer_all(vec![(id, answer)]).await;
    }

    pub async fn answer_all(&self, answers: Vec<(u64, Answer)>) {
        self.answers.send(Ok(frames(answers))).await.unwrap();
    }

    pub async fn refuse(&self, id: u64, code: v1::refusal::Code, text: &str) {
        let refusal = v1::Refusal { code: code.into(), text: text.to_owned(), expected: 0 };
        self.answer(id, Answer::Refusal(refusal)).await;
    }

    pub async fn expect_begin(&mut self, gtrid: GlobalId) {
        let (id, ask) = self.next().await;
        assert!(matches!(ask, Ask::Begin(_)), "{ask:?}");
        self.answer(id, Answer::Begun(v1::Begun { gtrid: gtrid.to_string(), deadline_ms: 0 })).await;
    }

    pub async fn expect_enlist(&mut self, gtrid: GlobalId, resource: &v1::Resource) {
        let (id, ask) = self.next().await;
        assert_eq!(ask, Ask::Enlist(v1::Enlist { gtrid: gtrid.to_string(), resource: resource.name.clone() }));
        let xid = gtrid.branch(Bqual::new(resource.name.clone()).unwrap());
        let enlisted = v1::Enlisted { xid: Some((&xid).into()), resource: Some(resource.clone()) };
        self.answer(id, Answer::Enlisted(enlisted)).await;
    }

    /// Leaves the commit unanswered; gives its id.
    pub async fn expect_commit(&mut self, gtrid: GlobalId, prepared: &[&str]) -> u64 {
        let (id, ask) = self.next().await;
        let prepared = prepared.iter().map(|name| (*name).to_owned()).collect();
        assert_eq!(ask, Ask::Commit(v1::Commit { gtrid: gtrid.to_string(), prepared, messages: Vec::new() }));
        id
    }

    pub async fn expect_report(&mut self, gtrid: GlobalId, committed: bool) -> u64 {
        let (id, ask) = self.next().await;
        assert_eq!(ask, Ask::ReportOutcome(v1::ReportOutcome { gtrid: gtrid.to_string(), committed }));
        id
    }

    /// Answers it, and gives its blame.
    pub async fn expect_rollback(&mut self, gtrid: GlobalId) -> v1::Blame {
        let (id, ask) = self.next().await;
        let Ask::Rollback(rollback) = ask else { panic!("{ask:?}") };
        assert_eq!(rollback.gtrid, gtrid.to_string());
        self.answer(id, outcome(v1::transaction_outcome::Kind::RolledBack, "the application rolled it back")).await;
        rollback.blame.unwrap()
    }

    pub async fn expect_ask(&mut self, gtrid: GlobalId) -> u64 {
        let (id, ask) = self.next().await;
        let Ask::AskOutcome(asked) = ask else { panic!("{ask:?}") };
        assert_eq!(asked.gtrid, gtrid.to_string());
        id
    }

    /// The connection ends; requests in flight have no answer.
    pub fn lose(self) {}
}

pub async fn within<F: Future>(future: F) -> F::Output {
    Pin::from(Box::new(tokio::time::timeout(PATIENCE, future))).await.expect("it hangs")
}

pub fn ask_of(frame: &v1::ClientFrame) -> Ask {
    frame.request.clone().unwrap().ask.unwrap()
}

fn frames(answers: Vec<(u64, Answer)>) -> v1::ServerFrames {
    let frame = |(id, answer)| v1::ServerFrame { id, reply: Some(v1::Reply { answer: Some(answer) }) };
    v1::ServerFrames { frames: answers.into_iter().map(frame).collect() }
}

pub fn gtrid(sequence: u64) -> GlobalId {
    GlobalId { coordinator: CoordinatorId(Uuid::from_u128(7)), incarnation: Incarnation(8), epoch: 9, sequence }
}

pub fn message_id(ordinal: u64) -> MessageId {
    MessageId { manager: Uuid::from_u128(5), ordinal }
}

pub fn sent(ordinals: &[u64]) -> Answer {
    let ids: Vec<MessageId> = ordinals.iter().map(|ordinal| message_id(*ordinal)).collect();
    Answer::Sent(v1::Sent::of(&ids, false))
}

pub fn outcome(kind: v1::transaction_outcome::Kind, reason: &str) -> Answer {
    Answer::Outcome(v1::TransactionOutcome { kind: kind.into(), reason: reason.to_owned(), heuristic: 0 })
}

pub fn received(queue: &str, ordinal: u64, body: &'static str) -> v1::Received {
    v1::Received {
        queue: queue.to_owned(),
        id: message_id(ordinal).to_string(),
        key: Some(v1::MessageKey { queue: 1, band: 4, sequence: ordinal }),
        properties: Some(v1::Properties::default()),
        body: body.into(),
        ..Default::default()
    }
}
