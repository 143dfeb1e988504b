//! The session with a server as the rest of the client sees it: ask and be answered. One task behind it owns the
//! connection ([`driver`]); callers only put orders into its channel, so a request costs no task and no lock.

mod driver;
mod link;
mod place;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use handfast_wire::v1;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc, oneshot};

use crate::blame::Blame;
use crate::error::{Cause, ConnectError, RequestError, Unreadable};
use crate::limits::REQUESTS_QUEUED_MAX;

pub use link::message_weight;
pub use place::{InProcess, Place, ServerFrames};
pub use v1::reply::Answer;
pub use v1::request::Ask;

type Reply = oneshot::Sender<Result<Answer, RequestError>>;

/// What a caller wants of the session task.
#[derive(Debug)]
enum Order {
    /// `on`: only on that connection, because the request rests on what an earlier one left there.
    Ask { ask: Ask, on: Option<u64>, reply: Reply },
    /// Nobody waits for the answer, and no connection is made for it.
    Tell { ask: Ask },
    /// The connection that is, or one that is made now.
    Connection { reply: oneshot::Sender<Result<Arc<Connection>, RequestError>> },
}

/// What is to know of one connection.
#[derive(Debug)]
pub struct Connection {
    /// Counts the connections of this session from 1.
    pub generation: u64,
    /// The random id of the queue manager at the other end, or of the coordinator (P3).
    pub manager_id: Bytes,
    /// As many permits as parts of bodies may be unanswered (D11).
    pub staging: Semaphore,
}

/// What the task and its callers share. Nothing here is waited for.
#[derive(Debug)]
struct Shared {
    server: Arc<str>,
    /// The generation of the connection that is; 0 while there is none.
    generation: AtomicU64,
    /// Exclusive readers that are open: while there are any, the connection is kept alive by frames (P23).
    exclusive_readers: AtomicUsize,
}

#[derive(Debug, Clone)]
pub struct Session {
    orders: mpsc::Sender<Order>,
    shared: Arc<Shared>,
    runtime: Handle,
}

impl Session {
    /// Connects, so that a wrong address is known at once; later losses are mended when the next request comes.
    pub async fn connect(url: &str) -> Result<Session, ConnectError> {
        if url.get(..6).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https:")) {
            return Err(ConnectError::Tls { url: url.to_owned() });
        }
        let endpoint = link::endpoint(url).map_err(|cause| ConnectError::Url { url: url.to_owned(), cause })?;
        let session = Session::start(Place::Url(Box::new(endpoint)), url);
        session.connection().await?;
        Ok(session)
    }

    /// Of a server in this process, called so where something goes wrong.
    pub async fn in_process(server: Arc<dyn InProcess>, name: &str) -> Result<Session, RequestError> {
        let session = Session::start(Place::InProcess(server), name);
        session.connection().await?;
        Ok(session)
    }

    fn start(place: Place, name: &str) -> Session {
        let shared = Arc::new(Shared {
            server: name.into(),
            generation: AtomicU64::new(0),
            exclusive_readers: AtomicUsize::new(0),
        });
        let (orders, taken) = mpsc::channel(REQUESTS_QUEUED_MAX);
        let runtime = Handle::current();
        // Ends by itself when the last sender of orders is dropped.
        runtime.spawn(driver::run(place, Arc::clone(&shared), taken));
        Session { orders, shared, runtime }
    }

    /// The server's URL, as it was given.
    pub fn server(&self) -> &Arc<str> {
        &self.shared.server
    }

    pub fn runtime(&self) -> &Handle {
        &self.runtime
    }

    /// Asks and waits for the answer. Cancelled before it was sent it is not sent; later it happens all the same.
    pub async fn ask(&self, ask: Ask) -> Result<Answer, RequestError> {
        self.start_ask(ask, None).await?.await
    }

    /// Puts the request into its place among the others, and gives what will be its answer.
    pub async fn start_ask(&self, ask: Ask, on: Option<u64>) -> Result<Pending, RequestError> {
        let (reply, answer) = oneshot::channel();
        self.order(Order::Ask { ask, on, reply }).await?;
        Ok(Pending { answer, session: self.clone() })
    }

    /// Sends without waiting, from where nobody can wait: a destructor.
    pub fn tell(&self, ask: Ask) {
        match self.orders.try_send(Order::Tell { ask }) {
            Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => {}
            Err(mpsc::error::TrySendError::Full(order)) => {
                let orders = self.orders.clone();
                self.runtime.spawn(async move {
                    // Closed means that the session ended, and with it what this would have ended.
                    drop(orders.send(order).await);
                });
            }
        }
    }

    pub async fn connection(&self) -> Result<Arc<Connection>, RequestError> {
        let (reply, answer) = oneshot::channel();
        self.order(Order::Connection { reply }).await?;
        answer.await.unwrap_or_else(|_| Err(self.lost()))
    }

    /// The generation of the connection that is; 0 while there is none.
    pub fn generation(&self) -> u64 {
        self.shared.generation.load(Ordering::Acquire)
    }

    pub fn exclusive_reader_opened(&self) {
        self.shared.exclusive_readers.fetch_add(1, Ordering::Relaxed);
    }

    pub fn exclusive_reader_closed(&self) {
        self.shared.exclusive_readers.fetch_sub(1, Ordering::Relaxed);
    }

    /// The answer was not of the kind that the request has.
    pub fn unreadable(&self, what: impl Into<Unreadable>) -> RequestError {
        RequestError::Unreadable { server: Arc::clone(&self.shared.server), what: what.into() }
    }

    async fn order(&self, order: Order) -> Result<(), RequestError> {
        self.orders.send(order).await.map_err(|_| self.lost())
    }

    fn lost(&self) -> RequestError {
        RequestError::Lost { server: Arc::clone(&self.shared.server), cause: Cause::Ended }
    }
}

/// An answer that is still to come.
#[derive(Debug)]
#[must_use = "the answer says whether it happened"]
pub struct Pending {
    answer: oneshot::Receiver<Result<Answer, RequestError>>,
    session: Session,
}

impl Future for Pending {
    type Output = Result<Answer, RequestError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.answer).poll(context).map(|answer| {
            // The task ended: its runtime is shutting down.
            answer.unwrap_or_else(|_| Err(self.session.lost()))
        })
    }
}

impl Drop for Pending {
    /// Nobody hears the answer: if it has come already, it is here.
    fn drop(&mut self) {
        self.answer.close();
        if let Ok(Ok(answer)) = self.answer.try_recv()
            && let Some(ask) = unheard(&answer)
        {
            self.session.tell(ask);
        }
    }
}

/// What has to be said to an answer that nobody hears: a transaction that has begun with it is rolled back.
fn unheard(answer: &Answer) -> Option<Ask> {
    match answer {
        Answer::Received(received) => {
            let begun = received.begun.as_ref()?;
            Some(Ask::Rollback(v1::Rollback { gtrid: begun.gtrid.clone(), blame: Some(Blame::None.into()) }))
        }
        _ => None,
    }
}

/// Takes the one kind of answer that a request has.
macro_rules! expect_answer {
    ($session:expr, $answer:expr, $kind:ident, $asked:literal) => {
        match $answer {
            $crate::session::Answer::$kind(answer) => Ok(answer),
            _ => Err($session.unreadable($crate::error::Unreadable::OtherAnswer { asked: $asked })),
        }
    };
}
pub(crate) use expect_answer;
