//! A queue that nobody receives from for a long time, and then somebody does.

use std::time::{Duration, Instant};

use handfast_client::{Handfast, Message, QueueSettings};

use super::harness::{Server, until};
use super::{MIB, disk, in_parallel, memory, rate};

/// G7: memory does not grow with the backlog.
const MEMORY_MAX: u64 = 300 * MIB;
/// Of the rates with an empty queue.
const RATE_MIN: f64 = 0.9;
const RESTART_MAX: Duration = Duration::from_secs(1);
const DISK_AFTER_MAX: u64 = 1024 * MIB;
const DISK_FREED_WITHIN: Duration = Duration::from_secs(60);

const CLIENTS: usize = 64;
const BATCH: usize = 500;

struct Backlog {
    messages: usize,
    /// How long each rate is measured.
    span: Duration,
    /// Whether the rates are compared: they mean nothing while much else runs.
    compares: bool,
}

#[tokio::test]
async fn a_backlog_takes_neither_memory_nor_time() {
    run(Backlog { messages: 100_000, span: Duration::from_millis(500), compares: false }).await;
}

#[tokio::test]
#[ignore = "takes half an hour and 20 GB"]
async fn backlog() {
    run(Backlog { messages: 10_000_000, span: Duration::from_secs(10), compares: true }).await;
}

/// No two alike, and nothing that compresses.
fn message() -> Message {
    let mut body = vec![0; 1 << 10];
    fastrand::Rng::new().fill(&mut body);
    Message::bytes(body)
}

async fn send(handfast: &Handfast) -> u64 {
    handfast.send("orders", message()).await.unwrap();
    1
}

/// One message in a transaction of its own.
async fn receive(handfast: &Handfast) -> u64 {
    let Some((transaction, _)) = handfast.begin_receive("orders", Duration::ZERO).await.unwrap() else { return 0 };
    transaction.commit().await.into_result().unwrap();
    1
}

/// As many as are there, up to a batch, in one transaction.
async fn receive_many(handfast: &Handfast) -> usize {
    let Some((mut transaction, _)) = handfast.begin_receive("orders", Duration::ZERO).await.unwrap() else { return 0 };
    let mut count = 1;
    while count < BATCH && transaction.receive_within("orders", Duration::ZERO).await.unwrap().is_some() {
        count += 1;
    }
    transaction.commit().await.into_result().unwrap();
    count
}

async fn rates(handfast: &Handfast, backlog: &Backlog, what: &str) -> [f64; 2] {
    let sent = rate(backlog.span, CLIENTS, || send(handfast)).await;
    let received = rate(backlog.span, CLIENTS, || receive(handfast)).await;
    println!("{what:<24} {sent:>8.0} sends a second, {received:>8.0} receives");
    [sent, received]
}

async fn run(backlog: Backlog) {
    let mut server = Server::start();
    let handfast = Handfast::connect(&server.url()).await.unwrap();
    handfast.create_queue("orders", QueueSettings::default()).await.unwrap();
    let empty = rates(&handfast, &backlog, "empty").await;

    let began = Instant::now();
    in_parallel(backlog.messages / BATCH, 8, |_| {
        let messages = (0..BATCH).map(|_| message()).collect();
        async { handfast.send_batch("orders", messages).await.unwrap() }
    })
    .await;
    let a_second = backlog.messages as f64 / began.elapsed().as_secs_f64();
    let peak = memory(&server).1;
    println!(
        "{:<24} {a_second:>8.0} a second, in batches; {} MiB at most",
        format!("{} laid in", backlog.messages),
        peak / MIB
    );
    let full = rates(&handfast, &backlog, "with the backlog").await;
    assert!(memory(&server).1 < MEMORY_MAX, "{} MiB", memory(&server).1 / MIB);
    for (empty, full) in empty.into_iter().zip(full) {
        println!("{:<24} {:.2} of it", "", full / empty);
        assert!(full >= RATE_MIN * empty || !backlog.compares, "{full} of {empty}");
    }

    server.kill();
    let killed = Instant::now();
    server.start_again();
    let again = Handfast::connect(&server.url()).await.unwrap();
    assert_eq!(receive(&again).await, 1);
    println!("{:<24} {:>8.2} s to the first receive", "killed, started again", killed.elapsed().as_secs_f64());
    assert!(killed.elapsed() < RESTART_MAX || !backlog.compares, "{:?}", killed.elapsed());

    let began = Instant::now();
    let mut consumed = 0;
    loop {
        let counts = in_parallel(CLIENTS, 16, |_| receive_many(&again)).await;
        consumed += counts.iter().sum::<usize>();
        if counts.contains(&0) {
            break;
        }
    }
    let a_second = consumed as f64 / began.elapsed().as_secs_f64();
    println!("{:<24} {a_second:>8.0} a second, in batches", format!("{consumed} consumed"));
    assert_eq!(server.queue("orders")["messages"], 0);
    let (began, after) = (Instant::now(), disk(&server.data()));
    until("the disk is free again", || disk(&server.data()) < DISK_AFTER_MAX);
    let (seconds, rest) = (began.elapsed().as_secs_f64(), disk(&server.data()));
    println!(
        "{:<24} {} MiB of disk, {} MiB after {seconds:.0} s; {} MiB of memory at most",
        "",
        after / MIB,
        rest / MIB,
        memory(&server).1 / MIB
    );
    assert!(began.elapsed() < DISK_FREED_WITHIN);
    assert!(memory(&server).1 < MEMORY_MAX, "{} MiB", memory(&server).1 / MIB);
}
