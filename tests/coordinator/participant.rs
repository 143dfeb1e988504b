//! The queue manager as the participant of a coordinator that the test plays: the service ResourceManager, call by call.

use handfast_protocol::{Bqual, CoordinatorId, GlobalId, Gtrid, Incarnation, Xid};
use handfast_wire::v1;
use handfast_wire::v1::attach_reply::Kind;
use handfast_wire::v1::reply::Answer;
use handfast_wire::v1::request::Ask;
use handfast_wire::v1::resource_manager_client::ResourceManagerClient;
use serde_json::json;
use tonic::transport::Channel;
use uuid::Uuid;

use crate::harness::{Server, http_get, until};
use crate::session::Session;
use crate::world::transactions;

const COORDINATOR: CoordinatorId = CoordinatorId(Uuid::from_u128(77));

fn id(sequence: u64) -> GlobalId {
    GlobalId { coordinator: COORDINATOR, incarnation: Incarnation(1), epoch: 1, sequence }
}

fn xid(sequence: u64) -> v1::Xid {
    let xid: Xid = id(sequence).branch(Bqual::new("north").unwrap());
    (&xid).into()
}

async fn connect(server: &Server) -> ResourceManagerClient<Channel> {
    ResourceManagerClient::connect(server.url()).await.unwrap()
}

async fn prepare(manager: &mut ResourceManagerClient<Channel>, xid: v1::Xid) -> (v1::PrepareVote, String) {
    let reply = manager.prepare(v1::PrepareRequest { xid: Some(xid) }).await.unwrap().into_inner();
    (reply.vote(), reply.reason)
}

async fn commit(manager: &mut ResourceManagerClient<Channel>, xid: v1::Xid) -> Result<v1::Heuristic, tonic::Status> {
    Ok(manager.commit(v1::CommitRequest { xid: Some(xid) }).await?.into_inner().heuristic())
}

async fn roll_back(manager: &mut ResourceManagerClient<Channel>, xid: v1::Xid) -> v1::Heuristic {
    manager.rollback(v1::RollbackRequest { xid: Some(xid) }).await.unwrap().into_inner().heuristic()
}

async fn recover(manager: &mut ResourceManagerClient<Channel>) -> Vec<v1::Xid> {
    let request = v1::RecoverRequest { coordinator: id_bytes(), after: None, limit: 100 };
    manager.recover(request).await.unwrap().into_inner().xids
}

fn id_bytes() -> bytes::Bytes {
    COORDINATOR.0.as_bytes().to_vec().into()
}

/// A branch that received from `orders` and sends to `shipments`.
async fn work(session: &mut Session, xid: &v1::Xid) {
    let xid = || Some(xid.clone());
    let start = v1::BranchStart { xid: xid(), timeout_ms: 60_000 };
    assert!(matches!(session.ask(Ask::BranchStart(start)).await, Answer::Done(_)));
    let transaction = || Some(v1::Transaction { name: Some(v1::transaction::Name::Xid(xid().unwrap())) });
    let receive = v1::Receive { transaction: transaction(), queue: "orders".to_owned(), wait_ms: 0, begin: None };
    assert!(matches!(session.ask(Ask::Receive(receive)).await, Answer::Received(_)));
    let content = Some(v1::new_message::Content::Body("shipment".into()));
    let message = v1::NewMessage { queue: "shipments".to_owned(), properties: None, content };
    let send = v1::Send { transaction: transaction(), producer: None, messages: vec![message] };
    assert!(matches!(session.ask(Ask::Send(send)).await, Answer::Sent(_)));
}

async fn end(session: &mut Session, xid: &v1::Xid) {
    let end = Ask::BranchEnd(v1::BranchEnd { xid: Some(xid.clone()) });
    assert!(matches!(session.ask(end).await, Answer::Done(_)));
}

async fn with_orders(bodies: &[&str]) -> (Server, Session, ResourceManagerClient<Channel>) {
    let server = Server::start();
    for queue in ["orders", "shipments"] {
        server.run(&["queue", "create", queue]).ok();
    }
    for body in bodies {
        server.run(&["send", "orders", body]).ok();
    }
    let (session, manager) = (Session::open(server.url()).await, connect(&server).await);
    (server, session, manager)
}

/// Steps `branch 1` to `3`.
#[tokio::test(flavor = "multi_thread")]
async fn a_prepared_branch_outlives_its_client_and_its_server_and_commits_once() {
    let (mut server, mut session, mut manager) = with_orders(&["one"]).await;
    work(&mut session, &xid(1)).await;
    end(&mut session, &xid(1)).await;
    drop(session);
    assert_eq!(prepare(&mut manager, xid(1)).await.0, v1::PrepareVote::Commit);
    assert_eq!(prepare(&mut manager, xid(1)).await.0, v1::PrepareVote::Commit, "asked again");
    server.kill();
    server.start_again();
    let mut manager = connect(&server).await;
    assert_eq!(recover(&mut manager).await, [xid(1)]);
    assert_eq!(server.queue("orders")["in_doubt"], 1);
    for _ in 0..2 {
        assert_eq!(commit(&mut manager, xid(1)).await.unwrap(), v1::Heuristic::None);
    }
    assert_eq!(recover(&mut manager).await, []);
    assert_eq!((server.bodies("orders").len(), server.bodies("shipments")), (0, vec!["shipment".to_owned()]));
    manager.forget(v1::ForgetRequest { xid: Some(xid(1)) }).await.unwrap();
}

/// P5: what is not known, or not ended, does not become prepared; a vote to roll back has rolled back.
#[tokio::test(flavor = "multi_thread")]
async fn p5_only_an_ended_branch_votes_to_commit() {
    let (server, mut session, mut manager) = with_orders(&["one"]).await;
    let (vote, reason) = prepare(&mut manager, xid(9)).await;
    assert_eq!(vote, v1::PrepareVote::Rollback);
    assert!(reason.contains("is not active here"), "{reason}");
    assert_eq!(roll_back(&mut manager, xid(9)).await, v1::Heuristic::None);
    assert_eq!(commit(&mut manager, xid(9)).await.unwrap(), v1::Heuristic::None);

    work(&mut session, &xid(1)).await;
    let early = commit(&mut manager, xid(1)).await.unwrap_err();
    assert!(early.message().contains("is not prepared"), "{early:?}");
    let (vote, reason) = prepare(&mut manager, xid(1)).await;
    assert_eq!(vote, v1::PrepareVote::Rollback);
    assert!(reason.contains("has not been ended here"), "{reason}");
    assert_eq!(server.bodies("orders"), ["one"]);
    // D5: a late prepare after a rollback is refused; a commit of what was rolled back is told as what it is (G6).
    assert_eq!(prepare(&mut manager, xid(1)).await.0, v1::PrepareVote::Rollback);
    assert_eq!(commit(&mut manager, xid(1)).await.unwrap(), v1::Heuristic::Rollback);

    let start = v1::BranchStart { xid: Some(xid(2)), timeout_ms: 60_000 };
    assert!(matches!(session.ask(Ask::BranchStart(start)).await, Answer::Done(_)));
    end(&mut session, &xid(2)).await;
    assert_eq!(prepare(&mut manager, xid(2)).await.0, v1::PrepareVote::ReadOnly);
    assert_eq!(recover(&mut manager).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prepared_branch_rolls_back_into_its_place() {
    let (server, mut session, mut manager) = with_orders(&["one", "two"]).await;
    work(&mut session, &xid(1)).await;
    end(&mut session, &xid(1)).await;
    assert_eq!(prepare(&mut manager, xid(1)).await.0, v1::PrepareVote::Commit);
    assert_eq!(server.bodies("orders"), ["two"]);
    assert_eq!(roll_back(&mut manager, xid(1)).await, v1::Heuristic::None);
    assert_eq!(roll_back(&mut manager, xid(1)).await, v1::Heuristic::None);
    assert_eq!((server.bodies("orders"), server.bodies("shipments").len()), (vec!["one".into(), "two".into()], 0));
}

/// G6, P16: what another coordinator has in doubt here is shown, and is resolved there.
#[tokio::test(flavor = "multi_thread")]
async fn g6_what_is_in_doubt_for_another_coordinator_is_shown() {
    let (server, mut session, mut manager) = with_orders(&["one"]).await;
    work(&mut session, &xid(1)).await;
    end(&mut session, &xid(1)).await;
    prepare(&mut manager, xid(1)).await;
    let gtrid = id(1).to_string();
    let mut listed = transactions(&server);
    let age = listed[0]["age_seconds"].take();
    assert!(age.as_f64().is_some_and(|age| (0.0..60.0).contains(&age)), "{age}");
    listed[0]["began_at"].take();
    let coordinator = COORDINATOR.0.simple();
    let expected = json!([{
        "gtrid": gtrid,
        "state": "in-doubt",
        "outcome": "",
        "age_seconds": null,
        "began_at": null,
        "suggestion": format!(
            "coordinator {coordinator} decides and tells this server by itself; see there: handfast --server ITS-URL \
             transaction show {gtrid}. Until then 1 received messages stay locked and 1 sent ones stay invisible"
        ),
        "branches": [{ "resource": "north", "state": "prepared here", "error": "", "heuristic": null }],
    }]);
    assert_eq!(listed, expected);
    assert_eq!(server.run(&["transaction", "show", &gtrid, "--output", "json"]).json()["state"], "in-doubt");
    let refused = server.run(&["transaction", "resolve", &gtrid, "rollback"]);
    assert!(refused.refused(1).contains("is another coordinator's, which decides it; resolve it there"), "{refused:?}");
    let refused = server.run(&["queue", "delete", "orders", "--discard"]);
    let expected = format!("error: transaction {gtrid} is in doubt on queue orders; resolve it first\n");
    assert_eq!(refused.refused(1), expected);
    assert!(http_get(server.address(), "/metrics").contains("handfast_branches_in_doubt 1\n"));
    commit(&mut manager, xid(1)).await.unwrap();
    until("nothing is in doubt", || transactions(&server) == json!([]));
}

/// P1, G6: so is what a transaction manager has in doubt whose ids are opaque.
#[tokio::test(flavor = "multi_thread")]
async fn g6_p1_what_is_in_doubt_for_a_stranger_is_shown_and_its_xid_may_come_again() {
    let (server, mut session, mut manager) = with_orders(&["one"]).await;
    let xid = Xid { format_id: 77, gtrid: Gtrid::new("theirs").unwrap(), bqual: Bqual::new("b").unwrap() };
    let wire = v1::Xid::from(&xid);
    work(&mut session, &wire).await;
    end(&mut session, &wire).await;
    prepare(&mut manager, wire.clone()).await;
    let name = "77:746865697273:62";
    assert_eq!(transactions(&server)[0]["gtrid"], name);
    let shown = server.run(&["transaction", "show", name, "--output", "json"]).json();
    assert_eq!((&shown["gtrid"], &shown["state"]), (&json!(name), &json!("in-doubt")));
    let refused = server.run(&["transaction", "resolve", name, "rollback"]);
    let expected =
        format!("error: transaction {name} is decided by the coordinator that prepared it; resolve it there\n");
    assert_eq!(refused.refused(1), expected);
    roll_back(&mut manager, wire.clone()).await;
    let refused = server.run(&["transaction", "show", name]);
    assert!(refused.refused(1).contains("is unknown here"), "{refused:?}");
    assert_eq!(server.bodies("orders"), ["one"]);
    // What is over leaves nothing behind.
    work(&mut session, &wire).await;
    end(&mut session, &wire).await;
    assert_eq!(prepare(&mut manager, wire.clone()).await.0, v1::PrepareVote::Commit);
    commit(&mut manager, wire).await.unwrap();
    assert_eq!((server.bodies("orders").len(), server.bodies("shipments").len()), (0, 1));
}

/// P3: who attached last is kept for ever.
#[tokio::test(flavor = "multi_thread")]
async fn p3_the_queue_manager_remembers_who_attached_last() {
    let (mut server, _session, mut manager) = with_orders(&[]).await;
    let request = |incarnation, epoch, first, adopt| v1::AttachRequest {
        coordinator: id_bytes(),
        incarnation,
        epoch,
        adopt,
        first,
    };
    let attached = manager.attach(request(1, 3, true, false)).await.unwrap().into_inner();
    assert_eq!((attached.kind(), attached.resource_id.len()), (Kind::Attached, 16));
    server.kill();
    server.start_again();
    let mut manager = connect(&server).await;
    let table = [
        (request(1, 2, false, false), (Kind::Ahead, 1, 3)),
        (request(2, 9, false, false), (Kind::Ahead, 1, 3)),
        (request(2, 9, true, false), (Kind::Ahead, 1, 3)),
        (request(1, 4, false, false), (Kind::Attached, 0, 0)),
        (request(2, 1, false, true), (Kind::Attached, 0, 0)),
        (request(1, 5, false, false), (Kind::Ahead, 2, 1)),
    ];
    for (request, expected) in table {
        let reply = manager.attach(request.clone()).await.unwrap().into_inner();
        assert_eq!((reply.kind(), reply.found_incarnation, reply.found_epoch), expected, "{request:?}");
        assert_eq!(reply.resource_id, attached.resource_id);
    }
    let stranger = v1::AttachRequest { coordinator: vec![9; 16].into(), ..request(1, 1, false, false) };
    assert_eq!(manager.attach(stranger).await.unwrap().into_inner().kind(), Kind::UnknownCoordinator);
    let short = v1::AttachRequest { coordinator: vec![9; 3].into(), ..request(1, 1, false, false) };
    assert_eq!(manager.attach(short).await.unwrap_err().code(), tonic::Code::InvalidArgument);
}
