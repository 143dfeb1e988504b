//! Many messages on their way at a time: they gather, keep their order, and end together.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod scripted;

use bytes::Bytes;
use futures_util::future::join_all;
use handfast_client::{Handfast, Message, Receipt, RefusalCode, RequestError, SendError, Sender};
use handfast_protocol::limits::CHUNK_BYTES_MAX;
use handfast_wire::v1;
use scripted::{Answer, Ask, Peer, ScriptedServer, message_id, sent};

async fn connect() -> (ScriptedServer, Peer, Handfast) {
    let mut server = ScriptedServer::start().await;
    let handfast = Handfast::connect(&server.url()).await.unwrap();
    let peer = server.accept().await;
    (server, peer, handfast)
}

async fn send(sender: &Sender, numbers: std::ops::Range<u64>) -> Vec<Receipt> {
    let mut receipts = Vec::new();
    for n in numbers {
        receipts.push(sender.send(Message::text(n.to_string())).await.unwrap());
    }
    receipts
}

/// The next request: its id and what the bodies of its messages say.
async fn next_send(peer: &mut Peer) -> (u64, Vec<u64>) {
    let (id, ask) = peer.next().await;
    let Ask::Send(send) = ask else { panic!("{ask:?}") };
    let number = |message: v1::NewMessage| match message.content.unwrap() {
        v1::new_message::Content::Body(body) => std::str::from_utf8(&body).unwrap().parse().unwrap(),
        v1::new_message::Content::StagedBody(body) => body,
    };
    (id, send.messages.into_iter().map(number).collect())
}

#[tokio::test]
async fn what_waits_leaves_together_in_its_order() {
    let (_server, mut peer, handfast) = connect().await;
    let sender = handfast.sender("q");
    let mut requests = Vec::new();
    let mut receipts = Vec::new();
    // Three requests are under way, and none is answered.
    for n in 0..3 {
        receipts.extend(send(&sender, n..n + 1).await);
        requests.push(next_send(&mut peer).await);
    }
    receipts.extend(send(&sender, 3..900).await);
    assert!(peer.is_quiet());
    // Each answer lets one more leave.
    for answered in 0..5 {
        let (id, numbers) = &requests[answered];
        peer.answer(*id, sent(numbers)).await;
        if requests.iter().map(|(_, numbers)| numbers.len()).sum::<usize>() < 900 {
            requests.push(next_send(&mut peer).await);
        }
    }
    let ids: Vec<_> = join_all(receipts).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(ids, (0..900).map(message_id).collect::<Vec<_>>());
    assert_eq!(requests.iter().map(|(_, numbers)| numbers.len()).collect::<Vec<_>>(), [1, 1, 1, 500, 397]);
    assert_eq!(requests.into_iter().flat_map(|(_, numbers)| numbers).collect::<Vec<_>>(), (0..900).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_request_takes_no_more_bytes_than_a_log_entry() {
    let (_server, mut peer, handfast) = connect().await;
    let sender = handfast.sender("q");
    let body = Bytes::from(vec![b'x'; 200 << 10]);
    let messages = (0..9).map(|_| sender.send(Message::bytes(body.clone()).header("h", vec![0; 20 << 10])));
    let receipts: Vec<Receipt> = join_all(messages).await.into_iter().map(Result::unwrap).collect();
    let mut count = 0;
    while count < 9 {
        let (id, ask) = peer.next().await;
        let Ask::Send(send) = ask else { panic!("{ask:?}") };
        assert!((1..=2).contains(&send.messages.len()), "{}", send.messages.len());
        peer.answer(id, sent(&(count..count + send.messages.len() as u64).collect::<Vec<_>>())).await;
        count += send.messages.len() as u64;
    }
    assert!(join_all(receipts).await.iter().all(Result::is_ok));
}

#[tokio::test]
async fn a_large_body_is_not_overtaken_while_it_is_staged() {
    let (_server, mut peer, handfast) = connect().await;
    let sender = handfast.sender("q");
    let large = sender.send(Message::bytes(vec![b'x'; CHUNK_BYTES_MAX + 1])).await.unwrap();
    let (first, ask) = peer.next().await;
    assert!(matches!(ask, Ask::StageBody(_)), "{ask:?}");
    let small = send(&sender, 0..1).await;
    assert!(peer.is_quiet());
    peer.answer(first, Answer::Staged(v1::Staged { body: 77 })).await;
    let (second, ask) = peer.next().await;
    assert!(matches!(ask, Ask::StageBody(_)), "{ask:?}");
    peer.answer(second, Answer::Staged(v1::Staged { body: 77 })).await;
    for (ordinal, expected) in [(7, 77), (8, 0)] {
        let (id, numbers) = next_send(&mut peer).await;
        assert_eq!(numbers, [expected]);
        peer.answer(id, sent(&[ordinal])).await;
    }
    assert_eq!(large.await.unwrap(), message_id(7));
    assert_eq!(small.into_iter().next().unwrap().await.unwrap(), message_id(8));
}

#[tokio::test]
async fn a_refusal_ends_the_sender_but_not_what_is_under_way() {
    let (_server, mut peer, handfast) = connect().await;
    let sender = handfast.sender("q");
    let mut receipts = Vec::new();
    let mut ids = Vec::new();
    for n in 0..3 {
        receipts.extend(send(&sender, n..n + 1).await);
        ids.push(next_send(&mut peer).await.0);
    }
    receipts.extend(send(&sender, 3..5).await);
    peer.refuse(ids[0], RefusalCode::NoSpace, "the disk is full").await;
    peer.answer(ids[1], sent(&[1])).await;
    peer.answer(ids[2], sent(&[2])).await;
    let told = join_all(receipts).await;
    receipts = send(&sender, 5..6).await;
    let words = |told: &Result<_, SendError>| match told {
        Ok(id) => format!("{id:?}"),
        Err(error) => error.to_string(),
    };
    let full = "the disk is full".to_owned();
    let there = |ordinal| format!("{:?}", message_id(ordinal));
    assert_eq!(
        told.iter().map(words).collect::<Vec<_>>(),
        [full.clone(), there(1), there(2), full.clone(), full.clone()]
    );
    assert_eq!(join_all(receipts).await.iter().map(words).collect::<Vec<_>>(), [full]);
    assert!(peer.is_quiet());
}

#[tokio::test]
async fn what_follows_a_lost_connection_is_not_sent_on_the_next() {
    let (mut server, mut peer, handfast) = connect().await;
    let sender = handfast.sender("q");
    let mut receipts = Vec::new();
    for n in 0..3 {
        receipts.extend(send(&sender, n..n + 1).await);
        next_send(&mut peer).await;
    }
    receipts.extend(send(&sender, 3..5).await);
    peer.lose();
    for told in join_all(receipts).await {
        assert!(
            matches!(told, Err(SendError::Request(RequestError::Lost { .. } | RequestError::Unreachable { .. }))),
            "{told:?}"
        );
    }
    assert!(send(&sender, 5..6).await.remove(0).await.is_err());

    // A new one begins on a new connection.
    let again = handfast.sender("q");
    let receipt = send(&again, 6..7).await.remove(0);
    let mut peer = server.accept().await;
    let (id, numbers) = next_send(&mut peer).await;
    assert_eq!(numbers, [6]);
    peer.answer(id, sent(&[6])).await;
    assert_eq!(receipt.await.unwrap(), message_id(6));
}

#[tokio::test]
async fn a_message_that_cannot_be_is_refused_alone() {
    let (_server, mut peer, handfast) = connect().await;
    let sender = handfast.sender("q");
    let refused = sender.send(Message::text("x").label("x".repeat(1_000))).await.unwrap_err();
    assert!(matches!(refused, SendError::Message { .. }), "{refused}");
    let receipt = sender.send(Message::text("0")).await.unwrap();
    drop(sender);
    let (id, _) = next_send(&mut peer).await;
    peer.answer(id, sent(&[0])).await;
    assert_eq!(receipt.await.unwrap(), message_id(0));
}
