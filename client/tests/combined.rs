//! Two requests in one: a transaction that begins with its first message, and sends that go out with the commit.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod scripted;

use std::time::Duration;

use handfast_client::{CommitOutcome, Handfast, Message, RefusalCode, RollbackCause};
use handfast_protocol::limits::{BODY_BYTES_MAX, CHUNK_BYTES_MAX};
use handfast_wire::v1;
use handfast_wire::v1::transaction_outcome::Kind;
use scripted::{Answer, Ask, Peer, ScriptedServer, gtrid, message_id, outcome, received, sent, within};

async fn connected() -> (ScriptedServer, Handfast, Peer) {
    let mut server = ScriptedServer::start().await;
    let handfast = Handfast::connect(&server.url()).await.unwrap();
    let peer = server.accept().await;
    (server, handfast, peer)
}

/// The next request is to begin with a message of `orders`.
async fn expect_begin_receive(peer: &mut Peer, wait_ms: u64) -> u64 {
    let (id, ask) = peer.next().await;
    let begin = Some(v1::Begin { timeout_ms: 60_000 });
    assert_eq!(ask, Ask::Receive(v1::Receive { transaction: None, queue: "orders".into(), wait_ms, begin }));
    id
}

fn begun() -> Answer {
    let begun = Some(v1::Begun { gtrid: gtrid(1).to_string(), deadline_ms: 0 });
    Answer::Received(Box::new(v1::Received { begun, ..received("orders", 6, "pen") }))
}

#[tokio::test]
async fn a_message_is_moved_with_two_requests() {
    let (_server, handfast, mut peer) = connected().await;
    let script = async {
        let id = expect_begin_receive(&mut peer, 250).await;
        peer.answer(id, begun()).await;
        let (id, ask) = peer.next().await;
        let Ask::Commit(commit) = ask else { panic!("{ask:?}") };
        assert_eq!((commit.gtrid, commit.prepared), (gtrid(1).to_string(), Vec::new()));
        let sent = commit.messages.into_iter().map(|message| (message.queue, message.content.unwrap()));
        let body = |text: &'static str| v1::new_message::Content::Body(text.into());
        assert_eq!(
            sent.collect::<Vec<_>>(),
            [("shipments".into(), body("pen")), ("bills".into(), body("3.50"))],
            "in their order"
        );
        peer.answer(id, outcome(Kind::Committed, "")).await;
    };
    let work = async {
        let begun = handfast.begin_receive("orders", Duration::from_millis(250)).await.unwrap();
        let (mut tx, order) = begun.unwrap();
        assert_eq!((tx.id(), order.id, order.text()), (gtrid(1), message_id(6), Ok("pen")));
        tx.send_with_commit("shipments", Message::text("pen"));
        tx.send_with_commit("bills", Message::text("3.50"));
        assert!(matches!(tx.commit().await, CommitOutcome::Committed));
    };
    tokio::join!(script, work);
}

#[tokio::test]
async fn without_a_message_there_is_no_transaction() {
    let (_server, handfast, mut peer) = connected().await;
    let script = async {
        let id = expect_begin_receive(&mut peer, 0).await;
        peer.answer(id, Answer::NoMessage(v1::NoMessage {})).await;
    };
    let (_, begun) = tokio::join!(script, handfast.begin_receive("orders", Duration::ZERO));
    assert!(begun.unwrap().is_none());
    assert!(peer.is_quiet());
}

/// Nobody knows of the transaction: the session rolls it back.
#[tokio::test]
async fn an_answer_that_nobody_waits_for_is_rolled_back() {
    let (_server, handfast, mut peer) = connected().await;
    let waiting = {
        let handfast = handfast.clone();
        tokio::spawn(async move { handfast.begin_receive("orders", Duration::from_secs(5)).await.map(|_| ()) })
    };
    let id = expect_begin_receive(&mut peer, 5_000).await;
    waiting.abort();
    assert!(waiting.await.unwrap_err().is_cancelled());
    peer.answer(id, begun()).await;
    peer.expect_rollback(gtrid(1)).await;

    // The answer has come, and its caller goes before it looks.
    let mut asking = Box::pin(handfast.begin_receive("orders", Duration::from_secs(5)));
    let script = async {
        let id = expect_begin_receive(&mut peer, 5_000).await;
        peer.answer(id, begun()).await;
    };
    tokio::select! {
        biased;
        () = script => {}
        _ = &mut asking => panic!("the script is polled first"),
    }
    // A later request's answer shows that the earlier one is there.
    let (_, listed) = tokio::join!(answer_next(&mut peer), handfast.queues());
    assert!(listed.is_err(), "it was answered with Done");
    drop(asking);
    peer.expect_rollback(gtrid(1)).await;
}

async fn answer_next(peer: &mut Peer) {
    let (id, _) = peer.next().await;
    peer.answer(id, Answer::Done(v1::Done {})).await;
}

#[tokio::test]
async fn what_cannot_be_sent_rolls_back_and_says_why() {
    let (_server, handfast, mut peer) = connected().await;
    let table = [
        (RefusalCode::QueueNotFound, RollbackCause::Send { error: "no such queue".into() }, false),
        (RefusalCode::NoSpace, RollbackCause::Server { reason: "no such queue".into() }, true),
    ];
    for (code, expected, is_retryable) in table {
        let script = async {
            let id = expect_begin_receive(&mut peer, 0).await;
            peer.answer(id, begun()).await;
            let (id, ask) = peer.next().await;
            assert!(matches!(ask, Ask::Commit(_)), "{ask:?}");
            peer.refuse(id, code, "no such queue").await;
            peer.expect_rollback(gtrid(1)).await;
        };
        let work = async {
            let (mut tx, _) = handfast.begin_receive("orders", Duration::ZERO).await.unwrap().unwrap();
            tx.send_with_commit("shipments", Message::text("pen"));
            tx.commit().await
        };
        match tokio::join!(script, work).1 {
            CommitOutcome::RolledBack { why } => {
                assert_eq!((&why, why.is_retryable()), (&expected, is_retryable));
            }
            other => panic!("{other:?}"),
        }
    }
}

/// It is known here already: no commit is asked for.
#[tokio::test]
async fn a_message_that_nobody_accepts_is_not_sent() {
    let (_server, handfast, mut peer) = connected().await;
    let script = async {
        let id = expect_begin_receive(&mut peer, 0).await;
        peer.answer(id, begun()).await;
        peer.expect_rollback(gtrid(1)).await;
    };
    let work = async {
        let (mut tx, _) = handfast.begin_receive("orders", Duration::ZERO).await.unwrap().unwrap();
        tx.send_with_commit("shipments", Message::bytes(vec![0; BODY_BYTES_MAX + 1]));
        tx.commit().await
    };
    match within(async { tokio::join!(script, work) }).await.1 {
        CommitOutcome::RolledBack { why: RollbackCause::Send { error } } => {
            assert!(error.contains("message 0 of the send"), "{error}");
        }
        other => panic!("{other:?}"),
    }
}

/// A body that is staged is sent before the commit: whatever becomes of that, the branch owns it.
#[tokio::test]
async fn a_large_body_goes_before_the_commit() {
    let (_server, handfast, mut peer) = connected().await;
    let script = async {
        let id = expect_begin_receive(&mut peer, 0).await;
        peer.answer(id, begun()).await;
        for part in 0..2 {
            let (id, ask) = peer.next().await;
            assert!(matches!(ask, Ask::StageBody(_)), "part {part}: {ask:?}");
            peer.answer(id, Answer::Staged(v1::Staged { body: 7 })).await;
        }
        let (id, ask) = peer.next().await;
        let Ask::Send(send) = ask else { panic!("{ask:?}") };
        assert_eq!(send.transaction.unwrap().name, Some(v1::transaction::Name::Gtrid(gtrid(1).to_string())));
        assert_eq!(send.messages[0].content, Some(v1::new_message::Content::StagedBody(7)));
        peer.answer(id, sent(&[8])).await;
        let id = peer.expect_commit(gtrid(1), &[]).await;
        peer.answer(id, outcome(Kind::Committed, "")).await;
    };
    let work = async {
        let (mut tx, _) = handfast.begin_receive("orders", Duration::ZERO).await.unwrap().unwrap();
        tx.send_with_commit("shipments", Message::bytes(vec![0; CHUNK_BYTES_MAX + 1]));
        tx.commit().await
    };
    assert!(matches!(tokio::join!(script, work).1, CommitOutcome::Committed));
}

/// As many as are pending travel together, but not more bytes than a message may have.
#[tokio::test]
async fn commits_with_sends_weigh_what_they_send() {
    const BODY: usize = 200 << 10;
    let (_server, handfast, mut peer) = connected().await;
    let mut transactions = Vec::new();
    for _ in 0..8 {
        let script = async {
            let id = expect_begin_receive(&mut peer, 0).await;
            peer.answer(id, begun()).await;
        };
        let (_, begun) = tokio::join!(script, handfast.begin_receive("orders", Duration::ZERO));
        let (mut tx, _) = begun.unwrap().unwrap();
        tx.send_with_commit("shipments", Message::bytes(vec![0; BODY]));
        transactions.push(tx.commit());
    }
    let script = async {
        let mut commits = 0;
        while commits < 8 {
            let frames = peer.next_message().await;
            assert!(frames.len() <= 3, "{} bodies in one message", frames.len());
            commits += frames.len();
            let committed = |frame: v1::ClientFrame| (frame.id, outcome(Kind::Committed, ""));
            peer.answer_all(frames.into_iter().map(committed).collect()).await;
        }
    };
    let (_, outcomes) = tokio::join!(script, futures_util::future::join_all(transactions));
    assert!(outcomes.iter().all(|outcome| matches!(outcome, CommitOutcome::Committed)));
}
