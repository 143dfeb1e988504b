//! The writing half of a session: whatever answers are pending go to the client as one message. The connection asks for
//! messages as the client takes them; there is no task and no queue between.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use handfast_machine::{Answer, Refusal};
use handfast_wire::v1;
use prost::Message;
use tokio::sync::{Semaphore, mpsc};
use tokio_stream::Stream;
use tonic::Status;

use super::convert;

/// Answers put into one message, and how large it grows by them.
const FRAMES_PER_MESSAGE: usize = 256;
const MESSAGE_BYTES_AIM: usize = 1 << 20;

/// An answer on its way to a session.
#[derive(Debug)]
pub struct SessionAnswer {
    /// The id that the client gave its request.
    pub frame: u64,
    /// What the request took of the session's window.
    pub units: u32,
    /// Apart: a session that is silent has room for some of these.
    pub said: Box<Said>,
}

/// By whom a request is answered.
#[derive(Debug)]
pub enum Said {
    Machine(Result<Answer, Refusal>),
    Shell(v1::Reply),
}

/// The messages for one client. It gives the requests' places in the window back when their answers have left, and closes the
/// window when it is dropped: a reader that waits for room would never learn that its client is gone.
#[derive(Debug)]
pub struct Answers {
    answers: mpsc::Receiver<SessionAnswer>,
    taken: Vec<SessionAnswer>,
    messages: VecDeque<v1::ServerFrames>,
    /// What the messages, and the one that left last, took of the window.
    units: usize,
    window: Arc<Semaphore>,
}

impl Answers {
    pub fn new(answers: mpsc::Receiver<SessionAnswer>, window: Arc<Semaphore>) -> Answers {
        Answers { answers, taken: Vec::new(), messages: VecDeque::new(), units: 0, window }
    }
}

impl Stream for Answers {
    type Item = Result<v1::ServerFrames, Status>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if this.messages.is_empty() {
            this.window.add_permits(std::mem::take(&mut this.units));
            if ready!(this.answers.poll_recv_many(context, &mut this.taken, FRAMES_PER_MESSAGE)) == 0 {
                return Poll::Ready(None);
            }
            this.units = this.taken.iter().map(|answer| answer.units as usize).sum();
            cut(this.taken.drain(..).map(frame), &mut this.messages);
        }
        Poll::Ready(this.messages.pop_front().map(Ok))
    }
}

impl Drop for Answers {
    fn drop(&mut self) {
        self.window.close();
    }
}

fn frame(SessionAnswer { frame: id, said, .. }: SessionAnswer) -> v1::ServerFrame {
    let reply = match *said {
        Said::Machine(Ok(answer)) => convert::reply(answer),
        Said::Machine(Err(refusal)) => convert::refusal(&refusal),
        Said::Shell(reply) => reply,
    };
    v1::ServerFrame { id, reply: Some(reply) }
}

/// Cuts frames into messages; one frame alone may be larger than the aim, never than a client accepts.
fn cut(frames: impl Iterator<Item = v1::ServerFrame>, messages: &mut VecDeque<v1::ServerFrames>) {
    let mut message = v1::ServerFrames::default();
    let mut bytes = 0;
    for frame in frames {
        let length = frame.encoded_len();
        if bytes + length > MESSAGE_BYTES_AIM && bytes > 0 {
            messages.push_back(std::mem::take(&mut message));
            bytes = 0;
        }
        bytes += length;
        message.frames.push(frame);
    }
    messages.push_back(message);
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use tokio_stream::StreamExt;

    use super::*;

    fn said(frame: u64, units: u32, bytes: usize) -> SessionAnswer {
        let welcome = v1::Welcome { manager_id: Bytes::from(vec![0; bytes]), ..v1::Welcome::default() };
        let reply = v1::Reply { answer: Some(v1::reply::Answer::Welcome(welcome)) };
        SessionAnswer { frame, units, said: Box::new(Said::Shell(reply)) }
    }

    #[tokio::test]
    async fn what_is_pending_leaves_in_messages_of_bounded_size_and_its_units_come_back_once_it_left() {
        let (answers, receiver) = mpsc::channel(8);
        let window = Arc::new(Semaphore::new(0));
        let mut messages = Answers::new(receiver, Arc::clone(&window));
        for (frame, bytes) in [(1, 10), (2, MESSAGE_BYTES_AIM - 10), (3, 2 * MESSAGE_BYTES_AIM), (4, 0), (5, 0)] {
            answers.try_send(said(frame, 3, bytes)).unwrap();
        }
        let mut seen = Vec::new();
        for _ in 0..4 {
            let message = messages.next().await.unwrap().unwrap();
            seen.push((message.frames.iter().map(|frame| frame.id).collect::<Vec<_>>(), window.available_permits()));
        }
        assert_eq!(seen, [(vec![1], 0), (vec![2], 0), (vec![3], 0), (vec![4, 5], 0)]);

        answers.try_send(said(6, 1, 0)).unwrap();
        drop(answers);
        assert_eq!(messages.next().await.unwrap().unwrap().frames[0].id, 6);
        assert_eq!(window.available_permits(), 15);
        assert!(messages.next().await.is_none());
        assert_eq!(window.available_permits(), 16);
    }

    #[test]
    fn a_client_that_is_gone_closes_the_window() {
        let (_answers, receiver) = mpsc::channel(1);
        let window = Arc::new(Semaphore::new(1));
        drop(Answers::new(receiver, Arc::clone(&window)));
        assert!(window.is_closed());
    }
}
