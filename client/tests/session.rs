//! The session with a server (D11): frames, ids, batches, windows, losses.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod scripted;

use std::time::Duration;

use bytes::Bytes;
use handfast_client::{Handfast, Message, RefusalCode, RequestError, SendError};
use handfast_protocol::limits::CHUNK_BYTES_MAX;
use handfast_wire::v1;
use scripted::{
    Answer, Ask, KEEP_ALIVE_MS, Peer, ScriptedServer, WINDOW, gtrid, message_id, outcome, received, sent, within,
};

fn body_of(ask: &Ask) -> Bytes {
    match ask {
        Ask::Send(send) => match &send.messages[0].content {
            Some(v1::new_message::Content::Body(body)) => body.clone(),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn answers_find_their_requests_in_whatever_order_they_come() {
    let mut server = ScriptedServer::start().await;
    let handfast = Handfast::connect(&server.url()).await.unwrap();
    let mut peer = server.accept().await;
    let calls = async {
        let calls = (0..64_u64).map(|n| {
            let handfast = handfast.clone();
            async move { (n, handfast.send("q", Message::text(n.to_string())).await.unwrap()) }
        });
        futures_util::future::join_all(calls).await
    };
    let script = async {
        let mut answers = Vec::new();
        let mut messages = 0;
        while answers.len() < 64 {
            messages += 1;
            for frame in peer.next_message().await {
                let body = body_of(&scripted::ask_of(&frame));
                let number: u64 = std::str::from_utf8(&body).unwrap().parse().unwrap();
                answers.push((frame.id, sent(&[number])));
            }
        }
        answers.reverse();
        peer.answer_all(answers).await;
        messages
    };
    let (results, messages) = tokio::join!(calls, script);
    assert_eq!(results, (0..64).map(|n| (n, message_id(n))).collect::<Vec<_>>());
    assert!(messages < 16, "what is pending travels together: {messages} messages for 64 requests");
}

#[tokio::test]
async fn a_refusal_is_told_as_it_is() {
    let mut server = ScriptedServer::start().await;
    let handfast = Handfast::connect(&server.url()).await.unwrap();
    let mut peer = server.accept().await;
    let script = async {
        let (id, _) = peer.next().await;
        peer.refuse(id, RefusalCode::QueueNotFound, "queue q does not exist; create it with: handfast queue create q")
            .await;
        let (id, _) = peer.next().await;
        peer.answer(id, Answer::Done(v1::Done {})).await;
    };
    let calls = async {
        let refused = handfast.send("q", Message::text("a")).await.unwrap_err();
        assert_eq!(refused.to_string(), "queue q does not exist; create it with: handfast queue create q");
        assert!(!refused.is_retryable());
        match handfast.send("q", Message::text("b")).await {
            Err(SendError::Request(error @ RequestError::Unreadable { .. })) => {
                assert!(error.may_have_happened())
            }
            other => panic!("{other:?}"),
        }
    };
    tokio::join!(script, calls);
}

#[tokio::test]
async fn a_loss_is_told_to_those_in_flight_and_the_next_request_makes_a_new_connection() {
    let mut server = ScriptedServer::start().await;
    let handfast = Handfast::connect(&server.url()).await.unwrap();
    let mut peer = server.accept().await;
    let script = async {
        peer.next().await;
        peer.lose();
    };
    let (_, lost) = tokio::join!(script, handfast.queues());
    match lost {
        Err(error @ RequestError::Lost { .. }) => {
            assert!(error.is_retryable() && error.may_have_happened())
        }
        other => panic!("{other:?}"),
    }
    let script = async {
        let mut peer = server.accept().await;
        let (id, ask) = peer.next().await;
        assert!(matches!(ask, Ask::ListQueues(_)));
        peer.answer(id, Answer::Queues(v1::Queues::default())).await;
        peer
    };
    let (_peer, found) = tokio::join!(script, within(handfast.queues()));
    assert_eq!(found.unwrap(), vec![]);
}

#[tokio::test]
async fn a_server_that_is_away_is_unreachable_until_it_is_back() {
    let mut server = ScriptedServer::start().await;
    let handfast = Handfast::connect(&server.url()).await.unwrap();
    let peer = server.accept().await;
    let address = server.stop().await;
    peer.lose();
    let away = loop {
        match within(handfast.queues()).await {
            Err(error @ RequestError::Unreachable { .. }) => break error,
            // The client notices the loss in its own time.
            Err(RequestError::Lost { .. }) => {}
            other => panic!("{other:?}"),
        }
    };
    assert!(away.is_retryable() && !away.may_have_happened(), "{away}");
    assert!(away.to_string().contains("handfast serve"), "{away}");

    let mut server = ScriptedServer::start_at(address).await;
    let script = async {
        let mut peer = server.accept().await;
        let (id, _) = peer.next().await;
        peer.answer(id, Answer::Queues(v1::Queues::default())).await;
        peer
    };
    let calls = async {
        loop {
            match within(handfast.queues()).await {
                Err(RequestError::Unreachable { .. }) => {}
                found => break found,
            }
        }
    };
    let (_peer, found) = tokio::join!(script, calls);
    assert_eq!(found.unwrap(), vec![]);
    match Handfast::connect("http://127.0.0.1:1").await {
        Err(error) => assert!(error.to_string().contains("cannot be reached"), "{error}"),
        Ok(_) => panic!("nobody listens there"),
    }
}

fn large_body() -> Bytes {
    let length = CHUNK_BYTES_MAX * 9 + 5;
    Bytes::from((0..length).map(|n| u8::try_from(n % 251).unwrap()).collect::<Vec<u8>>())
}

#[tokio::test]
async fn d11_a_large_body_is_staged_in_parts_within_the_servers_window() {
    let mut server = ScriptedServer::start().await;
    let handfast = Handfast::connect(&server.url()).await.unwrap();
    let mut peer = server.accept().await;
    let script = async {
        let mut whole = Vec::new();
        let mut unanswered = Vec::new();
        let (id, ask) = peer.next().await;
        let Ask::StageBody(first) = ask else { panic!("{ask:?}") };
        assert_eq!((first.body, first.bytes.len()), (0, CHUNK_BYTES_MAX));
        whole.extend_from_slice(&first.bytes);
        peer.answer(id, Answer::Staged(v1::Staged { body: 77 })).await;
        loop {
            let (id, ask) = peer.next().await;
            let Ask::StageBody(part) = ask else {
                let Ask::Send(send) = ask else { panic!("{ask:?}") };
                assert_eq!(send.messages[0].content, Some(v1::new_message::Content::StagedBody(77)));
                assert_eq!(unanswered, Vec::<u64>::new(), "sent before every part was answered");
                peer.answer(id, sent(&[1])).await;
                return whole;
            };
            assert_eq!(part.body, 77);
            whole.extend_from_slice(&part.bytes);
            unanswered.push(id);
            // Only a full window, or the last part, is answered.
            if unanswered.len() == WINDOW as usize || whole.len() == large_body().len() {
                assert!(peer.is_quiet(), "more than {WINDOW} parts unanswered");
                let answers = unanswered.drain(..).map(|id| (id, Answer::Staged(v1::Staged { body: 77 })));
                peer.answer_all(answers.collect()).await;
            }
        }
    };
    let (whole, sent) = tokio::join!(script, handfast.send("q", Message::bytes(large_body())));
    assert_eq!(sent.unwrap(), message_id(1));
    assert!(whole == large_body());
}

/// Past the rollback of what was not received whole.
async fn next_receive(peer: &mut Peer) -> u64 {
    loop {
        match peer.next().await {
            (id, Ask::Receive(_)) => return id,
            (_, Ask::Rollback(_)) => {}
            (_, other) => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn d11_a_large_body_is_read_in_parts_and_comes_whole() {
    let mut server = ScriptedServer::start().await;
    let handfast = Handfast::connect(&server.url()).await.unwrap();
    let mut peer = server.accept().await;
    for truth in [0, 1] {
        let script = async {
            let id = next_receive(&mut peer).await;
            let length = large_body().len() as u64;
            let begun = Some(v1::Begun { gtrid: gtrid(truth).to_string(), deadline_ms: 0 });
            let announced = v1::Received { apart_body: 5, body_length: length + truth, begun, ..received("q", 1, "") };
            peer.answer(id, Answer::Received(Box::new(announced))).await;
            for _ in 0..10 {
                let (id, ask) = peer.next().await;
                let Ask::ReadBody(read) = ask else { panic!("{ask:?}") };
                let begin = read.part as usize * CHUNK_BYTES_MAX;
                let bytes = large_body().slice(begin..large_body().len().min(begin + CHUNK_BYTES_MAX));
                peer.answer(id, Answer::BodyPart(v1::BodyPart { bytes })).await;
            }
            if truth == 0 {
                // For good only when it is whole.
                let id = peer.expect_commit(gtrid(truth), &[]).await;
                peer.answer(id, outcome(v1::transaction_outcome::Kind::Committed, "")).await;
            }
        };
        let (_, message) = tokio::join!(script, handfast.receive("q", Duration::ZERO));
        match (truth, message) {
            (0, message) => assert!(message.unwrap().unwrap().body == large_body()),
            (_, Err(RequestError::Unreadable { .. })) => {}
            (_, other) => panic!("a body that is shorter than announced: {other:?}"),
        }
    }
    let script = async {
        let id = next_receive(&mut peer).await;
        let begun = Some(v1::Begun { gtrid: gtrid(2).to_string(), deadline_ms: 0 });
        let endless = v1::Received { apart_body: 5, body_length: u64::MAX, begun, ..received("q", 1, "") };
        peer.answer(id, Answer::Received(Box::new(endless))).await;
    };
    let (_, message) = tokio::join!(script, handfast.receive("q", Duration::ZERO));
    assert!(matches!(message, Err(RequestError::Unreadable { .. })), "{message:?}");
}

#[tokio::test]
async fn a_body_that_is_staged_on_a_lost_connection_is_not_named_on_the_next() {
    let mut server = ScriptedServer::start().await;
    let handfast = Handfast::connect(&server.url()).await.unwrap();
    let mut peer = server.accept().await;
    let script = async {
        let (id, _) = peer.next().await;
        peer.answer(id, Answer::Staged(v1::Staged { body: 77 })).await;
        peer.next().await;
        peer.lose();
    };
    let (_, sent) = tokio::join!(script, within(handfast.send("q", Message::bytes(large_body()))));
    assert!(matches!(&sent, Err(SendError::Request(RequestError::Lost { .. }))), "{sent:?}");
}

#[tokio::test]
async fn p23_a_connection_with_an_exclusive_reader_is_kept_alive_and_closed_with_it() {
    let mut server = ScriptedServer::start().await;
    let handfast = Handfast::connect(&server.url()).await.unwrap();
    let mut peer = server.accept().await;
    let script = async {
        // The first tick may come before the opening does.
        loop {
            let (id, ask) = peer.next().await;
            match ask {
                Ask::OpenExclusive(open) => {
                    assert_eq!(open, v1::OpenExclusive { queue: "q".into(), wait_ms: 5000 });
                    peer.answer(id, Answer::Done(v1::Done {})).await;
                    break;
                }
                ask => assert_eq!((id, ask), (0, Ask::KeepAlive(v1::KeepAlive {}))),
            }
        }
    };
    let (_, reader) = tokio::join!(script, handfast.open_exclusive("q", Duration::from_secs(5)));
    let reader = reader.unwrap();
    assert!(reader.is_held());
    let begun = std::time::Instant::now();
    for _ in 0..4 {
        assert_eq!(peer.next().await, (0, Ask::KeepAlive(v1::KeepAlive {})));
    }
    assert!(begun.elapsed() < Duration::from_millis(u64::from(KEEP_ALIVE_MS) * 20), "{:?}", begun.elapsed());
    drop(reader);
    loop {
        match peer.next().await.1 {
            Ask::KeepAlive(_) => {}
            ask => {
                break assert_eq!(ask, Ask::CloseExclusive(v1::CloseExclusive { queue: "q".into() }));
            }
        }
    }
}

#[tokio::test]
async fn p23_a_lost_connection_loses_the_exclusive_reader() {
    let mut server = ScriptedServer::start().await;
    let handfast = Handfast::connect(&server.url()).await.unwrap();
    let mut peer = server.accept().await;
    let script = async {
        loop {
            let (id, ask) = peer.next().await;
            if let Ask::OpenExclusive(_) = ask {
                peer.answer(id, Answer::Done(v1::Done {})).await;
                return peer;
            }
        }
    };
    let (peer, reader) = tokio::join!(script, handfast.open_exclusive("q", Duration::ZERO));
    let reader = reader.unwrap();
    peer.lose();
    let again = async {
        let mut peer = server.accept().await;
        let (id, _) = peer.next().await;
        peer.answer(id, Answer::Queues(v1::Queues::default())).await;
        peer
    };
    let calls = async { while within(handfast.queues()).await.is_err() {} };
    let (_peer, ()) = tokio::join!(again, calls);
    assert!(!reader.is_held() && reader.check().is_err());
}

#[tokio::test]
async fn p24_a_producer_tries_with_the_same_sequence_until_the_answer_is_definite() {
    let mut server = ScriptedServer::start().await;
    let handfast = Handfast::connect(&server.url()).await.unwrap();
    let mut peer = server.accept().await;
    let expected = |sequence| v1::ProducerSequence { producer: "import".into(), epoch: 3, sequence, mark: 0 };
    let sequence_of = |ask: Ask| match ask {
        Ask::Send(send) => send.producer.unwrap(),
        other => panic!("{other:?}"),
    };
    let script = async {
        let (id, _) = peer.next().await;
        peer.answer(id, Answer::Producer(v1::Producer { known: true, epoch: 3, next: 41, mark: 0 })).await;
        let (_, ask) = peer.next().await;
        assert_eq!(sequence_of(ask), expected(41));
        peer.lose();
        let mut peer = server.accept().await;
        let (id, ask) = peer.next().await;
        assert_eq!(sequence_of(ask), expected(41));
        peer.refuse(id, RefusalCode::Unknown, "the server restarted").await;
        let (id, ask) = peer.next().await;
        assert_eq!(sequence_of(ask), expected(41));
        let first = v1::Sent::of(&[message_id(9)], true);
        peer.answer(id, Answer::Sent(first)).await;
        let (id, ask) = peer.next().await;
        assert_eq!(sequence_of(ask), expected(42));
        peer.refuse(id, RefusalCode::ProducerFenced, "a newer epoch sends").await;
    };
    let calls = async {
        let mut producer = handfast.producer("import").await.unwrap();
        let sent = producer.send("q", Message::text("a")).await.unwrap();
        assert_eq!((sent.ids, sent.repeated, producer.next()), (vec![message_id(9)], true, 42));
        let fenced = producer.send("q", Message::text("b")).await.unwrap_err();
        assert!(matches!(fenced, SendError::Request(RequestError::Refused(_))), "{fenced}");
        assert_eq!(producer.next(), 42, "a refused sequence is not used up");
    };
    within(async { tokio::join!(script, calls) }).await;
}

#[tokio::test]
async fn a_session_ends_with_its_last_client_and_its_last_frames_leave() {
    let mut server = ScriptedServer::start().await;
    let handfast = Handfast::connect(&server.url()).await.unwrap();
    let mut peer = server.accept().await;
    let (_, tx) = tokio::join!(peer.expect_begin(scripted::gtrid(1)), handfast.begin());
    drop((tx.unwrap(), handfast));
    assert_eq!(peer.expect_rollback(scripted::gtrid(1)).await.kind(), v1::blame::Kind::None);
    assert!(peer.try_next().await.is_none());
}

#[tokio::test]
async fn what_is_dropped_before_it_was_sent_is_not_sent() {
    let mut server = ScriptedServer::start().await;
    let handfast = Handfast::connect(&server.url()).await.unwrap();
    let mut peer = server.accept().await;
    // One poll puts it into the channel; this test's runtime has one thread, so the session has not run yet.
    let dropped = futures_util::poll!(Box::pin(handfast.send("q", Message::text("a"))));
    assert!(dropped.is_pending());
    let script = async {
        let (id, ask) = peer.next().await;
        assert_eq!(body_of(&ask), "b");
        peer.answer(id, sent(&[1])).await;
    };
    let (_, sent) = tokio::join!(script, handfast.send("q", Message::text("b")));
    assert_eq!(sent.unwrap(), message_id(1));
}

#[tokio::test]
async fn messages_that_are_too_large_together_are_refused_with_the_remedy() {
    let server = ScriptedServer::start().await;
    let handfast = Handfast::connect(&server.url()).await.unwrap();
    let messages = (0..32).map(|_| Message::bytes(vec![0; 128 << 10])).collect();
    let refused = handfast.send_batch("q", messages).await.unwrap_err();
    assert!(matches!(refused, SendError::TooLarge { .. }), "{refused}");
    assert!(refused.to_string().contains("fewer at a time"), "{refused}");
    let long = Message::text("a").label("x".repeat(250));
    let refused = handfast.send_batch("q", vec![Message::text("a"), long]).await.unwrap_err();
    assert!(matches!(refused, SendError::Message { index: 1, .. }), "{refused}");
}

#[tokio::test]
async fn an_outcome_is_asked_for_by_its_id() {
    use handfast_client::KnownOutcome;
    use v1::transaction_outcome::Kind;
    let mut server = ScriptedServer::start().await;
    let handfast = Handfast::connect(&server.url()).await.unwrap();
    let mut peer = server.accept().await;
    let table = [
        (Kind::Committed, KnownOutcome::Committed),
        (Kind::RolledBack, KnownOutcome::RolledBack { reason: "why".into() }),
        (Kind::Undecided, KnownOutcome::Undecided { state: "why".into() }),
        // P20: forgotten is not rolled back.
        (Kind::Forgotten, KnownOutcome::Forgotten),
    ];
    for (kind, expected) in table {
        let script = async {
            let id = peer.expect_ask(scripted::gtrid(4)).await;
            peer.answer(id, outcome(kind, "why")).await;
        };
        let (_, known) = tokio::join!(script, handfast.outcome(scripted::gtrid(4)));
        assert_eq!(known.unwrap(), expected);
    }
}
