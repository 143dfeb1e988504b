//! The driver of a gRPC service.

use handfast_coordinator::drivers::limits::SCAN_PAGE;
use handfast_coordinator::drivers::{Finding, Target, driver};
use handfast_coordinator_core::{Ask, CallFailed, Identity, Resource, ResourceId, Told};
use handfast_protocol::{Bqual, CoordinatorId, GlobalId, Heuristic, PrepareVote, ResourceKind, Xid};
use handfast_wire::v1;
use uuid::Uuid;

use crate::service_double::{Double, Running};
use crate::world::{ATTACH, IDENTITY, add, drivers, id, ledger, secrets, xid};

const SERVICE: ResourceKind = ResourceKind::Service;
const ATTACHED: Result<Told, CallFailed> = Ok(Told::Attached { slots: Some(9) });

async fn running(double: &Double) -> (Running, Resource) {
    let running = Running::start(double, 0).await;
    let resource = add(&drivers(), SERVICE, &running.address()).await;
    (running, resource)
}

#[tokio::test]
async fn every_answer_of_a_service_is_told() {
    let double = Double::with_id(7);
    let (_running, resource) = running(&double).await;
    assert_eq!(resource.resource_id, ResourceId(Uuid::from_u128(7)));
    let driver = driver(&resource, &secrets(&[]));
    double.memory().votes = [1, 2, 3].into();
    double.memory().heuristics = [0, 1, 2, 3, 4].into();
    let heuristic = |heuristic| Ok(Told::Heuristic(heuristic));
    let voted = |vote| Ok(Told::Voted(vote));
    let table = [
        (ATTACH, ATTACHED),
        (Ask::Prepare { xid: xid(1) }, voted(PrepareVote::Commit)),
        (Ask::Prepare { xid: xid(2) }, voted(PrepareVote::ReadOnly)),
        (Ask::Prepare { xid: xid(3) }, voted(PrepareVote::Rollback)),
        (Ask::Scan { coordinator: IDENTITY.coordinator }, Ok(Told::Scanned(vec![xid(1), xid(2), xid(3)]))),
        (Ask::Commit { xid: xid(1) }, Ok(Told::Done)),
        (Ask::Commit { xid: xid(1) }, heuristic(Heuristic::Commit)),
        (Ask::Rollback { xid: xid(2) }, heuristic(Heuristic::Rollback)),
        (Ask::Rollback { xid: xid(3) }, heuristic(Heuristic::Mixed)),
        (Ask::Commit { xid: xid(4) }, heuristic(Heuristic::Hazard)),
        (Ask::Forget { xid: xid(4) }, Ok(Told::Done)),
        (Ask::Scan { coordinator: IDENTITY.coordinator }, Ok(Told::Scanned(Vec::new()))),
    ];
    for (ask, answer) in table {
        assert_eq!(driver.call(ask.clone()).await, answer, "{ask:?}");
    }
    assert_eq!(double.memory().forgotten, [(&xid(4)).into()]);
    assert_eq!(double.memory().attaches, 2, "once when it was added, once by us");
}

#[tokio::test]
async fn answers_that_this_version_does_not_know_are_refused_and_not_taken_for_done() {
    let double = Double::with_id(7);
    let (_running, resource) = running(&double).await;
    let driver = driver(&resource, &secrets(&[]));
    assert_eq!(driver.call(ATTACH).await, ATTACHED);
    double.memory().votes = [0, 9].into();
    double.memory().heuristics = [9].into();
    let prepare = || Ask::Prepare { xid: xid(1) };
    for ask in [prepare(), prepare(), Ask::Commit { xid: xid(1) }, Ask::Fence { id: id(1) }] {
        let answer = driver.call(ask.clone()).await;
        assert!(matches!(answer, Err(CallFailed::Refused { .. })), "{ask:?}: {answer:?}");
    }
}

/// P3: the rows of a service are judged by the service; its answers arrive whole.
#[tokio::test]
async fn p3_a_service_that_is_ahead_or_does_not_know_us_is_told() {
    let double = Double::with_id(7);
    let (_running, resource) = running(&double).await;
    let driver = driver(&resource, &secrets(&[]));
    let later = Identity { epoch: IDENTITY.epoch + 1, ..IDENTITY };
    let stranger = Identity { coordinator: CoordinatorId(Uuid::max()), ..IDENTITY };
    let attach = |identity, adopt| Ask::Attach { identity, adopt };
    let table = [
        (attach(later, false), ATTACHED),
        (attach(IDENTITY, false), Ok(Told::Ahead { found: later })),
        (attach(IDENTITY, true), ATTACHED),
        (attach(stranger, false), Ok(Told::UnknownCoordinator)),
    ];
    for (ask, answer) in table {
        assert_eq!(driver.call(ask.clone()).await, answer, "{ask:?}");
    }
    let unattached = driver.call(Ask::Commit { xid: xid(1) }).await;
    assert!(matches!(unattached, Err(CallFailed::Refused { .. })), "{unattached:?}");
}

/// P3: after every connect, and a connection that is lost is never replaced unseen.
#[tokio::test]
async fn p3_a_service_that_comes_back_is_checked_before_it_is_asked() {
    let double = Double::with_id(7);
    let (running, resource) = running(&double).await;
    let driver = driver(&resource, &secrets(&[]));
    assert_eq!(driver.call(ATTACH).await, ATTACHED);
    let port = running.stop().await;
    for _ in 0..2 {
        let down = driver.call(Ask::Commit { xid: xid(1) }).await;
        assert!(matches!(down, Err(CallFailed::Unreachable { .. })), "{down:?}");
    }
    let running = Running::start(&double, port).await;
    assert_eq!(driver.call(Ask::Commit { xid: xid(1) }).await, Ok(Told::Done));
    assert_eq!(double.memory().attaches, 3, "the new connection was checked");
    running.stop().await;

    let other = Double::with_id(8);
    let _running = Running::start(&other, port).await;
    let (expected, found) = (resource.resource_id, Some(ResourceId(Uuid::from_u128(8))));
    let wrong = Err(CallFailed::WrongResource { resource: ledger(), expected, found });
    // The first may still meet the dead connection; none may reach the other service's branches.
    let first = driver.call(Ask::Commit { xid: xid(1) }).await;
    assert!(first == wrong || matches!(first, Err(CallFailed::Unreachable { .. })), "{first:?}");
    assert_eq!(driver.call(Ask::Commit { xid: xid(1) }).await, wrong);
}

#[tokio::test]
async fn a_service_that_falls_silent_is_asked_again_over_a_new_connection() {
    let double = Double::with_id(7);
    let (_running, resource) = running(&double).await;
    let driver = driver(&resource, &secrets(&[]));
    assert_eq!(driver.call(ATTACH).await, ATTACHED);
    double.memory().silent = true;
    let commit = || Ask::Commit { xid: xid(1) };
    assert_eq!(driver.call(commit()).await, Err(CallFailed::TimedOut { resource: ledger() }));
    assert_eq!(driver.call(commit()).await, Ok(Told::Done));
    assert_eq!(double.memory().attaches, 3);
}

/// D9: page after page, and nobody else's branches whatever the service says.
#[tokio::test]
async fn a_scan_reads_every_page_and_keeps_what_is_ours() {
    let double = Double::with_id(7);
    let (_running, resource) = running(&double).await;
    let driver = driver(&resource, &secrets(&[]));
    assert_eq!(driver.call(ATTACH).await, ATTACHED);
    let ours: Vec<Xid> = (0..u64::from(SCAN_PAGE) + 1).map(xid).collect();
    let stranger = GlobalId { coordinator: CoordinatorId(Uuid::max()), ..id(1) }.branch(ledger().bqual());
    let foreign = Xid { format_id: 1, bqual: Bqual::new("x").unwrap(), ..xid(1) };
    double.memory().prepared = [&stranger, &foreign].into_iter().chain(&ours).map(v1::Xid::from).collect();
    assert_eq!(driver.call(Ask::Scan { coordinator: IDENTITY.coordinator }).await, Ok(Told::Scanned(ours)));
}

#[tokio::test]
async fn what_is_no_service_is_told_in_plain_words() {
    let double = Double::with_id(7);
    let running = Running::start(&double, 0).await;
    let address = running.address();
    let name = ledger();
    let words = |findings: Vec<Finding>| findings.iter().map(ToString::to_string).collect::<Vec<_>>();
    let target = Target::Candidate { name: &name, kind: SERVICE, address: &address };
    let sound = [format!("connected to {address}"), "it answers as a resource manager".to_owned()];
    assert_eq!(words(drivers().test(target).await), sound);
    assert_eq!(double.memory().attaches, 0, "a look changes nothing");
    running.stop().await;
    let down = words(drivers().test(target).await);
    assert!(down[0].starts_with("cannot connect: ") && down[0].ends_with("listens at this address"), "{down:?}");
    let error = drivers().install(SERVICE, ledger(), "https://127.0.0.1:7", IDENTITY).await.unwrap_err();
    assert!(error.to_string().contains("encrypted connections are not supported yet"), "{error}");
}
