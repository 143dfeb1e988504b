//! One connection: a stream of frames in each direction. Whatever is pending goes into one message; answers find their
//! requests by id, in whatever order they come.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::StreamExt;
use handfast_wire::v1;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{Interval, MissedTickBehavior};
use tonic::Status;
use tonic::transport::Endpoint;

use crate::error::{Cause, RequestError, Unreadable};
use crate::limits::{
    CONNECT_WITHIN, FRAMES_PER_MESSAGE_MAX, HTTP2_CONNECTION_WINDOW_BYTES, HTTP2_STREAM_WINDOW_BYTES,
    MESSAGE_BYTES_MAX, MESSAGE_OVERHEAD_BYTES, MESSAGES_IN_TRANSPORT, PING_ANSWERED_WITHIN, PING_EVERY,
    REQUESTS_OPEN_MAX, SEND_BYTES_MAX, STAGING_WINDOW_MIN,
};
use crate::session::place::{Place, ServerFrames};
use crate::session::{Answer, Ask, Connection, Order, Reply, Shared, unheard};

/// The version of the protocol that this client speaks.
const VERSION: u32 = 1;

/// How long the end of a session waits for its last frames to leave.
const LINGER: Duration = Duration::from_secs(1);

/// How the work of a connection ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Served {
    /// Nobody is left to ask anything.
    Finished,
    /// The connection is gone; whoever waited was told.
    Lost,
}

#[allow(missing_debug_implementations, reason = "what a server says has no form before it comes")]
pub struct Link {
    outbound: mpsc::Sender<v1::ClientFrames>,
    inbound: ServerFrames,
    connection: Arc<Connection>,
    /// Taken from the channel, not yet sent.
    pending: VecDeque<Order>,
    /// Sent, not yet answered.
    open: HashMap<u64, Reply>,
    next_id: u64,
    keep_alive: Interval,
}

pub fn endpoint(url: &str) -> Result<Endpoint, tonic::transport::Error> {
    Ok(Endpoint::from_shared(url.to_owned())?
        .connect_timeout(CONNECT_WITHIN)
        .initial_stream_window_size(HTTP2_STREAM_WINDOW_BYTES)
        .initial_connection_window_size(HTTP2_CONNECTION_WINDOW_BYTES)
        .http2_keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_ANSWERED_WITHIN)
        .keep_alive_while_idle(true))
}

impl Link {
    pub async fn connect(place: &Place, shared: &Shared, generation: u64) -> Result<Link, RequestError> {
        let opening = Link::open(place, shared, generation);
        match tokio::time::timeout(CONNECT_WITHIN, opening).await {
            Ok(result) => result,
            Err(_) => Err(RequestError::Unreachable { server: Arc::clone(&shared.server), cause: Cause::TimedOut }),
        }
    }

    async fn open(place: &Place, shared: &Shared, generation: u64) -> Result<Link, RequestError> {
        let unreachable = |cause| RequestError::Unreachable { server: Arc::clone(&shared.server), cause };
        let failed = |status: Status| unreachable(Cause::Status(Arc::new(status)));
        let (outbound, frames) = mpsc::channel(MESSAGES_IN_TRANSPORT);
        let hello =
            v1::Hello { version: VERSION, client: concat!("handfast-client ", env!("CARGO_PKG_VERSION")).into() };
        let first = v1::ClientFrames { frames: vec![frame(1, Ask::Hello(hello))] };
        // The channel is empty and its receiver is at hand.
        if outbound.try_send(first).is_err() {
            return Err(unreachable(Cause::Ended));
        }
        let mut inbound = place.open(frames).await.map_err(unreachable)?;
        let message = next(&mut inbound).await.map_err(failed)?.ok_or_else(|| unreachable(Cause::Ended))?;
        let welcome = welcome(shared, message)?;
        let window = usize::try_from(welcome.staging_window).unwrap_or(Semaphore::MAX_PERMITS).max(STAGING_WINDOW_MIN);
        // Thrice as often as the lease asks for: one frame that is late breaks nothing.
        let every = Duration::from_millis(u64::from(welcome.keep_alive_ms / 3)).max(Duration::from_millis(1));
        let mut keep_alive = tokio::time::interval(every);
        keep_alive.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (manager_id, staging) = (welcome.manager_id, Semaphore::new(window));
        let connection = Arc::new(Connection { generation, manager_id, staging });
        Ok(Link {
            outbound,
            inbound,
            connection,
            pending: VecDeque::new(),
            open: HashMap::new(),
            next_id: 2,
            keep_alive,
        })
    }

    /// Works until the connection is lost or nobody is left.
    pub async fn serve(mut self, first: Order, orders: &mut mpsc::Receiver<Order>, shared: &Shared) -> Served {
        let mut taken = Vec::with_capacity(FRAMES_PER_MESSAGE_MAX);
        taken.push(first);
        let mut closed = false;
        loop {
            self.take(&mut taken, shared);
            if closed && self.pending.is_empty() {
                return self.finish().await;
            }
            let room = FRAMES_PER_MESSAGE_MAX.saturating_sub(self.pending.len());
            let has_room = room > 0 && self.open.len() < REQUESTS_OPEN_MAX && !closed;
            let has_readers = shared.exclusive_readers.load(Ordering::Relaxed) > 0;
            tokio::select! {
                message = next(&mut self.inbound) => match message {
                    Ok(Some(message)) => self.answer(message, shared),
                    Ok(None) => return self.lose(Cause::Ended, shared),
                    Err(status) => return self.lose(Cause::Status(Arc::new(status)), shared),
                },
                count = orders.recv_many(&mut taken, room), if has_room => closed = count == 0,
                has_transport = has_room_for_one(&self.outbound), if !self.pending.is_empty() => {
                    if !has_transport {
                        return self.lose_with_reason(shared).await;
                    }
                    self.send();
                }
                _ = self.keep_alive.tick(), if has_readers => {
                    self.pending.push_back(Order::Tell { ask: Ask::KeepAlive(v1::KeepAlive {}) });
                }
            }
        }
    }

    /// Judges orders by the connection they need.
    fn take(&mut self, taken: &mut Vec<Order>, shared: &Shared) {
        for order in taken.drain(..) {
            match order {
                Order::Connection { reply } => drop(reply.send(Ok(Arc::clone(&self.connection)))),
                Order::Ask { on: Some(generation), reply, .. } if generation != self.connection.generation => {
                    let error = RequestError::Lost { server: Arc::clone(&shared.server), cause: Cause::Replaced };
                    // A caller that is gone needs no answer.
                    drop(reply.send(Err(error)));
                }
                order => self.pending.push_back(order),
            }
        }
    }

    /// One message of what is pending. The caller saw that the transport has room for it.
    fn send(&mut self) {
        let mut frames = Vec::with_capacity(self.pending.len());
        let mut bytes = 0;
        while let Some(order) = self.pending.pop_front() {
            let (ask, reply) = match order {
                Order::Ask { ask, reply, .. } if !reply.is_closed() => (ask, Some(reply)),
                Order::Tell { ask } => (ask, None),
                // Its caller has gone before it was sent.
                Order::Ask { .. } | Order::Connection { .. } => continue,
            };
            bytes += weight(&ask);
            let id = if matches!(ask, Ask::KeepAlive(_)) { 0 } else { self.next_id };
            self.next_id += 1;
            frames.push(frame(id, ask));
            if let Some(reply) = reply {
                self.open.insert(id, reply);
            }
            if bytes >= MESSAGE_BYTES_MAX {
                break;
            }
        }
        if !frames.is_empty() {
            // There is room: this task alone sends, and it has just seen it. A transport that is gone shows in `inbound`.
            drop(self.outbound.try_send(v1::ClientFrames { frames }));
        }
    }

    fn answer(&mut self, message: v1::ServerFrames, shared: &Shared) {
        for frame in message.frames {
            // Without an open request it answers a Tell.
            let Some(reply) = self.open.remove(&frame.id) else {
                continue;
            };
            let answer = match frame.reply.and_then(|reply| reply.answer) {
                Some(Answer::Refusal(refusal)) => Err(RequestError::Refused(refusal.into())),
                Some(answer) => Ok(answer),
                None => {
                    let what = Unreadable::OtherAnswer { asked: "a request" };
                    Err(RequestError::Unreadable { server: Arc::clone(&shared.server), what })
                }
            };
            if let Err(Ok(answer)) = reply.send(answer)
                && let Some(ask) = unheard(&answer)
            {
                self.pending.push_back(Order::Tell { ask });
            }
        }
    }

    /// The transport is gone; `inbound` says why.
    async fn lose_with_reason(mut self, shared: &Shared) -> Served {
        loop {
            match tokio::time::timeout(LINGER, next(&mut self.inbound)).await {
                Ok(Ok(Some(message))) => self.answer(message, shared),
                Ok(Err(status)) => return self.lose(Cause::Status(Arc::new(status)), shared),
                Ok(Ok(None)) | Err(_) => return self.lose(Cause::Ended, shared),
            }
        }
    }

    /// What was sent is lost; what was not sent is told apart, since it has not happened.
    fn lose(self, cause: Cause, shared: &Shared) -> Served {
        tracing::debug!(server = %shared.server, %cause, open = self.open.len(), "connection lost");
        let server = &shared.server;
        let lost = RequestError::Lost { server: Arc::clone(server), cause: cause.clone() };
        for reply in self.open.into_values() {
            drop(reply.send(Err(lost.clone())));
        }
        let unreachable = RequestError::Unreachable { server: Arc::clone(server), cause };
        for order in self.pending {
            order.fail(&unreachable);
        }
        // Whoever waits for a permit is told as well.
        self.connection.staging.close();
        Served::Lost
    }

    /// Lets the last frames leave: a stream that is dropped with frames in it takes them along.
    async fn finish(mut self) -> Served {
        drop(self.outbound);
        let drained = async { while let Ok(Some(_)) = next(&mut self.inbound).await {} };
        // A server that does not end its side in time is left.
        drop(tokio::time::timeout(LINGER, drained).await);
        Served::Finished
    }
}

/// The next message; `None` where the server has ended the session.
async fn next(inbound: &mut ServerFrames) -> Result<Option<v1::ServerFrames>, Status> {
    inbound.next().await.transpose()
}

/// Waits for room. False where there is no transport any more.
async fn has_room_for_one(outbound: &mpsc::Sender<v1::ClientFrames>) -> bool {
    outbound.reserve().await.is_ok()
}

fn frame(id: u64, ask: Ask) -> v1::ClientFrame {
    v1::ClientFrame { id, request: Some(v1::Request { ask: Some(ask) }) }
}

fn welcome(shared: &Shared, message: v1::ServerFrames) -> Result<v1::Welcome, RequestError> {
    let unreadable = |what| RequestError::Unreadable { server: Arc::clone(&shared.server), what };
    let reply = message.frames.into_iter().next().and_then(|frame| frame.reply);
    match reply.and_then(|reply| reply.answer) {
        Some(Answer::Welcome(welcome)) if welcome.version == VERSION => Ok(welcome),
        Some(Answer::Welcome(welcome)) => Err(unreadable(Unreadable::Version(welcome.version))),
        Some(Answer::Refusal(refusal)) => Err(RequestError::Refused(refusal.into())),
        _ => Err(unreadable(Unreadable::OtherAnswer { asked: "hello" })),
    }
}

/// About how many bytes a request takes on the wire: enough to keep messages small, without encoding twice.
fn weight(ask: &Ask) -> usize {
    match ask {
        Ask::Send(v1::Send { messages, .. }) => messages.iter().map(message_weight).sum(),
        Ask::Commit(commit) => MESSAGE_OVERHEAD_BYTES + commit.messages.iter().map(message_weight).sum::<usize>(),
        Ask::StageBody(part) => part.bytes.len(),
        _ => MESSAGE_OVERHEAD_BYTES,
    }
}

/// The same for one message of a send.
pub fn message_weight(message: &v1::NewMessage) -> usize {
    let body = match &message.content {
        Some(v1::new_message::Content::Body(body)) => body.len(),
        Some(v1::new_message::Content::StagedBody(_)) | None => 0,
    };
    let extension = message.properties.iter().flat_map(|properties| &properties.extension);
    let headers: usize = extension.map(|header| header.name.len() + header.value.len() + 16).sum();
    // The label is the one property that may be long beside the headers: 249 characters of up to 4 bytes.
    let label = message.properties.as_ref().map_or(0, |properties| properties.label.len());
    MESSAGE_OVERHEAD_BYTES + message.queue.len() + label + headers + body
}

const _: () = assert!(SEND_BYTES_MAX > MESSAGE_BYTES_MAX);
