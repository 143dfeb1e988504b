//! Back-pressure on real servers: who asks for more than there is waits, and nobody else does.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![cfg(target_os = "linux")]

#[path = "harness/mod.rs"]
mod harness;
#[path = "harness/session.rs"]
mod session;

use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use handfast_client::{CommitOutcome, GaugeView, Handfast, Message, QueueSettings, Transaction};
use handfast_test_disks::{Strace, skipped};
use handfast_wire::v1;
use handfast_wire::v1::request::Ask;
use harness::Server;
use rustix::process::Signal;
use session::Session;

/// How long a forced write takes on the slow disk.
const SLOW: Duration = Duration::from_millis(20);

/// The program on a disk whose forced writes take long.
fn handfast_on_a_slow_disk(args: &[&str]) -> Command {
    let mut command = Command::new("strace");
    // The program stays our child: the tracer is a process beside it.
    command.args(["-D", "-f", "--seccomp-bpf", "-qq", "-o", "/dev/null", "-e", "trace=fdatasync", "-e"]);
    command.arg(format!("inject=fdatasync:delay_enter={}", SLOW.as_micros()));
    command.arg(env!("CARGO_BIN_EXE_handfast")).args(args);
    command.env_remove("HANDFAST_SERVER").env_remove("RUST_LOG");
    command
}

async fn gauge(handfast: &Handfast, name: &str) -> GaugeView {
    let gauges = handfast.status().await.unwrap();
    gauges.into_iter().find(|gauge| gauge.name == name).unwrap_or_else(|| panic!("no gauge {name}"))
}

fn peak_memory(server: &Server) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    peak.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

async fn slow_server() -> (Server, Handfast) {
    let server = Server::start_on(handfast_on_a_slow_disk, tempfile::tempdir().unwrap());
    let handfast = Handfast::connect(&server.url()).await.unwrap();
    handfast.create_queue("orders", QueueSettings::default()).await.unwrap();
    (server, handfast)
}

/// 240 MiB are asked to be sent at once. The server takes as much as it may hold, and the rest when that is written.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_is_faster_than_the_disk_is_slowed() {
    const SENDS: usize = 4_000;
    if let Err(reason) = Strace::find() {
        return skipped("a_client_that_is_faster_than_the_disk_is_slowed", &reason);
    }
    let (server, sender) = slow_server().await;
    let observer = Handfast::connect(&server.url()).await.unwrap();
    let body = bytes::Bytes::from(vec![b'x'; 60 << 10]);

    let sending = join_all((0..SENDS).map(|_| sender.send("orders", Message::bytes(body.clone()))));
    tokio::pin!(sending);
    let mut most = 0;
    let sent = loop {
        tokio::select! {
            sent = &mut sending => break sent,
            held = gauge(&observer, "requested_bytes") => {
                assert!(held.limit.is_some_and(|limit| held.value <= limit), "{held:?}");
                most = most.max(held.value);
            }
        }
    };
    assert!(sent.iter().all(Result::is_ok), "{:?}", sent.into_iter().find(Result::is_err));
    assert_eq!(observer.queue("orders").await.unwrap().messages, SENDS as u64);
    let limit = gauge(&observer, "requested_bytes").await.limit.unwrap();
    assert!(most > limit / 2, "the server was never pressed: {most} of {limit}");
    let peak = peak_memory(&server);
    assert!(peak < 300 << 20, "{} MiB", peak >> 20);
}

/// What a transaction sends is answered before it is written: its bodies, which rest apart, are written ahead all the same.
#[tokio::test(flavor = "multi_thread")]
async fn transactions_that_are_faster_than_the_disk_are_slowed() {
    const SENDS: usize = 300;
    if let Err(reason) = Strace::find() {
        return skipped("transactions_that_are_faster_than_the_disk_are_slowed", &reason);
    }
    let (server, handfast) = slow_server().await;
    let body = bytes::Bytes::from(vec![b'x'; 200 << 10]);
    join_all((0..8).map(|_| async {
        let mut transaction = handfast.begin().await.unwrap();
        for _ in 0..SENDS {
            transaction.send("orders", Message::bytes(body.clone())).await.unwrap();
        }
        transaction.commit().await.into_result().unwrap();
    }))
    .await;
    assert_eq!(handfast.queue("orders").await.unwrap().messages, 8 * SENDS as u64);
    let peak = peak_memory(&server);
    assert!(peak < 300 << 20, "{} MiB", peak >> 20);
}

/// Messages that 16 workers send in a second: the median of three.
async fn rate(handfast: &Handfast) -> u64 {
    let mut rates = Vec::new();
    for _ in 0..3 {
        let sent = AtomicU64::new(0);
        let work = join_all((0..16).map(|_| async {
            loop {
                handfast.send("others", Message::text("a word")).await.unwrap();
                sent.fetch_add(1, Ordering::Relaxed);
            }
        }));
        tokio::time::timeout(Duration::from_secs(1), work).await.expect_err("they work on and on");
        rates.push(sent.load(Ordering::Relaxed));
    }
    rates.sort_unstable();
    rates[1]
}

/// Not much slower than before; a machine that does much else is uneven.
#[track_caller]
fn assert_undisturbed(before: u64, meanwhile: u64) {
    assert!(meanwhile * 3 > before, "{before} a second before, {meanwhile} meanwhile");
}

#[tokio::test(flavor = "multi_thread")]
async fn those_who_take_no_answers_do_not_slow_the_others() {
    let server = Server::start();
    let handfast = Handfast::connect(&server.url()).await.unwrap();
    for queue in ["orders", "others"] {
        handfast.create_queue(queue, QueueSettings::default()).await.unwrap();
    }
    for _ in 0..64 {
        handfast.send("orders", Message::bytes(vec![b'x'; 60 << 10])).await.unwrap();
    }
    let before = rate(&handfast).await;

    let mut readers = Vec::new();
    for _ in 0..4 {
        let mut reader = Session::open(server.url()).await;
        // Until the server reads no more of them: an answer is 4 MiB.
        for _ in 0..1_000 {
            let peek = v1::Peek { queue: "orders".to_owned(), after: None, limit: 64, body_bytes: 64 << 10 };
            if tokio::time::timeout(Duration::from_millis(200), reader.leave(Ask::Peek(peek))).await.is_err() {
                break;
            }
        }
        readers.push(reader);
    }
    assert_undisturbed(before, rate(&handfast).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resource_that_is_stuck_does_not_slow_the_others() {
    const STUCK: usize = 100;
    let (server, far) = (Server::start(), Server::start());
    let handfast = Handfast::connect(&server.url()).await.unwrap();
    handfast.create_queue("others", QueueSettings::default()).await.unwrap();
    far.run(&["queue", "create", "orders"]).ok();
    server.run(&["resource", "add", "far", "--service", &far.url()]).ok();
    let before = rate(&handfast).await;

    let mut transactions: Vec<Transaction> = Vec::new();
    for _ in 0..STUCK {
        let mut transaction = handfast.begin().await.unwrap();
        transaction.queues("far").await.unwrap().send("orders", Message::text("far away")).await.unwrap();
        transaction.send("others", Message::text("here")).await.unwrap();
        transactions.push(transaction);
    }
    far.signal(Signal::STOP);
    let commits: Vec<_> = transactions.into_iter().map(|transaction| tokio::spawn(transaction.commit())).collect();
    assert_undisturbed(before, rate(&handfast).await);
    assert!(!commits.iter().any(|commit| commit.is_finished()), "nobody can have asked the one that stands still");

    far.signal(Signal::CONT);
    for commit in commits {
        let outcome = commit.await.unwrap();
        assert!(matches!(outcome, CommitOutcome::Committed), "{outcome:?}");
    }
    assert_eq!(far.queue("orders")["messages"], STUCK);
}
