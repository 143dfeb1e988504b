//! A session by hand, to leave off where no client of ours would.

#![allow(dead_code, reason = "each test program uses its part of it")]

use handfast_wire::v1;
use handfast_wire::v1::handfast_client::HandfastClient;
use handfast_wire::v1::reply::Answer;
use handfast_wire::v1::request::Ask;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

#[derive(Debug)]
pub struct Session {
    frames: mpsc::Sender<v1::ClientFrames>,
    answers: tonic::Streaming<v1::ServerFrames>,
    next_id: u64,
}

impl Session {
    pub async fn open(url: String) -> Session {
        let mut client = HandfastClient::connect(url).await.expect("the server listens");
        let (frames, outbound) = mpsc::channel(1);
        let hello = Ask::Hello(v1::Hello { version: 1, client: "a test".to_owned() });
        frames.send(frame(1, hello)).await.expect("the stream is held");
        let answers = client.session(ReceiverStream::new(outbound)).await.expect("it takes sessions").into_inner();
        let mut session = Session { frames, answers, next_id: 2 };
        assert!(matches!(session.answer().await, Answer::Welcome(_)));
        session
    }

    pub async fn ask(&mut self, ask: Ask) -> Answer {
        self.frames.send(frame(self.next_id, ask)).await.expect("the stream is held");
        self.next_id += 1;
        self.answer().await
    }

    /// Asks, and does not take the answer.
    pub async fn leave(&mut self, ask: Ask) {
        self.frames.send(frame(self.next_id, ask)).await.expect("the stream is held");
        self.next_id += 1;
    }

    async fn answer(&mut self) -> Answer {
        let message = self.answers.message().await.expect("the session lives").expect("it is answered");
        let frame = message.frames.into_iter().next().expect("a message has frames");
        frame.reply.and_then(|reply| reply.answer).expect("a frame has an answer")
    }
}

fn frame(id: u64, ask: Ask) -> v1::ClientFrames {
    v1::ClientFrames { frames: vec![v1::ClientFrame { id, request: Some(v1::Request { ask: Some(ask) }) }] }
}
