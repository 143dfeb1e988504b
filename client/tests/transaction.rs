//! The life of a transaction over queues alone: what reaches the coordinator, and what the application is told (D5, P21).

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod scripted;

use std::time::Duration;

use handfast_client::{
    Blame, CommitOutcome, Handfast, Message, ReceiveError, RefusalCode, RollbackCause, SendError, Transaction,
};
use handfast_wire::v1;
use handfast_wire::v1::transaction_outcome::Kind;
use scripted::{Answer, Ask, Peer, ScriptedServer, gtrid, message_id, outcome, received, sent, within};

async fn begun() -> (ScriptedServer, Handfast, Peer, Transaction) {
    let mut server = ScriptedServer::start().await;
    let handfast = Handfast::connect(&server.url()).await.unwrap();
    let mut peer = server.accept().await;
    let (_, tx) = tokio::join!(peer.expect_begin(gtrid(1)), handfast.begin());
    (server, handfast, peer, tx.unwrap())
}

fn in_transaction(gtrid: handfast_protocol::GlobalId) -> Option<v1::Transaction> {
    Some(v1::Transaction { name: Some(v1::transaction::Name::Gtrid(gtrid.to_string())) })
}

#[tokio::test]
async fn d5_every_request_names_its_transaction_and_the_outcome_is_told() {
    let (_server, _handfast, mut peer, mut tx) = begun().await;
    let script = async {
        let (id, ask) = peer.next().await;
        let Ask::Receive(asked) = ask else { panic!("{ask:?}") };
        assert_eq!((asked.transaction, asked.queue.as_str()), (in_transaction(gtrid(1)), "orders"));
        assert!(
            (55_000..=60_000).contains(&asked.wait_ms),
            "it waits as long as the transaction may last: {}",
            asked.wait_ms
        );
        peer.answer(id, Answer::Received(Box::new(received("Orders", 6, "{\"id\":3}")))).await;
        let (id, ask) = peer.next().await;
        let Ask::Send(asked) = ask else { panic!("{ask:?}") };
        assert_eq!((asked.transaction, asked.messages.len()), (in_transaction(gtrid(1)), 1));
        peer.answer(id, sent(&[7])).await;
        let id = peer.expect_commit(gtrid(1), &[]).await;
        peer.answer(id, outcome(Kind::Committed, "")).await;
    };
    let work = async {
        let order = tx.receive("orders").await.unwrap();
        assert_eq!((order.queue.as_str(), order.id, order.text()), ("Orders", message_id(6), Ok("{\"id\":3}")));
        let value: serde_json::Value = order.json().unwrap();
        let id = tx.send("shipments", Message::json(&value).unwrap()).await.unwrap();
        assert_eq!(id, message_id(7));
        assert!(matches!(tx.commit().await, CommitOutcome::Committed));
    };
    tokio::join!(script, work);
}

#[tokio::test]
async fn commit_tells_what_the_coordinator_says() {
    let (_server, handfast, mut peer, mut tx) = begun().await;
    let table = [
        (outcome(Kind::Committed, ""), "Committed"),
        (outcome(Kind::RolledBack, "too late"), "RolledBack { why: Server { reason: \"too late\" } }"),
        (outcome(Kind::Forgotten, ""), "Unknown"),
        (
            Answer::Outcome(v1::TransactionOutcome {
                kind: Kind::Heuristic.into(),
                reason: String::new(),
                heuristic: v1::Heuristic::Mixed.into(),
            }),
            "Heuristic { heuristic: Mixed",
        ),
        // Not an answer to commit at all: it may have happened.
        (Answer::Done(v1::Done {}), "Unknown"),
        // `go` without a last resource.
        (Answer::Go(v1::Go {}), "Unknown"),
    ];
    for (answer, expected) in table {
        let script = async {
            let id = peer.expect_commit(gtrid(1), &[]).await;
            peer.answer(id, answer).await;
        };
        let (_, outcome) = tokio::join!(script, tx.commit());
        assert!(format!("{outcome:?}").starts_with(expected), "{outcome:?}, expected {expected}");
        let (_, again) = tokio::join!(peer.expect_begin(gtrid(1)), handfast.begin());
        tx = again.unwrap();
    }
}

#[tokio::test]
async fn a_commit_that_was_refused_rolled_back_and_one_that_may_have_happened_is_asked_for() {
    let (_server, handfast, mut peer, mut tx) = begun().await;
    for code in
        [RefusalCode::TransactionNotActive, RefusalCode::RolledBack, RefusalCode::Stopping, RefusalCode::NoSpace]
    {
        let script = async {
            let id = peer.expect_commit(gtrid(1), &[]).await;
            peer.refuse(id, code, "it timed out").await;
            peer.expect_rollback(gtrid(1)).await;
        };
        match tokio::join!(script, tx.commit()).1 {
            CommitOutcome::RolledBack { why } => {
                assert_eq!(why, RollbackCause::Server { reason: "it timed out".into() })
            }
            other => panic!("{other:?}"),
        }
        tx = tokio::join!(peer.expect_begin(gtrid(1)), handfast.begin()).1.unwrap();
    }
    for code in [RefusalCode::Unknown, RefusalCode::CommitUnderWay] {
        let script = async {
            let id = peer.expect_commit(gtrid(1), &[]).await;
            peer.refuse(id, code, "").await;
            let id = peer.expect_ask(gtrid(1)).await;
            peer.answer(id, outcome(Kind::Undecided, "in doubt")).await;
            let id = peer.expect_ask(gtrid(1)).await;
            peer.answer(id, outcome(Kind::Committed, "")).await;
        };
        assert!(matches!(tokio::join!(script, tx.commit()).1, CommitOutcome::Committed));
        tx = tokio::join!(peer.expect_begin(gtrid(1)), handfast.begin()).1.unwrap();
    }
}

#[tokio::test]
async fn p21_a_connection_lost_in_commit_is_followed_by_a_question_on_the_next() {
    let (mut server, _handfast, mut peer, tx) = begun().await;
    let script = async {
        peer.expect_commit(gtrid(1), &[]).await;
        peer.lose();
        let mut peer = server.accept().await;
        let id = peer.expect_ask(gtrid(1)).await;
        peer.answer(id, outcome(Kind::Committed, "")).await;
        peer
    };
    let (_peer, outcome) = within(async { tokio::join!(script, tx.commit()) }).await;
    assert!(matches!(outcome, CommitOutcome::Committed), "{outcome:?}");
}

#[tokio::test]
async fn p21_a_server_that_stays_away_leaves_it_unknown_with_a_way_to_ask_again() {
    let (server, _handfast, mut peer, tx) = begun().await;
    let address = server.address;
    let script = async {
        peer.expect_commit(gtrid(1), &[]).await;
        server.stop().await;
        peer.lose();
    };
    let (_, outcome) = within(async { tokio::join!(script, tx.commit()) }).await;
    let CommitOutcome::Unknown(transaction) = outcome else { panic!("{outcome:?}") };
    assert_eq!(transaction.id(), gtrid(1));
    assert!(transaction.ask_again().await.unwrap_err().is_retryable());
    let mut server = ScriptedServer::start_at(address).await;
    let script = async {
        let mut peer = server.accept().await;
        let id = peer.expect_ask(gtrid(1)).await;
        peer.answer(id, self::outcome(Kind::RolledBack, "its connection was lost")).await;
        peer
    };
    let asking = async {
        loop {
            if let Ok(known) = transaction.ask_again().await {
                break known;
            }
        }
    };
    let (_peer, known) = within(async { tokio::join!(script, asking) }).await;
    assert_eq!(known, handfast_client::KnownOutcome::RolledBack { reason: "its connection was lost".into() });
}

#[tokio::test]
async fn p21_a_dropped_transaction_rolls_back_and_a_commit_that_was_never_polled_too() {
    let (_server, handfast, mut peer, tx) = begun().await;
    drop(tx);
    assert_eq!(peer.expect_rollback(gtrid(1)).await, v1::Blame::default());
    let tx = tokio::join!(peer.expect_begin(gtrid(2)), handfast.begin()).1.unwrap();
    drop(tx.commit());
    assert_eq!(peer.expect_rollback(gtrid(2)).await, v1::Blame::default());
}

#[tokio::test]
async fn p21_a_dropped_commit_runs_on_and_never_rolls_back() {
    let (_server, handfast, mut peer, tx) = begun().await;
    assert!(futures_util::poll!(Box::pin(tx.commit())).is_pending());
    let id = peer.expect_commit(gtrid(1), &[]).await;
    peer.answer(id, outcome(Kind::Committed, "")).await;
    // The next request on the session is this one, and no rollback.
    let next = tokio::join!(peer.expect_begin(gtrid(2)), handfast.begin()).1;
    assert_eq!(next.unwrap().id(), gtrid(2));
}

#[tokio::test]
async fn a_call_that_was_cancelled_leaves_rollback_only() {
    let (_server, handfast, mut peer, mut tx) = begun().await;
    let receive = Box::pin(tx.receive("orders"));
    assert!(futures_util::poll!(receive).is_pending());
    // Its message may come all the same, and a commit would remove it unseen.
    assert!(matches!(tx.receive("orders").await, Err(ReceiveError::RollbackOnly(RollbackCause::Cancelled { .. }))));
    assert!(matches!(
        tx.send("q", Message::text("a")).await,
        Err(SendError::RollbackOnly(RollbackCause::Cancelled { .. }))
    ));
    let (blame, outcome) = tokio::join!(peer.expect_rollback(gtrid(1)), tx.commit());
    assert_eq!(blame.kind(), v1::blame::Kind::None);
    assert!(
        matches!(outcome, CommitOutcome::RolledBack { why: RollbackCause::Cancelled { call: "a receive" } }),
        "{outcome:?}"
    );
    drop(handfast);
}

#[tokio::test]
async fn a_receive_whose_answer_is_lost_leaves_rollback_only() {
    let (_server, _handfast, mut peer, mut tx) = begun().await;
    let script = async {
        let (id, _) = peer.next().await;
        peer.answer(id, Answer::Received(Box::new(v1::Received { key: None, ..received("q", 1, "") }))).await;
    };
    let (_, unreadable) = tokio::join!(script, tx.receive("orders"));
    assert!(matches!(unreadable, Err(ReceiveError::Request(_))), "{unreadable:?}");
    let (_, outcome) = tokio::join!(peer.expect_rollback(gtrid(1)), tx.commit());
    assert!(matches!(outcome, CommitOutcome::RolledBack { .. }), "{outcome:?}");
}

#[tokio::test]
async fn a_refused_send_leaves_the_transaction_as_it_was() {
    let (_server, _handfast, mut peer, mut tx) = begun().await;
    let script = async {
        let (id, _) = peer.next().await;
        peer.refuse(id, RefusalCode::QueueNotFound, "no such queue").await;
        let id = peer.expect_commit(gtrid(1), &[]).await;
        peer.answer(id, outcome(Kind::Committed, "")).await;
    };
    let work = async {
        assert!(tx.send("nowhere", Message::text("a")).await.is_err());
        tx.commit().await
    };
    assert!(matches!(tokio::join!(script, work).1, CommitOutcome::Committed));
}

#[tokio::test]
async fn p22_a_rollback_says_what_the_messages_are_to_blame_for() {
    use v1::blame::Kind as Blamed;
    let (_server, handfast, mut peer, mut tx) = begun().await;
    let table = [
        (Blame::None, v1::Blame { kind: Blamed::None.into(), error: String::new() }),
        (Blame::Message { error: "bad".into() }, v1::Blame { kind: Blamed::Message.into(), error: "bad".into() }),
        (Blame::Reject { error: "never".into() }, v1::Blame { kind: Blamed::Reject.into(), error: "never".into() }),
    ];
    for (blame, expected) in table {
        let (told, result) = tokio::join!(peer.expect_rollback(gtrid(1)), tx.rollback(blame));
        assert_eq!((told, result.is_ok()), (expected, true));
        tx = tokio::join!(peer.expect_begin(gtrid(1)), handfast.begin()).1.unwrap();
    }
}

#[tokio::test]
async fn a_wait_without_a_message_is_no_error_unless_it_was_to_wait_for_ever() {
    let (_server, _handfast, mut peer, mut tx) = begun().await;
    let script = async {
        let (id, ask) = peer.next().await;
        let Ask::Receive(asked) = ask else { panic!("{ask:?}") };
        assert_eq!(asked.wait_ms, 2000);
        peer.answer(id, Answer::NoMessage(v1::NoMessage {})).await;
        let (id, _) = peer.next().await;
        peer.answer(id, Answer::NoMessage(v1::NoMessage {})).await;
    };
    let work = async {
        assert_eq!(tx.receive_within("orders", Duration::from_secs(2)).await.unwrap(), None);
        assert!(matches!(tx.receive("orders").await, Err(ReceiveError::NoMessage { .. })));
    };
    tokio::join!(script, work);
}
