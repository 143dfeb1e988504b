//! Messages to one queue, many on their way at a time. Those that come while others are under way leave together: one request,
//! one place in the log and one answer for as many as fit.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use handfast_protocol::MessageId;
use handfast_wire::Malformed;
use tokio::sync::{mpsc, oneshot};

use crate::error::{Cause, RequestError};
use crate::limits::{SENDER_MESSAGES_MAX, SENDER_REQUEST_BYTES, SENDER_REQUEST_MESSAGES, SENDER_REQUESTS_MAX};
use crate::message::Message;
use crate::send::{self, Envelope, SendError, Started};
use crate::session::Session;

type Told = Result<MessageId, SendError>;

/// Sends to one queue, in the order in which it is asked; clones share that. Each message is sent as
/// [`Handfast::send`](crate::Handfast::send) does it, once at most.
///
/// Where messages are refused, or their answer is lost, the sender has ended: what follows is not sent and fails likewise, but
/// for what was under way, which may have been sent. What must be sent once, whatever fails, goes through a
/// [`Producer`](crate::Producer).
#[derive(Debug, Clone)]
pub struct Sender {
    placed: mpsc::Sender<Placed>,
    session: Session,
}

/// A message in its place, and who waits for its id.
#[derive(Debug)]
struct Placed {
    message: Message,
    told: oneshot::Sender<Told>,
}

/// The id of a message once it is durable. Dropped, the message is sent all the same.
#[derive(Debug)]
#[must_use = "the message is sent when this says so"]
pub struct Receipt {
    told: oneshot::Receiver<Told>,
    session: Session,
}

impl Sender {
    pub(crate) fn start(session: Session, queue: &str) -> Sender {
        let (placed, taken) = mpsc::channel(SENDER_MESSAGES_MAX);
        // Ends by itself when the last sender is dropped and what it was given is sent.
        session.runtime().spawn(run(session.clone(), queue.to_owned(), taken));
        Sender { placed, session }
    }

    /// Puts a message behind those before it. Waits while as many as a sender holds have not left yet.
    pub async fn send(&self, message: Message) -> Result<Receipt, SendError> {
        message.check().map_err(|cause| SendError::Message { index: 0, cause })?;
        let (told, receipt) = oneshot::channel();
        let placed = self.placed.send(Placed { message, told }).await;
        placed.map_err(|_| SendError::Request(ended(&self.session)))?;
        Ok(Receipt { told: receipt, session: self.session.clone() })
    }
}

impl Future for Receipt {
    type Output = Told;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Told> {
        // The task ended: its runtime is shutting down.
        Pin::new(&mut self.told).poll(context).map(|told| told.unwrap_or_else(|_| Err(ended(&self.session).into())))
    }
}

fn ended(session: &Session) -> RequestError {
    RequestError::Lost { server: session.server().clone(), cause: Cause::Ended }
}

/// Whatever is there leaves as soon as a request may; the rest gathers meanwhile.
async fn run(session: Session, queue: String, mut taken: mpsc::Receiver<Placed>) {
    let mut waiting = Vec::new();
    let mut under_way = FuturesUnordered::new();
    let mut failed: Option<SendError> = None;
    let mut is_closed = false;
    let mut connection = None;
    while !(is_closed && waiting.is_empty() && under_way.is_empty()) {
        let room = SENDER_REQUEST_MESSAGES.saturating_sub(waiting.len());
        tokio::select! {
            // A failure before more is sent.
            biased;
            Some(sent) = under_way.next() => failed = failed.or(Result::err(sent)),
            count = taken.recv_many(&mut waiting, room), if room > 0 && !is_closed => is_closed = count == 0,
        }
        while !waiting.is_empty() && (under_way.len() < SENDER_REQUESTS_MAX || failed.is_some()) {
            if under_way.is_empty() {
                connection = None;
            }
            let (messages, told) = first_of(&mut waiting);
            let started = match &failed {
                Some(error) => Err(error.clone()),
                // One by one: those that came first go first.
                None => start(&session, &mut connection, with_queue(messages, &queue)).await,
            };
            match started {
                Ok(started) => under_way.push(end(&session, started, told)),
                Err(error) => {
                    tell_all(told, &error);
                    failed = Some(error);
                }
            }
        }
    }
}

/// On the connection of those under way: what was lost with one is not overtaken on the next.
async fn start<'q>(
    session: &Session,
    connection: &mut Option<u64>,
    messages: impl ExactSizeIterator<Item = (&'q str, Message)>,
) -> Result<Started, SendError> {
    let on = match *connection {
        Some(generation) => generation,
        None => session.connection().await?.generation,
    };
    *connection = Some(on);
    send::start(session, Envelope::default(), messages, Some(on)).await
}

/// As many of the first as one request takes: always one.
fn first_of(waiting: &mut Vec<Placed>) -> (Vec<Message>, Vec<oneshot::Sender<Told>>) {
    let mut bytes = 0;
    let fits = waiting.iter().take_while(|placed| {
        bytes += placed.message.weight();
        bytes <= SENDER_REQUEST_BYTES
    });
    let count = fits.count().max(1);
    waiting.drain(..count).map(|Placed { message, told }| (message, told)).unzip()
}

fn with_queue(messages: Vec<Message>, queue: &str) -> impl ExactSizeIterator<Item = (&str, Message)> {
    messages.into_iter().map(move |message| (queue, message))
}

async fn end(session: &Session, started: Started, told: Vec<oneshot::Sender<Told>>) -> Result<(), SendError> {
    let error = match started.sent(session).await {
        Ok(sent) if sent.ids.len() == told.len() => {
            told.into_iter().zip(sent.ids).for_each(|(told, id)| tell(told, Ok(id)));
            return Ok(());
        }
        Ok(_) => session.unreadable(Malformed::Missing("ids")).into(),
        Err(error) => error,
    };
    tell_all(told, &error);
    Err(error)
}

fn tell_all(told: Vec<oneshot::Sender<Told>>, error: &SendError) {
    told.into_iter().for_each(|told| tell(told, Err(error.clone())));
}

/// Whoever asked may be gone.
fn tell(told: oneshot::Sender<Told>, result: Told) {
    told.send(result).ok();
}
